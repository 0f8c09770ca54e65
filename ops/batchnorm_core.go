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
	training bool

	// Of the last Forward, for Backward.
	ofBatch    bool      // it normalised by the statistics of the batch
	count      int       // values per feature that count
	mean, rstd []float64 // (H)
}

func newBatchNorm[T num.Float](d normDims, momentum float64, stats BatchNormStats) *batchNorm[T] {
	return &batchNorm[T]{normDims: d, momentum: momentum, stats: stats, training: true,
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
	if c.training && c.count < 2 {
		return fmt.Errorf("training: want at least 2 values per feature, got %d in a batch of %d sequences of %d steps", c.count, c.b, c.l)
	}
	c.ofBatch = c.training
	mean, variance := c.stats.Mean.Data().([]T), c.stats.Var.Data().([]T)
	par.For(c.h, func(_, h int) {
		if c.ofBatch {
			c.measure(x, lens, h, mean, variance)
		} else {
			c.mean[h], c.rstd[h] = float64(mean[h]), 1/math.Sqrt(float64(variance[h])+c.eps)
		}
		c.normalise(out, x, lens, h, scale(c.normDims, in, h), shift(c.normDims, in, h))
	})
	return nil
}

// row returns where the steps of feature h of example b begin, and the number
// of them that count.
func (c *batchNorm[T]) row(lens []int, b, h int) (at, n int) {
	return (b*c.h + h) * c.l, graphop.Length(lens, b, c.l)
}

// measure computes the statistics of feature h and updates the running ones.
func (c *batchNorm[T]) measure(x []T, lens []int, h int, runMean, runVar []T) {
	var sum, sq float64
	for b := range c.b {
		at, n := c.row(lens, b, h)
		sum += vec.Sum64(x[at : at+n])
	}
	mean := sum / float64(c.count)
	for b := range c.b {
		at, n := c.row(lens, b, h)
		sq += vec.SumSqDiff(x[at:at+n], mean)
	}
	c.mean[h], c.rstd[h] = mean, 1/math.Sqrt(sq/float64(c.count)+c.eps)
	runMean[h] = T((1-c.momentum)*float64(runMean[h]) + c.momentum*mean)
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
// xh*dweight/count), or weight*rstd*gout for running statistics.
func (c *batchNorm[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	x, lens := in[0].F, lastInts(in)
	par.For(c.h, func(_, h int) {
		sg, sgx := c.sums(x, gout, lens, h)
		setGrad(grad, c.weight, h, sgx)
		setGrad(grad, c.bias, h, sg)
		if !c.ofBatch {
			sg, sgx = 0, 0
		}
		n := float64(max(c.count, 1))
		c.inputGrad(grad[0], x, gout, lens, h, c.rstd[h]*float64(scale(c.normDims, in, h)), sg/n, sgx/n)
	})
	return nil
}

// sums returns the sums of g and of g*xh of feature h.
func (c *batchNorm[T]) sums(x, g []T, lens []int, h int) (sg, sgx float64) {
	mean, rstd := c.mean[h], c.rstd[h]
	for b := range c.b {
		at, n := c.row(lens, b, h)
		sg += vec.Sum64(g[at : at+n])
		sgx += vec.DotDiff(g[at:at+n], x[at:at+n], mean)
	}
	return sg, sgx * rstd
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
