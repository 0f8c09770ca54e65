package graphop_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// mulAdd is the test core: out = a*b + c, elementwise.
type mulAdd[T num.Float] struct{}

func (mulAdd[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for i := range out {
		out[i] = in[0].F[i]*in[1].F[i] + in[2].F[i]
	}
	return nil
}

func (mulAdd[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	for i, g := range gout {
		if grad[0] != nil {
			grad[0][i] = g * in[1].F[i]
		}
		if grad[1] != nil {
			grad[1][i] = g * in[0].F[i]
		}
		if grad[2] != nil {
			grad[2][i] = g
		}
	}
	return nil
}

func apply(a, b, c *G.Node) (*G.Node, error) {
	return graphop.Apply(graphop.Spec{Name: "test.MulAdd", Out: a.Shape()},
		func() graphop.Core[float32] { return mulAdd[float32]{} },
		func() graphop.Core[float64] { return mulAdd[float64]{} }, a, b, c)
}

// A core that cannot be made is an error that names the op, of either type.
func TestBuildFails(t *testing.T) {
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		x := G.NewVector(G.NewGraph(), dt, G.WithShape(3), G.WithName("x"))
		_, err := graphop.Build(graphop.Spec{Name: "test.MulAdd", Out: x.Shape()},
			func() (graphop.Core[float32], error) { return nil, errors.New("no core") },
			func() (graphop.Core[float64], error) { return nil, errors.New("no core") }, x)
		if err == nil || err.Error() != "test.MulAdd: no core" {
			t.Errorf("%v: got error %v", dt, err)
		}
	}
}

func TestGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][]int{{1}, {7}, {3, 5}, {2, 3, 4}} {
		in := []testutil.Input{testutil.Normal(rng, "a", shape...), testutil.Normal(rng, "b", shape...), testutil.Normal(rng, "c", shape...)}
		testutil.Check(t, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return apply(n[0], n[1], n[2]) }, in...)
		// The same node twice, and one op feeding two.
		testutil.Check(t, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			y, err := apply(n[0], n[0], n[1])
			if err != nil {
				return nil, err
			}
			return apply(y, y, n[2])
		}, in...)
	}
}

// watched is mulAdd that records whether its first gradient was asked for.
type watched struct {
	mulAdd[float64]
	asked *bool
}

func (c watched) Backward(grad [][]float64, in []graphop.Arg[float64], out, gout []float64) error {
	*c.asked = grad[0] != nil
	return c.mulAdd.Backward(grad, in, out, gout)
}

// The gradient of an optional input is computed where it is read: where the
// input is learned, or something that is learned is behind it.
func TestOptionalGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	in := []testutil.Input{testutil.Normal(rng, "a", 5), testutil.Normal(rng, "b", 5), testutil.Normal(rng, "c", 5)}
	fixed := func(names ...string) []testutil.Input {
		some := slices.Clone(in)
		for i := range some {
			some[i].Fixed = slices.Contains(names, some[i].Name)
		}
		return some
	}
	for _, c := range []struct {
		what   string
		behind bool // the input is made of a
		in     []testutil.Input
		asked  bool
	}{
		{"a parameter", false, fixed(), true},
		{"data", false, fixed("a"), false},
		{"what is made of a parameter", true, fixed("b"), true},
		{"what is made of data", true, fixed("a"), false},
	} {
		var asked bool
		f := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			x, err := n[0], error(nil)
			if c.behind {
				if x, err = apply(n[0], n[0], n[0]); err != nil {
					return nil, err
				}
			}
			return graphop.Apply(graphop.Spec{Name: "test.Watched", Out: x.Shape(), Optional: []int{0}},
				func() graphop.Core[float32] { return mulAdd[float32]{} },
				func() graphop.Core[float64] { return watched{asked: &asked} }, x, n[1], n[2])
		}
		testutil.Check(t, f, c.in...)
		if _, err := testutil.Run(testutil.Tape, tensor.Float64, f, nil, c.in...); err != nil || asked != c.asked {
			t.Errorf("input is %s: gradient asked for: %t, %v, want %t", c.what, asked, err, c.asked)
		}
	}
}

// total is a test core with a scalar output that its gradient reads.
type total[T num.Float] struct{}

func (total[T]) Forward(out []T, in []graphop.Arg[T]) error {
	out[0] = 0
	for _, v := range in[0].F {
		out[0] += v
	}
	out[0] *= out[0]
	return nil
}

func (total[T]) Backward(grad [][]T, in []graphop.Arg[T], out, gout []T) error {
	var s T
	for _, v := range in[0].F {
		s += v
	}
	for i := range grad[0] {
		grad[0][i] = 2 * out[0] / s * gout[0]
	}
	return nil
}

func TestScalarOutputThatBackwardReads(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in := testutil.Normal(rng, "a", 3, 4)
	testutil.Check(t, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return graphop.Apply(graphop.Spec{Name: "test.Total", NeedsOut: true},
			func() graphop.Core[float32] { return total[float32]{} },
			func() graphop.Core[float64] { return total[float64]{} }, n[0])
	}, in)
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, dt tensor.Dtype, v any) *G.Node {
		return G.NewTensor(g, dt, 2, G.WithShape(2, 3), G.WithName(name), G.WithValue(v))
	}
	f64 := func() *tensor.Dense {
		return tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(make([]float64, 6)))
	}
	a, b := node("a", tensor.Float64, f64()), node("b", tensor.Float64, f64())
	f32 := node("f32", tensor.Float32, tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(make([]float32, 6))))
	ints := node("ints", tensor.Int, tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(make([]int, 6))))
	for _, c := range []struct {
		in   [3]*G.Node
		want string
	}{
		{[3]*G.Node{a, b, f32}, "test.MulAdd: input 2 (f32): want dtype float64 like the other inputs, got float32"},
		{[3]*G.Node{ints, a, b}, "test.MulAdd: input 0 (ints): want dtype float32 or float64, got int"},
		{[3]*G.Node{a, b, ints}, "test.MulAdd: input 2 (ints): want dtype float32 or float64, got int"},
		{[3]*G.Node{a, nil, b}, "test.MulAdd: input 1: want a node, got nil"},
	} {
		if _, err := apply(c.in[0], c.in[1], c.in[2]); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	_, err := graphop.Apply(graphop.Spec{Name: "test.Ints", Ints: []int{0}}, nil, nil, ints)
	if want := "test.Ints: want at least one float input, got none"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestFloats(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, dt tensor.Dtype) *G.Node {
		return G.NewVector(g, dt, G.WithShape(2), G.WithName(name))
	}
	a, b, f32, ints := node("a", tensor.Float64), node("b", tensor.Float64), node("f32", tensor.Float32), node("ints", tensor.Int)
	in, err := graphop.Floats("test", graphop.Named("x", a), graphop.Optional("y", nil), graphop.Optional("z", b))
	if err != nil || len(in) != 2 || in[0] != a || in[1] != b {
		t.Errorf("got %v, %v, want the nodes of x and z", in, err)
	}
	for _, c := range []struct {
		args []graphop.Argument
		want string
	}{
		{[]graphop.Argument{graphop.Named("x", a), graphop.Named("y", nil)}, "test: y: want a node, got nil"},
		{[]graphop.Argument{graphop.Named("x", ints), graphop.Named("y", a)}, "test: x: want dtype float32 or float64, got int"},
		{[]graphop.Argument{graphop.Named("x", a), graphop.Optional("y", ints)}, "test: y: want dtype float32 or float64, got int"},
		{[]graphop.Argument{graphop.Named("x", a), graphop.Optional("y", f32)}, "test: y: want dtype float64 like the other inputs, got float32"},
	} {
		if _, err := graphop.Floats("test", c.args...); err == nil || err.Error() != c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

func TestMissingValueIsAnError(t *testing.T) {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 2, G.WithShape(2, 3), G.WithName("x"))
	if _, err := apply(x, x, x); err != nil {
		t.Fatal(err)
	}
	const want = "No value bound to node x"
	if err := G.NewTapeMachine(g).RunAll(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestScalarInput(t *testing.T) {
	in := []testutil.Input{{Name: "a", F: []float64{2}}, {Name: "b", F: []float64{3}}, {Name: "c", F: []float64{5}}}
	testutil.Check(t, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return apply(n[0], n[1], n[2]) }, in...)
}

func TestPanicInCoreIsAnError(t *testing.T) {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(3), G.WithName("x"), G.WithValue(testutil.Dense(tensor.Float64, make([]float64, 3), 3)))
	y := G.NewTensor(g, tensor.Float64, 1, G.WithShape(2), G.WithName("y"), G.WithValue(testutil.Dense(tensor.Float64, make([]float64, 2), 2)))
	if _, err := apply(x, x, y); err != nil { // the core indexes y out of range
		t.Fatal(err)
	}
	if err := G.NewTapeMachine(g).RunAll(); err == nil || !strings.Contains(err.Error(), "test.MulAdd: internal error") {
		t.Errorf("got error %v, want an internal error", err)
	}
}
