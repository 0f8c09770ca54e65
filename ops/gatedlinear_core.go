package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// gatedLinear is what linear maps whose result z is, or opens, a gate have in common.
// In training z is kept for the backward pass. In evaluation, where there hardly ever
// is one, it is not, and Backward computes it again.
type gatedLinear[T num.Float] struct {
	*linear[T]
	training bool
	kept     bool            // z holds the values of the last Forward
	z        graphop.Room[T] // (B, O, L)
	row      [][]T           // one per worker, (linearWidth)
}

func newGatedLinear[T num.Float](d linearDims, o linearOptions) *gatedLinear[T] {
	c := &gatedLinear[T]{linear: newLinear[T](d, o), training: true, row: make([][]T, par.Workers())}
	for i := range c.row {
		c.row[i] = num.Aligned[T](linearWidth)
	}
	return c
}

// SetTraining implements graphop.TrainModer.
func (c *gatedLinear[T]) SetTraining(training bool) {
	c.training = training
	c.linear.SetTraining(training)
}

// Rooms implements graphop.Roomy.
func (c *gatedLinear[T]) Rooms() []graphop.Holder { return append(c.linear.Rooms(), &c.z) }

// begin is that of linear, and makes room for z if it is to be kept.
func (c *gatedLinear[T]) begin(in []graphop.Arg[T]) error {
	if err := c.linear.begin(in); err != nil {
		return err
	}
	if c.kept = c.training; c.kept {
		c.z.Of(c.b * c.o * c.l)
	}
	return nil
}

// gates returns where z of the steps from lo on of sequence b is, or is to be:
// in z if that is kept, else in the worker's scratch.
func (c *gatedLinear[T]) gates(worker, b, lo int) (z []T, ld int) {
	if c.kept {
		return c.z.Of(c.b * c.o * c.l)[b*c.o*c.l+lo:], c.l
	}
	return c.room(worker), linearWidth
}

// again returns what computes z of some steps again, or nil if it is kept.
func (c *gatedLinear[T]) again(in []graphop.Arg[T]) func(worker, b, lo, hi int) {
	if c.kept {
		return nil
	}
	return func(worker, b, lo, hi int) {
		z, ld := c.gates(worker, b, lo)
		c.product(worker, z, ld, c.mapped(worker, in, b, lo, hi, false), hi-lo, nil)
	}
}

// gate writes x times the sigmoid of z, some steps of row r of the output, to y.
func (c *gatedLinear[T]) gate(y, x, z []T, r int) {
	f := c.after.factor(r)
	if f == 0 {
		clear(y)
		return
	}
	vec.GLU(y, x, z)
	if f != 1 {
		vec.Scale(y, f, y)
	}
}

// gradient returns that of what is gated, for some steps of row r of the output, of which
// g is the gradient.
func (c *gatedLinear[T]) gradient(worker int, g []T, r int) []T {
	if !c.after.dropped {
		return g
	}
	row := c.row[worker][:len(g)]
	c.after.apply(row, g, r)
	return row
}
