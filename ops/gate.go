package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Gate multiplies every element of x (B, H, L) or (B, H) by the sigmoid of that of v, of
// the shape of x: GLU whose halves are two nodes.
func Gate(x, v *G.Node) (*G.Node, error) {
	return elementwise("ops.Gate", x, v,
		func() graphop.Core[float32] { return gate[float32]{} },
		func() graphop.Core[float64] { return gate[float64]{} })
}

// elementwise applies an op to the elements of x (B, H, L) or (B, H) and those of v, of
// the same shape.
func elementwise(op string, x, v *G.Node, f32 func() graphop.Core[float32], f64 func() graphop.Core[float64]) (*G.Node, error) {
	in, err := graphop.Floats(op, graphop.Named("x", x), graphop.Named("v", v))
	if err != nil {
		return nil, err
	}
	if s := x.Shape(); len(s) != 2 && len(s) != 3 || s.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: x: want (B, H, L) or (B, H), each at least 1, got %v", op, s)
	}
	if err := graphop.WantShape("v", v, x.Shape()); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Carried: append(oneStep(x), oneStep(v)...)}, f32, f64, in...)
}

// gate is the core of Gate.
type gate[T num.Float] struct{}

func (gate[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x, v := in[0].F, in[1].F
	par.Blocks(len(out), elementGrain, func(_, lo, hi int) { vec.GLU(out[lo:hi], x[lo:hi], v[lo:hi]) })
	return nil
}

func (gate[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	x, v := in[0].F, in[1].F
	par.Blocks(len(gout), elementGrain, func(_, lo, hi int) {
		vec.GLUGrad(grad[0][lo:hi], grad[1][lo:hi], x[lo:hi], v[lo:hi], gout[lo:hi])
	})
	return nil
}
