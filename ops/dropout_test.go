package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func dropoutState(seed, counter int64) *tensor.Dense {
	return tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{seed, counter}))
}

// masksOf returns the masks of a state.
func masksOf(state *tensor.Dense) *Masks {
	m, err := NewMasks(state)
	if err != nil {
		panic(err)
	}
	return m
}

// newMasks returns the masks of a new state.
func newMasks(seed, counter int64) *Masks { return masksOf(dropoutState(seed, counter)) }

// A state that starts again in every graph makes dropout a linear function.
func TestDropoutGradient(t *testing.T) {
	rng := newRand(1)
	for _, p := range []float64{0, 0.4} {
		for _, opts := range [][]DropoutOption{nil, {Tied()}} {
			f := build(func(n []*G.Node) (*G.Node, error) { return Dropout(n[0], p, newMasks(7, 5).Stream(3), opts...) })
			for _, n := range bhlSizes {
				testutil.Check(t, f, testutil.Normal(rng, "x", n[:]...))
			}
			testutil.Check(t, f, testutil.Normal(rng, "x", 3, 5))
		}
		testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) { return Dropout(n[0], p, newMasks(7, 5)) }),
			testutil.Normal(rng, "x", 17))
	}
}

// maskOf returns the mask a core draws.
func maskOf(t *testing.T, c dropoutConfig, n, run int, masks *Masks) []float64 {
	t.Helper()
	c.masks = masks
	p := newPass[float64](newDropout[float64](c, run, n/run), n, []int{n})
	fill(p.in[0].F, 1)
	fill(p.gout, 1)
	p.run(t)
	if !slices.Equal(p.out, p.grad[0]) {
		t.Error("the gradient's mask is not that of the values")
	}
	return p.out
}

func TestDropoutStatistics(t *testing.T) {
	const n, sigmas = 1 << 18, 5
	for _, p := range []float64{0.01, 0.1, 0.5, 0.97} {
		c := dropoutConfig{p: p}
		m := maskOf(t, c, n, 1, newMasks(1, 0))
		kept := func(from, step int) (k, of float64) {
			for i := from; i < n; i += step {
				if m[i] != 0 {
					k++
				}
				of++
			}
			return k, of
		}
		check := func(what string, count, of, q float64) {
			t.Helper()
			if d := math.Abs(count - of*q); d > sigmas*math.Sqrt(of*q*(1-q)) {
				t.Errorf("p = %g: %s: got %g of %g, want a share of %g", p, what, count, of, q)
			}
		}
		for _, c := range []struct{ from, step int }{{0, 1}, {0, 2}, {1, 2}, {3, 1024}} {
			k, of := kept(c.from, c.step)
			check(fmt.Sprintf("kept from %d in steps of %d", c.from, c.step), k, of, 1-p)
		}
		for _, lag := range []int{1, 2, 3, 1024} {
			var both float64
			for i := range n - lag {
				if m[i] != 0 && m[i+lag] != 0 {
					both++
				}
			}
			check(fmt.Sprintf("kept with the one %d before", lag), both, n-float64(lag), (1-p)*(1-p))
		}
		for i, v := range m {
			if v != 0 && v != 1/(1-p) {
				t.Fatalf("p = %g: element %d is multiplied by %g, want 0 or %g", p, i, v, 1/(1-p))
			}
		}
	}
}

// Masks of other seeds, streams and counters are independent.
func TestDropoutMasksDiffer(t *testing.T) {
	const n, sigmas = 1 << 14, 5
	var masks [][]float64
	for seed := range int64(3) {
		for stream := range uint64(3) {
			for counter := range int64(3) {
				masks = append(masks, maskOf(t, dropoutConfig{p: 0.5}, n, 1, newMasks(seed, counter).Stream(stream)))
			}
		}
	}
	for i := range masks {
		for j := range i {
			same := 0.0
			for k := range n {
				if masks[i][k] == masks[j][k] {
					same++
				}
			}
			if math.Abs(same-n/2) > sigmas*math.Sqrt(n/4) {
				t.Errorf("masks %d and %d agree in %g of %d elements", i, j, same, n)
			}
		}
	}
}

func TestDropoutTied(t *testing.T) {
	const B, H, L, sigmas = 100, 64, 7, 5
	m := maskOf(t, dropoutConfig{p: 0.25, tied: true}, B*H*L, L, newMasks(1, 0))
	dropped := 0.0
	for r := range B * H {
		row := m[r*L : (r+1)*L]
		if slices.Min(row) != slices.Max(row) {
			t.Fatalf("row %d is not tied: %v", r, row)
		}
		if row[0] == 0 {
			dropped++
		}
	}
	if math.Abs(dropped-B*H*0.25) > sigmas*math.Sqrt(B*H*0.25*0.75) {
		t.Errorf("dropped %g rows of %d, want a share of 0.25", dropped, B*H)
	}
}

// Saving the state makes a resumed run equal to an unbroken one, and
// evaluation in a graph that shares the state does not disturb it.
func TestDropoutResumes(t *testing.T) {
	const n = 100
	ones := make([]float64, n)
	fill(ones, 1)
	type run struct {
		y  G.Value
		vm G.VM
	}
	newRun := func(masks *Masks, opts ...G.VMOpt) *run {
		g := G.NewGraph()
		x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(n), G.WithName("x"), G.WithValue(testutil.Dense(tensor.Float64, ones, n)))
		y, err := Dropout(x, 0.5, masks)
		if err != nil {
			t.Fatal(err)
		}
		r := &run{}
		G.Read(y, &r.y)
		r.vm = G.NewTapeMachine(g, opts...)
		return r
	}
	step := func(r *run) []float64 {
		t.Helper()
		if err := r.vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		r.vm.Reset()
		return testutil.Floats(r.y)
	}

	unbroken := newRun(newMasks(3, 0))
	var want [][]float64
	for range 6 {
		want = append(want, step(unbroken))
	}
	if slices.Equal(want[0], want[1]) {
		t.Error("two steps draw the same mask")
	}

	state := dropoutState(3, 0)
	masks := masksOf(state)
	train, eval := newRun(masks), newRun(masks, G.EvalMode())
	for i := range 3 {
		if got := step(train); !slices.Equal(got, want[i]) {
			t.Errorf("step %d differs", i)
		}
		if got := step(eval); !slices.Equal(got, ones) {
			t.Errorf("evaluation changes its input: %v", got)
		}
	}
	saved := slices.Clone(state.Data().([]int64))
	if !slices.Equal(saved, []int64{3, 3}) {
		t.Errorf("state after 3 steps: got %v, want [3 3]", saved)
	}
	resumed := newRun(newMasks(saved[0], saved[1]))
	for i := 3; i < 6; i++ {
		if got := step(resumed); !slices.Equal(got, want[i]) {
			t.Errorf("step %d differs after resuming", i)
		}
	}
}

func TestDropoutEvaluationGradient(t *testing.T) {
	c := newDropout[float64](dropoutConfig{p: 0.5, masks: newMasks(1, 0)}, 1, 33)
	c.SetTraining(false)
	p := newPass[float64](c, 33, []int{33})
	p.run(t)
	if !slices.Equal(p.out, p.in[0].F) || !slices.Equal(p.grad[0], p.gout) {
		t.Error("evaluation is not the identity")
	}
}

// The masks are part of what a checkpoint promises: they must not change.
func TestDropoutMaskIsStable(t *testing.T) {
	const n = 24
	for _, c := range []struct {
		config        dropoutConfig
		stream        uint64
		seed, counter int64
		run           int
		want          string
	}{
		{dropoutConfig{p: 0.5}, 0, 0, 0, 1, "011000110100111001001011"},
		{dropoutConfig{p: 0.5}, 1, -5, 1000, 1, "001111000111101100000101"},
		{dropoutConfig{p: 0.5, tied: true}, 0, 0, 0, 2, "110000111100110011000011"},
	} {
		var got string
		for _, v := range maskOf(t, c.config, n, c.run, newMasks(c.seed, c.counter).Stream(c.stream)) {
			if v == 0 {
				got += "0"
			} else {
				got += "1"
			}
		}
		if got != c.want {
			t.Errorf("p = %g, stream %d, seed %d, counter %d: got %s, want %s", c.config.p, c.stream, c.seed, c.counter, got, c.want)
		}
	}
}

func TestDropoutCore(t *testing.T) {
	const B, H, L = 5, 33, 301
	for _, run := range []int{1, L} {
		state := dropoutState(1, 0)
		p := newPass[float32](newDropout[float32](dropoutConfig{p: 0.3, masks: masksOf(state)}, run, H*L/run), B*H*L, []int{B * H * L})
		checkPass(t, p, func() { state.Data().([]int64)[1] = 9 })
	}
}

func TestDropoutErrors(t *testing.T) {
	g := newGraph()
	x, s := g.f64("x", 2, 3), newMasks(0, 0)
	for _, c := range []struct {
		x    *G.Node
		p    float64
		s    *Masks
		opts []DropoutOption
		want string
	}{
		{nil, 0.5, s, nil, "ops.Dropout: want x, got nil"},
		{g.ints("i", 2), 0.5, s, nil, "ops.Dropout: want x of dtype float32 or float64, got dtype int"},
		{g.f64("v", 2), 0.5, s, []DropoutOption{Tied()}, "ops.Dropout: want x (B, H, L) or (B, H), got (2)"},
		{x, 1, s, nil, "ops.Dropout: want p in [0, 1), got 1"},
		{x, -0.1, s, nil, "ops.Dropout: want p in [0, 1), got -0.1"},
		{x, math.NaN(), s, nil, "ops.Dropout: want p in [0, 1), got NaN"},
		{x, 0.5, nil, nil, "ops.Dropout: want masks that NewMasks made, got none"},
		{x, 0.5, &Masks{}, nil, "ops.Dropout: want masks that NewMasks made, got none"},
	} {
		_, err := Dropout(c.x, c.p, c.s, c.opts...)
		wantError(t, err, c.want)
	}
	for want, state := range map[string]*tensor.Dense{
		"ops.NewMasks: want state (2), got nil":                      nil,
		"ops.NewMasks: want state (2), got (3)":                      tensor.New(tensor.WithShape(3), tensor.Of(tensor.Int64)),
		"ops.NewMasks: want state (2) of dtype int64, got dtype int": tensor.New(tensor.WithShape(2), tensor.Of(tensor.Int)),
	} {
		_, err := NewMasks(state)
		wantError(t, err, want)
	}
	y, err := Dropout(x, 0, nil)
	if y != x || err != nil {
		t.Errorf("p = 0: got %v, %v, want x itself", y, err)
	}
}

func BenchmarkDropout(b *testing.B) {
	const B, H, L = 50, 128, 1024
	for name, run := range map[string]int{"plain": 1, "tied": L} {
		b.Run(name, func(b *testing.B) {
			bench(b, newPass[float32](newDropout[float32](dropoutConfig{p: 0.1, masks: newMasks(1, 0)}, run, H*L/run), B*H*L, []int{B * H * L}))
		})
	}
}
