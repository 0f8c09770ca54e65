package attention

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// softmax is the core of softmax attention, a head of a row at a time. It is
// FlashAttention in the panels of package gemm: the scores of a panel of queries
// and a block of keys are themselves the operand of the product with the values,
// and stay in the first-level cache. Of the forward pass it keeps lse, from which
// the backward pass computes the weights again.
type softmax[T num.Float] struct {
	heads[T]
	drops[T]
	lse graphop.Room[T] // (B, H, L): of the scores of a query, the logarithm of the sum of the exponentials
	ws  graphop.Common[[]space[T]]
}

// space is the scratch memory of a worker. Sizes are those of a head, w is the
// number of columns in a panel.
type space[T num.Float] struct {
	head[T]
	w      int
	narrow bool

	keyRows, valueRows    []T // panels of rows: (m, hd+1), the last term 1, and blocks of (hd, block)
	queryRows             []T // backward: (n, hd+1), the last term -lse
	gradRows              []T // backward: (n, hd), with minus the mean gradient of a score as bias
	queryTerms, gradTerms []T // backward: blocks of (hd, block)
	keyTerms              []T // backward: (hd, w)
	x, x1                 []T // panels of columns: queries (hd+1, w), the last term -ref; backward keys, the last term 1, and values
	p, d                  []T // panels of columns (block, w): weights, and backward the gradients of scores
	turned                []T // backward: part of d with its columns the terms
	y, y1                 []T // panels of columns (hd, w): outputs; gradients of keys and of values backward
	queries               []T // backward: gradients of queries, panels of columns (hd, w)

	tree           []T // scratch of a reduction
	most, ref, sum []T // (w): greatest score of a query, what its scores are relative to, sum of the exponentials
	bias           []T // (n)

	none        []T        // (n) of zeros
	words       []uint64   // by key: the mask of a tile of queries
	turnedWords [64]uint64 // by query of a tile: the mask of a panel of keys
	factors     []T        // what multiplies p
}

func newSoftmax[T num.Float](d dims, o operands) *softmax[T] {
	return &softmax[T]{heads: newHeads[T](d, o), drops: newDrops[T](d.Config, d.b), ws: graphop.PerWorker[space[T]]()}
}

const (
	// maxBlock is the number of keys of which scores are computed at a time. It is a
	// multiple of the rows and the columns of every panel.
	maxBlock = 192
	// narrowBlock is the same with a short window, whose keys are all in one block.
	narrowBlock = 3 * maxBlock / 2
	// slack is how far a score may exceed the greatest of the keys before, to which
	// exponentials are relative: there are float32 up to e^88.
	slack = 16
)

// narrow reports whether all keys that a panel of w queries sees, and all queries
// that see a panel of keys, are in one block. Nothing is then packed ahead.
func (d *dims) narrow(rows, w int) bool { return d.Window > 0 && d.Window+rows+2*w <= narrowBlock }

// keys returns the keys [lo, hi) that queries [i0, i1) see, any of them.
func (d *dims) keys(past, m, i0, i1 int) (lo, hi int) {
	hi = m
	if d.Causal {
		hi = past + i1
	}
	if d.Window > 0 {
		lo = max(0, past+i0+1-d.Window)
	}
	return lo, hi
}

// seers returns the queries [lo, hi) that see keys [j0, j1), any of them.
func (d *dims) seers(past, n, j0, j1 int) (lo, hi int) {
	hi = n
	if d.Causal {
		lo = max(0, j0-past)
	}
	if d.Window > 0 {
		hi = min(n, j1-1+d.Window-past)
	}
	return lo, hi
}

// open reads unit u.
func (c *softmax[T]) open(worker int, in []graphop.Arg[T], u int) *space[T] {
	s := &(*c.ws.Get())[worker]
	c.read(&s.head, in, u, T(c.scale(c.hd)))
	c.room(s)
	return s
}

// room makes room for a head that has been read.
func (c *softmax[T]) room(s *space[T]) {
	s.w = gemm.PanelColumns[T]()
	s.narrow = c.narrow(gemm.PanelRows[T](), s.w)
	rows, hp := maxBlock, gemm.RoundRows[T](s.hd)
	if s.narrow {
		rows = narrowBlock
	}
	s.x, s.y = num.Grow(s.x, (s.hd+1)*s.w), num.Grow(s.y, hp*s.w)
	s.p, s.tree = num.Grow(s.p, rows*s.w), num.Grow(s.tree, rows*s.w)
	s.most, s.ref, s.sum = num.Grow(s.most, s.w), num.Grow(s.ref, s.w), num.Grow(s.sum, s.w)
}

// Rooms implements graphop.Roomy.
func (c *softmax[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.lse, &c.ws} }

func (c *softmax[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	lse := c.lse.Of(c.b * c.Heads * c.l)
	c.draw()
	c.ws.Get() // before the workers ask for it
	c.each(func(worker, u int) {
		s := c.open(worker, in, u)
		y := c.output(out, u)
		if s.n > 0 {
			s.packForward()
		}
		for i0 := 0; i0 < s.n; i0 += s.w {
			if c.on && i0%tile == 0 {
				c.prepareDrops(s, u, i0)
			}
			c.queries(s, i0, y, lse[u*c.l:])
		}
		for f := range s.hd {
			clear(y[f*c.l+s.n : (f+1)*c.l])
		}
	})
	return nil
}

// packForward lays keys and values out.
func (s *space[T]) packForward() {
	s.keyRows = num.Grow(s.keyRows, gemm.RoundRows[T](s.m)*(2+s.hd))
	gemm.PackRows(s.keyRows, true, s.m, s.hd+1, s.keysAndOne(), s.m, nil)
	s.valueRows = s.packBlocks(s.valueRows, s.v, s.m, s.m)
}

// keysAndOne returns the keys and below them a feature that is 1.
func (s *space[T]) keysAndOne() []T {
	k := s.k[:(s.hd+1)*s.m]
	for i := range s.m {
		k[s.hd*s.m+i] = 1
	}
	return k
}

// packBlocks lays the blocks of the n columns of x, rows spaced by ld, out as
// panels of rows, unless they are to be packed when they are needed.
func (s *space[T]) packBlocks(dst, x []T, ld, n int) []T {
	hp := gemm.RoundRows[T](s.hd)
	if s.narrow {
		return num.Grow(dst, hp*(1+narrowBlock))
	}
	dst = num.Grow(dst, hp*(n+(n+maxBlock-1)/maxBlock))
	for j := 0; j < n; j += maxBlock {
		gemm.PackRows(dst[hp*(j+j/maxBlock):], false, s.hd, min(maxBlock, n-j), x[j:], ld, nil)
	}
	return dst
}

// packed returns the block of rows columns from column j on of what packBlocks
// gave, and the number of its terms.
func (s *space[T]) packed(blocks, x []T, ld, n, j, rows int) ([]T, int) {
	if s.narrow {
		gemm.PackRows(blocks, false, s.hd, rows, x[j:], ld, nil)
		return blocks, rows
	}
	return blocks[gemm.RoundRows[T](s.hd)*(j+j/maxBlock):], min(maxBlock, n-j)
}

// multiplyBlock adds the product of such a block and the panel p to y.
func (s *space[T]) multiplyBlock(y, p, blocks, x []T, ld, n, j, rows int) {
	a, terms := s.packed(blocks, x, ld, n, j, rows)
	gemm.MultiplyPanels(s.hd, rows, a, terms, p, y, true)
}

// first returns the first row of the block that has row lo, if blocks of a narrow
// window may begin at multiples of step.
func (s *space[T]) first(lo, step int) int {
	if s.narrow {
		return lo / step * step
	}
	return lo / maxBlock * maxBlock
}

// queries computes the output of the panel of queries from i0 on.
func (c *softmax[T]) queries(s *space[T], i0 int, y, lse []T) {
	nq := min(s.w, s.n-i0)
	gemm.PackColumns(s.x, false, s.hd, nq, s.q[i0:], s.n)
	clear(s.x[s.hd*s.w:])
	clear(s.ref)
	clear(s.sum)
	clear(s.y)
	lo, hi := c.keys(s.past, s.m, i0, i0+nq)
	mr, block := gemm.PanelRows[T](), len(s.p)/s.w
	for j0 := s.first(lo, mr); j0 < hi; j0 += block {
		rows := min(block, hi-j0)
		from := max(0, lo-j0) / mr * mr
		clear(s.p[:from*s.w])
		p := s.p[from*s.w : rows*s.w]
		gemm.MultiplyPanels(rows-from, s.hd+1, s.keyRows[gemm.RowPanel[T](j0+from, s.hd+1):], s.hd+1, s.x, s.p[from*s.w:], false)
		c.maskKeys(s, i0, nq, j0+from, p)
		s.relate(p)
		vec.Exp(p, p)
		s.reduce(vec.Add[T], s.most, p)
		vec.Add(s.sum, s.sum, s.most)
		if c.on {
			c.dropKeys(s, i0, j0+from, p)
		}
		s.multiplyBlock(s.y, s.p, s.valueRows, s.v, s.m, s.m, j0, rows)
	}
	for i := range nq {
		lse[i0+i] = T(float64(s.ref[i]) + math.Log(float64(s.sum[i])))
		s.sum[i] = 1 / s.sum[i]
	}
	for f := range s.hd {
		vec.Mul(y[f*c.l+i0:][:nq], s.y[f*s.w:][:nq], s.sum[:nq])
	}
}

// maskKeys sets the scores of keys from j0 on that the nq queries from i0 on do
// not see to -Inf.
func (c *softmax[T]) maskKeys(s *space[T], i0, nq, j0 int, p []T) {
	if !c.Causal {
		return
	}
	inf := T(math.Inf(-1))
	for r := range len(p) / s.w {
		before := j0 + r - s.past - i0 // queries that come before the key
		for i := range min(before, nq) {
			p[r*s.w+i] = inf
		}
		if c.Window > 0 {
			for i := max(0, before+c.Window); i < nq; i++ {
				p[r*s.w+i] = inf
			}
		}
	}
}

// relate makes the scores p, which are relative to ref, small enough for
// exponentials: it changes ref where they are not, and what was summed so far.
func (s *space[T]) relate(p []T) {
	s.reduce(vec.Max[T], s.most, p)
	fine := true
	for i, m := range s.most {
		fine = fine && m <= slack && s.sum[i] != 0
	}
	if fine {
		return
	}
	none, factor := T(math.Inf(-1)), s.tree[:s.w]
	for i, m := range s.most {
		switch {
		case s.sum[i] == 0 && m == none: // no key yet
			s.most[i], factor[i] = 0, 0
		case s.sum[i] == 0:
			factor[i] = 0
		case m <= slack:
			s.most[i], factor[i] = 0, 1
		default:
			factor[i] = T(math.Exp(-float64(m)))
		}
	}
	vec.Add(s.ref, s.ref, s.most)
	vec.Scale(s.x[s.hd*s.w:], -1, s.ref)
	vec.Mul(s.sum, s.sum, factor)
	for r := 0; r < len(s.y); r += s.w {
		vec.Mul(s.y[r:r+s.w], s.y[r:r+s.w], factor)
	}
	for r := 0; r < len(p); r += s.w {
		vec.Sub(p[r:r+s.w], p[r:r+s.w], s.most)
	}
}

// reduce sets dst to the sum, or what f makes of two numbers, of every column of x.
func (s *space[T]) reduce(f func(dst, a, b []T), dst, x []T) {
	n := len(x) / s.w
	for n > 1 {
		h := n / 2
		t := s.tree[:h*s.w]
		f(t, x[:len(t)], x[len(t):2*len(t)])
		if n%2 == 1 {
			f(t[:s.w], t[:s.w], x[2*len(t):])
		}
		x, n = t, h
	}
	copy(dst, x)
}

func (c *softmax[T]) Backward(grad [][]T, in []graphop.Arg[T], out, gout []T) error {
	c.ws.Get()
	c.each(func(worker, u int) {
		s := c.open(worker, in, u)
		s.dq, s.dk, s.dv = num.Grow(s.dq, s.hd*s.n), num.Grow(s.dk, s.hd*s.m), num.Grow(s.dv, s.hd*s.m)
		if s.n == 0 {
			clear(s.dk)
			clear(s.dv)
		} else {
			c.packBackward(s, c.output(out, u), c.output(gout, u), c.lse.Of(c.b * c.Heads * c.l)[u*c.l:])
			k := s.keysAndOne()
			for j0 := 0; j0 < s.m; j0 += s.w {
				c.keysBackward(s, u, j0, k, c.output(gout, u))
			}
			s.unpackQueries()
		}
		c.write(&s.head, grad, u, T(c.scale(c.hd)))
	})
	return nil
}

// packBackward lays queries and the gradients g of their outputs y out.
func (c *softmax[T]) packBackward(s *space[T], y, g, lse []T) {
	rows := gemm.RoundRows[T](s.n)
	s.queryRows, s.gradRows, s.bias = num.Grow(s.queryRows, rows*(2+s.hd)), num.Grow(s.gradRows, rows*(1+s.hd)), num.Grow(s.bias, s.n)
	// The last term, as ref was: scores have then the rounding errors that lse has.
	q := s.q[:(s.hd+1)*s.n]
	vec.Scale(q[s.hd*s.n:], -1, lse[:s.n])
	gemm.PackRows(s.queryRows, true, s.n, s.hd+1, q, s.n, nil)
	clear(s.bias)
	for f := range s.hd {
		vec.AddMul(s.bias, g[f*c.l:][:s.n], y[f*c.l:][:s.n])
	}
	vec.Scale(s.bias, -1, s.bias)
	bias := s.bias
	if c.on { // which it is added behind
		s.none = num.Grow(s.none, s.n)
		bias = s.none
	}
	gemm.PackRows(s.gradRows, true, s.n, s.hd, g, c.l, bias)
	s.queryTerms = s.packBlocks(s.queryTerms, s.q, s.n, s.n)
	s.gradTerms = s.packBlocks(s.gradTerms, g, c.l, s.n)

	hp := gemm.RoundRows[T](s.hd)
	s.x1 = num.Grow(s.x1, s.hd*s.w)
	s.y1, s.d, s.turned = num.Grow(s.y1, len(s.y)), num.Grow(s.d, len(s.p)), num.Grow(s.turned, len(s.p))
	s.keyTerms = num.Grow(s.keyTerms, hp*(1+s.w))
	s.queries = num.Grow(s.queries, hp*gemm.RoundColumns[T](s.n))
	clear(s.queries)
}

// keysBackward computes the gradients of the panel of keys and values from j0 on of
// unit u, and adds to those of the queries that see them. k is keysAndOne, g are the
// gradients of the outputs.
func (c *softmax[T]) keysBackward(s *space[T], u, j0 int, k, g []T) {
	nk := min(s.w, s.m-j0)
	keys, values := s.x, s.x1
	gemm.PackColumns(keys, false, s.hd+1, nk, k[j0:], s.m)
	gemm.PackColumns(values, false, s.hd, nk, s.v[j0:], s.m)
	gemm.PackRows(s.keyTerms, false, s.hd, nk, s.k[j0:], s.m, nil)
	clear(s.y)
	clear(s.y1)
	lo, hi := c.seers(s.past, s.n, j0, j0+nk)
	hp := gemm.RoundRows[T](s.hd)
	mr, block := gemm.PanelRows[T](), len(s.p)/s.w
	for i0 := s.first(lo/mr*mr, s.w); i0 < hi; i0 += block {
		rows := min(block, hi-i0)
		from := max(0, lo/mr*mr-i0)
		n := from * s.w
		clear(s.p[:n])
		clear(s.d[:n])
		p, d := s.p[n:rows*s.w], s.d[n:rows*s.w]
		gemm.MultiplyPanels(rows-from, s.hd+1, s.queryRows[gemm.RowPanel[T](i0+from, s.hd+1):], s.hd+1, keys, s.p[n:], false)
		c.maskQueries(s, i0+from, j0, p)
		vec.Exp(p, p)
		gemm.MultiplyPanels(rows-from, s.hd, s.gradRows[gemm.RowPanel[T](i0+from, s.hd):], s.hd, values, s.d[n:], false)
		if c.on {
			c.dropQueries(s, u, i0+from, j0, nk, p, d)
		} else {
			vec.Mul(d, d, p)
		}
		s.multiplyBlock(s.y1, s.p, s.gradTerms, g, c.l, s.n, i0, rows)
		s.multiplyBlock(s.y, s.d, s.queryTerms, s.q, s.n, s.n, i0, rows)
		for i := from / s.w * s.w; i < rows; i += s.w {
			gemm.PackColumns(s.turned, true, nk, min(s.w, rows-i), s.d[i*s.w:], s.w)
			gemm.MultiplyPanels(s.hd, nk, s.keyTerms, nk, s.turned, s.queries[(i0+i)*hp:], true)
		}
	}
	for f := range s.hd {
		copy(s.dk[f*s.m+j0:][:nk], s.y[f*s.w:])
		copy(s.dv[f*s.m+j0:][:nk], s.y1[f*s.w:])
	}
}

// maskQueries sets the scores of queries from i0 on, for keys from j0 on that they
// do not see, to -Inf.
func (c *softmax[T]) maskQueries(s *space[T], i0, j0 int, p []T) {
	if !c.Causal {
		return
	}
	inf := T(math.Inf(-1))
	for r := range len(p) / s.w {
		seen := s.past + i0 + r + 1 - j0 // keys up to that of the query
		row := p[r*s.w:][:s.w]
		for j := max(0, seen); j < s.w; j++ {
			row[j] = inf
		}
		if c.Window > 0 {
			for j := range min(s.w, seen-c.Window) {
				row[j] = inf
			}
		}
	}
}

// unpackQueries copies the gradients of the queries out of their panels.
func (s *space[T]) unpackQueries() {
	hp := gemm.RoundRows[T](s.hd)
	for i := 0; i < s.n; i += s.w {
		nq := min(s.w, s.n-i)
		for f := range s.hd {
			copy(s.dq[f*s.n+i:][:nq], s.queries[i*hp+f*s.w:])
		}
	}
}
