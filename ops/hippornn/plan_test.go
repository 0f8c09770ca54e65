package hippornn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// draw returns operands of a plan, every parameter that its order can have among them.
func draw[T num.Float](rng *rand.Rand, o Order, s sizes) *inputs[T] {
	vector := func(n int, scale float64) []T {
		v := make([]T, n)
		for i := range v {
			v[i] = T(scale * rng.NormFloat64())
		}
		return v
	}
	in := &inputs[T]{X: vector(s.B*s.I*s.L, 1), Start: State[[]T]{H: vector(s.B*s.H, 1), M: vector(s.B*s.memory(), 1)}}
	to := in.Params.list()
	for i, shape := range s.shapes(o) {
		if o == Paper && (names[i] == "WriteMemory" || names[i] == "HiddenHidden") {
			continue
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		*to[i] = vector(n, 0.3)
	}
	for b := range s.B {
		in.Lengths = append(in.Lengths, (s.L-b+s.B*s.L)%(s.L+1))
	}
	return in
}

// planOf makes a plan of LegS with all that its order can have.
func planOf[T num.Float](t testing.TB, o Order, s sizes) *plan[T] {
	t.Helper()
	p, err := newPlan[T](Config{Order: o, N: s.N}, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// gradients runs a plan, both passes, and returns what it wrote, by name.
func gradients(t testing.TB, p *plan[float64], in *inputs[float64], gy []float64) map[string][]float64 {
	t.Helper()
	all := map[string][]float64{"y": testutil.Unwritten[float64](len(gy))}
	if err := p.Forward(all["y"], State[[]float64]{}, in); err != nil {
		t.Fatal(err)
	}
	g := gradientsOf(in)
	p.Backward(g, in, gy, State[[]float64]{})
	all["x"], all["h0"], all["m0"] = g.X, g.Start.H, g.Start.M
	for i, v := range g.Params.list() {
		all[names[i]] = *v
	}
	return all
}

// gradientsOf returns gradients to be written, of all operands.
func gradientsOf[T num.Float](in *inputs[T]) *inputs[T] {
	f := func(v []T) []T {
		if v == nil {
			return nil
		}
		return testutil.Unwritten[T](len(v))
	}
	g := &inputs[T]{X: f(in.X), Start: State[[]T]{H: f(in.Start.H), M: f(in.Start.M)}}
	to := g.Params.list()
	for i, v := range in.Params.list() {
		*to[i] = f(*v)
	}
	return g
}

// A row of a batch has the output and the gradients that it has alone, and the gradients
// of the parameters are the sum over the rows: of a batch in several blocks and groups,
// of sequences in several chunks, with every instruction set.
func TestRowsAndBatch(t *testing.T) {
	for level := range cpu.Detected() + 1 {
		for _, o := range []Order{Code, Paper} {
			s := sizes{B: 35, I: 3, H: 4, M: 2, N: 5, L: 40, gated: true, hidden: true}
			t.Run(fmt.Sprint(level, " ", o), func(t *testing.T) {
				defer cpu.SetActive(cpu.SetActive(level))
				rng := rand.New(rand.NewPCG(2, 2))
				in := draw[float64](rng, o, s)
				gy := testutil.Normal(rng, "gy", s.B, s.H, s.L).F
				got := gradients(t, planOf[float64](t, o, s), in, gy)
				sum := map[string][]float64{}
				one := s
				one.B = 1
				for b := range s.B {
					row := func(v []float64) []float64 { return v[b*len(v)/s.B : (b+1)*len(v)/s.B] }
					alone := *in
					alone.X, alone.Start = row(in.X), State[[]float64]{H: row(in.Start.H), M: row(in.Start.M)}
					alone.Lengths = in.Lengths[b : b+1]
					want := gradients(t, planOf[float64](t, o, one), &alone, row(gy))
					for _, name := range []string{"y", "x", "h0", "m0"} {
						if e := testutil.RelErr(row(got[name]), want[name]); !(e <= 1e-12) {
							t.Errorf("row %d: %s off by %.3g", b, name, e)
						}
					}
					for _, name := range names {
						if sum[name] == nil {
							sum[name] = make([]float64, len(want[name]))
						}
						for i, v := range want[name] {
							sum[name][i] += v
						}
					}
				}
				for _, name := range names {
					if e := testutil.RelErr(got[name], sum[name]); !(e <= 1e-12) {
						t.Errorf("gradient of %s off by %.3g", name, e)
					}
				}
			})
		}
	}
}

func TestPlanIsDeterministic(t *testing.T) {
	s := sizes{B: 37, I: 3, H: 4, M: 1, N: 6, L: 30, gated: true, hidden: true}
	rng := rand.New(rand.NewPCG(6, 2))
	in, gy := draw[float64](rng, Code, s), testutil.Normal(rng, "gy", s.B, s.H, s.L).F
	testutil.CheckDeterministic(t, func() any { return gradients(t, planOf[float64](t, Code, s), in, gy) })
}

// What a plan keeps does not grow from run to run.
func TestPlanReusesItsMemory(t *testing.T) {
	for _, o := range []Order{Code, Paper} {
		s := sizes{B: 17, I: 3, H: 4, M: 1, N: 6, L: 50, gated: true, hidden: true}
		rng := rand.New(rand.NewPCG(7, 2))
		in := draw[float32](rng, o, s)
		plan, g, y := planOf[float32](t, o, s), gradientsOf(in), make([]float32, s.B*s.H*s.L)
		step := func() {
			if err := plan.Forward(y, State[[]float32]{}, in); err != nil {
				t.Fatal(err)
			}
			plan.Backward(g, in, y, State[[]float32]{})
		}
		if n := testing.AllocsPerRun(5, step); n > 14 { // loops, not steps
			t.Errorf("%s: %g allocations a run", o, n)
		}
	}
}

// The gradients of the input and of the parameters are left out where nobody wants them.
func TestGradientsLeftOut(t *testing.T) {
	s := sizes{B: 2, I: 3, H: 4, M: 1, N: 5, L: 6, gated: true, hidden: true}
	rng := rand.New(rand.NewPCG(5, 2))
	in, gy := draw[float64](rng, Code, s), testutil.Normal(rng, "gy", s.B, s.H, s.L).F
	p := planOf[float64](t, Code, s)
	want := gradients(t, p, in, gy)
	g := gradientsOf(in)
	g.X = nil
	p.Backward(g, in, gy, State[[]float64]{})
	if e := testutil.RelErr(g.Params.Hidden, want["Hidden"]); !(e <= 0) {
		t.Errorf("gradient of Hidden off by %.3g", e)
	}
	g = gradientsOf(in)
	g.Params = Params[[]float64]{}
	p.Backward(g, in, gy, State[[]float64]{})
	if e := testutil.RelErr(g.X, want["x"]); !(e <= 0) {
		t.Errorf("gradient of x without those of parameters off by %.3g", e)
	}
}

// The partial sums of the gradients of large weights are few.
func TestPartialSums(t *testing.T) {
	for _, c := range []struct{ b, h, want int }{{1, 8, 1}, {8, 8, 2}, {1000, 8, 16}, {1000, 2048, 4}} {
		p := planOf[float32](t, Code, sizes{B: c.b, I: c.h, H: c.h, M: 1, N: c.h, L: 1, gated: true})
		if p.groups != c.want {
			t.Errorf("%d rows, %d features: want %d groups, got %d", c.b, c.h, c.want, p.groups)
		}
	}
}

func BenchmarkSequence(b *testing.B) {
	for _, n := range []int{64, 256} {
		s := sizes{B: 16, I: 128, H: 128, M: 1, N: n, L: 1024, gated: true}
		rng := rand.New(rand.NewPCG(8, 2))
		in := draw[float32](rng, Code, s)
		in.Params.HiddenHidden, in.Params.WriteMemory, in.Lengths = nil, nil, nil
		for _, constant := range []bool{false, true} {
			cfg := Config{Order: Code, N: n}
			if constant {
				cfg.A, cfg.B = make([]float64, n*n), make([]float64, n)
			}
			plan, err := newPlan[float32](cfg, s)
			if err != nil {
				b.Fatal(err)
			}
			g, y := gradientsOf(in), make([]float32, s.B*s.H*s.L)
			b.Run(fmt.Sprintf("N=%d/constant=%t", n, constant), func(b *testing.B) {
				for b.Loop() {
					if err := plan.Forward(y, State[[]float32]{}, in); err != nil {
						b.Fatal(err)
					}
					plan.Backward(g, in, y, State[[]float32]{})
				}
			})
		}
	}
}

// The update of LegS by itself.
func BenchmarkLegS(b *testing.B) {
	const n = 256
	l, m, next := newLegS[float32](n), make([]float32, n), make([]float32, n)
	m[0] = 1
	f := []float32{1}
	for i := 0; b.Loop(); i++ {
		l.forward(next, m, f, 1/float64(2+i/8)) // the rows of a block have one time
	}
}
