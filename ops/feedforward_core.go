package ops

import (
	"slices"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// feedForwardDims are the sizes of two linear maps in a row, whose weights are
// inputs 1 and 2. What the first one gives is the input of the second, gated or
// not: first.o is second.xi().
type feedForwardDims struct{ first, second linearDims }

// feedForward is the core of FeedForward. A unit of steps goes through both maps
// while it is in cache, in both passes; z, what the first map gives, is all that
// is kept.
type feedForward[T num.Float] struct {
	feedForwardDims
	cols    columns
	grps    groups
	between *linearInput[T]
	after   dropoutMask[T] // of the output

	w1, w2         gemm.Packed[T] // with the biases
	w1t, w2t       gemm.Packed[T]
	grads1, grads2 weightGrads[T]

	training bool
	kept     bool            // z holds the values of the last Forward
	z        graphop.Room[T] // (B, first.o, L)
	work     graphop.Common[[]feedForwardWorker[T]]
}

// feedForwardWorker is the scratch memory of a worker.
type feedForwardWorker[T num.Float] struct {
	ws1, ws2 gemm.Workspace[T]
	z        []T // of a unit, if it is not kept
	dy       []T // the gradient of the output before its dropout, of a unit
}

func newFeedForward[T num.Float](d feedForwardDims, o linearOptions) *feedForward[T] {
	c := &feedForward[T]{feedForwardDims: d, cols: columns{b: d.first.b, l: d.first.l, width: linearWidth}, training: true}
	c.grps = weightGroups(c.cols.units(), d.first.o*d.first.i+d.second.o*d.second.i)
	c.grads1, c.grads2 = newWeightGrads[T](d.first, c.grps.n), newWeightGrads[T](d.second, c.grps.n)
	c.grads2.weight = 2
	c.between, c.after = makeLinearInput[T](d.second, o), newDropoutMask[T](o.dropOutput, d.first.l, d.second.o)
	c.work = graphop.PerWorker[feedForwardWorker[T]]()
	return c
}

// SetTraining implements graphop.TrainModer.
func (c *feedForward[T]) SetTraining(training bool) {
	c.training, c.between.drop.training, c.after.training = training, training, training
}

// Rooms implements graphop.Roomy.
func (c *feedForward[T]) Rooms() []graphop.Holder {
	return slices.Concat([]graphop.Holder{&c.z, &c.work}, c.between.rooms(), c.grads1.rooms(), c.grads2.rooms())
}

// worker returns the scratch memory of a worker.
func (c *feedForward[T]) worker(i int) *feedForwardWorker[T] { return &(*c.work.Get())[i] }

// open makes the scratch memory, before the workers ask for it.
func (c *feedForward[T]) open() {
	c.work.Get()
	c.between.work.Get()
}

func (c *feedForward[T]) Forward(out []T, in []graphop.Arg[T]) error {
	lens := lastInts(in)
	if err := graphop.ValidLengths(lens, c.cols.l); err != nil {
		return err
	}
	c.open()
	c.w1.Pack(false, c.first.o, c.first.i, in[1].F, c.first.i, optional(in, c.first.bias))
	c.w2.Pack(false, c.second.o, c.second.i, in[2].F, c.second.i, optional(in, c.second.bias))
	c.between.drop.draw()
	c.after.draw()
	if c.kept = c.training; c.kept {
		c.z.Of(c.cols.b * c.first.o * c.cols.l)
	}
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, end, hi := c.cols.counting(u, lens)
		y := out[b*c.second.o*c.cols.l+lo:]
		clearColumns(y, c.second.o, c.cols.l, end-lo, hi-lo)
		z, ld := c.inner(worker, b, lo, end)
		c.firstMap(worker, z, ld, in, b, lo, end, func(j0, j1 int) {
			c.secondMap(worker, y[j0:], z[j0:], ld, b, lo+j0, j1-j0)
		})
	})
	return nil
}

// inner returns where z of the steps [lo, hi) of sequence b is, or is to be, and
// what its rows are spaced by.
func (c *feedForward[T]) inner(worker, b, lo, hi int) (z []T, ld int) {
	if c.kept {
		return c.z.Of(c.cols.b * c.first.o * c.cols.l)[b*c.first.o*c.cols.l+lo:], c.cols.l
	}
	w := c.worker(worker)
	w.z = num.Grow(w.z, c.first.o*(hi-lo))
	return w.z, hi - lo
}

// firstMap writes z of the steps [lo, hi) of sequence b. done is called as
// gemm.GemmPacked does.
func (c *feedForward[T]) firstMap(worker int, z []T, ld int, in []graphop.Arg[T], b, lo, hi int, done func(j0, j1 int)) {
	l := c.cols.l
	gemm.GemmPacked(&c.worker(worker).ws1, &c.w1, false, hi-lo, in[0].F[b*c.first.i*l+lo:], l, z, ld, false, done)
}

// secondMap writes the output y of n steps of sequence b from step lo on.
func (c *feedForward[T]) secondMap(worker int, y, z []T, ld, b, lo, n int) {
	l := c.cols.l
	h := c.between.compute(worker, z, ld, b, lo, n, false)
	gemm.GemmPacked(&c.worker(worker).ws2, &c.w2, false, n, h, n, y, l, false, nil)
	if !c.after.dropped {
		return
	}
	for o := range c.second.o {
		row := y[o*l:][:n]
		c.after.apply(row, row, b*c.second.o+o)
	}
}

func (c *feedForward[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.open()
	c.grads1.begin()
	c.grads2.begin()
	c.w2t.Pack(true, c.second.i, c.second.o, in[2].F, c.second.i, nil)
	if grad[0] != nil {
		c.w1t.Pack(true, c.first.i, c.first.o, in[1].F, c.first.i, nil)
	}
	par.For(c.grps.n, func(worker, g int) {
		dw1, db1 := c.grads1.of(g, grad[1])
		dw2, db2 := c.grads2.of(g, grad[2])
		first, last := c.grps.group(g)
		for u := first; u < last; u++ {
			b, lo, end, hi := c.cols.counting(u, lastInts(in))
			n := end - lo
			dy, ld := c.outputGrad(worker, gout, b, lo, n)
			h := c.derive(worker, in, b, lo, end)
			c.grads2.add(&c.worker(worker).ws2, dw2, db2, h, n, false, dy, ld, n, u > first)
			dz := c.innerGrad(worker, h, dy, ld, n)
			x := in[0].F[b*c.first.i*c.cols.l+lo:]
			c.grads1.add(&c.worker(worker).ws1, dw1, db1, x, c.cols.l, false, dz, n, n, u > first)
			if dx := grad[0]; dx != nil {
				dx = dx[b*c.first.i*c.cols.l+lo:]
				gemm.GemmPacked(&c.worker(worker).ws1, &c.w1t, false, n, dz, n, dx, c.cols.l, false, nil)
				clearColumns(dx, c.first.i, c.cols.l, n, hi-lo)
			}
		}
	})
	c.grads1.finish(grad)
	c.grads2.finish(grad)
	return nil
}

// outputGrad returns the gradient of n steps of sequence b of what the second map
// gives, (O, n) in rows spaced by ld.
func (c *feedForward[T]) outputGrad(worker int, gout []T, b, lo, n int) (dy []T, ld int) {
	l := c.cols.l
	gout = gout[b*c.second.o*l+lo:]
	if !c.after.dropped {
		return gout, l
	}
	w := c.worker(worker)
	w.dy = num.Grow(w.dy, c.second.o*n)
	for o := range c.second.o {
		c.after.apply(w.dy[o*n:][:n], gout[o*l:][:n], b*c.second.o+o)
	}
	return w.dy, n
}

// derive returns the input h of the second map of the steps [lo, hi) of sequence
// b, and keeps its derivatives for innerGrad.
func (c *feedForward[T]) derive(worker int, in []graphop.Arg[T], b, lo, hi int) []T {
	z, ld := c.inner(worker, b, lo, hi)
	if !c.kept {
		c.firstMap(worker, z, ld, in, b, lo, hi, nil)
	}
	return c.between.compute(worker, z, ld, b, lo, hi-lo, true)
}

// innerGrad returns the gradient of z of the n steps of derive, in the memory of
// their h, which is as large.
func (c *feedForward[T]) innerGrad(worker int, h, dy []T, ld, n int) []T {
	dh := h[(c.first.o-c.second.i)*n:]
	gemm.GemmPacked(&c.worker(worker).ws2, &c.w2t, false, n, dy, ld, dh, n, false, nil)
	c.between.chain(worker, h, n, n)
	return h
}
