package attention

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// epsilon is added to the normaliser of linear attention.
const epsilon = 1e-6

// linear is the core of linear attention. With V' the values and below them a
// feature that is 1, numerators and normaliser of all queries are one product,
// (V' phi(K)^T) phi(Q). Causal attention takes it chunk by chunk: what came before
// a chunk is in the sums V' phi(K)^T, the chunk itself is added as attention
// without a softmax.
type linear[T num.Float] struct {
	heads[T]
	inverse graphop.Room[T] // (B, H, L): of the normaliser of a query
	ws      graphop.Common[[]linearSpace[T]]
}

// linearSpace is the scratch memory of a worker. C is the number of steps in a
// chunk.
type linearSpace[T num.Float] struct {
	head[T]            // q and k are phi of them; v is (hd+1, m)
	slopeQ, slopeK []T // derivatives of phi, (hd, n) and (hd, m)
	gemm           gemm.Workspace[T]
	chunk          int
	sums           []T // (hd+1, hd); causal backward: those before every chunk
	dsums          []T // (hd+1, hd)
	y              []T // (hd+1, C): numerators and normaliser
	dy             []T // (hd+1, n): their gradients
	a, da          []T // (C, C): weights of a chunk, keys by queries
	t              []T // of phi
}

func newLinear[T num.Float](d dims, o operands) *linear[T] {
	return &linear[T]{heads: newHeads[T](d, o), ws: graphop.PerWorker[linearSpace[T]]()}
}

// minChunk is the least number of steps in a chunk.
const minChunk = 64

// phi sets y to elu(x) + 1 = max(x, 0) + e^min(x, 0), and slope to its derivative,
// the second term. y may be x. t is scratch memory.
func phi[T num.Float](y, slope, t, x []T) {
	clear(slope)
	vec.Max(t, x, slope)
	vec.Sub(slope, x, t)
	vec.Exp(slope, slope)
	vec.Add(y, t, slope)
}

// openKeys reads unit u and applies phi.
func (c *linear[T]) openKeys(worker int, in []graphop.Arg[T], u int) *linearSpace[T] {
	s := &(*c.ws.Get())[worker]
	c.read(&s.head, in, u, 1)
	s.slopeQ, s.slopeK = num.Grow(s.slopeQ, len(s.q)), num.Grow(s.slopeK, len(s.k))
	s.t = num.Grow(s.t, len(s.k))
	phi(s.q, s.slopeQ, s.t[:len(s.q)], s.q)
	phi(s.k, s.slopeK, s.t, s.k)
	s.v = s.v[:(s.hd+1)*s.m]
	for j := range s.m {
		s.v[s.hd*s.m+j] = 1
	}
	return s
}

// open is openKeys, with the sums at the start.
func (c *linear[T]) open(worker int, in []graphop.Arg[T], u int) *linearSpace[T] {
	s := c.openKeys(worker, in, u)
	s.chunk = max(minChunk, s.hd)
	n := (s.hd + 1) * s.hd
	s.sums, s.dsums = num.Grow(s.sums, n*((s.n+s.chunk-1)/s.chunk+1)), num.Grow(s.dsums, n)
	s.y = num.Grow(s.y, (s.hd+1)*s.chunk)
	s.a, s.da = num.Grow(s.a, s.chunk*s.chunk), num.Grow(s.da, s.chunk*s.chunk)
	clear(s.sums[:n])
	if i := c.operands.k; i >= 0 {
		transpose(s.sums, s.hd, in[i].F[u*s.hd*s.hd:][:s.hd*s.hd], s.hd)
		copy(s.sums[s.hd*s.hd:], in[c.operands.v].F[u*s.hd:][:s.hd])
	}
	return s
}

// addSums adds steps [lo, lo+n) to sums.
func (s *linearSpace[T]) addSums(sums []T, lo, n int) {
	gemm.Gemm(&s.gemm, false, true, s.hd+1, s.hd, n, from(s.v, lo), s.m, from(s.k, lo), s.m, sums, s.hd, true)
}

// weights sets a to the weights of the steps [lo, lo+n) of each other.
func (s *linearSpace[T]) weights(lo, n int) {
	gemm.Gemm(&s.gemm, true, false, n, n, s.hd, s.k[lo:], s.m, s.q[lo:], s.n, s.a, s.chunk, false)
	s.mask(s.a, n)
}

// mask sets the weights of keys that come after a query to 0.
func (s *linearSpace[T]) mask(a []T, n int) {
	for j := range n {
		clear(a[j*s.chunk:][:j])
	}
}

// Rooms implements graphop.Roomy.
func (c *linear[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.inverse, &c.ws} }

func (c *linear[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	c.ws.Get() // before the workers ask for it
	all := c.inverse.Of(c.b * c.Heads * c.l)
	c.each(func(worker, u int) {
		s := c.open(worker, in, u)
		y := c.output(out, u)
		if !c.Causal {
			s.addSums(s.sums, 0, s.m)
		}
		for lo := 0; lo < s.n; lo += s.chunk {
			n := min(s.chunk, s.n-lo)
			gemm.Gemm(&s.gemm, false, false, s.hd+1, n, s.hd, s.sums, s.hd, s.q[lo:], s.n, s.y, s.chunk, false)
			if c.Causal {
				s.weights(lo, n)
				gemm.Gemm(&s.gemm, false, false, s.hd+1, n, n, s.v[lo:], s.m, s.a, s.chunk, s.y, s.chunk, true)
				s.addSums(s.sums, lo, n)
			}
			inverse := all[u*c.l+lo:][:n]
			for i, v := range s.y[s.hd*s.chunk:][:n] {
				inverse[i] = 1 / (v + epsilon)
			}
			for f := range s.hd {
				vec.Mul(y[f*c.l+lo:][:n], s.y[f*s.chunk:][:n], inverse)
			}
		}
		for f := range s.hd {
			clear(y[f*c.l+s.n : (f+1)*c.l])
		}
	})
	return nil
}

func (c *linear[T]) Backward(grad [][]T, in []graphop.Arg[T], out, gout []T) error {
	c.ws.Get()
	c.each(func(worker, u int) {
		s := c.open(worker, in, u)
		s.dq, s.dk, s.dv = num.Grow(s.dq, s.hd*s.n), num.Grow(s.dk, s.hd*s.m), num.Grow(s.dv, s.hd*s.m)
		c.gradOutput(s, c.output(out, u), c.output(gout, u), c.inverse.Of(c.b * c.Heads * c.l)[u*c.l:])
		clear(s.dsums)
		if c.Causal {
			s.backwardCausal()
		} else {
			s.addSums(s.sums, 0, s.m)
			s.addGradSums(0, s.n)
			s.gradQueries(s.sums, 0, s.n)
			s.gradKeys(0, s.m)
		}
		vec.Mul(s.dq, s.dq, s.slopeQ)
		vec.Mul(s.dk, s.dk, s.slopeK)
		c.write(&s.head, grad, u, 1)
		c.writeSums(s, grad, u)
	})
	return nil
}

// gradOutput computes the gradients dy of numerators and normalisers from those of
// the output y.
func (c *linear[T]) gradOutput(s *linearSpace[T], y, g, inverse []T) {
	s.dy = num.Grow(s.dy, (s.hd+1)*s.n)
	last := s.dy[s.hd*s.n:]
	clear(last)
	for f := range s.hd {
		row := s.dy[f*s.n:][:s.n]
		vec.Mul(row, g[f*c.l:][:s.n], inverse[:s.n])
		vec.AddMul(last, row, y[f*c.l:][:s.n])
	}
	vec.Scale(last, -1, last)
}

// addGradSums adds what queries [lo, lo+n) give to the gradient of the sums.
func (s *linearSpace[T]) addGradSums(lo, n int) {
	gemm.Gemm(&s.gemm, false, true, s.hd+1, s.hd, n, from(s.dy, lo), s.n, from(s.q, lo), s.n, s.dsums, s.hd, true)
}

// gradQueries sets the gradients of phi of queries [lo, lo+n) to what the sums
// give.
func (s *linearSpace[T]) gradQueries(sums []T, lo, n int) {
	gemm.Gemm(&s.gemm, true, false, s.hd, n, s.hd+1, sums, s.hd, from(s.dy, lo), s.n, from(s.dq, lo), s.n, false)
}

// gradKeys sets the gradients of phi of keys [lo, lo+n), and of their values, to
// what the gradient of the sums gives.
func (s *linearSpace[T]) gradKeys(lo, n int) {
	gemm.Gemm(&s.gemm, true, false, s.hd, n, s.hd+1, s.dsums, s.hd, from(s.v, lo), s.m, from(s.dk, lo), s.m, false)
	gemm.Gemm(&s.gemm, false, false, s.hd, n, s.hd, s.dsums, s.hd, from(s.k, lo), s.m, from(s.dv, lo), s.m, false)
}

// backwardCausal goes through the chunks forward for the sums before each, and
// back.
func (s *linearSpace[T]) backwardCausal() {
	size, last := (s.hd+1)*s.hd, (s.n+s.chunk-1)/s.chunk-1
	for i := range last {
		next := s.sums[(i+1)*size:][:size]
		copy(next, s.sums[i*size:])
		s.addSums(next, i*s.chunk, s.chunk)
	}
	for i := last; i >= 0; i-- {
		lo := i * s.chunk
		n := min(s.chunk, s.n-lo)
		s.gradQueries(s.sums[i*size:], lo, n)
		s.gradKeys(lo, n)
		s.addGradSums(lo, n)
		s.weights(lo, n)
		gemm.Gemm(&s.gemm, true, false, n, n, s.hd+1, s.v[lo:], s.m, s.dy[lo:], s.n, s.da, s.chunk, false)
		s.mask(s.da, n)
		gemm.Gemm(&s.gemm, false, false, s.hd, n, n, s.k[lo:], s.m, s.da, s.chunk, s.dq[lo:], s.n, true)
		gemm.Gemm(&s.gemm, false, true, s.hd, n, n, s.q[lo:], s.n, s.da, s.chunk, s.dk[lo:], s.m, true)
		gemm.Gemm(&s.gemm, false, true, s.hd, n, n, s.dy[lo:], s.n, s.a, s.chunk, s.dv[lo:], s.m, true)
	}
}

// writeSums writes the gradients of the sums at the start, unless they are nil.
func (c *linear[T]) writeSums(s *linearSpace[T], grad [][]T, u int) {
	if d := at(grad, c.operands.k); d != nil {
		transpose(d[u*s.hd*s.hd:], s.hd, s.dsums[:s.hd*s.hd], s.hd)
	}
	if d := at(grad, c.operands.v); d != nil {
		copy(d[u*s.hd:][:s.hd], s.dsums[s.hd*s.hd:])
	}
}
