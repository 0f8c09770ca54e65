package ops

import (
	"slices"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// linearDims are the sizes of a linear map.
type linearDims struct {
	b, i, o, l   int
	bias         int  // index of the input, -1 for none
	featuresLast bool // x is (B, L, I), not (B, I, L)
	gated        bool // x is (B, 2I, L): see Gated
}

// xi returns the number of features of x.
func (d linearDims) xi() int {
	if d.gated {
		return 2 * d.i
	}
	return d.i
}

// linearWidth is the number of steps in a unit of work.
const linearWidth = 512

// linear is the core of Linear on sequences, and of FeatureLinear.
type linear[T num.Float] struct {
	linearDims
	cols   columns
	grps   groups
	before *linearInput[T] // nil for none
	after  dropoutMask[T]  // of the output
	beside bypass[T]

	w, wt gemm.Packed[T] // w with the bias, and its transpose
	grads weightGrads[T]
	work  graphop.Common[[]linearWorker[T]]
}

// bypass adds what flows past the map to a gradient, rows of n steps spaced by ld: to that
// of what is mapped, and to that of x. nil: nothing does.
type bypass[T num.Float] struct {
	intoMapped, intoX func(worker int, d []T, ld, n int)
}

// linearWorker is the scratch memory of a worker.
type linearWorker[T num.Float] struct {
	ws   gemm.Workspace[T]
	room []T // (O, linearWidth)
	past []T // (O, linearWidth): the gradients past the map, see bypass
}

func newLinear[T num.Float](d linearDims, o linearOptions) *linear[T] {
	c := &linear[T]{linearDims: d, cols: columns{b: d.b, l: d.l, width: linearWidth}}
	c.grps = weightGroups(c.cols.units(), d.o*d.i)
	c.grads = newWeightGrads[T](d, c.grps.n)
	c.before, c.after = newLinearInput[T](d, o), newDropoutMask[T](o.dropOutput, d.l, d.o)
	c.work = graphop.PerWorker[linearWorker[T]]()
	return c
}

// SetTraining implements graphop.TrainModer.
func (c *linear[T]) SetTraining(training bool) {
	if c.before != nil {
		c.before.drop.training = training
	}
	c.after.training = training
}

// x returns the steps from lo on of sequence b of x, and what gemm has to know
// to read them as a matrix (I, steps), or (2I, steps) where they are gated.
func (c *linear[T]) x(x []T, b, lo int) (m []T, ld int, trans bool) {
	if c.featuresLast {
		return x[(b*c.l+lo)*c.i:], c.i, true
	}
	return x[b*c.xi()*c.l+lo:], c.l, false
}

// room returns the worker's scratch.
func (c *linear[T]) room(worker int) []T {
	w := c.worker(worker)
	w.room = num.Grow(w.room, c.o*linearWidth)
	return w.room
}

// Rooms implements graphop.Roomy.
func (c *linear[T]) Rooms() []graphop.Holder {
	return slices.Concat(c.before.rooms(), c.grads.rooms(), []graphop.Holder{&c.work})
}

// worker returns the scratch memory of a worker.
func (c *linear[T]) worker(i int) *linearWorker[T] { return &(*c.work.Get())[i] }

// open makes the scratch memory, before the workers ask for it.
func (c *linear[T]) open() {
	c.work.Get()
	if c.before != nil {
		c.before.work.Get()
	}
}

func (c *linear[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	par.For(c.cols.units(), func(worker, u int) {
		b, lo, end, hi := c.cols.counting(u, lastInts(in))
		y := out[b*c.o*c.l+lo:]
		clearColumns(y, c.o, c.l, end-lo, hi-lo)
		c.product(worker, y, c.l, c.mapped(worker, in, b, lo, end, false), end-lo, func(j0, j1 int) {
			if !c.after.dropped {
				return
			}
			for o := range c.o {
				row := y[o*c.l:][j0:j1]
				c.after.apply(row, row, b*c.o+o)
			}
		})
	})
	return nil
}

// begin checks the lengths, lays w and the bias out for product, and draws the
// masks.
func (c *linear[T]) begin(in []graphop.Arg[T]) error {
	if err := graphop.ValidLengths(lastInts(in), c.l); err != nil {
		return err
	}
	c.open()
	c.w.Pack(false, c.o, c.i, in[1].F, c.i, optional(in, c.bias))
	if c.before != nil {
		c.before.drop.draw()
	}
	c.after.draw()
	return nil
}

// optional returns the values of input i, or nil for -1.
func optional[T num.Float](in []graphop.Arg[T], i int) []T {
	if i < 0 {
		return nil
	}
	return in[i].F
}

// mapped is what is mapped of some steps, as a matrix (I, steps) or, with trans, (steps, I).
type mapped[T num.Float] struct {
	m     []T
	ld    int
	trans bool
}

// mapped returns what is mapped of the steps [lo, hi) of sequence b, and with derive has
// its derivative by x ready.
func (c *linear[T]) mapped(worker int, in []graphop.Arg[T], b, lo, hi int, derive bool) mapped[T] {
	m, ld, trans := c.x(in[0].F, b, lo)
	if c.before != nil {
		m, ld = c.before.compute(worker, m, ld, b, lo, hi-lo, derive), hi-lo
	}
	return mapped[T]{m, ld, trans}
}

// product writes w h + bias of n steps to y, which is (O, n) with leading dimension ld.
// done is called as gemm.GemmPacked does.
func (c *linear[T]) product(worker int, y []T, ld int, h mapped[T], n int, done func(j0, j1 int)) {
	gemm.GemmPacked(&c.worker(worker).ws, &c.w, h.trans, n, h.m, h.ld, y, ld, false, done)
}

func (c *linear[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.backward(grad, in, nil, func(worker int, _ mapped[T], b, lo, hi int) ([]T, int) {
		dy := gout[b*c.o*c.l+lo:]
		if !c.after.dropped {
			return dy, c.l
		}
		room, n := c.room(worker), hi-lo
		for o := range c.o {
			c.after.apply(room[o*linearWidth:][:n], dy[o*c.l:][:n], b*c.o+o)
		}
		return room, linearWidth
	})
	return nil
}

// backward computes the gradients of x, w and the bias from that of w h + b,
// which dy returns for the steps [lo, hi) of sequence b, all of which count, as a
// matrix (O, hi-lo) and its leading dimension; h is what is mapped of them. first, unless
// nil, is called before h is there.
func (c *linear[T]) backward(grad [][]T, in []graphop.Arg[T], first func(worker, b, lo, hi int), dy func(worker int, h mapped[T], b, lo, hi int) ([]T, int)) {
	c.open()
	c.grads.begin()
	if grad[0] != nil && !c.featuresLast {
		c.wt.Pack(true, c.i, c.o, in[1].F, c.i, nil)
	}
	par.For(c.grps.n, func(worker, g int) {
		dw, db := c.grads.of(g, grad[1])
		from, to := c.grps.group(g)
		for u := from; u < to; u++ {
			b, lo, end, hi := c.cols.counting(u, lastInts(in))
			if first != nil {
				first(worker, b, lo, end)
			}
			h := c.mapped(worker, in, b, lo, end, grad[0] != nil)
			m, ld := dy(worker, h, b, lo, end)
			c.grads.add(&c.worker(worker).ws, dw, db, h.m, h.ld, h.trans, m, ld, end-lo, u > from)
			if grad[0] != nil {
				c.backwardInput(worker, grad[0], in[1].F, m, ld, b, lo, end)
				c.chain(worker, grad[0], b, lo, end)
				c.clearInput(grad[0], b, end, hi)
			}
		}
	})
	c.grads.finish(grad)
}

// backwardInput writes w^T dy, for some steps, to their place in dx: where x is
// gated, to that of its second half.
func (c *linear[T]) backwardInput(worker int, dx, w, dy []T, ld, b, lo, hi int) {
	m, ldx, trans := c.x(dx, b, lo)
	if trans {
		gemm.Gemm(&c.worker(worker).ws, true, false, hi-lo, c.i, c.o, dy, ld, w, c.i, m, ldx, false)
		return
	}
	gemm.GemmPacked(&c.worker(worker).ws, &c.wt, false, hi-lo, dy, ld, m[(c.xi()-c.i)*ldx:], ldx, false, nil)
}

// chain makes the gradient of what is mapped, for some steps, that of x, which is in dx.
func (c *linear[T]) chain(worker int, dx []T, b, lo, hi int) {
	if c.featuresLast {
		return
	}
	dx = dx[b*c.xi()*c.l+lo:]
	if c.beside.intoMapped != nil {
		c.beside.intoMapped(worker, dx, c.l, hi-lo)
	}
	if c.before != nil {
		c.before.chain(worker, dx, c.l, hi-lo)
	}
	if c.beside.intoX != nil {
		c.beside.intoX(worker, dx, c.l, hi-lo)
	}
}

// clearInput sets the steps [lo, hi) of sequence b of dx to zero.
func (c *linear[T]) clearInput(dx []T, b, lo, hi int) {
	if c.featuresLast {
		clear(dx[(b*c.l+lo)*c.i : (b*c.l+hi)*c.i])
		return
	}
	clearColumns(dx[b*c.xi()*c.l:], c.xi(), c.l, lo, hi)
}
