package attention

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// softmax is the core of softmax attention.
type softmax[T num.Float] struct {
	heads[T]
	lse []T // (B, H, L): of the scores of a query, the logarithm of the sum of the exponentials
	ws  []head[T]
}

func newSoftmax[T num.Float](d dims, o operands) *softmax[T] {
	return &softmax[T]{heads: newHeads[T](d, o), ws: make([]head[T], par.Workers())}
}

func (c *softmax[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	c.lse = num.Grow(c.lse, c.b*c.Heads*c.l)
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.read(s, in, u, T(c.scale(c.hd)))
		y, lse := c.output(out, u), c.lse[u*c.l:]
		for i := range s.n {
			lo, hi := c.sees(s, i)
			most := math.Inf(-1)
			for j := lo; j < hi; j++ {
				most = max(most, s.score(i, j))
			}
			var sum float64
			for j := lo; j < hi; j++ {
				sum += math.Exp(s.score(i, j) - most)
			}
			lse[i] = T(most + math.Log(sum))
			for f := range s.hd {
				var v float64
				for j := lo; j < hi; j++ {
					v += math.Exp(s.score(i, j)-most) * float64(s.v[f*s.m+j])
				}
				y[f*c.l+i] = T(v / sum)
			}
		}
		for f := range s.hd {
			clear(y[f*c.l+s.n : (f+1)*c.l])
		}
	})
	return nil
}

// sees returns the keys [lo, hi) that query i sees.
func (d *dims) seen(past, m, i int) (lo, hi int) {
	hi = m
	if d.Causal {
		hi = past + i + 1
	}
	if d.Window > 0 {
		lo = max(0, hi-d.Window)
	}
	return lo, hi
}

func (c *softmax[T]) sees(s *head[T], i int) (lo, hi int) { return c.seen(s.past, s.m, i) }

func (s *head[T]) score(i, j int) float64 {
	var x float64
	for f := range s.hd {
		x += float64(s.q[f*s.n+i]) * float64(s.k[f*s.m+j])
	}
	return x
}

func (c *softmax[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.read(s, in, u, T(c.scale(c.hd)))
		s.dq, s.dk, s.dv = num.Grow(s.dq, len(s.q)), num.Grow(s.dk, len(s.k)), num.Grow(s.dv, len(s.v))
		clear(s.dq)
		clear(s.dk)
		clear(s.dv)
		g, lse := c.output(gout, u), c.lse[u*c.l:]
		for i := range s.n {
			lo, hi := c.sees(s, i)
			p, dp := make([]float64, hi), make([]float64, hi)
			var mean float64
			for j := lo; j < hi; j++ {
				p[j] = math.Exp(s.score(i, j) - float64(lse[i]))
				for f := range s.hd {
					dp[j] += float64(g[f*c.l+i]) * float64(s.v[f*s.m+j])
				}
				mean += p[j] * dp[j]
			}
			for j := lo; j < hi; j++ {
				ds := T(p[j] * (dp[j] - mean))
				for f := range s.hd {
					s.dq[f*s.n+i] += ds * s.k[f*s.m+j]
					s.dk[f*s.m+j] += ds * s.q[f*s.n+i]
					s.dv[f*s.m+j] += T(p[j]) * g[f*c.l+i]
				}
			}
		}
		c.write(s, grad, u, T(c.scale(c.hd)))
	})
	return nil
}
