package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// add is the core of Add.
type add[T num.Float] struct{}

func (add[T]) Forward(out []T, in []graphop.Arg[T]) error {
	a, b := in[0].F, in[1].F
	par.Blocks(len(out), elementGrain, func(_, lo, hi int) { vec.Add(out[lo:hi], a[lo:hi], b[lo:hi]) })
	return nil
}

// Backward writes the gradient that both have in common.
func (add[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	copyBlocks(grad[0], gout)
	return nil
}

// copyBlocks copies src to dst, spread over the workers.
func copyBlocks[T num.Float](dst, src []T) {
	par.Blocks(len(dst), elementGrain, func(_, lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
}
