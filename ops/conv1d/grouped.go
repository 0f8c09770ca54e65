package conv1d

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

const (
	// groupedRoom is the number of elements of the inputs of a block of steps as
	// they are laid out for a product, if a block has not the least width then.
	groupedRoom = 1 << 16
	// leastWidth and mostWidth bound the number of steps in a block.
	leastWidth, mostWidth = 128, 512
	// mostRoom bounds the number of elements in a block of more than a step.
	mostRoom = 1 << 26
	// groupedTasks is the least number of tasks that the gradient of x is cut into,
	// where there are as many features.
	groupedTasks = 16
	// groupedPartials bounds the elements of the partial gradients of w.
	groupedPartials = 1 << 22
)

// grouped is the core of a convolution whose groups have several features, as
// matrix products of blocks of steps.
type grouped[T num.Float] struct {
	geometry
	cg, og, rows  int // features of a group, of its output, and rows of a block: cg k
	width, blocks int // steps in a block, and blocks in a row
	parts         int // of the gradient of w: partial sums
	cuts          int // of the features of a group, for the gradient of x

	w    []gemm.Packed[T] // of each group, with the bias
	wt   []gemm.Packed[T] // of each group and cut, transposed
	work graphop.Common[[]groupedWorker[T]]
	dw   graphop.Scratch[T]       // (parts-1, C_out, cg, K): partial sums, but the first
	db   graphop.Scratch[float64] // (parts, C_out)
}

// groupedWorker is the scratch memory of a worker.
type groupedWorker[T num.Float] struct {
	ws   gemm.Workspace[T]
	room []T // (rows, width)
}

func newGrouped[T num.Float](g geometry) *grouped[T] {
	c := &grouped[T]{geometry: g, cg: g.in / g.groups, og: g.out / g.groups}
	c.rows = c.cg * g.k
	c.width = min(max(groupedRoom/c.rows/leastWidth*leastWidth, leastWidth), mostWidth, g.lout, max(mostRoom/c.rows, 1))
	c.blocks = (g.lout + c.width - 1) / c.width
	units := g.b * c.blocks
	c.parts = min(units, 16, max(4, groupedPartials/(g.out*c.rows)))
	c.cuts = min(c.cg, (groupedTasks+g.b*g.groups-1)/(g.b*g.groups))
	c.w, c.wt = make([]gemm.Packed[T], g.groups), make([]gemm.Packed[T], g.groups*c.cuts)
	c.work = graphop.PerWorker[groupedWorker[T]]()
	return c
}

// pointwise says that a block of x is its own layout.
func (c *grouped[T]) pointwise() bool { return c.k == 1 && c.stride == 1 && c.left == 0 }

// unit returns the row of the batch of a unit of work, the steps [lo, hi) of its
// output, and the first that does not count.
func (c *grouped[T]) unit(u int, lengths []int) (b, lo, end, hi int) {
	b, lo = u/c.blocks, u%c.blocks*c.width
	hi = min(lo+c.width, c.lout)
	return b, lo, min(max(c.steps(c.length(lengths, b)), lo), hi), hi
}

func (c *grouped[T]) Forward(out []T, in []graphop.Arg[T]) error {
	a, err := bind(&c.geometry, out, in, nil)
	if err != nil {
		return err
	}
	c.work.Get() // before the workers ask for it
	for g := range c.groups {
		c.w[g].Pack(false, c.og, c.rows, row(a.w, c.og*c.rows, g), c.rows, row(a.bias, c.og, g))
	}
	par.For(c.groups*c.b*c.blocks, func(worker, i int) {
		g := i % c.groups
		b, lo, end, hi := c.unit(i/c.groups, a.lengths)
		y := out[(b*c.out+g*c.og)*c.lout+lo:]
		for o := range c.og {
			clear(y[o*c.lout:][end-lo : hi-lo])
		}
		x, ldx := c.block(worker, &a, b, g, lo, end)
		gemm.GemmPacked(&c.worker(worker).ws, &c.w[g], false, end-lo, x, ldx, y, c.lout, false, nil)
	})
	return nil
}

// block returns what the steps [lo, hi) of the output of a row and a group read,
// as a matrix (cg K, hi-lo), and its leading dimension.
func (c *grouped[T]) block(worker int, a *call[T], b, g, lo, hi int) (m []T, ld int) {
	x := a.x[(b*c.in+g*c.cg)*c.l:]
	if c.pointwise() {
		return x[lo:], c.l
	}
	room := c.matrix(worker)
	n, before := c.length(a.lengths, b), c.inState()
	for r := range c.rows {
		ch, j := r/c.k, r%c.k
		dst := room[r*c.width:][:hi-lo]
		read(&c.taps, dst, x[ch*c.l:][:n], j, lo)
		if a.state != nil {
			readState(&before, dst, row(a.state, c.left, b*c.in+g*c.cg+ch), j, lo)
		}
	}
	return room, c.width
}

// matrix returns the worker's room for a block.
func (c *grouped[T]) matrix(worker int) []T {
	w := c.worker(worker)
	w.room = num.Grow(w.room, c.rows*c.width)
	return w.room
}

// Rooms implements graphop.Roomy.
func (c *grouped[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.work, &c.dw, &c.db} }

// worker returns the scratch memory of a worker.
func (c *grouped[T]) worker(i int) *groupedWorker[T] { return &(*c.work.Get())[i] }

func (c *grouped[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	a, err := bind(&c.geometry, gout, in, grad)
	if err != nil {
		return err
	}
	c.work.Get()
	c.backwardWeight(&a)
	if a.dx != nil || a.dstate != nil {
		c.backwardInput(&a)
	}
	return nil
}

// backwardWeight computes the gradients of w and the bias.
func (c *grouped[T]) backwardWeight(a *call[T]) {
	size, units := c.out*c.rows, c.b*c.blocks
	partial, sums := c.dw.Of((c.parts-1)*size), c.db.Of(c.parts*c.out)
	par.For(c.parts*c.groups, func(worker, i int) {
		part, g := i/c.groups, i%c.groups
		dw, db := a.dw, row(sums, c.out, part)[g*c.og:][:c.og]
		if part > 0 {
			dw = row(partial, size, part-1)
		}
		dw = row(dw, c.og*c.rows, g)
		clear(db)
		first, last := part*units/c.parts, (part+1)*units/c.parts
		for u := first; u < last; u++ {
			b, lo, end, _ := c.unit(u, a.lengths)
			x, ldx := c.block(worker, a, b, g, lo, end)
			dy := a.y[(b*c.out+g*c.og)*c.lout+lo:]
			gemm.Gemm(&c.worker(worker).ws, false, true, c.og, c.rows, end-lo, dy, c.lout, x, ldx, dw, c.rows, u > first)
			for o := range db {
				db[o] += vec.Sum64(dy[o*c.lout:][:end-lo])
			}
		}
	})
	par.Blocks(size, 1<<14, func(_, lo, hi int) {
		for part := range c.parts - 1 {
			vec.Add(a.dw[lo:hi], a.dw[lo:hi], row(partial, size, part)[lo:hi])
		}
	})
	for o := range a.db {
		var s float64
		for part := range c.parts {
			s += sums[part*c.out+o]
		}
		a.db[o] = T(s)
	}
}

// backwardInput computes the gradients of x and of the state. A task is a row,
// a group, and a cut of its features.
func (c *grouped[T]) backwardInput(a *call[T]) {
	for g := range c.groups {
		for cut := range c.cuts {
			lo, hi := c.cut(cut)
			w := row(a.w, c.og*c.rows, g)[lo*c.k:]
			c.wt[g*c.cuts+cut].Pack(true, (hi-lo)*c.k, c.og, w, c.rows, nil)
		}
	}
	par.For(c.b*c.groups*c.cuts, func(worker, i int) {
		b, g, cut := i/(c.groups*c.cuts), i/c.cuts%c.groups, i%c.cuts
		first, last := c.cut(cut)
		feature := b*c.in + g*c.cg + first
		if a.dx != nil {
			clear(a.dx[feature*c.l:][:(last-first)*c.l])
		}
		if a.dstate != nil {
			clear(a.dstate[feature*c.left:][:(last-first)*c.left])
		}
		n, before := c.length(a.lengths, b), c.inState()
		for u := range c.blocks {
			_, lo, end, _ := c.unit(b*c.blocks+u, a.lengths)
			dy := a.y[(b*c.out+g*c.og)*c.lout+lo:]
			wt := &c.wt[g*c.cuts+cut]
			if c.pointwise() {
				gemm.GemmPacked(&c.worker(worker).ws, wt, false, end-lo, dy, c.lout, a.dx[feature*c.l+lo:], c.l, false, nil)
				continue
			}
			m := c.matrix(worker)
			gemm.GemmPacked(&c.worker(worker).ws, wt, false, end-lo, dy, c.lout, m, c.width, false, nil)
			for r := range (last - first) * c.k {
				src := m[r*c.width:][:end-lo]
				write(&c.taps, rowTo(row(a.dx, c.l, feature+r/c.k), n), src, r%c.k, lo)
				write(&before, row(a.dstate, c.left, feature+r/c.k), src, r%c.k, lo)
			}
		}
	})
}

// cut returns the features of a group that a cut has.
func (c *grouped[T]) cut(i int) (lo, hi int) { return i * c.cg / c.cuts, (i + 1) * c.cg / c.cuts }
