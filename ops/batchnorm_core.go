package ops

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// batchNorm is the core of BatchNorm. A piece of work is a feature, over the
// whole batch.
type batchNorm[T num.Float] struct {
	normDims
	momentum float64
	stats    BatchNormStats
	ranks    *Ranks
	training bool

	// Of the last Forward, for Backward.
	ofBatch    bool      // it normalised by the statistics of the batch
	together   bool      // which was that of several ranks
	count      int       // values per feature that count, on all of them
	mean, rstd []float64 // (H)

	sums []float64 // to be summed over the ranks
}

func newBatchNorm[T num.Float](d normDims, momentum float64, stats BatchNormStats, ranks *Ranks) *batchNorm[T] {
	return &batchNorm[T]{normDims: d, momentum: momentum, stats: stats, ranks: ranks, training: true,
		mean: make([]float64, d.h), rstd: make([]float64, d.h)}
}

// SetTraining implements graphop.TrainModer.
func (c *batchNorm[T]) SetTraining(training bool) { c.training = training }

func (c *batchNorm[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x, lens := in[0].F, lastInts(in)
	if err := graphop.ValidLengths(lens, c.l); err != nil {
		return err
	}
	c.count = 0
	for b := range c.b {
		c.count += graphop.Length(lens, b, c.l)
	}
	c.ofBatch, c.together = c.training, c.training && c.ranks.several()
	if c.together {
		if err := c.measureTogether(x, lens); err != nil {
			return err
		}
	}
	nothing := c.count == 0 && !c.together && c.ranks.mayBeNone()
	if c.training && c.count < 2 && !nothing {
		return c.tooFew()
	}
	mean, variance := c.stats.Mean.Data().([]T), c.stats.Var.Data().([]T)
	par.For(c.h, func(_, h int) {
		switch {
		case c.ofBatch && nothing:
			c.mean[h], c.rstd[h] = 0, 0
		case c.together:
			c.conclude(h, c.sums[h], mean, variance)
		case c.ofBatch:
			c.mean[h] = c.sum(x, lens, h) / float64(c.count)
			c.conclude(h, c.squares(x, lens, h), mean, variance)
		default:
			c.mean[h], c.rstd[h] = float64(mean[h]), 1/math.Sqrt(float64(variance[h])+c.eps)
		}
		c.normalise(out, x, lens, h, scale(c.normDims, in, h), shift(c.normDims, in, h))
	})
	return nil
}

// tooFew says that a batch has no variance.
func (c *batchNorm[T]) tooFew() error {
	where := fmt.Sprintf("in a batch of %d sequences of %d steps", c.b, c.l)
	if c.together {
		where = "on all ranks together"
	}
	return fmt.Errorf("training: want at least 2 values per feature, got %d %s", c.count, where)
}

// measureTogether computes the means over the values of all ranks, how many there are,
// and, in sums, those of their squared differences from the means.
func (c *batchNorm[T]) measureTogether(x []T, lens []int) error {
	c.sums = num.Grow(c.sums, c.h+1)
	c.sums[c.h] = float64(c.count)
	par.For(c.h, func(_, h int) { c.sums[h] = c.sum(x, lens, h) })
	if err := c.ranks.total(0, c.sums); err != nil {
		return err
	}
	c.count = int(c.sums[c.h])
	par.For(c.h, func(_, h int) {
		c.mean[h] = c.sums[h] / max(c.sums[c.h], 1)
		c.sums[h] = c.squares(x, lens, h)
	})
	return c.ranks.total(1, c.sums[:c.h])
}

// row returns where the steps of feature h of example b begin, and the number
// of them that count.
func (c *batchNorm[T]) row(lens []int, b, h int) (at, n int) {
	return (b*c.h + h) * c.l, graphop.Length(lens, b, c.l)
}

// sum returns that of the values of feature h.
func (c *batchNorm[T]) sum(x []T, lens []int, h int) (sum float64) {
	for b := range c.b {
		at, n := c.row(lens, b, h)
		sum += vec.Sum64(x[at : at+n])
	}
	return sum
}

// squares returns the sum of the squared differences of the values of feature h from
// the mean.
func (c *batchNorm[T]) squares(x []T, lens []int, h int) (sq float64) {
	for b := range c.b {
		at, n := c.row(lens, b, h)
		sq += vec.SumSqDiff(x[at:at+n], c.mean[h])
	}
	return sq
}

// conclude computes the other statistics of feature h from its mean and the sum of
// the squared differences from it, and updates the running ones.
func (c *batchNorm[T]) conclude(h int, sq float64, runMean, runVar []T) {
	c.rstd[h] = 1 / math.Sqrt(sq/float64(c.count)+c.eps)
	runMean[h] = T((1-c.momentum)*float64(runMean[h]) + c.momentum*c.mean[h])
	runVar[h] = T((1-c.momentum)*float64(runVar[h]) + c.momentum*sq/float64(c.count-1))
}

// normalise writes (x-mean)*rstd*w + bias, and 0 to the steps that do not count.
func (c *batchNorm[T]) normalise(out, x []T, lens []int, h int, w, bias T) {
	mean, k := T(c.mean[h]), T(c.rstd[h]*float64(w))
	for b := range c.b {
		at, n := c.row(lens, b, h)
		y := out[at : at+c.l]
		vec.Affine(y[:n], x[at:at+n], mean, k, bias)
		clear(y[n:])
	}
}

// Backward, with xh = (x-mean)*rstd: dweight = sum(gout*xh) and dbias =
// sum(gout) over batch and steps, and dx = weight*rstd*(gout - dbias/count -
// xh*dweight/count), or weight*rstd*gout for running statistics. The sums in dx are
// those over all ranks, of gradients of the weighted losses.
func (c *batchNorm[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	x, lens := in[0].F, lastInts(in)
	if c.together {
		if err := c.gradSumsTogether(grad, x, gout, lens); err != nil {
			return err
		}
	}
	par.For(c.h, func(_, h int) {
		var sg, sgx float64
		switch {
		case c.together:
			sg, sgx = c.sums[2*h], c.sums[2*h+1]
		case c.ofBatch:
			sg, sgx = c.gradSums(grad, x, gout, lens, h)
		default:
			c.gradSums(grad, x, gout, lens, h)
		}
		n := float64(max(c.count, 1))
		c.inputGrad(grad[0], x, gout, lens, h, c.rstd[h]*float64(scale(c.normDims, in, h)), sg/n, sgx/n)
	})
	return nil
}

// gradSumsTogether computes gradSums over all ranks, in sums.
func (c *batchNorm[T]) gradSumsTogether(grad [][]T, x, g []T, lens []int) error {
	w := c.ranks.loss()
	c.sums = num.Grow(c.sums, 2*c.h)
	par.For(c.h, func(_, h int) {
		sg, sgx := c.gradSums(grad, x, g, lens, h)
		c.sums[2*h], c.sums[2*h+1] = w*sg, w*sgx
	})
	if err := c.ranks.total(2, c.sums); err != nil {
		return err
	}
	for i := range c.sums {
		c.sums[i] /= w
	}
	return nil
}

// gradSums returns the sums of g and of g*xh of feature h, which are the gradients of
// its bias and weight.
func (c *batchNorm[T]) gradSums(grad [][]T, x, g []T, lens []int, h int) (sg, sgx float64) {
	mean, rstd := c.mean[h], c.rstd[h]
	for b := range c.b {
		at, n := c.row(lens, b, h)
		sg += vec.Sum64(g[at : at+n])
		sgx += vec.DotDiff(g[at:at+n], x[at:at+n], mean)
	}
	sgx *= rstd
	setGrad(grad, c.weight, h, sgx)
	setGrad(grad, c.bias, h, sg)
	return sg, sgx
}

// inputGrad writes k*(g - mg - xh*mgx), and 0 to the steps that do not count.
func (c *batchNorm[T]) inputGrad(dx, x, g []T, lens []int, h int, k, mg, mgx float64) {
	mean, q := T(c.mean[h]), T(c.rstd[h]*mgx)
	for b := range c.b {
		at, n := c.row(lens, b, h)
		d := dx[at : at+c.l]
		vec.AffineGrad(d[:n], x[at:at+n], g[at:at+n], mean, T(k), T(mg), q)
		clear(d[n:])
	}
}
