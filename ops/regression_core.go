package ops

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// errorOf is what a loss is the mean of.
type errorOf int

const (
	squared errorOf = iota
	absolute
	pinball
)

// regressionDims are the sizes and options of MSE, MAE and Pinball.
type regressionDims struct {
	of               errorOf
	b, n, q          int // rows, numbers of the target in each, forecasts of each number
	quantiles        []float64
	weights, lengths int // inputs, or -1
}

// regressionCore is the core of MSE, MAE and Pinball. A piece of work is a row.
type regressionCore[T num.Float] struct {
	regressionDims
	loss, count []float64 // by row: the sum of the losses, and of what they count
	total       float64   // that of count
}

func newRegressionCore[T num.Float](d regressionDims) *regressionCore[T] {
	return &regressionCore[T]{regressionDims: d, loss: make([]float64, d.b), count: make([]float64, d.b)}
}

// each calls f for every number of row b that counts, with its weight.
func (c *regressionCore[T]) each(in []graphop.Arg[T], b int, f func(i int, w float64)) {
	if c.lengths >= 0 && in[c.lengths].I[b] == 0 {
		return
	}
	for i := b * c.n; i < (b+1)*c.n; i++ {
		w := 1.0
		if c.weights >= 0 {
			if w = float64(in[c.weights].F[i]); w == 0 {
				continue
			}
		}
		f(i, w)
	}
}

// check reports weights and lengths that are none.
func (c *regressionCore[T]) check(in []graphop.Arg[T]) error {
	if c.lengths >= 0 {
		if err := graphop.ValidLengths(in[c.lengths].I, math.MaxInt); err != nil {
			return err
		}
	}
	if c.weights >= 0 {
		for i, w := range in[c.weights].F {
			if !(w >= 0 && float64(w) < math.Inf(1)) {
				return fmt.Errorf("weights: want finite numbers >= 0, got %v of number %d of row %d", w, i%c.n, i/c.n)
			}
		}
	}
	return nil
}

func (c *regressionCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.check(in); err != nil {
		return err
	}
	par.For(c.b, func(_, b int) {
		c.loss[b], c.count[b] = 0, 0
		c.each(in, b, func(i int, w float64) {
			t := float64(in[1].F[i])
			for k, y := range in[0].F[i*c.q : (i+1)*c.q] {
				c.loss[b] += w * c.value(float64(y)-t, k)
			}
			c.count[b] += w
		})
	})
	var sum float64
	c.total = 0
	for b, v := range c.loss {
		sum += v
		c.total += c.count[b]
	}
	out[0] = 0
	if c.total > 0 {
		out[0] = T(sum / c.total / float64(c.q))
	}
	return nil
}

// value returns the loss of an error e = y - t of forecast k.
func (c *regressionCore[T]) value(e float64, k int) float64 {
	switch c.of {
	case squared:
		return e * e
	case absolute:
		return math.Abs(e)
	}
	return max(-c.quantiles[k]*e, (1-c.quantiles[k])*e)
}

// slope returns the derivative of value.
func (c *regressionCore[T]) slope(e float64, k int) float64 {
	switch {
	case c.of == squared:
		return 2 * e
	case e == 0:
		return 0
	case c.of == absolute:
		return math.Copysign(1, e)
	case e < 0:
		return -c.quantiles[k]
	}
	return 1 - c.quantiles[k]
}

func (c *regressionCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	scale := 0.0
	if c.total > 0 {
		scale = float64(gout[0]) / c.total / float64(c.q)
	}
	par.For(c.b, func(_, b int) {
		clear(grad[0][b*c.n*c.q : (b+1)*c.n*c.q])
		c.each(in, b, func(i int, w float64) {
			t := float64(in[1].F[i])
			for k, y := range in[0].F[i*c.q : (i+1)*c.q] {
				grad[0][i*c.q+k] = T(scale * w * c.slope(float64(y)-t, k))
			}
		})
	})
	return nil
}

// lastDims are the sizes of SubtractLast and AddLast.
type lastDims struct {
	b, l, f int // of x
	p, o, q int // of y
}

// last returns where the last step of row b of x begins, and whether there is one.
func (d lastDims) last(lens []int, b int) (at int, ok bool) {
	n := graphop.Length(lens, b, d.l)
	return (b*d.l + n - 1) * d.f, n > 0
}

// subtractLast is the core of SubtractLast.
type subtractLast[T num.Float] struct{ lastDims }

func (c subtractLast[T]) Forward(out []T, in []graphop.Arg[T]) error {
	lens := lastInts(in)
	if err := graphop.ValidLengths(lens, c.l); err != nil {
		return err
	}
	x := in[0].F
	par.For(c.b, func(_, b int) {
		lo, hi, end := b*c.l*c.f, (b+1)*c.l*c.f, (b*c.l+graphop.Length(lens, b, c.l))*c.f
		at, _ := c.last(lens, b)
		for i := lo; i < end; i++ {
			out[i] = x[i] - x[at+(i-lo)%c.f]
		}
		clear(out[end:hi])
	})
	return nil
}

func (c subtractLast[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	lens := lastInts(in)
	par.For(c.b, func(_, b int) {
		lo, hi, end := b*c.l*c.f, (b+1)*c.l*c.f, (b*c.l+graphop.Length(lens, b, c.l))*c.f
		copy(grad[0][lo:end], gout[lo:end])
		clear(grad[0][end:hi])
		at, ok := c.last(lens, b)
		if !ok {
			return
		}
		for f := range c.f {
			var sum float64
			for i := lo + f; i < end; i += c.f {
				sum += float64(gout[i])
			}
			grad[0][at+f] = T(float64(gout[at+f]) - sum)
		}
	})
	return nil
}

// addLast is the core of AddLast.
type addLast[T num.Float] struct{ lastDims }

func (c addLast[T]) Forward(out []T, in []graphop.Arg[T]) error {
	lens := lastInts(in)
	if err := graphop.ValidLengths(lens, c.l); err != nil {
		return err
	}
	par.For(c.b, func(_, b int) {
		n := c.p * c.o * c.q
		y, o := in[0].F[b*n:(b+1)*n], out[b*n:(b+1)*n]
		at, ok := c.last(lens, b)
		if !ok {
			clear(o)
			return
		}
		for i, v := range y {
			o[i] = v + in[1].F[at+i/c.q%c.o]
		}
	})
	return nil
}

func (c addLast[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	lens := lastInts(in)
	par.For(c.b, func(_, b int) {
		n := c.p * c.o * c.q
		g, dx := gout[b*n:(b+1)*n], grad[1][b*c.l*c.f:(b+1)*c.l*c.f]
		clear(dx)
		at, ok := c.last(lens, b)
		if !ok {
			clear(grad[0][b*n : (b+1)*n])
			return
		}
		copy(grad[0][b*n:(b+1)*n], g)
		for i, v := range g {
			grad[1][at+i/c.q%c.o] += v
		}
	})
	return nil
}

// takeLast is the core of TakeLast.
type takeLast[T num.Float] struct{ n, at int }

func (c takeLast[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for i := range out {
		out[i] = in[0].F[i*c.n+c.at]
	}
	return nil
}

func (c takeLast[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	clear(grad[0])
	for i, g := range gout {
		grad[0][i*c.n+c.at] = g
	}
	return nil
}
