package rnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

var cells = []Cell{LSTM, GRU, Tanh, ReLU}

// planOf makes the plan of one direction.
func planOf[T num.Float](t testing.TB, cfg Config, s sizes) *plan[T] {
	t.Helper()
	plans, err := newPlans[T](cfg, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return plans[0]
}

// eachConfig runs f for every cell in both directions.
func eachConfig(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, c := range cells {
		for _, d := range []Direction{Forward, Backward} {
			t.Run(fmt.Sprintf("%s/%s", c, d), func(t *testing.T) { f(t, Config{Cell: c, Direction: d}) })
		}
	}
}

// lengthsOf draws lengths, among them 0 and l.
func lengthsOf(rng *rand.Rand, b, l int) []int {
	n := make([]int, b)
	for i := range n {
		n[i] = rng.IntN(l + 1)
	}
	n[b-1] = l
	if b > 1 {
		n[b/2] = 0
	}
	return n
}

// result is what a plan computes, with the gradients for given ones of the outputs.
type result[T num.Float] struct {
	y    []T
	end  State[[]T]
	grad inputs[T]
}

// run runs a plan, both passes.
func run[T num.Float](t *testing.T, p *problem, gy []float64, gEnd State[[]float64]) result[T] {
	t.Helper()
	plan := planOf[T](t, p.cfg, p.size)
	in := cast[T](&p.in64)
	s := p.size
	var r result[T]
	r.y, r.end.H = testutil.Unwritten[T](s.B*s.H*s.L), testutil.Unwritten[T](s.B*s.H)
	if p.cfg.Cell.HasC() {
		r.end.C = testutil.Unwritten[T](s.B * s.H)
	}
	for range 2 { // the second time in memory that has been used
		if err := plan.Forward(r.y, r.end, &in); err != nil {
			t.Fatal(err)
		}
		if gy == nil {
			continue
		}
		r.grad = unwritten(&in)
		out := cast[T](&inputs[float64]{X: gy, Start: gEnd})
		plan.Backward(&r.grad, &in, out.X, out.Start)
	}
	return r
}

// unwritten returns gradients to be written, for all operands that are there.
func unwritten[T num.Float](in *inputs[T]) inputs[T] {
	f := func(v []T) []T {
		if v == nil {
			return nil
		}
		return testutil.Unwritten[T](len(v))
	}
	return inputs[T]{
		X:      f(in.X),
		Params: Params[[]T]{f(in.Params.WeightIH), f(in.Params.WeightHH), f(in.Params.BiasIH), f(in.Params.BiasHH)},
		Start:  State[[]T]{f(in.Start.H), f(in.Start.C)},
	}
}

// named lists gradients by name.
func named[T num.Float](g *inputs[T]) map[string][]T {
	return map[string][]T{
		"x": g.X, "weight_ih": g.Params.WeightIH, "weight_hh": g.Params.WeightHH, "bias_ih": g.Params.BiasIH, "bias_hh": g.Params.BiasHH,
		"h0": g.Start.H, "c0": g.Start.C,
	}
}

// normal draws the gradients of the outputs of a problem.
func normal(rng *rand.Rand, p *problem) (gy []float64, gEnd State[[]float64]) {
	s := p.size
	gy = testutil.Normal(rng, "gy", s.B, s.H, s.L).F
	gEnd.H = testutil.Normal(rng, "gh", s.B, s.H).F
	if p.cfg.Cell.HasC() {
		gEnd.C = testutil.Normal(rng, "gc", s.B, s.H).F
	}
	return gy, gEnd
}

func checkClose(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if e := testutil.RelErr(got, want); !(e <= tol) {
		t.Errorf("%s: relative error %.3g > %g", what, e, tol)
	}
}

// Outputs and last states of batches and lengths of all kinds, with and without
// what is optional, against sums and steps written out.
func TestValues(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg Config) {
		rng := rand.New(rand.NewPCG(1, 2))
		for i, s := range []sizes{{1, 1, 1, 1}, {2, 3, 5, 7}, {5, 4, 3, 20}, {9, 2, 33, 40}, {17, 5, 4, 70}, {1, 3, 2, 300}} {
			for _, lengths := range [][]int{nil, lengthsOf(rng, s.B, s.L)} {
				o := options{biasIH: i%2 == 0, biasHH: i%3 > 0, start: i%4 > 0, lengths: lengths}
				p := newProblem(rng, cfg, s, o)
				for k := range p.in64.Params.WeightHH { // not to explode
					p.in64.Params.WeightHH[k] /= float64(s.H)
				}
				y, end := oracle(p)
				got := run[float64](t, p, nil, State[[]float64]{})
				got32 := run[float32](t, p, nil, State[[]float64]{})
				what := fmt.Sprintf("%+v, %+v", s, o)
				checkClose(t, what+": y", got.y, y, 1e-13)
				checkClose(t, what+": h", got.end.H, end.H, 1e-13)
				checkClose(t, what+": c", got.end.C, end.C, 1e-13)
				checkClose(t, what+": y in float32", testutil.Float64s(got32.y), y, 2e-6)
				checkClose(t, what+": h in float32", testutil.Float64s(got32.end.H), end.H, 2e-6)
				checkClose(t, what+": c in float32", testutil.Float64s(got32.end.C), end.C, 2e-6)
			}
		}
	})
}

// TestLowerLevels runs the test of values with every instruction set below the one
// that the machine has.
func TestLowerLevels(t *testing.T) {
	for l := range cpu.Detected() {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(l))
			t.Run("Values", TestValues)
			t.Run("RowsAndBatch", TestRowsAndBatch)
		})
	}
}

// A row of a batch has the output and the gradients that it has alone, and the
// gradients of the parameters are the sum over the rows: of a batch in several
// blocks and groups, and of sequences in several chunks.
func TestRowsAndBatch(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg Config) {
		rng := rand.New(rand.NewPCG(2, 2))
		for _, s := range []sizes{{7, 3, 4, 140}, {21, 5, 6, 70}, {150, 2, 3, 5}} {
			p := newProblem(rng, cfg, s, options{biasIH: true, biasHH: true, start: true, lengths: lengthsOf(rng, s.B, s.L)})
			for k := range p.in64.Params.WeightHH {
				p.in64.Params.WeightHH[k] /= float64(s.H)
			}
			gy, gEnd := normal(rng, p)
			got := run[float64](t, p, gy, gEnd)
			var sum inputs[float64]
			for b := range s.B {
				row := func(v []float64) []float64 {
					if v == nil {
						return nil
					}
					return v[b*len(v)/s.B : (b+1)*len(v)/s.B]
				}
				one := *p
				one.size.B = 1
				one.in64.X, one.in64.Start = row(p.in64.X), State[[]float64]{row(p.in64.Start.H), row(p.in64.Start.C)}
				one.in64.Lengths = p.in64.Lengths[b : b+1]
				want := run[float64](t, &one, row(gy), State[[]float64]{row(gEnd.H), row(gEnd.C)})
				if b == 0 {
					sum = want.grad
				} else {
					addAll(&sum, &want.grad)
				}
				checkClose(t, "y", row(got.y), want.y, 1e-12)
				checkClose(t, "gradient of x", row(got.grad.X), want.grad.X, 1e-12)
				checkClose(t, "gradient of h0", row(got.grad.Start.H), want.grad.Start.H, 1e-12)
				checkClose(t, "gradient of c0", row(got.grad.Start.C), want.grad.Start.C, 1e-12)
			}
			sum.X, sum.Start = got.grad.X, got.grad.Start
			want := named(&sum)
			for name, g := range named(&got.grad) {
				checkClose(t, "gradient of "+name, g, want[name], 1e-12)
			}
		}
	})
}

// addAll adds the gradients of parameters.
func addAll(sum, g *inputs[float64]) {
	more := named(g)
	for name, v := range named(sum) {
		for i := range v {
			v[i] += more[name][i]
		}
	}
}

// The parts of a sequence, each from the state that the one before left, give the
// outputs and states of the whole.
func TestPartsAreTheWhole(t *testing.T) {
	for _, c := range cells {
		rng := rand.New(rand.NewPCG(3, 2))
		s := sizes{B: 3, I: 2, H: 4, L: 30}
		p := newProblem(rng, Config{Cell: c}, s, options{biasIH: true, start: true})
		for k := range p.in64.Params.WeightHH {
			p.in64.Params.WeightHH[k] /= 4
		}
		whole := run[float64](t, p, nil, State[[]float64]{})
		var y []float64
		part, at := *p, 0
		for _, n := range []int{1, 12, 17} {
			part.size.L = n
			part.in64.X = cut(p.in64.X, s.L, at, n)
			r := run[float64](t, &part, nil, State[[]float64]{})
			checkClose(t, fmt.Sprintf("%s: part of %d steps", c, n), r.y, cut(whole.y, s.L, at, n), 1e-14)
			part.in64.Start, at = r.end, at+n
			y = r.y
		}
		checkClose(t, string(c)+": last h", part.in64.Start.H, whole.end.H, 1e-14)
		checkClose(t, string(c)+": last c", part.in64.Start.C, whole.end.C, 1e-14)
		if len(y) == 0 {
			t.Error("no output")
		}
	}
}

// cut returns steps [at, at+n) of rows of l.
func cut(x []float64, l, at, n int) []float64 {
	var y []float64
	for i := 0; i < len(x); i += l {
		y = append(y, x[i+at:i+at+n]...)
	}
	return y
}

// Gates whose sums are anything from 1e-4 to 1e4: outputs and gradients in float32
// are those in float64, and finite.
func TestSaturatedGates(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg Config) {
		if cfg.Cell == ReLU {
			t.Skip("has no gates")
		}
		for _, scale := range []float64{1e-4, 1, 30, 1e4} {
			rng := rand.New(rand.NewPCG(4, 2))
			p := newProblem(rng, cfg, sizes{B: 3, I: 2, H: 16, L: 20}, options{biasIH: true, biasHH: true, start: true})
			for k := range p.in64.X {
				p.in64.X[k] *= scale
			}
			for _, v := range named(&p.in64) { // numbers that are the same in both types
				for k := range v {
					v[k] = float64(float32(v[k]))
				}
			}
			for k := range p.in64.Params.WeightHH {
				p.in64.Params.WeightHH[k] /= 16
			}
			gy, gEnd := normal(rng, p)
			y, _ := oracle(p)
			r64, r32 := run[float64](t, p, gy, gEnd), run[float32](t, p, gy, gEnd)
			what := fmt.Sprintf("scale %g: ", scale)
			checkClose(t, what+"y", r64.y, y, 1e-12)
			checkClose(t, what+"y in float32", testutil.Float64s(r32.y), y, 1e-5)
			want := named(&r64.grad)
			for name, g := range named(&r32.grad) {
				// Where all is saturated, the slope of a gate is no number of float32 but 0.
				floor := 1e-6 * max(1, scale) * norm(gy) / norm(want[name])
				checkClose(t, what+"gradient of "+name, testutil.Float64s(g), want[name], 5e-5+floor)
			}
		}
	})
}

func norm(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x * x
	}
	return math.Sqrt(s)
}

// A plan leaves out the gradients of the input and of the parameters where nobody wants
// them.
func TestGradientsLeftOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	p := newProblem(rng, Config{Cell: LSTM}, sizes{B: 2, I: 3, H: 4, L: 5}, options{})
	gy, gEnd := normal(rng, p)
	want := run[float64](t, p, gy, gEnd)
	plan := planOf[float64](t, p.cfg, p.size)
	if err := plan.Forward(want.y, State[[]float64]{}, &p.in64); err != nil {
		t.Fatal(err)
	}
	g := unwritten(&p.in64)
	g.X = nil
	plan.Backward(&g, &p.in64, gy, gEnd)
	checkClose(t, "gradient of weight_hh", g.Params.WeightHH, want.grad.Params.WeightHH, 0)
	g = unwritten(&p.in64)
	g.Params = Params[[]float64]{}
	plan.Backward(&g, &p.in64, gy, gEnd)
	checkClose(t, "gradient of x without those of parameters", g.X, want.grad.X, 0)
}

func TestPlanIsDeterministic(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 2))
	p := newProblem(rng, Config{Cell: GRU}, sizes{B: 37, I: 3, H: 4, L: 50}, options{biasIH: true, start: true, lengths: lengthsOf(rng, 37, 50)})
	gy, gEnd := normal(rng, p)
	testutil.CheckDeterministic(t, func() any { return run[float32](t, p, gy, gEnd) })
}

// What a plan keeps does not grow from run to run.
func TestPlanReusesItsMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	for _, c := range cells {
		p := newProblem(rng, Config{Cell: c}, sizes{B: 17, I: 3, H: 4, L: 50}, options{biasIH: true, biasHH: true})
		gy, gEnd := normal(rng, p)
		plan := planOf[float64](t, p.cfg, p.size)
		y, g := make([]float64, len(gy)), unwritten(&p.in64)
		step := func() {
			if err := plan.Forward(y, State[[]float64]{}, &p.in64); err != nil {
				t.Fatal(err)
			}
			plan.Backward(&g, &p.in64, gy, gEnd)
		}
		if n := testing.AllocsPerRun(5, step); n > 12 { // loops, not steps
			t.Errorf("%s: %g allocations a run", c, n)
		}
	}
}

func TestBadPlans(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		size sizes
		want string
	}{
		{Config{}, sizes{1, 1, 1, 1}, `want a cell, "lstm", "gru", "tanh" or "relu", got ""`},
		{Config{Cell: LSTM, Direction: "up"}, sizes{1, 1, 1, 1}, `want a direction, "forward", "backward" or "both", got "up"`},
		{Config{Cell: LSTM, Slot: -1}, sizes{1, 1, 1, 1}, "want Slot >= 0, got -1"},
		{Config{Cell: LSTM, Direction: Both}, sizes{1, 1, 1, 1}, "want Slot at most -1, as there are 1 states, got 0"},
		{Config{Cell: LSTM}, sizes{0, 1, 1, 1}, "want B >= 1, got 0"},
		{Config{Cell: LSTM}, sizes{1, -1, 1, 1}, "want I >= 1, got -1"},
		{Config{Cell: LSTM}, sizes{1, 1, 0, 1}, "want H >= 1, got 0"},
		{Config{Cell: LSTM}, sizes{1, 1, 1, 0}, "want L >= 1, got 0"},
		{Config{Cell: GRU}, sizes{1, 1, 1 << 20, 1}, "want at most 2147483647 elements in the recurrent weights (gates*H, H), got 3 x 1048576 x 1048576"},
		{Config{Cell: GRU}, sizes{1 << 10, 1, 1 << 10, 1 << 10}, "want at most 2147483647 elements in the gates (B, L, gates*H), got 1024 x 1024 x 4 x 1024"},
		{Config{Cell: GRU}, sizes{1 << 10, 1 << 13, 1, 1 << 10}, "want at most 2147483647 elements in the inputs (B, I, L), got 1024 x 8192 x 1024"},
		{Config{Cell: GRU}, sizes{1, math.MaxInt, 1, 1}, "want I at most 2147483647, got 9223372036854775807"},
	} {
		if _, err := newPlans[float32](c.cfg, c.size, 1); err == nil || err.Error() != c.want {
			t.Errorf("%+v, %+v: got error %v, want %q", c.cfg, c.size, err, c.want)
		}
	}
	p := newProblem(rand.New(rand.NewPCG(1, 1)), Config{Cell: GRU}, sizes{2, 1, 1, 3}, options{lengths: []int{3, 4}})
	plan := planOf[float64](t, p.cfg, p.size)
	err := plan.Forward(make([]float64, 6), State[[]float64]{}, &p.in64)
	if want := "lengths[1]: want a length in [0, 3], got 4"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

// Steps give what the sequence gives, and allocate nothing: of batches that one
// worker takes and of those that several do.
func TestSteps(t *testing.T) {
	for _, c := range cells {
		for _, s := range []sizes{{B: 1, I: 5, H: 37, L: 6}, {B: 3, I: 5, H: 37, L: 6}, {B: 16, I: 5, H: 37, L: 6}, {B: 29, I: 400, H: 256, L: 3}} {
			b := s.B
			rng := rand.New(rand.NewPCG(8, 2))
			p := newProblem(rng, Config{Cell: c}, s, options{biasIH: true, biasHH: true, start: true})
			for k := range p.in64.Params.WeightHH {
				p.in64.Params.WeightHH[k] /= float64(s.H)
			}
			for k := range p.in64.Params.WeightIH {
				p.in64.Params.WeightIH[k] /= float64(s.I)
			}
			want := run[float64](t, p, nil, State[[]float64]{})
			w, err := NewWeights(c, s.I, s.H, p.in64.Params)
			if err != nil {
				t.Fatal(err)
			}
			step := w.NewStep()
			state := State[[]float64]{slices.Clone(p.in64.Start.H), slices.Clone(p.in64.Start.C)}
			var x []float64
			for l := range s.L {
				x = cut(p.in64.X, s.L, l, 1)
				if err := step.Advance(state, x); err != nil {
					t.Fatal(err)
				}
				checkClose(t, fmt.Sprintf("%s, batch of %d: step %d", c, b, l), state.H, cut(want.y, s.L, l, 1), 1e-14)
			}
			checkClose(t, fmt.Sprintf("%s, batch of %d: c", c, b), state.C, want.end.C, 1e-14)
			testutil.CheckNoAllocations(t, string(c), func() error { return step.Advance(state, x) })
		}
	}
}

func TestBadSteps(t *testing.T) {
	v := func(n int) []float64 { return make([]float64, n) }
	good := Params[[]float64]{WeightIH: v(24), WeightHH: v(16)}
	for _, c := range []struct {
		cell Cell
		i, h int
		prm  Params[[]float64]
		want string
	}{
		{"", 3, 2, good, `rnn: NewWeights: want a cell, "lstm", "gru", "tanh" or "relu", got ""`},
		{LSTM, 0, 2, good, "rnn: NewWeights: want I >= 1, got 0"},
		{LSTM, 3, -2, good, "rnn: NewWeights: want H >= 1, got -2"},
		{GRU, 3, 2, good, "rnn: NewWeights: WeightIH: want 18 elements, got 24"},
		{LSTM, 3, 2, Params[[]float64]{WeightIH: v(24)}, "rnn: NewWeights: WeightHH: want 16 elements, got 0"},
		{LSTM, 3, 2, Params[[]float64]{v(24), v(16), v(7), nil}, "rnn: NewWeights: BiasIH: want 8 elements, got 7"},
		{LSTM, 3, 2, Params[[]float64]{v(24), v(16), v(8), v(9)}, "rnn: NewWeights: BiasHH: want 8 elements, got 9"},
	} {
		if _, err := NewWeights(c.cell, c.i, c.h, c.prm); err == nil || err.Error() != c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	w, err := NewWeights(LSTM, 3, 2, good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		state State[[]float64]
		x     []float64
		want  string
	}{
		{State[[]float64]{v(4), v(4)}, v(7), "rnn: Step.Advance: x: want B rows of 3 elements, got 7 elements"},
		{State[[]float64]{v(4), v(4)}, nil, "rnn: Step.Advance: x: want B rows of 3 elements, got 0 elements"},
		{State[[]float64]{v(3), v(4)}, v(6), "rnn: Step.Advance: H: want 4 elements, got 3"},
		{State[[]float64]{v(4), nil}, v(6), "rnn: Step.Advance: C: want 4 elements, got 0"},
	} {
		if err := w.NewStep().Advance(c.state, c.x); err == nil || err.Error() != c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	g, err := NewWeights(Tanh, 12, 2, Params[[]float64]{WeightIH: v(24), WeightHH: v(4)})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.NewStep().Advance(State[[]float64]{v(2), v(2)}, v(12)); err == nil || !strings.Contains(err.Error(), "C: want 0 elements, got 2") {
		t.Errorf("got error %v for a state that the cell has not", err)
	}
}

// The partial sums of the gradients of large weights are few.
func TestPartialSums(t *testing.T) {
	for _, c := range []struct{ b, h, want int }{{1, 8, 1}, {8, 8, 2}, {1000, 8, 16}, {1000, 512, 16}, {1000, 1024, 4}, {1000, 4096, 4}, {16, 4096, 2}} {
		p := newPlan[float32](LSTM, 0, sizes{B: c.b, I: c.h, H: c.h, L: 10}, place{of: 1, slots: 1})
		if p.groups != c.want {
			t.Errorf("%d rows, %d features: want %d groups, got %d", c.b, c.h, c.want, p.groups)
		}
	}
}
