package ops

import (
	"math"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// layerNorm is the core of LayerNorm, of RMSNorm, which takes the mean for 0, and of
// both of a sum. It works on units of consecutive steps: every loop runs along the steps of one feature, a row, and
// what is summed over features is a row too. A unit stays in the second-level
// cache, so that memory is read once and written once.
type layerNorm[T num.Float] struct {
	normDims
	sum  bool // of inputs 0 and 1 is what is normalised
	root bool // the mean is taken for 0
	cols columns
	grps groups

	mean, rstd graphop.Room[T] // (B, L), from Forward for Backward
	rows       []rows[T]       // one per worker
	partial    []float64       // (groups, 2, H): weight and bias gradients
}

// rows is room for three rows of a unit.
type rows[T num.Float] struct{ a, b, c []T }

// layerNormWidth returns the number of steps in a unit: as many as keep it in
// half of a second-level cache of 1 MiB, since long rows are read faster, but
// no more than a few pages of memory each.
func layerNormWidth[T num.Float](h int) int {
	const bytes = 1 << 19
	var v T
	return min(max(bytes/(h*int(unsafe.Sizeof(v)))&^63, 64), 1024)
}

func newLayerNorm[T num.Float](d normDims, sum, root bool) *layerNorm[T] {
	width := min(layerNormWidth[T](d.h), d.l)
	c := &layerNorm[T]{normDims: d, sum: sum, root: root, cols: columns{b: d.b, l: d.l, width: width}}
	c.grps = groups{units: c.cols.units(), n: min(c.cols.units(), 64)}
	c.rows = make([]rows[T], par.Workers())
	for i := range c.rows {
		c.rows[i] = rows[T]{num.Aligned[T](width), num.Aligned[T](width), num.Aligned[T](width)}
	}
	c.partial = num.Aligned[float64](c.grps.n * 2 * d.h)
	return c
}

// Rooms implements graphop.Roomy.
func (c *layerNorm[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.mean, &c.rstd} }

// moment returns the memory of a moment of all steps.
func (c *layerNorm[T]) moment(r *graphop.Room[T]) []T { return r.Of(c.b * c.l) }

func (c *layerNorm[T]) Forward(out []T, in []graphop.Arg[T]) error {
	lens := lastInts(in)
	if err := graphop.ValidLengths(lens, c.l); err != nil {
		return err
	}
	c.moment(&c.mean)
	c.moment(&c.rstd)
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, end, hi := c.cols.counting(u, lens)
		y := out[b*c.h*c.l+lo:]
		clearColumns(y, c.h, c.l, end-lo, hi-lo)
		if end == lo {
			return
		}
		x := c.input(out, in, b, lo, end)
		mean, rstd := c.moment(&c.mean)[b*c.l+lo:b*c.l+end], c.moment(&c.rstd)[b*c.l+lo:b*c.l+end]
		c.moments(&c.rows[worker], mean, rstd, x)
		for h := range c.h {
			vec.Normalise(c.row(y, h, end-lo), c.row(x, h, end-lo), mean, rstd, scale(c.normDims, in, h), shift(c.normDims, in, h))
		}
	})
	return nil
}

// input returns the unit [lo, hi) of example b of what is normalised, which
// begins at its first feature. A sum is written to its place in room.
func (c *layerNorm[T]) input(room []T, in []graphop.Arg[T], b, lo, hi int) []T {
	at := b*c.h*c.l + lo
	if !c.sum {
		return in[0].F[at:]
	}
	for h := range c.h {
		vec.Add(c.row(room[at:], h, hi-lo), c.row(in[0].F[at:], h, hi-lo), c.row(in[1].F[at:], h, hi-lo))
	}
	return room[at:]
}

// row returns feature h of a unit of n steps.
func (c *layerNorm[T]) row(unit []T, h, n int) []T { return unit[h*c.l:][:n] }

// moments computes the mean and 1/sqrt(var+eps) of the columns of a unit x.
func (c *layerNorm[T]) moments(r *rows[T], mean, rstd, x []T) {
	n, inv := len(mean), 1/float64(c.h)
	c.means(r, mean, x)
	sq := r.b[:n]
	clear(sq)
	for h := range c.h {
		vec.AddSquareDiff(sq, c.row(x, h, n), mean)
	}
	for i, s := range sq {
		sum := float64(s)
		if math.IsInf(sum, 1) {
			sum = c.squares(x, i, float64(mean[i]))
		}
		rstd[i] = T(1 / math.Sqrt(sum*inv+c.eps))
	}
}

// squares returns the sum of the squares of column i of a unit x less its mean, that
// overflows T.
func (c *layerNorm[T]) squares(x []T, i int, mean float64) (sum float64) {
	for h := range c.h {
		d := float64(x[h*c.l+i]) - mean
		sum += d * d
	}
	return sum
}

// means computes the mean of the columns of a unit x. It is summed from the first
// feature, which is as near to it as H standard deviations, so that a common offset
// costs no digits.
func (c *layerNorm[T]) means(r *rows[T], mean, x []T) {
	if c.root {
		clear(mean)
		return
	}
	n, inv := len(mean), 1/float64(c.h)
	sum, first := r.a[:n], x[:n]
	clear(sum)
	for h := 1; h < c.h; h++ {
		vec.AddDiff(sum, c.row(x, h, n), first)
	}
	for i, s := range sum {
		mean[i] = T(float64(first[i]) + float64(s)*inv)
	}
}

// Backward, with xh = (x-mean)*rstd and gw = gout*weight: dx = rstd * (gw -
// mean(gw) - xh*mean(gw*xh)) at every step, dweight = sum(gout*xh) and dbias =
// sum(gout) over batch and steps. A mean that is taken for 0 has no gradient: its
// term mean(gw) is left out. Both terms of a sum have the gradient dx, which is
// written once.
func (c *layerNorm[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	par.For(c.grps.n, func(worker, g int) {
		part := c.partial[g*2*c.h:][:2*c.h]
		clear(part)
		for u, end := c.grps.group(g); u < end; u++ {
			c.backwardUnit(&c.rows[worker], part, grad[0], in, gout, u)
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

// backwardUnit writes dx of unit u, by way of xh in the same place, and adds its
// part of the gradients of weight and bias to part (2, H).
func (c *layerNorm[T]) backwardUnit(r *rows[T], part []float64, dx []T, in []graphop.Arg[T], gout []T, u int) {
	b, lo, end, hi := c.cols.counting(u, lastInts(in))
	n := end - lo
	clearColumns(dx[b*c.h*c.l+lo:], c.h, c.l, n, hi-lo)
	if n == 0 {
		return
	}
	x := c.input(dx, in, b, lo, end)
	mean, rstd := c.moment(&c.mean)[b*c.l+lo:b*c.l+end], c.moment(&c.rstd)[b*c.l+lo:b*c.l+end]
	dx, gout = dx[b*c.h*c.l+lo:], gout[b*c.h*c.l+lo:]
	sg, sgx, gx := r.a[:n], r.b[:n], r.c[:n] // sums over H of gw and gw*xh
	clear(sg)
	clear(sgx)
	for h := range c.h {
		g := c.row(gout, h, n)
		vec.NormProducts(c.row(dx, h, n), gx, sg, sgx, c.row(x, h, n), g, mean, rstd, scale(c.normDims, in, h))
		part[h] += float64(vec.Sum(gx))
		part[c.h+h] += float64(vec.Sum(g))
	}
	vec.Scale(sg, 1/T(c.h), sg)
	if c.root {
		clear(sg)
	}
	vec.Scale(sgx, 1/T(c.h), sgx)
	for h := range c.h {
		row := c.row(dx, h, n)
		vec.NormGrad(row, row, c.row(gout, h, n), rstd, sg, sgx, scale(c.normDims, in, h))
	}
}

// setGrad stores a sum as element i of the gradient of an optional input.
func setGrad[T num.Float](grad [][]T, input, i int, v float64) {
	if input >= 0 {
		grad[input][i] = T(v)
	}
}
