package cauchy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// inputs turns parameters into the inputs of cauchy.Kernel.
func inputs(s cauchy.Size, p params64) []testutil.Input {
	return []testutil.Input{
		{Name: "dt", Shape: tensor.Shape{s.H, dtCount(s) / s.H}, F: p.Dt},
		{Name: "aReal", Shape: tensor.Shape{s.S, s.N}, F: p.AReal},
		{Name: "aImag", Shape: tensor.Shape{s.S, s.N}, F: p.AImag},
		{Name: "p", Shape: tensor.Shape{s.R, s.S, s.N, 2}, F: p.P},
		{Name: "b", Shape: tensor.Shape{s.S, s.N, 2}, F: p.B},
		{Name: "c", Shape: tensor.Shape{s.CH, s.H, s.N, 2}, F: p.C},
	}
}

func kernelOf(cfg cauchy.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return cauchy.Kernel(cfg, cauchy.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], P: n[3], B: n[4], C: n[5]})
	}
}

func TestKernelGradients(t *testing.T) {
	for _, v := range variants {
		for _, L := range []int{2, 17, 50} {
			t.Run(fmt.Sprintf("%s/L%d", v.name, L), func(t *testing.T) {
				cfg := v.cfg
				cfg.L = L
				p := randomParams(rand.New(rand.NewPCG(7, uint64(L))), cfg, v.size)
				testutil.Check(t, kernelOf(cfg), inputs(v.size, p)...)
			})
		}
	}
}

// A rate, a truncated kernel and a prime number of nodes above the block length.
func TestTruncatedKernelGradients(t *testing.T) {
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{Rate: 1.5}, LKernel: 145, L: 31} // 97 nodes
	size := cauchy.Size{CH: 2, H: 2, S: 1, N: 2, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size)
	testutil.Check(t, kernelOf(cfg), inputs(size, p)...)
}

// One step is one node, w = 1: K = -C~ M^-1 B, whatever dt.
func TestSingleStepGradients(t *testing.T) {
	cfg := cauchy.Config{L: 1}
	size := cauchy.Size{CH: 2, H: 4, S: 2, N: 3, R: 2}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size)
	in := inputs(size, p)
	in[0].Fixed = true
	testutil.Check(t, kernelOf(cfg), in...)
	gk := make([]float64, size.CH*size.H)
	for i := range gk {
		gk[i] = float64(i + 1)
	}
	for h, g := range backward(t, cfg, size, p, gk).Dt {
		if math.Abs(g) > 1e-12 {
			t.Errorf("gradient of dt[%d] is %g, want 0", h, g)
		}
	}
}

// The gradient of the imaginary part is 0 there, by symmetry:
// TestGradientAtZeroEigenvalue has it.
func TestKernelGradientsAtZeroEigenvalue(t *testing.T) {
	cfg, size, p := zeroPair()
	in := inputs(size, p)
	in[2].Fixed = true
	testutil.Check(t, kernelOf(cfg), in...)
}

// The shapes that layers store: dt (H), P (S, N, 2), B (1, S, N, 2) and C (H,
// N, 2).
func TestKernelAcceptsStoredShapes(t *testing.T) {
	cfg := cauchy.Config{L: 9}
	size := cauchy.Size{CH: 1, H: 4, S: 2, N: 3, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size)
	want := forward(t, cfg, size, p)
	in := inputs(size, p)
	in[0].Shape, in[3].Shape, in[4].Shape, in[5].Shape = tensor.Shape{4}, tensor.Shape{2, 3, 2}, tensor.Shape{1, 2, 3, 2}, tensor.Shape{4, 3, 2}
	r, err := testutil.Run(testutil.Tape, tensor.Float64, kernelOf(cfg), nil, in...)
	if err != nil {
		t.Fatal(err)
	}
	if want := (tensor.Shape{1, 4, 9}); !r.Shape.Eq(want) {
		t.Errorf("shape %v, want %v", r.Shape, want)
	}
	if !slices.Equal(r.Out, want) {
		t.Error("the op differs from the plan")
	}
}

func TestKernelErrors(t *testing.T) {
	g := G.NewGraph()
	nodes := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		nodes++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("x%d", nodes)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float32, shape...) }
	good := cauchy.Config{L: 8}
	dt, a, a2, p, b, c := f(4, 1), f(2, 3), f(2, 3), f(2, 2, 3, 2), f(2, 3, 2), f(1, 4, 3, 2)
	if _, err := cauchy.Kernel(good, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: a2, P: p, B: b, C: c}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		cfg                  cauchy.Config
		dt, ar, ai, p, bb, c *G.Node
		want                 string
	}{
		{cauchy.Config{}, dt, a, a2, p, b, c, "cauchy.Kernel: want kernel length L at least 1, got 0"},
		{cauchy.Config{L: 8, LKernel: 4}, dt, a, a2, p, b, c, "cauchy.Kernel: want kernel length L at most round(LKernel/Rate) = 4, the length that C~ is tuned to, got 8: RetuneC tunes it to twice that"},
		{cauchy.Config{Dynamics: ssm.Dynamics{ATransform: ssm.Transform("tanh")}, L: 8}, dt, a, a2, p, b, c, "ATransform"},
		{good, nil, a, a2, p, b, c, "cauchy.Kernel: Dt: want a node, got nil"},
		{good, dt, a, a2, p, node(tensor.Float64, 2, 3, 2), c, "cauchy.Kernel: B: want dtype float32 like the other inputs, got float64"},
		{good, f(4, 2), a, a2, p, b, c, "cauchy.Kernel: Dt: want (4, 1) or (4) or (4, 3), got (4, 2)"},
		{good, f(12), a, a2, p, b, c, "cauchy.Kernel: Dt: want (4, 1) or (4) or (4, 3), got (12)"},
		{good, dt, f(3), a2, p, b, c, "AReal: want (S, N), N >= 1, got (3)"},
		{good, dt, a, f(3, 2), p, b, c, "AImag: want (2, 3), got (3, 2)"},
		{good, dt, a, a2, f(1, 3, 3, 2), b, c, "P: want (R, 2, 3, 2) or (2, 3, 2), got (1, 3, 3, 2)"},
		{good, dt, a, a2, f(2, 3), b, c, "P: want (R, 2, 3, 2) or (2, 3, 2), got (2, 3)"},
		{good, dt, a, a2, f(0, 2, 3, 2), b, c, "want rank R at least 1, got 0"},
		{good, dt, a, a2, p, f(4, 3, 2), c, "B: want (2, 3, 2) or (1, 2, 3, 2), got (4, 3, 2)"},
		{good, dt, a, a2, p, b, f(1, 4, 3), "C: want (CH, H, 3, 2) or (H, 3, 2), got (1, 4, 3)"},
		{good, f(5, 1), a, a2, p, b, f(1, 5, 3, 2), "got H = 5, S = 2"},
	} {
		if _, err := cauchy.Kernel(x.cfg, cauchy.Params[*G.Node]{Dt: x.dt, AReal: x.ar, AImag: x.ai, P: x.p, B: x.bb, C: x.c}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("got error %v, want %q", err, x.want)
		}
	}
}

func TestArguments(t *testing.T) {
	cfg := cauchy.Config{L: 5}
	dt, aReal, aImag := testutil.Arg("Dt", 4, 1), testutil.Arg("AReal", 2, 3), testutil.Arg("AImag", 2, 3)
	p, b, c := testutil.Arg("P", 1, 2, 3, 2), testutil.Arg("B", 2, 3, 2), testutil.Arg("C", 1, 4, 3, 2)
	x0, u := testutil.Arg("x0", 2, 4, 3, 2), testutil.Arg("u", 2, 4, 5)
	testutil.CheckArguments(t, "cauchy.Kernel", []testutil.Argument{dt, aReal, aImag, p, b, c}, func(n []*G.Node) (*G.Node, error) {
		return kernelOf(cfg)(nil, n)
	})
	testutil.CheckArguments(t, "cauchy.StateOutput", []testutil.Argument{dt, aReal, aImag, p, c, x0}, func(n []*G.Node) (*G.Node, error) {
		return outputOf(cfg)(nil, n)
	})
	testutil.CheckArguments(t, "cauchy.FinalState", []testutil.Argument{dt, aReal, aImag, p, b, u, x0}, func(n []*G.Node) (*G.Node, error) {
		return finalOf(cfg)(nil, n)
	})
}
