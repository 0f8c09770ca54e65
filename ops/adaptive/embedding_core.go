package adaptive

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// embeddingDims are the sizes and inputs of an embedding.
type embeddingDims struct {
	b, h, l, vocab int
	ids, lengths   int // inputs; lengths may be -1
	scale          float64
	cutoffs        []int
	clusters       []embeddingCluster
}

// embeddingCluster is the tokens from first on, which are rows of input weight (rows, d)
// from row on. proj is the input of their projection, or -1.
type embeddingCluster struct{ first, row, d, weight, proj int }

// token is a step of the batch, at b L + l, and its id.
type token struct{ id, at int }

// embedding is the core of Embedding. It works on the ids that occur, each once, in
// order, some of one cluster at a time.
type embedding[T num.Float] struct {
	embeddingDims
	tokens []token // by id, and then by place
	runs   []int   // where the tokens of each id begin, and the end

	work graphop.Common[[]gemm.Workspace[T]]
	x    graphop.Scratch[T] // (ids, d): rows of the table, or their gradients
	y    graphop.Scratch[T] // (ids, h): vectors, or their gradients
}

func newEmbedding[T num.Float](d embeddingDims) *embedding[T] {
	return &embedding[T]{embeddingDims: d, work: graphop.PerWorker[gemm.Workspace[T]]()}
}

// Rooms implements graphop.Roomy.
func (c *embedding[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.work, &c.x, &c.y} }

// sort finds the tokens that count, by id.
func (c *embedding[T]) sort(in []graphop.Arg[T]) error {
	var lens []int
	if c.lengths >= 0 {
		lens = in[c.lengths].I
	}
	if err := graphop.ValidLengths(lens, c.l); err != nil {
		return err
	}
	c.tokens, c.runs = c.tokens[:0], c.runs[:0]
	for b := range c.b {
		for l, id := range in[c.ids].I[b*c.l:][:graphop.Length(lens, b, c.l)] {
			if id < 0 || id >= c.vocab {
				return fmt.Errorf("ids[%d, %d]: want an id in [0, %d), got %d", b, l, c.vocab, id)
			}
			c.tokens = append(c.tokens, token{id, b*c.l + l})
		}
	}
	slices.SortFunc(c.tokens, func(a, b token) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.at, b.at)) })
	for i, t := range c.tokens {
		if i == 0 || t.id != c.tokens[i-1].id {
			c.runs = append(c.runs, i)
		}
	}
	c.runs = append(c.runs, len(c.tokens))
	return nil
}

// each calls f for ids [lo, hi) of those that occur, all in one cluster.
func (c *embedding[T]) each(f func(k embeddingCluster, lo, hi int)) {
	const most = 1024
	for lo := 0; lo < len(c.runs)-1; {
		i, _ := slices.BinarySearch(c.cutoffs, c.id(lo)+1)
		hi := lo + 1
		for hi < len(c.runs)-1 && hi < lo+most && (i == len(c.cutoffs) || c.id(hi) < c.cutoffs[i]) {
			hi++
		}
		f(c.clusters[i], lo, hi)
		lo = hi
	}
}

// id returns one of those that occur.
func (c *embedding[T]) id(i int) int { return c.tokens[c.runs[i]].id }

// of returns the tokens of an id.
func (c *embedding[T]) of(i int) []token { return c.tokens[c.runs[i]:c.runs[i+1]] }

// row returns the row of an id in a matrix of the shape of the table.
func (c *embedding[T]) row(w []T, k embeddingCluster, i int) []T {
	return w[(k.row+c.id(i)-k.first)*k.d:][:k.d]
}

// place returns where in (B, H, L) the first feature of a step is.
func (c *embedding[T]) place(at int) int { return at/c.l*c.h*c.l + at%c.l }

// Pieces of work: ids, and elements that are set.
const (
	idGrain  = 64
	setGrain = 1 << 15
)

func (c *embedding[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.sort(in); err != nil {
		return err
	}
	ws := *c.work.Get()
	par.Blocks(len(out), setGrain, func(_, lo, hi int) { clear(out[lo:hi]) })
	c.each(func(k embeddingCluster, lo, hi int) {
		x, y := c.x.Of((hi-lo)*k.d), c.y.Of((hi-lo)*c.h)
		par.Blocks(hi-lo, idGrain, func(w, i0, i1 int) {
			for i := i0; i < i1; i++ {
				vec.Scale(x[i*k.d:][:k.d], T(c.scale), c.row(in[k.weight].F, k, lo+i))
			}
			rows := x[i0*k.d : i1*k.d]
			if k.proj >= 0 {
				gemm.Gemm(&ws[w], false, true, i1-i0, c.h, k.d, rows, k.d, in[k.proj].F, k.d, y[i0*c.h:], c.h, false)
				rows = y[i0*c.h : i1*c.h]
			}
			for i := i0; i < i1; i++ {
				c.write(out, rows[(i-i0)*c.h:][:c.h], c.of(lo+i))
			}
		})
	})
	return nil
}

// write sets the steps of tokens to a vector.
func (c *embedding[T]) write(out, v []T, of []token) {
	for _, t := range of {
		y := out[c.place(t.at):]
		for f, v := range v {
			y[f*c.l] = v
		}
	}
}

func (c *embedding[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	if err := c.sort(in); err != nil {
		return err
	}
	ws := *c.work.Get()
	for _, g := range grad {
		par.Blocks(len(g), setGrain, func(_, lo, hi int) { clear(g[lo:hi]) })
	}
	c.each(func(k embeddingCluster, lo, hi int) {
		x, y := c.x.Of((hi-lo)*k.d), c.y.Of((hi-lo)*c.h)
		par.Blocks(hi-lo, idGrain, func(w, i0, i1 int) {
			for i := i0; i < i1; i++ {
				c.sum(y[i*c.h:][:c.h], gout, c.of(lo+i))
			}
			rows := y[i0*c.h : i1*c.h]
			if k.proj >= 0 {
				dx := x[i0*k.d : i1*k.d]
				gemm.Gemm(&ws[w], false, false, i1-i0, k.d, c.h, rows, c.h, in[k.proj].F, k.d, dx, k.d, false)
				rows = dx
			}
			for i := i0; i < i1; i++ {
				dw := c.row(grad[k.weight], k, lo+i)
				vec.Axpy(dw, 1, rows[(i-i0)*k.d:][:k.d])
			}
		})
		if k.proj >= 0 {
			c.projGrad(ws, grad[k.proj], in[k.weight].F, k, lo, hi, x, y)
		}
	})
	return nil
}

// sum sets dst to the gradients of the steps of tokens, added up, times the scale.
func (c *embedding[T]) sum(dst, gout []T, of []token) {
	for f := range dst {
		var s float64
		for _, t := range of {
			s += float64(gout[c.place(t.at)+f*c.l])
		}
		dst[f] = T(c.scale * s)
	}
}

// projGrad adds the gradient of a projection: that of the vectors, y, times the rows of
// the table, which it writes to x.
func (c *embedding[T]) projGrad(ws []gemm.Workspace[T], dst, table []T, k embeddingCluster, lo, hi int, x, y []T) {
	n := hi - lo
	for i := range n {
		copy(x[i*k.d:][:k.d], c.row(table, k, lo+i))
	}
	par.Blocks(c.h, 48, func(w, h0, h1 int) {
		gemm.Gemm(&ws[w], true, false, h1-h0, k.d, n, y[h0:], c.h, x, k.d, dst[h0*k.d:], k.d, true)
	})
}
