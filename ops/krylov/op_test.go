package krylov_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// inputs turns parameters into the inputs of krylov.Kernel: dt, the parts of A
// and C.
func inputs(cfg krylov.Config, s krylov.Size, p krylov.Params[[]float64]) []testutil.Input {
	in := []testutil.Input{{Name: "dt", Shape: tensor.Shape{s.H, 1}, F: p.Dt, Fixed: cfg.Frozen}}
	for i, v := range p.A.Parts() {
		in = append(in, testutil.Input{Name: fmt.Sprintf("a%d", i), Shape: tensor.Shape{s.S, len(v) / s.S}, F: v, Fixed: cfg.Frozen})
	}
	return append(in, testutil.Input{Name: "c", Shape: tensor.Shape{s.CH, s.H, s.N}, F: p.C})
}

// tridiagonal collects the seven parts, in order.
func tridiagonal[E any](parts []E) (a ssm.Tridiagonal[E]) {
	for i, f := range fields(&a) {
		*f = parts[i]
	}
	return a
}

func kernelOf(cfg krylov.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return krylov.Kernel(cfg, krylov.Params[*G.Node]{Dt: n[0], A: tridiagonal(n[1:8]), C: n[8]})
	}
}

func denseInputs(cfg krylov.Config, s krylov.Size, p krylov.DenseParams[[]float64]) []testutil.Input {
	return []testutil.Input{
		{Name: "dt", Shape: tensor.Shape{s.H, 1}, F: p.Dt, Fixed: cfg.Frozen},
		{Name: "a", Shape: tensor.Shape{s.S, s.N, s.N}, F: p.A, Fixed: cfg.Frozen},
		{Name: "b", Shape: tensor.Shape{s.S, s.N}, F: p.B, Fixed: cfg.Frozen},
		{Name: "c", Shape: tensor.Shape{s.CH, s.H, s.N}, F: p.C},
	}
}

func denseKernelOf(cfg krylov.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return krylov.DenseKernel(cfg, krylov.DenseParams[*G.Node]{Dt: n[0], A: n[1], B: n[2], C: n[3]})
	}
}

func TestKernelGradients(t *testing.T) {
	for _, v := range variants {
		for _, L := range []int{1, 2, 17, 50} {
			t.Run(fmt.Sprintf("%s/L%d", v.name, L), func(t *testing.T) {
				cfg := v.cfg
				cfg.L = L
				p := random(t, cfg, v.size, uint64(7*L))
				testutil.Check(t, kernelOf(cfg), inputs(cfg, v.size, p)...)
				testutil.Check(t, denseKernelOf(cfg), denseInputs(cfg, v.size, denseOf(t, v.size, p))...)
			})
		}
	}
}

// A state of one number, which only the dense form has, and shapes without the
// axes of size 1.
func TestKernelAcceptsStoredShapes(t *testing.T) {
	cfg := krylov.Config{L: 9}
	s := krylov.Size{CH: 1, H: 2, S: 1, N: 3}
	p := random(t, cfg, s, 1)
	want, _ := run(t, cfg, s, p, make([]float64, s.H*cfg.L))
	d := denseOf(t, s, p)
	in, dense := inputs(cfg, s, p), denseInputs(cfg, s, d)
	for i, x := range in[:8] {
		in[i].Shape = tensor.Shape{len(x.F)}
	}
	in[8].Shape = tensor.Shape{2, 3}
	dense[0].Shape, dense[1].Shape, dense[2].Shape, dense[3].Shape = in[0].Shape, tensor.Shape{3, 3}, tensor.Shape{3}, in[8].Shape
	for _, x := range []struct {
		build testutil.Build
		in    []testutil.Input
		tol   float64
	}{{kernelOf(cfg), in, 0}, {denseKernelOf(cfg), dense, 1e-13}} {
		r, err := testutil.Run(testutil.Tape, tensor.Float64, x.build, nil, x.in...)
		if err != nil {
			t.Fatal(err)
		}
		if want := (tensor.Shape{1, 2, 9}); !r.Shape.Eq(want) {
			t.Errorf("shape %v, want %v", r.Shape, want)
		}
		if e := testutil.RelErr(r.Out, want); !(e <= x.tol) {
			t.Errorf("relative error %.3g > %.3g", e, x.tol)
		}
	}
	one := krylov.Size{CH: 2, H: 2, S: 2, N: 1}
	testutil.Check(t, denseKernelOf(cfg), denseInputs(cfg, one, krylov.DenseParams[[]float64]{
		Dt: []float64{-2, -1}, A: []float64{-1, -0.5}, B: []float64{1, 2}, C: []float64{1, 2, 3, 4},
	})...)
}

func TestKernelErrors(t *testing.T) {
	g := G.NewGraph()
	nodes := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		nodes++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("x%d", nodes)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float32, shape...) }
	good := krylov.Config{L: 8}
	dt, c := f(4, 1), f(1, 4, 3)
	// parts returns the parts of A, one of them replaced.
	parts := func(i int, n *G.Node) ssm.Tridiagonal[*G.Node] {
		p := []*G.Node{f(2, 3), f(2, 2), f(2, 3), f(2, 2), f(2, 3), f(2, 3), f(2, 3)}
		if i >= 0 {
			p[i] = n
		}
		return tridiagonal(p)
	}
	a, b := f(2, 3, 3), f(2, 3)
	kernel := func(cfg krylov.Config, dt *G.Node, a ssm.Tridiagonal[*G.Node], c *G.Node) error {
		_, err := krylov.Kernel(cfg, krylov.Params[*G.Node]{Dt: dt, A: a, C: c})
		return err
	}
	dense := func(cfg krylov.Config, dt, a, b, c *G.Node) error {
		_, err := krylov.DenseKernel(cfg, krylov.DenseParams[*G.Node]{Dt: dt, A: a, B: b, C: c})
		return err
	}
	if err := kernel(good, dt, parts(-1, nil), c); err != nil {
		t.Fatal(err)
	}
	if err := dense(good, dt, a, b, c); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		err  error
		want string
	}{
		{kernel(krylov.Config{}, dt, parts(-1, nil), c), "krylov.Kernel: want kernel length L at least 1, got 0"},
		{kernel(krylov.Config{L: 8, Disc: "dss"}, dt, parts(-1, nil), c), "krylov.Kernel: field Disc: ssm: want discretisation"},
		{kernel(good, nil, parts(-1, nil), c), "krylov.Kernel: Dt: want a node, got nil"},
		{kernel(good, dt, ssm.Tridiagonal[*G.Node]{}, c), "krylov.Kernel: A.Pl: want a node, got nil"},
		{kernel(good, dt, parts(4, node(tensor.Float64, 2, 3)), c), "krylov.Kernel: A.Pr: want dtype float32 like the other inputs, got float64"},
		{kernel(good, dt, parts(2, f(2, 1)), c), "krylov.Kernel: A.D: want (S, N) or (N), N >= 2, got (2, 1)"},
		{kernel(good, dt, parts(1, f(2, 3)), c), "krylov.Kernel: A.Dl: want (2, 2), got (2, 3)"},
		{kernel(good, dt, parts(5, f(3)), c), "krylov.Kernel: A.C: want (2, 3), got (3)"},
		{kernel(good, dt, parts(-1, nil), f(1, 4, 4)), "krylov.Kernel: C: want (CH, H, 3) or (H, 3), got (1, 4, 4)"},
		{kernel(good, dt, parts(-1, nil), f(1, 5, 3)), "got H = 5, S = 2"},
		{kernel(good, f(4, 3), parts(-1, nil), c), "krylov.Kernel: Dt: want (4, 1) or (4), got (4, 3)"},
		{dense(krylov.Config{L: 8, Stable: true, Disc: ssm.Euler}, dt, a, b, c), "krylov.DenseKernel: want with Stable a discretisation that keeps stability"},
		{dense(good, dt, f(2, 3), b, c), "krylov.DenseKernel: A: want (S, N, N) or (N, N), N >= 1, got (2, 3)"},
		{dense(good, dt, f(3), b, c), "krylov.DenseKernel: A: want (S, N, N) or (N, N), N >= 1, got (3)"},
		{dense(good, dt, a, f(3), c), "krylov.DenseKernel: B: want (2, 3), got (3)"},
		{dense(good, dt, f(3, 3), f(2, 3), c), "krylov.DenseKernel: B: want (1, 3) or (3), got (2, 3)"},
		{dense(good, dt, a, nil, c), "krylov.DenseKernel: B: want a node, got nil"},
	} {
		if x.err == nil || !strings.Contains(x.err.Error(), x.want) {
			t.Errorf("got error %v, want %q", x.err, x.want)
		}
	}
}

// A model that cannot be discretised stops the graph with an error.
func TestSingularModelInAGraph(t *testing.T) {
	cfg, s := krylov.Config{Disc: ssm.Euler, L: 4}, krylov.Size{CH: 1, H: 1, S: 1, N: 2}
	p := measure(t, hippo.LegS, cfg, s)
	clear(p.A.D)
	clear(p.A.Dl)
	const want = "krylov.Kernel: feature 0: the matrix to be inverted is singular"
	if _, err := testutil.Run(testutil.Tape, tensor.Float64, kernelOf(cfg), nil, inputs(cfg, s, p)...); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

// With Frozen the gradient of C is what it is without.
func TestFrozenGraph(t *testing.T) {
	cfg, s := krylov.Config{L: 20, Frozen: true}, krylov.Size{CH: 1, H: 2, S: 1, N: 4}
	p := random(t, cfg, s, 3)
	free := cfg
	free.Frozen = false
	w := make([]float64, s.H*cfg.L)
	for i := range w {
		w[i] = math.Sin(float64(i))
	}
	for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
		want, err := testutil.Run(vm, tensor.Float64, kernelOf(free), w, inputs(free, s, p)...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := testutil.Run(vm, tensor.Float64, kernelOf(cfg), w, inputs(cfg, s, p)...)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(got.Grads[8], want.Grads[8]); !(e <= 1e-13) {
			t.Errorf("%s: gradient of C: relative error %.3g", vm, e)
		}
	}
}

func TestArguments(t *testing.T) {
	cfg := krylov.Config{L: 5}
	dt, c := testutil.Arg("Dt", 4, 1), testutil.Arg("C", 1, 4, 3)
	x0, u := testutil.Arg("x0", 2, 4, 3), testutil.Arg("u", 2, 4, 5)
	model := []testutil.Argument{
		dt, testutil.Arg("A.Pl", 2, 3), testutil.Arg("A.Dl", 2, 2), testutil.Arg("A.D", 2, 3), testutil.Arg("A.Du", 2, 2),
		testutil.Arg("A.Pr", 2, 3), testutil.Arg("A.C", 2, 3), testutil.Arg("A.B", 2, 3),
	}
	testutil.CheckArguments(t, "krylov.Kernel", append(slices.Clone(model), c), func(n []*G.Node) (*G.Node, error) {
		return kernelOf(cfg)(nil, n)
	})
	testutil.CheckArguments(t, "krylov.StateOutput", append(slices.Clone(model), c, x0), func(n []*G.Node) (*G.Node, error) {
		return outputOf(cfg)(nil, n)
	})
	testutil.CheckArguments(t, "krylov.FinalState", append(slices.Clone(model), u, x0), func(n []*G.Node) (*G.Node, error) {
		return finalOf(cfg)(nil, n)
	})
	dense := []testutil.Argument{dt, testutil.Arg("A", 2, 3, 3), testutil.Arg("B", 2, 3), c}
	testutil.CheckArguments(t, "krylov.DenseKernel", dense, func(n []*G.Node) (*G.Node, error) {
		return denseKernelOf(cfg)(nil, n)
	})
}
