package ops

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// layerNorm is the core of LayerNorm. It works on units of consecutive steps:
// every loop runs along the steps, and what is summed over features is a row
// of the unit's width.
type layerNorm[T num.Float] struct {
	normDims
	cols columns
	grps groups

	mean, rstd []T       // (B, L), from Forward for Backward
	sums       []colSums // one per worker
	partial    []float64 // (groups, 2, H): weight and bias gradients
}

// colSums is room for two sums per step of a unit.
type colSums struct{ a, b []float64 }

func newLayerNorm[T num.Float](d normDims) *layerNorm[T] {
	c := &layerNorm[T]{normDims: d, cols: columns{b: d.b, l: d.l, width: 256}}
	c.grps = groups{units: c.cols.units(), n: min(c.cols.units(), 64)}
	c.mean, c.rstd = num.Aligned[T](d.b*d.l), num.Aligned[T](d.b*d.l)
	c.sums = make([]colSums, par.Workers())
	for i := range c.sums {
		c.sums[i] = colSums{a: num.Aligned[float64](c.cols.width), b: num.Aligned[float64](c.cols.width)}
	}
	c.partial = num.Aligned[float64](c.grps.n * 2 * d.h)
	return c
}

func (c *layerNorm[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x := in[0].F
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, hi := c.cols.unit(u)
		mean, rstd := c.mean[b*c.l+lo:b*c.l+hi], c.rstd[b*c.l+lo:b*c.l+hi]
		c.moments(&c.sums[worker], mean, rstd, x[b*c.h*c.l:], lo)
		for h := range c.h {
			at := (b*c.h+h)*c.l + lo
			normalise(out[at:at+len(mean)], x[at:], mean, rstd, scale(c.normDims, in, h), shift(c.normDims, in, h))
		}
	})
	return nil
}

// moments computes mean and 1/sqrt(var+eps) of the steps from lo on of one
// sequence x (H, L).
func (c *layerNorm[T]) moments(s *colSums, mean, rstd, x []T, lo int) {
	n := len(mean)
	sum, sq := s.a[:n], s.b[:n]
	clear(sum)
	clear(sq)
	for h := range c.h {
		row := x[h*c.l+lo:][:n]
		for i, v := range row {
			sum[i] += float64(v)
		}
	}
	inv := 1 / float64(c.h)
	for i := range sum {
		sum[i] *= inv
	}
	for h := range c.h {
		row := x[h*c.l+lo:][:n]
		for i, v := range row {
			d := float64(v) - sum[i]
			sq[i] += d * d
		}
	}
	for i := range mean {
		mean[i] = T(sum[i])
		rstd[i] = T(1 / math.Sqrt(sq[i]*inv+c.eps))
	}
}

// normalise writes (x-mean)*rstd*w + b.
func normalise[T num.Float](out, x, mean, rstd []T, w, b T) {
	x, mean, rstd = x[:len(out)], mean[:len(out)], rstd[:len(out)]
	for i := range out {
		out[i] = (x[i]-mean[i])*rstd[i]*w + b
	}
}

// Backward, with xh = (x-mean)*rstd and gw = gout*weight: dx = rstd * (gw -
// mean(gw) - xh*mean(gw*xh)) at every step, dweight = sum(gout*xh) and dbias =
// sum(gout) over batch and steps.
func (c *layerNorm[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	par.For(c.grps.n, func(worker, g int) {
		part := c.partial[g*2*c.h:][:2*c.h]
		clear(part)
		for u, end := c.grps.group(g); u < end; u++ {
			c.backwardUnit(&c.sums[worker], part, grad[0], in, gout, u)
		}
	})
	for h := range c.h {
		var dw, db float64
		for g := range c.grps.n {
			dw += c.partial[(2*g)*c.h+h]
			db += c.partial[(2*g+1)*c.h+h]
		}
		setGrad(grad, c.weight, h, dw)
		setGrad(grad, c.bias, h, db)
	}
	return nil
}

// backwardUnit writes dx of unit u, and adds its part of the gradients of weight
// and bias to part (2, H).
func (c *layerNorm[T]) backwardUnit(s *colSums, part []float64, dx []T, in []graphop.Arg[T], gout []T, u int) {
	b, lo, hi := c.cols.unit(u)
	n := hi - lo
	mean, rstd := c.mean[b*c.l+lo:b*c.l+hi], c.rstd[b*c.l+lo:b*c.l+hi]
	sg, sgx := s.a[:n], s.b[:n] // sums over H of gw and gw*xh
	clear(sg)
	clear(sgx)
	for h := range c.h {
		at := (b*c.h+h)*c.l + lo
		g := gout[at : at+n]
		part[h] += float64(addGrads(sg, sgx, in[0].F[at:], g, mean, rstd, scale(c.normDims, in, h)))
		part[c.h+h] += float64(vec.Sum(g))
	}
	vec.Scale(sg, 1/float64(c.h), sg)
	vec.Scale(sgx, 1/float64(c.h), sgx)
	for h := range c.h {
		at := (b*c.h+h)*c.l + lo
		normGrad(dx[at:at+n], in[0].F[at:], gout[at:], mean, rstd, sg, sgx, scale(c.normDims, in, h))
	}
}

// addGrads adds g*w and g*w*xh to sg and sgx, for the steps of one feature, and
// returns the sum of g*xh.
func addGrads[T num.Float](sg, sgx []float64, x, g, mean, rstd []T, w T) (sum T) {
	x, mean, rstd, sg, sgx = x[:len(g)], mean[:len(g)], rstd[:len(g)], sg[:len(g)], sgx[:len(g)]
	for i, gi := range g {
		gx := gi * ((x[i] - mean[i]) * rstd[i])
		sum += gx
		sg[i] += float64(gi * w)
		sgx[i] += float64(gx * w)
	}
	return sum
}

// normGrad writes rstd*(g*w - mg - xh*mgx) for the steps of one feature.
func normGrad[T num.Float](dx, x, g, mean, rstd []T, mg, mgx []float64, w T) {
	n := len(dx)
	x, g, mean, rstd, mg, mgx = x[:n], g[:n], mean[:n], rstd[:n], mg[:n], mgx[:n]
	for i := range dx {
		xh := (x[i] - mean[i]) * rstd[i]
		dx[i] = rstd[i] * (g[i]*w - T(mg[i]) - xh*T(mgx[i]))
	}
}

// setGrad stores a sum as element i of the gradient of an optional input.
func setGrad[T num.Float](grad [][]T, input, i int, v float64) {
	if input >= 0 {
		grad[input][i] = T(v)
	}
}
