package ops

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// linearVector is the core of Linear on vectors: y (B, O) = x (B, I) w^T + b.
// Its three products are spread over the columns, or rows, of their results.
type linearVector[T num.Float] struct {
	linearDims
	ws []gemm.Workspace[T] // one per worker
}

// linearVectorBlock is the number of columns, or rows, in a piece of work.
const linearVectorBlock = 64

func newLinearVector[T num.Float](d linearDims) *linearVector[T] {
	return &linearVector[T]{linearDims: d, ws: make([]gemm.Workspace[T], par.Workers())}
}

func (c *linearVector[T]) Forward(out []T, in []graphop.Arg[T]) error {
	par.Blocks(c.o, linearVectorBlock, func(worker, lo, hi int) {
		if c.bias >= 0 {
			for b := range c.b {
				copy(out[b*c.o+lo:b*c.o+hi], in[c.bias].F[lo:hi])
			}
		}
		gemm.Gemm(&c.ws[worker], false, true, c.b, hi-lo, c.i, in[0].F, c.i, in[1].F[lo*c.i:], c.i, out[lo:], c.o, c.bias >= 0)
	})
	return nil
}

// Backward: dx = gout w, dw = gout^T x, dbias = column sums of gout.
func (c *linearVector[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	if dx := grad[0]; dx != nil {
		par.Blocks(c.i, linearVectorBlock, func(worker, lo, hi int) {
			gemm.Gemm(&c.ws[worker], false, false, c.b, hi-lo, c.o, gout, c.o, in[1].F[lo:], c.i, dx[lo:], c.i, false)
		})
	}
	par.Blocks(c.o, linearVectorBlock, func(worker, lo, hi int) {
		gemm.Gemm(&c.ws[worker], true, false, hi-lo, c.i, c.b, gout[lo:], c.o, in[0].F, c.i, grad[1][lo*c.i:], c.i, false)
		if c.bias < 0 {
			return
		}
		for o := lo; o < hi; o++ {
			var s float64
			for b := range c.b {
				s += float64(gout[b*c.o+o])
			}
			grad[c.bias][o] = T(s)
		}
	})
	return nil
}
