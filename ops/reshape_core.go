package ops

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// reshape is the core of Reshape and Contiguous: a copy to row-major order.
type reshape[T num.Float] struct{ shape tensor.Shape }

func (c reshape[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x := in[0].F
	if in[0].Strides == nil {
		copyBlocks(out, x)
		return nil
	}
	graphop.EachRow(c.shape, in[0].Strides, func(to, from, stride, n int) {
		for i := range out[to : to+n] {
			out[to+i] = x[from+i*stride]
		}
	})
	return nil
}

func (c reshape[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	copyBlocks(grad[0], gout)
	return nil
}

// swapHL is the core of SwapHL.
type swapHL[T num.Float] struct{ b, h, l int }

func (c swapHL[T]) Forward(out []T, in []graphop.Arg[T]) error {
	swapLast(out, in[0].F, c.b, c.h, c.l)
	return nil
}

func (c swapHL[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	swapLast(grad[0], gout, c.b, c.l, c.h)
	return nil
}

// swapBlock is the side of the square blocks of swapLast.
const swapBlock = 32

// swapLast copies src (b, m, n) to dst (b, n, m), in square blocks, so that
// both are read and written in whole cache lines.
func swapLast[T num.Float](dst, src []T, b, m, n int) {
	cols := columns{b: b, l: n, width: swapBlock}
	par.For(cols.units(), func(_, u int) {
		k, lo, hi := cols.unit(u)
		d, s := dst[k*m*n:(k+1)*m*n], src[k*m*n:(k+1)*m*n]
		for i := 0; i < m; i += swapBlock {
			swapOne(d[lo*m+i:], s[i*n+lo:], min(swapBlock, m-i), hi-lo, m, n)
		}
	})
}

// swapOne copies a block of rows x cols, with leading dimension lds, to its
// place in dst, with leading dimension ldd, by way of a tile: the rows of a
// block are often a power of two apart, and would push each other out of cache.
func swapOne[T num.Float](dst, src []T, rows, cols, ldd, lds int) {
	var tile [swapBlock * swapBlock]T
	for i := range rows {
		copy(tile[i*swapBlock:], src[i*lds:][:cols])
	}
	for j := range cols {
		row := dst[j*ldd:][:rows]
		for i := range row {
			row[i] = tile[i*swapBlock+j]
		}
	}
}
