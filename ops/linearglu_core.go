package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// linearGLU is the core of LinearGLU: a linear map to O = 2H features whose
// result z is gated as soon as a block of its columns is complete. In training
// z is kept for the backward pass. In evaluation, where there hardly ever is
// one, it is not, and Backward computes it again.
type linearGLU[T num.Float] struct {
	*linear[T]
	training bool
	kept     bool            // z holds the values of the last Forward
	z        graphop.Room[T] // (B, 2H, L)
	row      [][]T           // one per worker, (linearWidth)
}

func newLinearGLU[T num.Float](d linearDims, o linearOptions) *linearGLU[T] {
	c := &linearGLU[T]{linear: newLinear[T](d, o), training: true, row: make([][]T, par.Workers())}
	c.after.each = d.o / 2 // of what is gated
	for i := range c.row {
		c.row[i] = num.Aligned[T](linearWidth)
	}
	return c
}

// SetTraining implements graphop.TrainModer.
func (c *linearGLU[T]) SetTraining(training bool) {
	c.training = training
	c.linear.SetTraining(training)
}

// Rooms implements graphop.Roomy.
func (c *linearGLU[T]) Rooms() []graphop.Holder { return append(c.linear.Rooms(), &c.z) }

func (c *linearGLU[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	if c.kept = c.training; c.kept {
		c.z.Of(c.b * c.o * c.l)
	}
	half := c.o / 2
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, end, hi := c.cols.counting(u, lastInts(in))
		clearColumns(out[b*half*c.l+lo:], half, c.l, end-lo, hi-lo)
		z, ld := c.gates(worker, b, lo)
		c.product(worker, z, ld, in, b, lo, end, func(j0, j1 int) {
			for h := range half {
				r := b*half + h
				y := out[r*c.l+lo:][j0:j1]
				f := c.after.factor(r)
				if f == 0 {
					clear(y)
					continue
				}
				vec.GLU(y, z[h*ld+j0:h*ld+j1], z[(half+h)*ld+j0:(half+h)*ld+j1])
				if f != 1 {
					vec.Scale(y, f, y)
				}
			}
		})
	})
	return nil
}

// gates returns where z of the steps from lo on of sequence b is, or is to be:
// in z if that is kept, else in the worker's scratch.
func (c *linearGLU[T]) gates(worker, b, lo int) (z []T, ld int) {
	if c.kept {
		return c.z.Of(c.b * c.o * c.l)[b*c.o*c.l+lo:], c.l
	}
	return c.room(worker), linearWidth
}

// Backward computes the gradient of z in scratch, a unit at a time.
func (c *linearGLU[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	half := c.o / 2
	c.backward(grad, in, func(worker, b, lo, hi int) ([]T, int) {
		n := hi - lo
		z, ld := c.gates(worker, b, lo)
		if !c.kept {
			c.product(worker, z, ld, in, b, lo, hi, nil)
		}
		dz := c.room(worker) // is z, if that was not kept
		for h := range half {
			r := b*half + h
			g := gout[r*c.l+lo:][:n]
			if c.after.dropped {
				c.after.apply(c.row[worker][:n], g, r)
				g = c.row[worker][:n]
			}
			i, j := h*linearWidth, (half+h)*linearWidth
			vec.GLUGrad(dz[i:i+n], dz[j:j+n], z[h*ld:][:n], z[(half+h)*ld:][:n], g)
		}
		return dz, linearWidth
	})
	return nil
}
