package vandermonde_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// inputs turns parameters into the inputs of vandermonde.Kernel.
func inputs(s vandermonde.Size, p vandermonde.Params[[]float64]) []testutil.Input {
	dtShape := []int{s.H, 1}
	if s.DtPerState {
		dtShape[1] = s.N
	}
	in := []testutil.Input{
		{Name: "dt", Shape: dtShape, F: p.Dt},
		{Name: "aReal", Shape: tensor.Shape{s.S, s.N}, F: p.AReal},
		{Name: "aImag", Shape: tensor.Shape{s.S, s.N}, F: p.AImag},
		{Name: "c", Shape: tensor.Shape{s.CH, s.H, s.N, 2}, F: p.C},
	}
	if p.B != nil {
		in = append(in, testutil.Input{Name: "b", Shape: tensor.Shape{s.S, s.N, 2}, F: p.B})
	}
	return in
}

func kernelOf(cfg vandermonde.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		var b *G.Node
		if len(n) > 4 {
			b = n[4]
		}
		return vandermonde.Kernel(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: b, C: n[3]})
	}
}

func TestKernelGradients(t *testing.T) {
	for _, v := range variants {
		for _, L := range []int{1, 2, 17, 50} {
			t.Run(fmt.Sprintf("%s/L%d", v.name, L), func(t *testing.T) {
				cfg := v.cfg
				cfg.L = L
				p := randomParams(rand.New(rand.NewPCG(7, uint64(L))), cfg, v.size, v.withB)
				testutil.Check(t, kernelOf(cfg), inputs(v.size, p)...)
			})
		}
	}
}

// The shapes that the published layers store: dt (H), B (1, S, N, 2) and C
// (H, N, 2).
func TestKernelAcceptsStoredShapes(t *testing.T) {
	cfg := vandermonde.Config{L: 9}
	size := vandermonde.Size{CH: 1, H: 4, S: 2, N: 3}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true)
	want := forward(t, cfg, size, p)
	in := inputs(size, p)
	in[0].Shape, in[3].Shape, in[4].Shape = tensor.Shape{4}, tensor.Shape{4, 3, 2}, tensor.Shape{1, 2, 3, 2}
	r, err := testutil.Run(testutil.Tape, tensor.Float64, kernelOf(cfg), nil, in...)
	if err != nil {
		t.Fatal(err)
	}
	if want := (tensor.Shape{1, 4, 9}); !r.Shape.Eq(want) {
		t.Errorf("shape %v, want %v", r.Shape, want)
	}
	if e := testutil.RelErr(r.Out, want); e != 0 {
		t.Errorf("relative error %.3g, want the plan's result", e)
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
	good := vandermonde.Config{L: 8}
	dt, a, a2, b, c := f(4, 1), f(2, 3), f(2, 3), f(2, 3, 2), f(1, 4, 3, 2)
	if _, err := vandermonde.Kernel(good, vandermonde.Params[*G.Node]{Dt: dt, AReal: a, AImag: a2, B: b, C: c}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		cfg               vandermonde.Config
		dt, ar, ai, bb, c *G.Node
		want              string
	}{
		{vandermonde.Config{}, dt, a, a2, b, c, "vandermonde.Kernel: want kernel length L at least 1, got 0"},
		{vandermonde.Config{L: 8, Disc: "dss"}, dt, a, a2, b, c, `vandermonde.Kernel: field Disc: ssm: want discretisation "zoh" or "bilinear", got "dss"`},
		{vandermonde.Config{Dynamics: ssm.Dynamics{ATransform: ssm.Transform("tanh")}, L: 8}, dt, a, a2, b, c, "ATransform"},
		{good, nil, a, a2, b, c, "vandermonde.Kernel: Dt: want a node, got nil"},
		{good, dt, a, a2, node(tensor.Float64, 2, 3, 2), c, "vandermonde.Kernel: B: want dtype float32 like the other inputs, got float64"},
		{good, f(4, 2), a, a2, b, c, "vandermonde.Kernel: Dt: want (4, 1) or (4) or (4, 3), got (4, 2)"},
		{good, dt, f(3), a2, b, c, "AReal: want (S, N), N >= 1, got (3)"},
		{good, dt, a, f(3, 2), b, c, "AImag: want (2, 3), got (3, 2)"},
		{good, dt, a, a2, f(4, 3, 2), c, "B: want (2, 3, 2) or (1, 2, 3, 2), got (4, 3, 2)"},
		{good, dt, a, a2, b, f(1, 4, 3), "C: want (CH, H, 3, 2) or (H, 3, 2), got (1, 4, 3)"},
		{good, dt, a, a2, b, f(4, 2, 2), "C: want (CH, H, 3, 2) or (H, 3, 2), got (4, 2, 2)"},
		{good, f(5, 1), a, a2, b, f(1, 5, 3, 2), "got H = 5, S = 2"},
	} {
		if _, err := vandermonde.Kernel(x.cfg, vandermonde.Params[*G.Node]{Dt: x.dt, AReal: x.ar, AImag: x.ai, B: x.bb, C: x.c}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("got error %v, want %q", err, x.want)
		}
	}
}

func TestArguments(t *testing.T) {
	cfg, dss := vandermonde.Config{L: 5}, vandermonde.DSSConfig{L: 5}
	dt, aReal, aImag := testutil.Arg("Dt", 4, 1), testutil.Arg("AReal", 2, 3), testutil.Arg("AImag", 2, 3)
	b, c := testutil.Arg("B", 2, 3, 2), testutil.Arg("C", 1, 4, 3, 2)
	logDt, lambda, w := testutil.Arg("LogDt", 4, 2), testutil.Arg("Lambda", 3, 2), testutil.Arg("W", 1, 4, 3, 2)
	x0, u := testutil.Arg("x0", 2, 4, 3, 2), testutil.Arg("u", 2, 4, 5)
	testutil.CheckArguments(t, "vandermonde.Kernel", []testutil.Argument{dt, aReal, aImag, c, b}, func(n []*G.Node) (*G.Node, error) {
		return vandermonde.Kernel(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: n[4], C: n[3]})
	})
	testutil.CheckArguments(t, "vandermonde.StateOutput", []testutil.Argument{dt, aReal, aImag, b, c, x0}, func(n []*G.Node) (*G.Node, error) {
		return vandermonde.StateOutput(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: n[3], C: n[4]}, n[5])
	})
	testutil.CheckArguments(t, "vandermonde.FinalState", []testutil.Argument{dt, aReal, aImag, b, u, x0}, func(n []*G.Node) (*G.Node, error) {
		return vandermonde.FinalState(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: n[3]}, n[4], n[5])
	})
	testutil.CheckArguments(t, "vandermonde.DSSKernel", []testutil.Argument{logDt, lambda, w}, func(n []*G.Node) (*G.Node, error) {
		return vandermonde.DSSKernel(dss, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1], W: n[2]})
	})
	testutil.CheckArguments(t, "vandermonde.DSSStateOutput", []testutil.Argument{logDt, lambda, w, x0}, func(n []*G.Node) (*G.Node, error) {
		return vandermonde.DSSStateOutput(dss, 5, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1], W: n[2]}, n[3])
	})
	testutil.CheckArguments(t, "vandermonde.DSSFinalState", []testutil.Argument{logDt, lambda, u, x0}, func(n []*G.Node) (*G.Node, error) {
		return vandermonde.DSSFinalState(dss, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1]}, n[2], n[3])
	})
}
