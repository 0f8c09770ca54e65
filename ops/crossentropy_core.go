package ops

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// crossEntropyDims are the sizes and options of CrossEntropy.
type crossEntropyDims struct {
	b, c, l   int
	steps     bool // labels are (B, L), not (B)
	smoothing float64
}

// crossEntropy is the core of CrossEntropy. It works on units of consecutive
// steps, class after class; with one step, on runs of classes.
type crossEntropy[T num.Float] struct {
	crossEntropyDims
	cols  columns
	width int // longest run of elements

	lse, loss []float64 // (B, L): log(sum(exp(logits))) and the loss
	count     int       // positions that count
	scratch   []crossEntropyScratch[T]
}

// crossEntropyScratch is room for one run of elements.
type crossEntropyScratch[T num.Float] struct {
	x, shift, part []T
	sum, z         []float64
	ignored        []int // steps without a label
}

func newCrossEntropy[T num.Float](d crossEntropyDims) *crossEntropy[T] {
	const width = 256
	c := &crossEntropy[T]{crossEntropyDims: d, cols: columns{b: d.b, l: d.l, width: width}, width: width}
	c.lse, c.loss = make([]float64, d.b*d.l), make([]float64, d.b*d.l)
	c.scratch = make([]crossEntropyScratch[T], par.Workers())
	for i := range c.scratch {
		c.scratch[i] = crossEntropyScratch[T]{num.Aligned[T](width), num.Aligned[T](width), num.Aligned[T](width), make([]float64, width), make([]float64, width), make([]int, 0, width)}
	}
	return c
}

func (c *crossEntropy[T]) Forward(out []T, in []graphop.Arg[T]) error {
	logits, labels := in[0].F, in[1].I
	if err := c.countLabels(labels); err != nil {
		return err
	}
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, hi := c.cols.unit(u)
		at := b*c.l + lo
		c.losses(&c.scratch[worker], c.loss[at:at+hi-lo], c.lse[at:], logits[b*c.c*c.l+lo:], labels[at:])
	})
	var sum float64
	for _, v := range c.loss {
		sum += v
	}
	out[0] = T(sum / float64(max(c.count, 1)))
	return nil
}

// losses computes the loss and log(sum(exp(z))) of the columns of z, (C, steps),
// 0 and nothing where a label is ignored.
func (c *crossEntropy[T]) losses(s *crossEntropyScratch[T], loss, lse []float64, z []T, labels []int) {
	n := len(loss)
	clear(loss)
	if noLabel(labels[:n]) {
		return
	}
	if c.l == 1 {
		lse[0], s.z[0] = c.rowSum(s, z)
	} else {
		c.columnSums(s, lse[:n], z)
	}
	for i, y := range labels[:n] {
		if y == IgnoreLabel {
			continue
		}
		target := (1 - c.smoothing) * float64(z[y*c.l+i])
		if c.smoothing > 0 { // a logit may be -Inf
			target += c.smoothing / float64(c.c) * s.z[i]
		}
		loss[i] = lse[i] - target
	}
}

// countLabels counts the positions that are not ignored.
func (c *crossEntropy[T]) countLabels(labels []int) error {
	c.count = 0
	for i, y := range labels {
		if y == IgnoreLabel {
			continue
		}
		if y < 0 || y >= c.c {
			at := fmt.Sprint(i)
			if c.steps {
				at = fmt.Sprintf("%d, %d", i/c.l, i%c.l)
			}
			return fmt.Errorf("labels[%s]: want a class in [0, %d) or %d (IgnoreLabel), got %d", at, c.c, IgnoreLabel, y)
		}
		c.count++
	}
	return nil
}

func noLabel(labels []int) bool {
	for _, y := range labels {
		if y != IgnoreLabel {
			return false
		}
	}
	return true
}

// columnSums computes log(sum(exp(z))) of the columns of z, (C, steps), and with
// smoothing in s.z the sums of z.
func (c *crossEntropy[T]) columnSums(s *crossEntropyScratch[T], lse []float64, z []T) {
	n := len(lse)
	x, top, part, sum := s.x[:n], s.shift[:n], s.part[:n], s.sum[:n]
	copy(top, z)
	for k := 1; k < c.c; k++ {
		vec.Max(top, z[k*c.l:][:n], top)
	}
	clear(sum)
	const run = 16 // classes added up in T before they enter a sum
	for k := 0; k < c.c; k += run {
		clear(part)
		for j := k; j < min(k+run, c.c); j++ {
			vec.Sub(x, z[j*c.l:][:n], top)
			vec.Exp(x, x)
			vec.Add(part, part, x)
		}
		for i, v := range part {
			sum[i] += float64(v)
		}
	}
	for i := range lse {
		lse[i] = float64(top[i]) + math.Log(sum[i])
	}
	if c.smoothing > 0 {
		c.columnTotals(s.z[:n], z)
	}
}

// columnTotals computes the sums of the columns of z.
func (c *crossEntropy[T]) columnTotals(sum []float64, z []T) {
	clear(sum)
	for k := range c.c {
		for i, v := range z[k*c.l:][:len(sum)] {
			sum[i] += float64(v)
		}
	}
}

// rowSum returns log(sum(exp(z))) and the sum of the row z (C).
func (c *crossEntropy[T]) rowSum(s *crossEntropyScratch[T], z []T) (lse, sumZ float64) {
	z = z[:c.c]
	top := z[0]
	for _, v := range z {
		top = max(top, v)
		sumZ += float64(v)
	}
	var sum float64
	for lo := 0; lo < c.c; lo += c.width {
		run := z[lo:min(lo+c.width, c.c)]
		x := s.x[:len(run)]
		for i, v := range run {
			x[i] = v - top
		}
		vec.Exp(x, x)
		sum += float64(vec.Sum(x))
	}
	return float64(top) + math.Log(sum), sumZ
}

// Backward: dlogits = (softmax(logits) - target) gout / count.
func (c *crossEntropy[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	scale := float64(gout[0]) / float64(max(c.count, 1))
	logits, labels := in[0].F, in[1].I
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, hi := c.cols.unit(u)
		at, from := b*c.l+lo, b*c.c*c.l+lo
		c.lossGrad(&c.scratch[worker], grad[0][from:], logits[from:], c.lse[at:at+hi-lo], labels[at:at+hi-lo], scale)
	})
	return nil
}

// lossGrad writes the gradient of the columns of z, (C, steps), to dz.
func (c *crossEntropy[T]) lossGrad(s *crossEntropyScratch[T], dz, z []T, lse []float64, labels []int, scale float64) {
	if c.l == 1 {
		c.rowGrad(s, dz[:c.c], z, lse[0], labels[0], scale)
		return
	}
	n := len(lse)
	s.ignored = s.ignored[:0]
	for i, y := range labels {
		s.shift[i] = T(lse[i])
		if y == IgnoreLabel {
			s.ignored = append(s.ignored, i)
		}
	}
	for k := range c.c {
		row := dz[k*c.l:][:n]
		if len(s.ignored) == n {
			clear(row)
			continue
		}
		c.softmax(row, z[k*c.l:], s.shift, T(scale))
		for _, i := range s.ignored {
			row[i] = 0
		}
	}
	for i, y := range labels {
		if y != IgnoreLabel {
			dz[y*c.l+i] -= T((1 - c.smoothing) * scale)
		}
	}
}

// rowGrad is lossGrad of one step.
func (c *crossEntropy[T]) rowGrad(s *crossEntropyScratch[T], dz, z []T, lse float64, label int, scale float64) {
	if label == IgnoreLabel {
		clear(dz)
		return
	}
	fill(s.shift, T(lse))
	for k := 0; k < c.c; k += c.width {
		c.softmax(dz[k:min(k+c.width, c.c)], z[k:], s.shift, T(scale))
	}
	dz[label] -= T((1 - c.smoothing) * scale)
}

// softmax writes the gradient without the label's part to dz: (exp(z - shift) -
// smoothing/C) scale.
func (c *crossEntropy[T]) softmax(dz, z, shift []T, scale T) {
	vec.Sub(dz, z[:len(dz)], shift[:len(dz)])
	vec.Exp(dz, dz)
	vec.Affine(dz, dz, T(c.smoothing/float64(c.c)), scale, 0)
}
