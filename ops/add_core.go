package ops

import (
	"slices"

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

// addLengths is the core of Add with lengths.
type addLengths[T num.Float] struct{ mask[T] }

func (c addLengths[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := graphop.ValidLengths(in[2].I, c.l); err != nil {
		return err
	}
	a, b := in[0].F, in[1].F
	c.rows(len(out), in[2].I, func(at, n int) {
		vec.Add(out[at:at+n], a[at:at+n], b[at:at+n])
		clear(out[at+n : at+c.l])
	})
	return nil
}

// Backward writes the gradient that both have in common.
func (c addLengths[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.keep(grad[0], gout, in[2].I)
	return nil
}

// Trim implements graphop.Trimmer.
func (c addLengths[T]) Trim(gout []T, in []graphop.Arg[T]) {
	c.rows(len(gout), in[2].I, func(at, n int) { clear(gout[at+n : at+c.l]) })
}

// IsWhole implements graphop.Trimmer.
func (c addLengths[T]) IsWhole(in []graphop.Arg[T]) bool {
	return !slices.ContainsFunc(in[2].I, func(n int) bool { return n < c.l })
}
