package testutil

import (
	"fmt"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Argument is an argument of an op function that wants a float node.
type Argument struct {
	Name  string // as the function's errors have it
	Shape tensor.Shape
}

// Arg returns an argument of the given shape.
func Arg(name string, shape ...int) Argument { return Argument{name, shape} }

// CheckArguments fails the test unless build refuses, one at a time in place of
// each argument, an integer node, one of another float type than the others,
// one without axes and one whose shape is not known, with an error that begins
// with the name of the op and that of the argument. build gets the nodes in the
// order of the arguments and must accept them as they are.
func CheckArguments(t testing.TB, op string, args []Argument, build func(n []*G.Node) (*G.Node, error)) {
	t.Helper()
	nodes := func(bad int, alter func(g *G.ExprGraph, a Argument) *G.Node) []*G.Node {
		g := G.NewGraph()
		var ns []*G.Node
		for i, a := range args {
			if i == bad {
				ns = append(ns, alter(g, a))
			} else {
				ns = append(ns, argument(g, tensor.Float64, a))
			}
		}
		return ns
	}
	if _, err := build(nodes(-1, nil)); err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		for _, c := range []struct {
			alter func(g *G.ExprGraph, a Argument) *G.Node
			want  string
		}{
			{func(g *G.ExprGraph, a Argument) *G.Node { return argument(g, tensor.Int, a) }, "want dtype float32 or float64, got int"},
			{func(g *G.ExprGraph, a Argument) *G.Node { return argument(g, tensor.Float32, a) }, "want dtype "},
			{func(g *G.ExprGraph, a Argument) *G.Node { return G.NewScalar(g, tensor.Float64, G.WithName(a.Name)) }, "want ("},
			{func(g *G.ExprGraph, a Argument) *G.Node {
				return G.NewTensor(g, tensor.Float64, a.Shape.Dims(), G.WithName(a.Name))
			}, "want ("},
		} {
			want := fmt.Sprintf("%s: %s: %s", op, a.Name, c.want)
			if i == 0 && c.want == "want dtype " {
				want = fmt.Sprintf("%s: %s: %s", op, args[1].Name, c.want) // the first that differs from it
			}
			if _, err := build(nodes(i, c.alter)); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", a.Name, err, want)
			}
		}
	}
}

func argument(g *G.ExprGraph, dt tensor.Dtype, a Argument) *G.Node {
	return G.NewTensor(g, dt, a.Shape.Dims(), G.WithShape(a.Shape...), G.WithName(a.Name))
}
