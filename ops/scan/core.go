package scan

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

const (
	// chunkSteps is the number of steps that are turned step-major at a time.
	chunkSteps = 64
	// blockChannels is the largest number of channels of a task.
	blockChannels = 64
)

// core is the op behind graphop. A task is a block of channels of a row of the batch,
// which goes through all steps, a chunk of them at a time.
type core[T num.Float] struct {
	geometry
	blocks    int                      // of channels
	sums      graphop.Scratch[float64] // (B, width): the gradient of an a for all steps
	scratches graphop.Common[[]scratch[T]]
}

func newCore[T num.Float](g geometry) graphop.Core[T] {
	return &core[T]{geometry: g, blocks: (g.P + blockChannels - 1) / blockChannels, scratches: graphop.PerWorker[scratch[T]]()}
}

// Rooms implements graphop.Roomy.
func (c *core[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.sums, &c.scratches} }

// scratch is the memory of a worker: chunks, of one step more than are turned.
type scratch[T num.Float] struct {
	x, a, h  []T // (chunkSteps+1, width)
	row, sum []T // (width)
	next     []T // (2, width): a and h of the step that comes next in a scan back
}

// task is a block of channels of a row.
type task[T num.Float] struct {
	Line
	c     *core[T]
	s     *scratch[T]
	b     int // row of the batch
	first int // channel
	n     int // steps that count

	sums []float64 // (width) of all channels: where a gradient of a for all steps is summed up
}

// each runs f for all tasks.
func (c *core[T]) each(lengths []int, f func(t *task[T])) {
	scratches := *c.scratches.Get()
	par.For(c.b*c.blocks, func(worker, i int) {
		t := task[T]{Line: c.Line, c: c, s: &scratches[worker], b: i / c.blocks, first: i % c.blocks * blockChannels}
		t.P, t.n = min(blockChannels, c.P-t.first), graphop.Length(lengths, t.b, c.l)
		w := t.Width()
		s := t.s
		s.x, s.a, s.h = num.Grow(s.x, (chunkSteps+1)*w), num.Grow(s.a, (chunkSteps+1)*w), num.Grow(s.h, (chunkSteps+1)*w)
		s.row, s.sum, s.next = num.Grow(s.row, w), num.Grow(s.sum, w), num.Grow(s.next, 2*w)
		f(&t)
	})
}

// halves calls f for the real and for the imaginary channels of the task: where they
// are in a row of it, and the first of them in a row of all channels.
func (t *task[T]) halves(f func(at, channel int)) {
	f(0, t.first)
	if t.Complex {
		f(t.P, t.c.P+t.first)
	}
}

// gather copies the channels of the task at steps [t0, t1) of x (B, width, L) to rows.
func (t *task[T]) gather(rows, x []T, t0, t1 int) {
	if t0 == t1 {
		return
	}
	t.halves(func(at, channel int) {
		gemm.Transpose(rows[at:], t.Width(), x[(t.b*t.c.Width()+channel)*t.c.l+t0:], t.c.l, t.P, t1-t0)
	})
}

// scatter is gather back.
func (t *task[T]) scatter(x, rows []T, t0, t1 int) {
	t.halves(func(at, channel int) {
		gemm.Transpose(x[(t.b*t.c.Width()+channel)*t.c.l+t0:], t.c.l, rows[at:], t.Width(), t1-t0, t.P)
	})
}

// clear sets the steps that do not count of x (B, width, L) to 0.
func (t *task[T]) clear(x []T) {
	t.halves(func(_, channel int) {
		for i := range t.P {
			clear(x[(t.b*t.c.Width()+channel+i)*t.c.l:][:t.c.l][t.n:])
		}
	})
}

// vector copies the channels of the task of row b of x (rows, width) to dst.
func (t *task[T]) vector(dst, x []T, b int) {
	t.halves(func(at, channel int) { copy(dst[at:][:t.P], x[b*t.c.Width()+channel:]) })
}

// store is vector back.
func (t *task[T]) store(x, from []T, b int) {
	t.halves(func(at, channel int) { copy(x[b*t.c.Width()+channel:], from[at:][:t.P]) })
}

// chunks calls f for the chunks of the steps that count, from the first one or back.
func (t *task[T]) chunks(back bool, f func(t0, t1 int)) {
	chunks := (t.n + chunkSteps - 1) / chunkSteps
	for i := range chunks {
		if back {
			i = chunks - 1 - i
		}
		f(i*chunkSteps, min((i+1)*chunkSteps, t.n))
	}
}

func (c *core[T]) lengths(in []graphop.Arg[T]) []int { return in[len(in)-1].I }

func (c *core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := graphop.ValidLengths(c.lengths(in), c.l); err != nil {
		return err
	}
	c.each(c.lengths(in), func(t *task[T]) {
		t.forward(out, in)
		t.clear(out)
	})
	return nil
}

func (t *task[T]) forward(out []T, in []graphop.Arg[T]) {
	s, w := t.s, t.Width()
	var state []T
	if t.c.start >= 0 {
		state = s.row
		t.vector(state, in[t.c.start].F, t.b)
	}
	if !t.Varying {
		t.vector(s.a, in[0].F, 0)
	}
	t.chunks(t.Reverse, func(t0, t1 int) {
		x := s.x[:(t1-t0)*w]
		t.gather(x, in[1].F, t0, t1)
		Along(t.Line, x, t.factors(in, t0, t1), state)
		t.scatter(out, x, t0, t1)
		last := x[len(x)-w:]
		if t.Reverse {
			last = x[:w]
		}
		state = s.row
		copy(state, last)
	})
}

// factors returns the rows of a for the steps [t0, t1): with one a for all, that.
func (t *task[T]) factors(in []graphop.Arg[T], t0, t1 int) []T {
	w := t.Width()
	if !t.Varying {
		return t.s.a[:w]
	}
	a := t.s.a[:(t1-t0)*w]
	t.gather(a, in[0].F, t0, t1)
	return a
}

func (c *core[T]) Backward(grad [][]T, in []graphop.Arg[T], out, gout []T) error {
	sums := c.sums.Of(c.b * c.Width())
	clear(sums)
	c.each(c.lengths(in), func(t *task[T]) {
		t.sums = sums[t.b*c.Width():][:c.Width()]
		t.backward(grad, in, out, gout)
		if grad[1] != nil {
			t.clear(grad[1])
		}
		if c.Varying && grad[0] != nil {
			t.clear(grad[0])
		}
	})
	if c.Varying || grad[0] == nil {
		return nil
	}
	for i := range c.Width() {
		var sum float64
		for b := range c.b {
			sum += sums[b*c.Width()+i]
		}
		grad[0][i] = T(sum)
	}
	return nil
}
