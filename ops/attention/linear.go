package attention

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// epsilon is added to the normaliser of linear attention.
const epsilon = 1e-6

// linear is the core of linear attention.
type linear[T num.Float] struct {
	heads[T]
	ws []linearSpace[T]
}

// linearSpace is the scratch memory of a worker.
type linearSpace[T num.Float] struct {
	head[T]
	xq, xk []T       // queries and keys before phi, (hd, n)
	s, z   []float64 // (hd, hd) and (hd)
	ds, dz []float64
	num    []float64
}

func newLinear[T num.Float](d dims, o operands) *linear[T] {
	return &linear[T]{heads: newHeads[T](d, o), ws: make([]linearSpace[T], par.Workers())}
}

// phi sets y to elu(x) + 1.
func phi[T num.Float](y, x []T) {
	for i, v := range x {
		if v > 0 {
			y[i] = v + 1
		} else {
			y[i] = T(math.Exp(float64(v)))
		}
	}
}

// phiGrad multiplies g by the derivative of phi, y = phi(x).
func phiGrad[T num.Float](g, x, y []T) {
	for i, v := range x {
		if !(v > 0) {
			g[i] *= y[i]
		}
	}
}

// open reads unit u and its first state.
func (c *linear[T]) open(s *linearSpace[T], in []graphop.Arg[T], u int) {
	c.read(&s.head, in, u, 1)
	s.xq, s.xk = append(s.xq[:0], s.q...), append(s.xk[:0], s.k...)
	phi(s.q, s.q)
	phi(s.k, s.k)
	n := c.hd * c.hd
	s.s, s.z = num.Grow(s.s, n), num.Grow(s.z, c.hd)
	s.ds, s.dz = num.Grow(s.ds, n), num.Grow(s.dz, c.hd)
	s.num = num.Grow(s.num, c.hd)
	clear(s.s)
	clear(s.z)
	clear(s.ds)
	clear(s.dz)
	if c.operands.k >= 0 {
		for i := range s.s {
			s.s[i] = float64(in[c.operands.k].F[u*n+i])
		}
		for i := range s.z {
			s.z[i] = float64(in[c.operands.v].F[u*c.hd+i])
		}
	}
}

// add adds step j to the sums, times sign.
func (s *linearSpace[T]) add(j int, sign float64) {
	for a := range s.hd {
		k := sign * float64(s.k[a*s.m+j])
		s.z[a] += k
		for b := range s.hd {
			s.s[a*s.hd+b] += k * float64(s.v[b*s.m+j])
		}
	}
}

// read computes the numerators and the normaliser of query i.
func (s *linearSpace[T]) output(i int) (norm float64) {
	clear(s.num)
	norm = epsilon
	for a := range s.hd {
		q := float64(s.q[a*s.n+i])
		norm += q * s.z[a]
		for b := range s.hd {
			s.num[b] += q * s.s[a*s.hd+b]
		}
	}
	return norm
}

func (c *linear[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.open(s, in, u)
		y := c.heads.output(out, u)
		if !c.Causal {
			for j := range s.m {
				s.add(j, 1)
			}
		}
		for i := range s.n {
			if c.Causal {
				s.add(i, 1)
			}
			norm := s.output(i)
			for f, v := range s.num {
				y[f*c.l+i] = T(v / norm)
			}
		}
		for f := range s.hd {
			clear(y[f*c.l+s.n : (f+1)*c.l])
		}
	})
	return nil
}

func (c *linear[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.open(s, in, u)
		s.dq, s.dk, s.dv = num.Grow(s.dq, len(s.q)), num.Grow(s.dk, len(s.k)), num.Grow(s.dv, len(s.v))
		g := c.heads.output(gout, u)
		for j := range s.m {
			s.add(j, 1)
		}
		for i := s.n - 1; i >= 0; i-- {
			s.gradQuery(i, g, c.l)
			if c.Causal {
				s.gradKey(i)
				s.add(i, -1)
			}
		}
		if !c.Causal {
			for j := range s.m {
				s.gradKey(j)
			}
		}
		phiGrad(s.dq, s.xq, s.q)
		phiGrad(s.dk, s.xk, s.k)
		c.writeLinear(s, grad, u)
	})
	return nil
}

// gradQuery computes the gradient of query i and adds to those of the sums.
func (s *linearSpace[T]) gradQuery(i int, g []T, l int) {
	norm := s.output(i)
	var dnorm float64
	for f, v := range s.num {
		dnorm -= float64(g[f*l+i]) * v / (norm * norm)
	}
	for a := range s.hd {
		q := float64(s.q[a*s.n+i])
		dq := dnorm * s.z[a]
		s.dz[a] += dnorm * q
		for b := range s.hd {
			dn := float64(g[b*l+i]) / norm
			dq += dn * s.s[a*s.hd+b]
			s.ds[a*s.hd+b] += dn * q
		}
		s.dq[a*s.n+i] = T(dq)
	}
}

// gradKey computes the gradients of key and value j.
func (s *linearSpace[T]) gradKey(j int) {
	for b := range s.hd {
		var dv float64
		for a := range s.hd {
			dv += s.ds[a*s.hd+b] * float64(s.k[a*s.m+j])
		}
		s.dv[b*s.m+j] = T(dv)
	}
	for a := range s.hd {
		dk := s.dz[a]
		for b := range s.hd {
			dk += s.ds[a*s.hd+b] * float64(s.v[b*s.m+j])
		}
		s.dk[a*s.m+j] = T(dk)
	}
}

func (c *linear[T]) writeLinear(s *linearSpace[T], grad [][]T, u int) {
	c.writeRows(&s.head, c.part(grad[0], 0, u), s.dq, s.n, true)
	c.writeRows(&s.head, c.part(grad[0], 1, u), s.dk, s.m, true)
	c.writeRows(&s.head, c.part(grad[0], 2, u), s.dv, s.m, false)
	if d := at(grad, c.operands.k); d != nil {
		for i, v := range s.ds {
			d[u*len(s.ds)+i] = T(v)
		}
	}
	if d := at(grad, c.operands.v); d != nil {
		for i, v := range s.dz {
			d[u*len(s.dz)+i] = T(v)
		}
	}
}
