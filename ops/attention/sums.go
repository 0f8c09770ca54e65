package attention

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// sums is the core of the next S of linear attention, phi(K) V^T, or of the next
// z, the sum of phi(K).
type sums[T num.Float] struct {
	linear[T]
	keys bool // z
}

func newSums[T num.Float](d dims, o operands) *sums[T] {
	return &sums[T]{linear: *newLinear[T](d, o)}
}

func newKeySums[T num.Float](d dims, o operands) *sums[T] {
	return &sums[T]{linear: *newLinear[T](d, o), keys: true}
}

func (c *sums[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	c.ws.Get()
	c.each(func(worker, u int) {
		s := c.openKeys(worker, in, u)
		n := len(out) / (c.b * c.Heads)
		y := out[u*n:][:n]
		if x := floats(in, c.operands.k); x != nil {
			copy(y, x[u*n:])
		} else {
			clear(y)
		}
		if !c.keys {
			gemm.Gemm(&s.gemm, false, true, s.hd, s.hd, s.m, s.k, s.m, s.v, s.m, y, s.hd, true)
			return
		}
		for i := range y {
			y[i] += vec.Sum(s.k[i*s.m:][:s.m])
		}
	})
	return nil
}

func (c *sums[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.ws.Get()
	c.each(func(worker, u int) {
		s := c.openKeys(worker, in, u)
		n := len(gout) / (c.b * c.Heads)
		g := gout[u*n:][:n]
		s.dk, s.dv = num.Grow(s.dk, s.hd*s.m), num.Grow(s.dv, s.hd*s.m)
		if c.keys {
			c.gradKeys(s, g)
		} else {
			gemm.Gemm(&s.gemm, false, false, s.hd, s.m, s.hd, g, s.hd, s.v, s.m, s.dk, s.m, false)
			gemm.Gemm(&s.gemm, true, false, s.hd, s.m, s.hd, g, s.hd, s.k, s.m, s.dv, s.m, false)
		}
		vec.Mul(s.dk, s.dk, s.slopeK)
		clear(c.part(grad[0], 0, u))
		c.writeRows(&s.head, c.part(grad[0], 1, u), s.dk, s.m, true)
		c.writeRows(&s.head, c.part(grad[0], 2, u), s.dv, s.m, false)
		if d := at(grad, c.operands.k); d != nil {
			copy(d[u*n:], g)
		}
	})
	return nil
}

// gradKeys sets the gradients of phi of the keys, g those of their sums.
func (c *sums[T]) gradKeys(s *linearSpace[T], g []T) {
	for i, v := range g {
		row := s.dk[i*s.m:][:s.m]
		for j := range row {
			row[j] = v
		}
	}
	clear(s.dv)
}
