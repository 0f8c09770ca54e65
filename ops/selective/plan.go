package selective

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// leastTasks is the number of tasks there are at least, where there are as many blocks
// of channels.
const leastTasks = 8

// operands are the operands of a scan, or their gradients. What is optional and not
// there is nil.
type operands[T num.Float] struct {
	Inputs[[]T]
	start   []T // (B, D, N)
	lengths []int
}

// plan is the arithmetic of a scan. Its channels lie in blocks of as many as there are
// lanes, each of one group: a part of the blocks of a group is a task, for each row.
type plan[T num.Float] struct {
	sizes
	cfg            Config
	fixedB, fixedC bool // the same at all steps
	lanes          int
	perGroup       int // blocks
	parts          int // of a group

	starts    graphop.Room[T] // (B, chunks, G*perGroup, N, lanes): the states at the starts of chunks
	sums      graphop.Scratch[float64]
	partial   graphop.Scratch[T] // gradients of B and C by part: see gradients
	scratches graphop.Common[[]scratch[T]]
}

func newPlan[T num.Float](cfg Config, size sizes, fixedB, fixedC bool) *plan[T] {
	p := &plan[T]{sizes: size, cfg: cfg, fixedB: fixedB, fixedC: fixedC, lanes: lanesOf[T]()}
	p.perGroup = (p.D/p.G + p.lanes - 1) / p.lanes
	p.parts = min(p.perGroup, max(1, (leastTasks+p.B*p.G-1)/(p.B*p.G)))
	p.scratches = graphop.PerWorker[scratch[T]]()
	return p
}

// Rooms implements graphop.Roomy.
func (p *plan[T]) Rooms() []graphop.Holder {
	return []graphop.Holder{&p.starts, &p.sums, &p.partial, &p.scratches}
}

func (p *plan[T]) chunks() int { return (p.L + chunkSteps - 1) / chunkSteps }

// stateLen is the number of states of a block.
func (p *plan[T]) stateLen() int { return p.N * p.lanes }

// scratch is the memory of a worker.
type scratch[T num.Float] struct {
	tiles []T // see pass.go
	// By channel of a block, chunkSteps apart: what is turned into tiles, and back.
	raw, delta, input, y, g, tmp []T
	// By block of the task: see pass.go.
	x, h, a, da []T
	sums        []T // (N, 2) tiles: the gradients of B and C by lane
	b, c        []T // (N, lanes) of operands that are the same at all steps
}

// task is the blocks [lo, hi) of a group of channels of a row.
type task[T num.Float] struct {
	p      *plan[T]
	s      *scratch[T]
	in     *operands[T]
	b, g   int
	part   int
	lo, hi int
	n      int // steps that count
}

// each runs f for all tasks.
func (p *plan[T]) each(in *operands[T], f func(t *task[T])) {
	p.states() // before the workers ask for it
	scratches := *p.scratches.Get()
	par.For(p.B*p.G*p.parts, func(worker, i int) {
		t := task[T]{p: p, s: &scratches[worker], in: in, b: i / p.parts / p.G, g: i / p.parts % p.G, part: i % p.parts}
		t.lo, t.hi = t.part*p.perGroup/p.parts, (t.part+1)*p.perGroup/p.parts
		t.n = graphop.Length(in.lengths, t.b, p.L)
		t.reserve()
		f(&t)
	})
}

// reserve makes room in the scratch memory, and reads A.
func (t *task[T]) reserve() {
	p, s := t.p, t.s
	s.tiles = num.Grow(s.tiles, tiles*tileLen[T]())
	n := p.lanes * chunkSteps
	for _, v := range []*[]T{&s.raw, &s.delta, &s.input, &s.y, &s.g, &s.tmp} {
		*v = num.Grow(*v, n)
	}
	n = (t.hi - t.lo) * p.stateLen()
	for _, v := range []*[]T{&s.x, &s.h, &s.a, &s.da} {
		*v = num.Grow(*v, n)
	}
	s.b, s.c = num.Grow(s.b, p.stateLen()), num.Grow(s.c, p.stateLen())
	t.eachBlock(func(k block) {
		a := t.ofBlock(s.a, k)
		t.load(a, t.in.A, 0, k)
		decayRates(p.cfg, a)
	})
}

// block is a block of channels: number of those of the task, the first of its channels
// and how many there are.
type block struct{ number, first, n int }

// eachBlock calls f for the blocks of a task.
func (t *task[T]) eachBlock(f func(k block)) {
	per := t.p.D / t.p.G
	for i := t.lo; i < t.hi; i++ {
		at := i * t.p.lanes
		f(block{i - t.lo, t.g*per + at, min(t.p.lanes, per-at)})
	}
}

// ofBlock returns the states of a block among those of the task.
func (t *task[T]) ofBlock(x []T, k block) []T {
	n := t.p.stateLen()
	return x[k.number*n:][:n]
}

// load sets the states x (N, lanes) to those of a block of channels of row number row of
// v (rows, D, N), or to 0 if v is nil.
func (t *task[T]) load(x, v []T, row int, k block) {
	p := t.p
	if v == nil || k.n < p.lanes {
		clear(x)
	}
	if v != nil {
		gemm.Transpose(x, p.lanes, v[(row*p.D+k.first)*p.N:], p.N, k.n, p.N)
	}
}

// store is load back.
func (t *task[T]) store(v, x []T, row int, k block) {
	p := t.p
	gemm.Transpose(v[(row*p.D+k.first)*p.N:], p.N, x, p.lanes, p.N, k.n)
}

// states returns the memory of the states at the starts of chunks.
func (p *plan[T]) states() []T {
	return p.starts.Of(p.B * p.chunks() * p.G * p.perGroup * p.stateLen())
}

// start returns the states of a block at the start of a chunk.
func (t *task[T]) start(chunk int, k block) []T {
	p := t.p
	at := ((t.b*p.chunks()+chunk)*p.G+t.g)*p.perGroup + t.lo + k.number
	return p.states()[at*p.stateLen():][:p.stateLen()]
}

// chunk is the steps [t0, t1).
type chunk struct{ number, t0, t1 int }

func (c chunk) len() int { return c.t1 - c.t0 }

// eachChunk calls f for the chunks of the steps that count, from the first or from the
// last.
func (t *task[T]) eachChunk(back bool, f func(c chunk)) {
	n := (t.n + chunkSteps - 1) / chunkSteps
	for i := range n {
		if back {
			i = n - 1 - i
		}
		f(chunk{i, i * chunkSteps, min((i+1)*chunkSteps, t.n)})
	}
}

// row returns the steps of a chunk of channel i of a block, of x (B, D, L).
func (t *task[T]) row(x []T, c chunk, k block, i int) []T {
	return x[(t.b*t.p.D+k.first+i)*t.p.L:][c.t0:c.t1]
}

// operand returns B or C at the steps of a chunk.
func (t *task[T]) operand(v []T, fixed bool, buf []T, c chunk, k block) operand[T] {
	p := t.p
	if fixed {
		t.load(buf, v, 0, k)
		return operand[T]{v: buf, state: p.lanes, lane: 1}
	}
	return operand[T]{v: v[(t.b*p.G+t.g)*p.N*p.L+c.t0:], state: p.L, step: 1}
}
