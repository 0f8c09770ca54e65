package attention

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// sums is the core of the next S of linear attention, or of the next z: z is S
// for values of one feature that is 1.
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

// load reads unit u.
func (c *sums[T]) load(s *linearSpace[T], in []graphop.Arg[T], u int) {
	c.read(&s.head, in, u, 1)
	s.xk = append(s.xk[:0], s.k...)
	phi(s.k, s.k)
}

func (c *sums[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.load(s, in, u)
		n := len(out) / (c.b * c.Heads)
		y := out[u*n:][:n]
		clear(y)
		if c.operands.k >= 0 {
			copy(y, in[c.operands.k].F[u*n:])
		}
		for i := range y {
			var sum float64
			for j := range s.m {
				if c.keys {
					sum += float64(s.k[i*s.m+j])
				} else {
					sum += float64(s.k[i/s.hd*s.m+j]) * float64(s.v[i%s.hd*s.m+j])
				}
			}
			y[i] += T(sum)
		}
	})
	return nil
}

func (c *sums[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.load(s, in, u)
		n := len(gout) / (c.b * c.Heads)
		g := gout[u*n:][:n]
		s.dk, s.dv = num.Grow(s.dk, len(s.k)), num.Grow(s.dv, len(s.v))
		clear(s.dk)
		clear(s.dv)
		for i, v := range g {
			for j := range s.m {
				if c.keys {
					s.dk[i*s.m+j] = v
				} else {
					s.dk[i/s.hd*s.m+j] += v * s.v[i%s.hd*s.m+j]
					s.dv[i%s.hd*s.m+j] += v * s.k[i/s.hd*s.m+j]
				}
			}
		}
		phiGrad(s.dk, s.xk, s.k)
		clear(c.part(grad[0], 0, u))
		c.writeRows(&s.head, c.part(grad[0], 1, u), s.dk, s.m, true)
		c.writeRows(&s.head, c.part(grad[0], 2, u), s.dv, s.m, false)
		if d := at(grad, c.operands.k); d != nil {
			copy(d[u*n:], g)
		}
	})
	return nil
}
