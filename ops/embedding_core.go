package ops

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// embeddingDims are the sizes and options of Embedding.
type embeddingDims struct {
	b, l, v, h int
	padding    int
	padded     bool // there is a padding id
	scale      float64
}

// embeddingWidth is the number of features, and of steps, in a piece of work:
// a cache line of float32.
const embeddingWidth = 16

// embedding is the core of Embedding.
type embedding[T num.Float] struct {
	embeddingDims
	cols columns
	sums [][]float64 // one per worker, (V, embeddingWidth)
}

func newEmbedding[T num.Float](d embeddingDims) *embedding[T] {
	return &embedding[T]{embeddingDims: d, cols: columns{b: d.b, l: d.l, width: embeddingWidth}, sums: make([][]float64, par.Workers())}
}

// isPadding reports whether id stands for padding.
func (d embeddingDims) isPadding(id int) bool { return d.padded && id == d.padding }

// Forward transposes while it looks up: a few steps at a time, whose rows of
// the table are read side by side.
func (c *embedding[T]) Forward(out []T, in []graphop.Arg[T]) error {
	ids, w, lens := in[0].I, in[1].F, lastInts(in)
	if err := graphop.ValidLengths(lens, c.l); err != nil {
		return err
	}
	for b := range c.b {
		for l, id := range c.row(ids, lens, b) {
			if id < 0 || id >= c.v {
				return fmt.Errorf("ids[%d, %d]: want an id in [0, %d), got %d", b, l, c.v, id)
			}
		}
	}
	par.For(c.cols.units(), func(_, u int) {
		b, lo, end, hi := c.cols.counting(u, lens)
		y := out[b*c.h*c.l+lo:]
		c.lookUp(y, w, ids[b*c.l+lo:b*c.l+end])
		clearColumns(y, c.h, c.l, end-lo, hi-lo)
	})
	return nil
}

// row returns the ids of sequence b that count.
func (c *embedding[T]) row(ids, lens []int, b int) []int {
	return ids[b*c.l:][:graphop.Length(lens, b, c.l)]
}

// lookUp writes the rows of w that ids name to the columns of y, (H, steps).
func (c *embedding[T]) lookUp(y, w []T, ids []int) {
	var room [embeddingWidth]int
	at := room[:len(ids)] // where the rows begin
	for i, id := range ids {
		at[i] = id * c.h
	}
	scale := T(c.scale)
	for h := range c.h {
		row := y[h*c.l:][:len(at)]
		for i, from := range at {
			row[i] = scale * w[from+h]
		}
	}
	for i, id := range ids {
		if c.isPadding(id) {
			for h := range c.h {
				y[h*c.l+i] = 0
			}
		}
	}
}

// Backward adds up, for every id, the gradients of the steps where it stands.
// A piece of work is a few features of all steps, so that no two pieces write
// to the same element.
func (c *embedding[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	ids, dw, lens := in[0].I, grad[1], lastInts(in)
	par.Blocks(c.h, embeddingWidth, func(worker, lo, hi int) {
		n := hi - lo
		c.sums[worker] = num.Grow(c.sums[worker], c.v*embeddingWidth)
		sums := c.sums[worker][:c.v*n]
		clear(sums)
		for b := range c.b {
			g := gout[(b*c.h+lo)*c.l:]
			for l, id := range c.row(ids, lens, b) {
				for h := range sums[id*n : id*n+n] {
					sums[id*n+h] += float64(g[h*c.l+l])
				}
			}
		}
		for v := range c.v {
			for h, s := range sums[v*n : v*n+n] {
				if c.isPadding(v) {
					s = 0
				}
				dw[v*c.h+lo+h] = T(c.scale * s)
			}
		}
	})
	return nil
}
