package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// elementGrain is the number of elements in a piece of work of an elementwise
// op: the operands of a piece stay in the second-level cache.
const elementGrain = 1 << 14

// activation is the core of Activate.
type activation[T num.Float] struct {
	f func(dst, x []T)
	// df sets dst to the gradient of x, where y = f(x) and g is the gradient of
	// y. y is nil unless the op was made to keep it.
	df func(dst, x, y, g []T)
	// both sets y = f(x) and dy = f'(x); nil where f and df do it as well.
	both func(y, dy, x []T)
}

// newActivation returns the core of any activation but the identity.
func newActivation[T num.Float](kind Activation) *activation[T] {
	switch kind {
	case ActGELU:
		return &activation[T]{vec.GELU[T], func(dst, x, _, g []T) { vec.GELUGrad(dst, x, g) }, vec.GELUBoth[T]}
	case ActGELUTanh:
		return &activation[T]{vec.GELUTanh[T], func(dst, x, _, g []T) { vec.GELUTanhGrad(dst, x, g) }, vec.GELUTanhBoth[T]}
	case ActSiLU:
		return &activation[T]{vec.SiLU[T], func(dst, x, _, g []T) { vec.SiLUGrad(dst, x, g) }, vec.SiLUBoth[T]}
	case ActTanh:
		return &activation[T]{f: vec.Tanh[T], df: tanhGrad[T]}
	case ActSigmoid:
		return &activation[T]{f: vec.Sigmoid[T], df: sigmoidGrad[T]}
	}
	return &activation[T]{f: relu[T], df: reluGrad[T]}
}

// derive sets y = f(x) and dy = f'(x). one is as long, of ones.
func (c *activation[T]) derive(y, dy, x, one []T) {
	if c.both != nil {
		c.both(y, dy, x)
		return
	}
	c.f(y, x)
	c.df(dy, x, y, one)
}

func (c *activation[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x := in[0].F
	par.Blocks(len(out), elementGrain, func(_, lo, hi int) { c.f(out[lo:hi], x[lo:hi]) })
	return nil
}

func (c *activation[T]) Backward(grad [][]T, in []graphop.Arg[T], out, gout []T) error {
	x, dx := in[0].F, grad[0]
	par.Blocks(len(dx), elementGrain, func(_, lo, hi int) {
		var y []T
		if out != nil {
			y = out[lo:hi]
		}
		c.df(dx[lo:hi], x[lo:hi], y, gout[lo:hi])
	})
	return nil
}

func relu[T num.Float](dst, x []T) {
	for i, v := range x {
		dst[i] = max(v, 0)
	}
}

func reluGrad[T num.Float](dst, x, _, g []T) {
	for i, v := range x {
		if v > 0 {
			dst[i] = g[i]
		} else {
			dst[i] = 0
		}
	}
}

func tanhGrad[T num.Float](dst, _, y, g []T) {
	for i, v := range y {
		dst[i] = g[i] * (1 - v*v)
	}
}

func sigmoidGrad[T num.Float](dst, _, y, g []T) {
	for i, v := range y {
		dst[i] = g[i] * (v * (1 - v))
	}
}

// glu is the core of GLU: every example is two halves of half elements.
type glu[T num.Float] struct{ b, half int }

func (c *glu[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x := in[0].F
	c.blocks(func(at, x1, x2, n int) { vec.GLU(out[at:at+n], x[x1:x1+n], x[x2:x2+n]) })
	return nil
}

func (c *glu[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	x, dx := in[0].F, grad[0]
	c.blocks(func(at, x1, x2, n int) {
		vec.GLUGrad(dx[x1:x1+n], dx[x2:x2+n], x[x1:x1+n], x[x2:x2+n], gout[at:at+n])
	})
	return nil
}

// blocks runs f over pieces of n elements: at is their place in the output, x1
// and x2 are their places in the input.
func (c *glu[T]) blocks(f func(at, x1, x2, n int)) {
	cols := columns{b: c.b, l: c.half, width: elementGrain}
	par.For(cols.units(), func(_, u int) {
		b, lo, hi := cols.unit(u)
		f(b*c.half+lo, 2*b*c.half+lo, (2*b+1)*c.half+lo, hi-lo)
	})
}

// ActivationFunc returns the function that sets dst to kind of each element of
// x, for use without a graph. kind is valid; dst and x have one length and may
// be the same slice.
func ActivationFunc[T num.Float](kind Activation) func(dst, x []T) {
	if kind == ActIdentity {
		return func(dst, x []T) { copy(dst, x) }
	}
	return newActivation[T](kind).f
}
