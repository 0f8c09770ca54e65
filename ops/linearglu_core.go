package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// linearGLU is the core of LinearGLU: a linear map to O = 2H features whose
// result z is gated as soon as a block of its columns is complete.
type linearGLU[T num.Float] struct{ *gatedLinear[T] }

func newLinearGLU[T num.Float](d linearDims, o linearOptions) *linearGLU[T] {
	c := &linearGLU[T]{newGatedLinear[T](d, o)}
	c.after.each = d.o / 2 // of what is gated
	return c
}

func (c *linearGLU[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	half := c.o / 2
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, end, hi := c.cols.counting(u, lastInts(in))
		clearColumns(out[b*half*c.l+lo:], half, c.l, end-lo, hi-lo)
		z, ld := c.gates(worker, b, lo)
		c.product(worker, z, ld, c.mapped(worker, in, b, lo, end, false), end-lo, func(j0, j1 int) {
			for h := range half {
				r := b*half + h
				c.gate(out[r*c.l+lo:][j0:j1], z[h*ld+j0:h*ld+j1], z[(half+h)*ld+j0:(half+h)*ld+j1], r)
			}
		})
	})
	return nil
}

// Backward computes the gradient of z in scratch, a unit at a time.
func (c *linearGLU[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	half := c.o / 2
	c.backward(grad, in, c.again(in), func(worker int, _ mapped[T], b, lo, hi int) ([]T, int) {
		n := hi - lo
		z, ld := c.gates(worker, b, lo)
		dz := c.room(worker) // is z, if that was not kept
		for h := range half {
			r := b*half + h
			g := c.gradient(worker, gout[r*c.l+lo:][:n], r)
			i, j := h*linearWidth, (half+h)*linearWidth
			vec.GLUGrad(dz[i:i+n], dz[j:j+n], z[h*ld:][:n], z[(half+h)*ld:][:n], g)
		}
		return dz, linearWidth
	})
	return nil
}
