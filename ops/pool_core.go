package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// pool is the core of Pool. It works on rows: the steps of one feature.
type pool[T num.Float] struct {
	mode    PoolMode
	b, h, l int
	at      []int // (B, H): the step whose value PoolMax returned
}

func newPool[T num.Float](mode PoolMode, b, h, l int) *pool[T] {
	c := &pool[T]{mode: mode, b: b, h: h, l: l}
	if mode == PoolMax {
		c.at = make([]int, b*h)
	}
	return c
}

// rows runs f for every row r, with the number of its steps that count.
func (c *pool[T]) rows(in []graphop.Arg[T], f func(r, n int)) {
	lens := lastInts(in)
	par.Blocks(c.b*c.h, max(1, elementGrain/c.l), func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			f(r, graphop.Length(lens, r/c.h, c.l))
		}
	})
}

func (c *pool[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := graphop.ValidLengths(lastInts(in), c.l); err != nil {
		return err
	}
	x := in[0].F
	c.rows(in, func(r, n int) {
		if n == 0 {
			out[r] = 0
			return
		}
		out[r] = c.reduce(x[r*c.l:r*c.l+n], r)
	})
	return nil
}

// reduce returns the value of a row, which is not empty.
func (c *pool[T]) reduce(row []T, r int) T {
	switch c.mode {
	case PoolMean:
		return vec.Sum(row) / T(len(row))
	case PoolSum:
		return vec.Sum(row)
	case PoolFirst:
		return row[0]
	case PoolLast:
		return row[len(row)-1]
	}
	at := 0
	for i, v := range row {
		if v != v { // NaN is the result, as in a sum
			at = i
			break
		}
		if v > row[at] {
			at = i
		}
	}
	c.at[r] = at
	return row[at]
}

func (c *pool[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.rows(in, func(r, n int) {
		row := grad[0][r*c.l : (r+1)*c.l]
		if n == 0 {
			clear(row)
			return
		}
		c.spread(row, n, r, gout[r])
	})
	return nil
}

// spread writes the gradient of a row, of whose steps n > 0 count, from that of
// its value.
func (c *pool[T]) spread(row []T, n, r int, g T) {
	switch c.mode {
	case PoolMean:
		fill(row[:n], g/T(n))
		clear(row[n:])
	case PoolSum:
		fill(row[:n], g)
		clear(row[n:])
	default:
		clear(row)
		row[c.source(n, r)] = g
	}
}

// source returns the step whose value row r has, in the modes that pick one.
func (c *pool[T]) source(n, r int) int {
	switch c.mode {
	case PoolFirst:
		return 0
	case PoolLast:
		return n - 1
	}
	return c.at[r]
}

func fill[T num.Float](x []T, v T) {
	for i := range x {
		x[i] = v
	}
}

// mask is the core of Mask.
type mask[T num.Float] struct{ h, l int }

func (c mask[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := graphop.ValidLengths(in[1].I, c.l); err != nil {
		return err
	}
	c.keep(out, in[0].F, in[1].I)
	return nil
}

func (c mask[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.keep(grad[0], gout, in[1].I)
	return nil
}

// keep copies the steps that count and clears the others.
func (c mask[T]) keep(dst, src []T, lens []int) {
	c.rows(len(dst), lens, func(at, n int) {
		row := dst[at : at+c.l]
		clear(row[copy(row, src[at:at+n]):])
	})
}

// rows runs f for every row of an array of size elements, with its place and the
// number of its steps that count.
func (c mask[T]) rows(size int, lens []int, f func(at, n int)) {
	par.Blocks(size/c.l, max(1, elementGrain/c.l), func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			f(r*c.l, lens[r/c.h])
		}
	})
}
