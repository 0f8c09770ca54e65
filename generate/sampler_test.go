package generate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naive is the probabilities that NewSampler defines, of all tokens, in float64 and with
// everything sorted.
func naive(o Options, x []float64, read, written []int) []float64 {
	x = slices.Clone(x)
	for id, b := range o.LogitBias {
		x[id] += b
	}
	seen := map[int]bool{}
	for _, id := range slices.Concat(read, written) {
		if seen[id] || o.RepetitionPenalty == 0 {
			continue
		}
		seen[id] = true
		if x[id] > 0 {
			x[id] /= o.RepetitionPenalty
		} else {
			x[id] *= o.RepetitionPenalty
		}
	}
	for i, id := range written {
		x[id] -= o.FrequencyPenalty
		if !slices.Contains(written[:i], id) {
			x[id] -= o.PresencePenalty
		}
	}
	order := make([]int, len(x))
	for id := range x {
		order[id] = id
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(x[b], x[a]), cmp.Compare(a, b)) })
	if o.Temperature == 0 {
		return softmax(x, order[:1], 1)
	}
	if o.TopK > 0 {
		order = order[:min(o.TopK, len(order))]
	}
	p := softmax(x, order, o.Temperature)
	if o.TopP > 0 && o.TopP < 1 {
		mass, n := 0.0, 0
		for mass < o.TopP-1e-12 && n < len(order) {
			mass += p[order[n]]
			n++
		}
		order = order[:n]
	}
	likeliest := p[order[0]]
	order = slices.DeleteFunc(order, func(id int) bool { return p[id] < o.MinP*likeliest })
	return softmax(x, order, o.Temperature)
}

// softmax is that of the scores of some tokens, 0 for others.
func softmax(x []float64, of []int, temperature float64) []float64 {
	p, z := make([]float64, len(x)), 0.0
	for _, id := range of {
		p[id] = math.Exp((x[id] - x[of[0]]) / temperature)
		z += p[id]
	}
	for id := range p {
		p[id] /= z
	}
	return p
}

// matrix returns scores (1, V) of type T.
func matrix[T num.Float](x []float64) *tensor.Dense {
	dt := tensor.Float64
	if _, ok := any(T(0)).(float32); ok {
		dt = tensor.Float32
	}
	return testutil.Dense(dt, x, 1, len(x))
}

// The token that is drawn is the one that the definition gives, with the same random
// number: for any combination of filters, and vocabularies of all sizes.
func TestChooseIsAsDefined(t *testing.T) {
	t.Run("float32", testChooseIsAsDefined[float32])
	t.Run("float64", testChooseIsAsDefined[float64])
}

func testChooseIsAsDefined[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	one := func(of ...float64) float64 { return of[rng.IntN(len(of))] }
	for n := range 1500 {
		v := []int{1, 2, 3, 31, 32, 33, 100, 700, 2100}[rng.IntN(9)]
		x := make([]float64, v)
		spread := one(0, 0.1, 1, 4, 20)
		for i := range x {
			x[i] = float64(float32(rng.NormFloat64() * spread))
			if rng.IntN(8) == 0 {
				x[i] = math.Round(x[i]) // ties
			}
			if rng.IntN(20) == 0 && i > 0 {
				x[i] = math.Inf(-1)
			}
		}
		o := Options{
			Temperature: one(0, 0.3, 1, 1, 1.7), TopK: int(one(0, 0, 1, 2, 10, 40, float64(v), float64(v)+5)),
			TopP: one(0, 0, 0.1, 0.5, 0.9, 0.999, 1), MinP: one(0, 0, 0.01, 0.3, 1),
			Seed: rng.Uint64(), LogProbs: int(one(0, 1, 5, 100)),
		}
		if rng.IntN(3) == 0 {
			o.RepetitionPenalty, o.FrequencyPenalty, o.PresencePenalty = one(0, 0.5, 1, 1.3), one(0, 0.5, -0.5), one(0, 0.25, -1)
		}
		if rng.IntN(3) == 0 {
			o.LogitBias = map[int]float64{rng.IntN(v): 2, rng.IntN(v): -100}
		}
		s, err := NewSampler(v, o)
		if err != nil {
			t.Fatal(err)
		}
		read, written := make([]int, rng.IntN(10)), make([]int, rng.IntN(10))
		for i := range read {
			read[i] = rng.IntN(v)
		}
		if err := s.Read(read...); err != nil {
			t.Fatal(err)
		}
		for i := range written {
			written[i] = rng.IntN(v)
			s.seen.add(written[i], true)
		}
		u := s.uniform()
		want := naive(o, x, read, written)
		c, err := s.Choose(matrix[T](x), 0)
		if err != nil {
			t.Fatalf("%+v of %d: %v", o, v, err)
		}
		from := 0.0
		for _, p := range want[:c.ID] {
			from += p
		}
		if !(u >= from-1e-5 && u <= from+want[c.ID]+1e-5) {
			t.Fatalf("%d: %+v of %d: got token %d of u in [%.7g, %.7g], u is %.7g", n, o, v, c.ID, from, from+want[c.ID], u)
		}
		checkLogProbs(t, o, x, c)
	}
}

// checkLogProbs checks log probabilities: they are of the scores as they came.
func checkLogProbs(t *testing.T, o Options, x []float64, c Choice) {
	t.Helper()
	order := make([]int, len(x))
	for id := range x {
		order[id] = id
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(x[b], x[a]), cmp.Compare(a, b)) })
	p := softmax(x, order, 1)
	if got, want := c.LogProb, math.Log(p[c.ID]); math.Abs(got-want) > 2e-5*max(1, math.Abs(want)) && !math.IsInf(want, -1) {
		t.Fatalf("log probability of %d: got %v, want %v", c.ID, got, want)
	}
	if want := min(o.LogProbs, len(x)); len(c.Top) != want {
		t.Fatalf("got %d likeliest tokens, want %d", len(c.Top), want)
	}
	for i, got := range c.Top {
		want := x[order[i]] - x[order[0]] + math.Log(p[order[0]])
		if got.ID != order[i] || math.Abs(got.LogProb-want) > 2e-5*max(1, math.Abs(want)) {
			t.Fatalf("likeliest token %d: got %+v, want %d with %v", i, got, order[i], want)
		}
	}
}

// A thousand draws are distributed as the definition says: chi-square with a fixed seed,
// at a level that one seed in a thousand misses.
func TestDrawsAreDistributed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float64, 40)
	for i := range x {
		x[i] = float64(float32(rng.NormFloat64()))
	}
	for _, o := range []Options{
		{Temperature: 1}, {Temperature: 0.5}, {Temperature: 2}, {Temperature: 1, TopK: 7}, {Temperature: 1, TopP: 0.6}, {Temperature: 1, MinP: 0.2},
		{Temperature: 1.5, TopK: 20, TopP: 0.8, MinP: 0.1}, {Temperature: 1, LogitBias: map[int]float64{3: 3}},
	} {
		want := naive(o, x, nil, nil)
		const n = 20000
		counts := make([]int, len(x))
		o.Seed = 7
		s, err := NewSampler(len(x), o)
		if err != nil {
			t.Fatal(err)
		}
		scores := matrix[float32](x)
		for range n {
			c, err := s.Choose(scores, 0)
			if err != nil {
				t.Fatal(err)
			}
			counts[c.ID]++
		}
		chi, free := 0.0, -1
		for id, p := range want {
			if p == 0 {
				if counts[id] > 0 {
					t.Errorf("%+v: token %d was drawn, which does not stay", o, id)
				}
				continue
			}
			d := float64(counts[id]) - n*p
			chi += d * d / (n * p)
			free++
		}
		// Wilson and Hilferty: the cube root of chi²/k is nearly normal.
		k := float64(max(free, 1))
		if z := (math.Cbrt(chi/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k)); z > 3.1 || z < -3.5 {
			t.Errorf("%+v: chi-square %.1f with %d degrees of freedom, %.1f deviations off", o, chi, free, z)
		}
	}
}

// At the ends of their ranges filters do what their definitions say there.
func TestEdges(t *testing.T) {
	x := []float64{1, 3, 2, 3, 0, -1}
	plain := Options{Temperature: 1}
	for _, c := range []struct {
		name string
		o    Options
		want []int // that stay
	}{
		{"top_p 1", Options{Temperature: 1, TopP: 1}, []int{0, 1, 2, 3, 4, 5}},
		{"top_p tiny", Options{Temperature: 1, TopP: 1e-300}, []int{1}},
		{"top_p that one reaches", Options{Temperature: 1, TopK: 2, TopP: 0.5}, []int{1}},
		{"top_p behind that", Options{Temperature: 1, TopK: 2, TopP: 0.50001}, []int{1, 3}},
		{"top_k 0", Options{Temperature: 1, TopK: 0}, []int{0, 1, 2, 3, 4, 5}},
		{"top_k 1", Options{Temperature: 1, TopK: 1}, []int{1}},
		{"top_k of a tie", Options{Temperature: 1, TopK: 2}, []int{1, 3}},
		{"top_k of all", Options{Temperature: 1, TopK: 6}, []int{0, 1, 2, 3, 4, 5}},
		{"top_k of more", Options{Temperature: 1, TopK: 1000}, []int{0, 1, 2, 3, 4, 5}},
		{"min_p 0", plain, []int{0, 1, 2, 3, 4, 5}},
		{"min_p 1", Options{Temperature: 1, MinP: 1}, []int{1, 3}},
		{"min_p of one", Options{Temperature: 1, MinP: math.Exp(-1) * 0.999}, []int{1, 2, 3}},
		{"temperature 0", Options{}, []int{1}},
		{"temperature near 0", Options{Temperature: 1e-300}, []int{1}},
		{"temperature near infinity", Options{Temperature: 1e300}, []int{0, 1, 2, 3, 4, 5}},
		{"a bias that bans", Options{LogitBias: map[int]float64{1: -100}}, []int{3}},
	} {
		got := map[int]bool{}
		for seed := range uint64(2000) {
			c.o.Seed = seed
			s, err := NewSampler(len(x), c.o)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			choice, err := s.Choose(matrix[float32](x), 0)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			got[choice.ID] = true
		}
		if want := c.want; len(got) != len(want) || slices.ContainsFunc(want, func(id int) bool { return !got[id] }) {
			t.Errorf("%s: got tokens %v, want %v", c.name, got, want)
		}
	}
}

// Penalties look at the last tokens alone.
func TestPenaltyWindow(t *testing.T) {
	s, err := NewSampler(4, Options{RepetitionPenalty: 2, PenaltyWindow: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Read(3, 3, 3, 0, 1); err != nil {
		t.Fatal(err)
	}
	c, err := s.Choose(matrix[float64]([]float64{1.5, 1.6, 1, 1.4}), 0)
	if err != nil || c.ID != 3 {
		t.Errorf("got token %d, %v, want 3, which has left the window", c.ID, err)
	}
	// Now 1 and 3 are in it.
	if c, err = s.Choose(matrix[float64]([]float64{1.5, 1.6, 1, 2.9}), 0); err != nil || c.ID != 0 {
		t.Errorf("got token %d, %v, want 0", c.ID, err)
	}
}

// A token that cannot be is not drawn, nor does it change what is, however high the
// temperature and whatever the biases and penalties.
func TestTokenThatCannotBe(t *testing.T) {
	for _, o := range []Options{
		{Temperature: 1e40},
		{Temperature: math.MaxFloat64},
		{Temperature: 1, LogitBias: map[int]float64{1: math.MaxFloat64}},
		{Temperature: 1, FrequencyPenalty: -1e30, LogitBias: map[int]float64{0: 1}},
	} {
		testCannotBe[float32](t, o)
		testCannotBe[float64](t, o)
	}
}

func testCannotBe[T num.Float](t *testing.T, o Options) {
	got := [4]int{}
	for o.Seed = range 400 {
		s, err := NewSampler(4, o)
		if err != nil {
			t.Fatal(err)
		}
		if o.FrequencyPenalty != 0 {
			s.seen.add(1, true)
		}
		c, err := s.Choose(matrix[T]([]float64{1, math.Inf(-1), 1, math.Inf(-1)}), 0)
		if err != nil {
			t.Fatal(err)
		}
		got[c.ID]++
	}
	if got[0] < 80 || got[2] < 80 || got[1]+got[3] > 0 {
		t.Errorf("%+v: got the tokens %v times", o, got)
	}
}

func TestBadScores(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, x := range map[string][]float64{
		"token 2 of the sequence: want scores that are finite or -Inf, got NaN for id 1":  {0, nan, 1},
		"token 2 of the sequence: want scores that are finite or -Inf, got NaN for id 0":  {nan, nan, nan},
		"token 2 of the sequence: want scores that are finite or -Inf, got +Inf for id 2": {0, 1, inf},
		"token 2 of the sequence: want a score that is finite, got -Inf for all ids":      {-inf, -inf, -inf},
		"want scores (B, 3) and row 0 of them, got (1, 2)":                                {1, 2},
	} {
		for _, temperature := range []float64{0, 1} {
			s, err := NewSampler(3, Options{Temperature: temperature})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Read(1, 2); err != nil {
				t.Fatal(err)
			}
			for _, scores := range []*tensor.Dense{matrix[float32](x), matrix[float64](x)} {
				if _, err := s.Choose(scores, 0); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q", err, want)
				}
			}
		}
	}
	s, err := NewSampler(2, Options{LogitBias: map[int]float64{0: math.MaxFloat64}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Choose(matrix[float32]([]float64{0, 0}), 0); err == nil || !strings.Contains(err.Error(), "want biases and penalties that leave") {
		t.Errorf("got error %v", err)
	}
	if s, err = NewSampler(2, Options{Temperature: 1, RepetitionPenalty: math.MaxFloat64, FrequencyPenalty: -math.MaxFloat64}); err != nil {
		t.Fatal(err)
	}
	s.seen.add(1, true)
	s.seen.add(1, true)
	if _, err := s.Choose(matrix[float64]([]float64{0, -2}), 0); err == nil || !strings.Contains(err.Error(), "want biases and penalties that leave") {
		t.Errorf("got error %v", err)
	}
	if err := s.Read(2); err == nil || !strings.Contains(err.Error(), "want an id in [0, 2), got 2") {
		t.Errorf("got error %v", err)
	}
	if _, err := s.Choose(nil, 0); err == nil {
		t.Error("no scores were accepted")
	}
	if _, err := s.Choose(tensor.New(tensor.WithShape(1, 2), tensor.Of(tensor.Int)), 0); err == nil {
		t.Error("scores of integers were accepted")
	}
	if _, err := NewSampler(0, Options{}); err == nil {
		t.Error("a vocabulary of 0 was accepted")
	}
}

// Choosing does not allocate once it has chosen, with any filter.
func TestChooseDoesNotAllocate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 5000)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	for _, o := range []Options{
		{}, {Temperature: 1}, {Temperature: 1, TopK: 40}, {Temperature: 1, TopP: 0.9}, {Temperature: 1, MinP: 0.1},
		{Temperature: 0.7, TopK: 1000, TopP: 0.9, MinP: 0.01, LogitBias: map[int]float64{1: 1}},
		{Temperature: 1, RepetitionPenalty: 1.1, FrequencyPenalty: 0.1, PenaltyWindow: 20},
	} {
		s, err := NewSampler(len(x), o)
		if err != nil {
			t.Fatal(err)
		}
		scores := matrix[float32](x)
		choose := func() {
			if _, err := s.Choose(scores, 0); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			choose()
		}
		if n := testing.AllocsPerRun(100, choose); n > 0 {
			t.Errorf("%+v: %v allocations", o, n)
		}
	}
}

// Selections hold for orders in which they take longest.
func TestPartition(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for name, at := range map[string]func(i, n int) float64{
		"up": func(i, n int) float64 { return float64(i) }, "down": func(i, n int) float64 { return float64(-i) },
		"equal": func(i, n int) float64 { return 1 }, "pipe": func(i, n int) float64 { return float64(min(i, n-i)) },
		"random": func(i, n int) float64 { return rng.Float64() }, "few": func(i, n int) float64 { return float64(rng.IntN(3)) },
	} {
		for _, n := range []int{1, 2, 25, 1000} {
			for _, k := range []int{1, 2, n / 2, n - 1, n} {
				if k < 1 || k > n {
					continue
				}
				of, x := make([]candidate[float64], n), make([]float64, n)
				for i := range of {
					of[i] = candidate[float64]{at(i, n), int32(i)}
					x[i] = of[i].x
				}
				want := slices.Clone(of)
				slices.SortFunc(want, candidate[float64].compare)
				partition(of, k)
				if got := lowest(of[:k]); got != want[k-1] {
					t.Errorf("%s: the last of the first %d of %d: got %+v, want %+v", name, k, n, got, want[k-1])
				}
				if got := kth(x, k); got != want[k-1].x {
					t.Errorf("%s: number %d of %d: got %v, want %v", name, k, n, got, want[k-1].x)
				}
			}
		}
	}
}

// BenchmarkChoose is one token of the vocabulary of WikiText-2, of scores as a trained
// model has them.
func BenchmarkChoose(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 33278)
	for i := range x {
		x[i] = rng.NormFloat64()*2 - 6*math.Log10(float64(i+1))/4
	}
	scores := matrix[float32](x)
	for _, o := range []Options{
		{}, {Temperature: 1}, {Temperature: 0.8}, {Temperature: 1, TopK: 40}, {Temperature: 1, TopP: 0.95}, {Temperature: 1, MinP: 0.05},
		{Temperature: 0.8, TopK: 40, TopP: 0.95, RepetitionPenalty: 1.1}, {Temperature: 1, LogProbs: 5},
	} {
		b.Run(fmt.Sprintf("T%v_k%d_p%v_m%v_r%v_l%d", o.Temperature, o.TopK, o.TopP, o.MinP, o.RepetitionPenalty, o.LogProbs), func(b *testing.B) {
			s, err := NewSampler(len(x), o)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Choose(scores, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
