package retention

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// The bounds of the sum of the scores of a query.
const (
	leastSum    = 1
	greatestSum = 5e4
)

// normalized is the core of retention with normalized scores. It takes the queries of a
// chunk with the keys of every chunk up to it: keys are turned as positions from the
// start of their chunk on, and queries as positions counted from there.
type normalized[T num.Float] struct {
	dims
	places
	qs, ks turn[T]
	up     [][]T           // by head: gamma^0 .. gamma^(L-1)
	roots  [][]float64     // by head: sqrt(sum_m gamma^(n-m)), of step n
	factor graphop.Room[T] // (B, H, L): what the sum of a query's scores is multiplied by
	ws     graphop.Common[[]blocks[T]]
}

// blocks is the scratch memory of a worker. C is the number of steps of a chunk.
type blocks[T num.Float] struct {
	gemm   gemm.Workspace[T]
	q, k   []T // (dk, C), turned
	a, da  []T // (C, C), keys by queries
	dq, dk []T // (dk, C)
	gy     []T // (dv, C)
	sums   []float64
}

func newNormalized[T num.Float](d dims, at places) *normalized[T] {
	c := &normalized[T]{dims: d, places: at, ws: graphop.PerWorker[blocks[T]]()}
	c.Chunk = min(d.chunk(), d.l)
	t := d.turnings(d.dk)
	c.qs, c.ks = newTurn[T](t, d.dk, d.l, 1, 1), newTurn[T](t, d.dk, c.Chunk, -1, d.keyScale(d.dk))
	for _, gamma := range d.Gammas() {
		c.up = append(c.up, powers[T](gamma, d.l))
		roots, sum := make([]float64, d.l), 0.
		for n := range roots {
			sum = 1 + gamma*sum
			roots[n] = math.Sqrt(sum)
		}
		c.roots = append(c.roots, roots)
	}
	return c
}

// Rooms implements graphop.Roomy.
func (c *normalized[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.factor, &c.ws} }

// query is a head of a row and n of its queries, from step lo on.
type query[T num.Float] struct {
	*normalized[T]
	s       *blocks[T]
	i       int // head of a row
	lo, n   int
	q, k, v []T
}

// each calls f for the chunks of all heads of all rows, those of one in order.
func (c *normalized[T]) each(in []graphop.Arg[T], f func(q *query[T]), done func(i, n int)) {
	spaces := *c.ws.Get()
	var lengths []int
	if c.lengths >= 0 {
		lengths = in[c.lengths].I
	}
	par.For(c.b*c.Heads, func(worker, i int) {
		q := query[T]{normalized: c, s: &spaces[worker], i: i}
		q.q, q.k, q.v = c.rows(in[0].F, c.dk, i), c.rows(in[1].F, c.dk, i), c.rows(in[2].F, c.dv, i)
		q.reserve()
		n := graphop.Length(lengths, i/c.Heads, c.l)
		for q.lo = 0; q.lo < n; q.lo += c.Chunk {
			q.n = min(c.Chunk, n-q.lo)
			f(&q)
		}
		done(i, n)
	})
}

// rows returns the features of head i, d of x (B, H d, L).
func (c *normalized[T]) rows(x []T, d, i int) []T { return x[i*d*c.l:][:d*c.l] }

func (q *query[T]) reserve() {
	s, n := q.s, q.Chunk
	for _, v := range []*[]T{&s.q, &s.k, &s.dq, &s.dk} {
		*v = num.Grow(*v, q.dk*n)
	}
	s.a, s.da, s.gy = num.Grow(s.a, n*n), num.Grow(s.da, n*n), num.Grow(s.gy, q.dv*n)
	s.sums = num.Grow(s.sums, n)
}

// eachChunk calls f for the chunks of keys of the queries: m keys from j0 on. s.q, s.k
// and the decayed scores s.a are set.
func (q *query[T]) eachChunk(f func(j0, m int)) {
	s, ld := q.s, q.Chunk
	for j0 := 0; j0 <= q.lo; j0 += ld {
		m := min(ld, q.lo+q.n-j0)
		q.qs.apply(s.q, ld, q.q[q.lo:], q.l, q.lo-j0, q.n)
		q.ks.apply(s.k, ld, q.k[j0:], q.l, 0, m)
		gemm.Gemm(&s.gemm, true, false, m, q.n, q.dk, s.k, ld, s.q, ld, s.a, ld, false)
		q.decay(s.a, j0, m)
		f(j0, m)
	}
}

// decay multiplies a (m, n), keys from j0 on by queries, by the decays.
func (q *query[T]) decay(a []T, j0, m int) {
	up := q.up[q.i%q.Heads]
	for j := range m {
		row := a[j*q.Chunk:][:q.n]
		first := max(0, j0+j-q.lo) // the first query that sees the key
		clear(row[:first])
		vec.Mul(row[first:], row[first:], up[q.lo+first-j0-j:][:q.n-first])
	}
}

func (c *normalized[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if c.lengths >= 0 {
		if err := graphop.ValidLengths(in[c.lengths].I, c.l); err != nil {
			return err
		}
	}
	factors := c.factor.Of(c.b * c.Heads * c.l)
	c.each(in, func(q *query[T]) {
		s, y := q.s, c.rows(out, c.dv, q.i)[q.lo:]
		clear(s.sums)
		q.eachChunk(func(j0, m int) {
			gemm.Gemm(&s.gemm, false, false, c.dv, q.n, m, q.v[j0:], c.l, s.a, c.Chunk, y, c.l, j0 > 0)
			for j := range m {
				for i, v := range s.a[j*c.Chunk:][:q.n] {
					s.sums[i] += math.Abs(float64(v))
				}
			}
		})
		factor := factors[q.i*c.l+q.lo:][:q.n]
		for i := range factor {
			root := c.roots[q.i%c.Heads][q.lo+i]
			factor[i] = T(1 / (root * min(max(s.sums[i]/root, leastSum), greatestSum)))
		}
		for f := range c.dv {
			vec.Mul(y[f*c.l:][:q.n], y[f*c.l:][:q.n], factor)
		}
	}, func(i, n int) { c.clearBehind(c.rows(out, c.dv, i), n) })
	return nil
}

// clearBehind clears the steps from n on of rows of L.
func (c *normalized[T]) clearBehind(x []T, n int) {
	for at := n; at < len(x); at += c.l {
		clear(x[at : at+c.l-n])
	}
}

func (c *normalized[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	factors := c.factor.Of(c.b * c.Heads * c.l)
	c.each(in, func(q *query[T]) {
		dk, dv := c.rows(grad[1], c.dk, q.i), c.rows(grad[2], c.dv, q.i)
		if q.lo == 0 {
			clear(dk)
			clear(dv)
			clear(c.rows(grad[0], c.dk, q.i))
		}
		q.backward(c.rows(grad[0], c.dk, q.i), dk, dv, c.rows(gout, c.dv, q.i), factors[q.i*c.l+q.lo:][:q.n])
	}, func(i, n int) {
		if n > 0 {
			return
		}
		clear(c.rows(grad[0], c.dk, i))
		clear(c.rows(grad[1], c.dk, i))
		clear(c.rows(grad[2], c.dv, i))
	})
	return nil
}

// backward adds the gradients that come of the queries.
func (q *query[T]) backward(dq, dk, dv, gout, factor []T) {
	s, ld, l := q.s, q.Chunk, q.l
	for f := range q.dv {
		vec.Mul(s.gy[f*ld:][:q.n], gout[f*l+q.lo:][:q.n], factor)
	}
	q.eachChunk(func(j0, m int) {
		gemm.Gemm(&s.gemm, false, true, q.dv, m, q.n, s.gy, ld, s.a, ld, dv[j0:], l, true)
		gemm.Gemm(&s.gemm, true, false, m, q.n, q.dv, q.v[j0:], l, s.gy, ld, s.da, ld, false)
		q.decay(s.da, j0, m)
		gemm.Gemm(&s.gemm, false, false, q.dk, q.n, m, s.k, ld, s.da, ld, s.dq, ld, false)
		gemm.Gemm(&s.gemm, false, true, q.dk, m, q.n, s.q, ld, s.da, ld, s.dk, ld, false)
		q.qs.back(s.dq, ld, s.dq, ld, q.lo-j0, q.n)
		q.ks.back(s.dk, ld, s.dk, ld, 0, m)
		for f := range q.dk {
			vec.Add(dq[f*l+q.lo:][:q.n], dq[f*l+q.lo:][:q.n], s.dq[f*ld:][:q.n])
			vec.Add(dk[f*l+j0:][:m], dk[f*l+j0:][:m], s.dk[f*ld:][:m])
		}
	})
}
