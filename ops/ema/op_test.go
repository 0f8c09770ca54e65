package ema

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

const tol = 1e-12

// drawn returns parameters of d features with n averages each.
func drawn(rng *rand.Rand, d, n int) []testutil.Input {
	return []testutil.Input{
		testutil.Normal(rng, "delta", d, n, 1), testutil.Normal(rng, "alpha", d, n, 1), testutil.Normal(rng, "beta", d, n, 1), testutil.Normal(rng, "gamma", d, n),
	}
}

func slices(in []testutil.Input) Params[[]float64] {
	return Params[[]float64]{in[0].F, in[1].F, in[2].F, in[3].F}
}

func paramsOf(in []*G.Node) Params[*G.Node] { return Params[*G.Node]{in[0], in[1], in[2], in[3]} }

// recurrent steps through x (B, D, L) from the state h (B, D, N), and returns the outputs
// (B, D, L) and the state.
func recurrent(t *testing.T, p Params[[]float64], x, h []float64, b, d, n, l int) (y, end []float64) {
	t.Helper()
	s, err := NewStep(d, n, p, make([]float64, d))
	if err != nil {
		t.Fatal(err)
	}
	state := make([]float64, s.StateLen(b))
	if h != nil {
		if err := s.Load(state, h); err != nil {
			t.Fatal(err)
		}
	}
	y = make([]float64, b*d*l)
	u, out := make([]float64, b*d), make([]float64, b*d)
	for k := range l {
		for i := range u {
			u[i] = x[i*l+k]
		}
		if err := s.Advance(out, state, u); err != nil {
			t.Fatal(err)
		}
		for i, v := range out {
			y[i*l+k] = v
		}
	}
	return y, s.Store(state)
}

// The kernel is the definition, at lengths on both sides of those of the products, and its
// gradients those of differences.
func TestKernel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const d, n = 2, 3
	in := drawn(rng, d, n)
	for _, l := range []int{1, 2, 63, 64, 65, 200} {
		want := make([]float64, d*l)
		for i := range d * n {
			p, q := 1/(1+math.Exp(-in[0].F[i])), 1/(1+math.Exp(-in[1].F[i]))
			for k := range l {
				want[i/n*l+k] += in[3].F[i] * p * in[2].F[i] * math.Pow(1-p*q, float64(k)) / math.Sqrt(n)
			}
		}
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Kernel(paramsOf(in), l) }
		got, err := testutil.Forward(tensor.Float64, f, in...)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("L=%d: off by %.3g", l, e)
		}
		if l == 2 || l == 65 {
			testutil.Check(t, f, in...)
		}
	}
}

// An average that keeps nothing, q = 0, has gradients too.
func TestKernelWithoutMemory(t *testing.T) {
	in := []testutil.Input{
		{Name: "delta", Shape: tensor.Shape{1, 1, 1}, F: []float64{60}}, {Name: "alpha", Shape: tensor.Shape{1, 1, 1}, F: []float64{60}},
		{Name: "beta", Shape: tensor.Shape{1, 1, 1}, F: []float64{2}}, {Name: "gamma", Shape: tensor.Shape{1, 1}, F: []float64{3}},
	}
	f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Kernel(paramsOf(in), 3) }
	r, err := testutil.Run(testutil.Tape, tensor.Float64, f, nil, in...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Out[0] != 6 || r.Out[1] != 0 || r.Grads[2][0] != 3 || r.Grads[3][0] != 2 {
		t.Errorf("got %v, gradients %v", r.Out, r.Grads)
	}
}

func TestStates(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	const b, d, n = 2, 3, 4
	prm := drawn(rng, d, n)
	for _, l := range []int{1, 2, 9} {
		x, h0 := testutil.Normal(rng, "x", b, d, l), testutil.Normal(rng, "h0", b, d, n)
		output := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return StateOutput(paramsOf(in), in[4], l) }
		final := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			var h0 *G.Node
			if len(in) > 5 {
				h0 = in[5]
			}
			return FinalState(paramsOf(in), in[4], h0)
		}
		y, end := recurrent(t, slices(prm), x.F, h0.F, b, d, n, l)
		y0, end0 := recurrent(t, slices(prm), x.F, nil, b, d, n, l)
		for i := range y {
			y[i] -= y0[i]
		}
		for _, c := range []struct {
			f    testutil.Build
			in   []testutil.Input
			want []float64
		}{
			{output, append(drawnFrom(prm), h0), y}, {final, append(drawnFrom(prm), x, h0), end}, {final, append(drawnFrom(prm), x), end0},
		} {
			got, err := testutil.Forward(tensor.Float64, c.f, c.in...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(got, c.want); !(e <= tol) {
				t.Errorf("L=%d: off by %.3g", l, e)
			}
			testutil.Check(t, c.f, c.in...)
		}
	}
}

func drawnFrom(prm []testutil.Input) []testutil.Input { return append([]testutil.Input(nil), prm...) }

// The recurrence is the convolution, and Scan is Advance to the bit.
func TestStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	const d, n, l = 3, 2, 30
	prm := drawn(rng, d, n)
	x := testutil.Normal(rng, "x", 1, d, l)
	k, err := testutil.Forward(tensor.Float64, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Kernel(paramsOf(in), l) }, prm...)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, d*l)
	for i := range want {
		for j := range i%l + 1 {
			want[i] += k[i/l*l+j] * x.F[i-j]
		}
	}
	y, end := recurrent(t, slices(prm), x.F, nil, 1, d, n, l)
	if e := testutil.RelErr(y, want); !(e <= tol) {
		t.Errorf("recurrence and convolution differ by %.3g", e)
	}
	s, err := NewStep(d, n, slices(prm), make([]float64, d))
	if err != nil {
		t.Fatal(err)
	}
	state, rows, out := make([]float64, s.StateLen(1)), make([]float64, d*l), make([]float64, d*l)
	for i, v := range x.F {
		rows[i%l*d+i/l] = v
	}
	if err := s.Scan(out, state, rows); err != nil {
		t.Fatal(err)
	}
	for i, v := range s.Store(state) {
		if v != end[i] {
			t.Errorf("state %d: %v by Scan, %v by Advance", i, v, end[i])
		}
	}
	for i, v := range y {
		if out[i%l*d+i/l] != v {
			t.Errorf("output %d: %v by Scan, %v by Advance", i, out[i%l*d+i/l], v)
		}
	}
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	a, b, x := node("a", 3, 2), node("b", 2, 2), node("x", 2, 4, 5)
	good := Params[*G.Node]{a, a, a, a}
	wide, long, h0 := node("wide", 1, 1<<20), node("long", 1, 1, 1<<20), node("h0", 1, 1, 1<<20)
	many := Params[*G.Node]{wide, wide, wide, wide} // averages, whose powers are more than there is memory for
	for want, f := range map[string]func() error{
		"ema.Kernel: Alpha: want (3, 2, 1) or (3, 2), got (2, 2)":                                                            func() error { _, err := Kernel(Params[*G.Node]{a, b, a, a}, 3); return err },
		"ema.Kernel: Gamma: want a node, got nil":                                                                            func() error { _, err := Kernel(Params[*G.Node]{a, a, a, nil}, 3); return err },
		"ema.Kernel: want length":                                                                                            func() error { _, err := Kernel(good, 0); return err },
		"ema.FinalState: x: want (B, 3, L), each at least 1, got (2, 4, 5)":                                                  func() error { _, err := FinalState(good, x, nil); return err },
		"ema.StateOutput: h0: want (2, 3, 2), got (2, 4, 5)":                                                                 func() error { _, err := StateOutput(good, x, 4); return err },
		"ema.Kernel: want at most 2147483647 elements in the powers of the averages (N, powers), got 1048576 x 16384":        func() error { _, err := Kernel(many, 1<<20); return err },
		"ema.FinalState: want at most 2147483647 elements in the powers of the averages (N, powers), got 1048576 x 1048577":  func() error { _, err := FinalState(many, long, nil); return err },
		"ema.StateOutput: want at most 2147483647 elements in the powers of the averages (N, powers), got 1048576 x 1048577": func() error { _, err := StateOutput(many, h0, 1<<20); return err },
		"ema: NewStep: Delta: want 2 elements, got 0":                                                                        func() error { _, err := NewStep(1, 2, Params[[]float64]{}, []float64{1}); return err },
	} {
		if err := f(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
