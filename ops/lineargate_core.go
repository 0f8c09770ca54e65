package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// linearGate is the core of LinearGate: a linear map whose result z opens a gate for what
// it maps, or for x itself, as soon as a block of its columns is complete.
type linearGate[T num.Float] struct {
	*gatedLinear[T]
	ofX bool
}

func newLinearGate[T num.Float](d linearDims, o linearOptions) *linearGate[T] {
	c := &linearGate[T]{gatedLinear: newGatedLinear[T](d, o), ofX: o.gateX}
	if c.ofX {
		c.beside.intoX = c.pass
	} else {
		c.beside.intoMapped = c.pass
	}
	return c
}

// value returns what the gate is opened for of the steps from lo on of sequence b, where h
// is what is mapped: rows spaced by ld.
func (c *linearGate[T]) value(in []graphop.Arg[T], h mapped[T], b, lo int) (x []T, ld int) {
	if c.ofX {
		x, ld, _ = c.x(in[0].F, b, lo)
		return x, ld
	}
	return h.m, h.ld
}

func (c *linearGate[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, end, hi := c.cols.counting(u, lastInts(in))
		clearColumns(out[b*c.o*c.l+lo:], c.o, c.l, end-lo, hi-lo)
		z, ld := c.gates(worker, b, lo)
		h := c.mapped(worker, in, b, lo, end, false)
		x, ldx := c.value(in, h, b, lo)
		c.product(worker, z, ld, h, end-lo, func(j0, j1 int) {
			for o := range c.o {
				r := b*c.o + o
				c.gate(out[r*c.l+lo:][j0:j1], x[o*ldx+j0:o*ldx+j1], z[o*ld+j0:o*ld+j1], r)
			}
		})
	})
	return nil
}

// Backward computes the gradient of z, and what flows past the map, in scratch, a unit at
// a time.
func (c *linearGate[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.backward(grad, in, c.again(in), func(worker int, h mapped[T], b, lo, hi int) ([]T, int) {
		n := hi - lo
		z, ld := c.gates(worker, b, lo)
		x, ldx := c.value(in, h, b, lo)
		dz, da := c.room(worker), c.past(worker) // dz is z, if that was not kept
		for o := range c.o {
			r, i := b*c.o+o, o*linearWidth
			g := c.gradient(worker, gout[r*c.l+lo:][:n], r)
			vec.GLUGrad(da[i:i+n], dz[i:i+n], x[o*ldx:][:n], z[o*ld:][:n], g)
		}
		return dz, linearWidth
	})
	return nil
}

// past returns the worker's scratch for the gradients past the map.
func (c *linearGate[T]) past(worker int) []T {
	w := c.worker(worker)
	w.past = num.Grow(w.past, c.o*linearWidth)
	return w.past
}

// pass adds the gradients past the map to d.
func (c *linearGate[T]) pass(worker int, d []T, ld, n int) {
	da := c.past(worker)
	for o := range c.o {
		row := d[o*ld:][:n]
		vec.Add(row, row, da[o*linearWidth:][:n])
	}
}
