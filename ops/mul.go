package ops

import (
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Mul multiplies every element of x (B, H, L) or (B, H) by that of v, of the shape of x.
func Mul(x, v *G.Node) (*G.Node, error) {
	return elementwise("ops.Mul", x, v,
		func() graphop.Core[float32] { return mul[float32]{} },
		func() graphop.Core[float64] { return mul[float64]{} })
}

// mul is the core of Mul.
type mul[T num.Float] struct{}

func (mul[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x, v := in[0].F, in[1].F
	par.Blocks(len(out), elementGrain, func(_, lo, hi int) { vec.Mul(out[lo:hi], x[lo:hi], v[lo:hi]) })
	return nil
}

func (mul[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	par.Blocks(len(gout), elementGrain, func(_, lo, hi int) {
		vec.Mul(grad[0][lo:hi], gout[lo:hi], in[1].F[lo:hi])
		vec.Mul(grad[1][lo:hi], gout[lo:hi], in[0].F[lo:hi])
	})
	return nil
}
