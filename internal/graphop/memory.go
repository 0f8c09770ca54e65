package graphop

import (
	"math"
	"sync/atomic"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// memory lends blocks to gradients that live for a part of a step only. The ops
// of a graph that are connected share one, so that a chain of backward passes
// needs a few blocks, whatever its length.
//
// A gradient is lent a block if the backward ops of this package are all that
// reads its node: each gives the block back when it has run, and the last one
// frees it. Any other gradient (of a parameter, read by gorgonia.Read, summed
// by Gorgonia) stays in memory of its own until the next step.
type memory[T num.Float] struct {
	free map[int][]*block[T] // by size
}

// block is memory lent to a gradient.
type block[T num.Float] struct {
	d       []T
	home    *memory[T]
	to      **block[T] // the borrower's record of it; nil when free
	readers int        // backward ops that have still to run
}

// borrow records in *to a block of n elements, which readers will give back.
func (m *memory[T]) borrow(to **block[T], n, readers int) {
	if b := *to; b != nil && b.to == to { // not all its readers ran in the last step
		b.readers = readers
		return
	}
	var b *block[T]
	if free := m.free[n]; len(free) > 0 {
		b = free[len(free)-1]
		m.free[n] = free[:len(free)-1]
	} else {
		b = &block[T]{d: num.Aligned[T](n), home: m}
	}
	b.to, b.readers = to, readers
	*to = b
}

// giveBack is called by each reader of a block when it has run.
func (b *block[T]) giveBack() {
	b.readers--
	if b.readers > 0 {
		return
	}
	if poison.Load() {
		for i := range b.d {
			b.d[i] = T(math.NaN())
		}
	}
	b.to = nil
	b.home.free[len(b.d)] = append(b.home.free[len(b.d)], b)
}

var poison atomic.Bool

// Poison makes every gradient NaN as soon as its memory is free for another. A
// test that reads a gradient too late then fails.
func Poison(on bool) { poison.Store(on) }

// memoryOf returns the memory that the ops among the producers of the inputs
// share, or a new one.
func memoryOf[T num.Float](in []*G.Node) *memory[T] {
	for _, n := range in {
		if o, ok := n.Op().(*op[T]); ok {
			return o.memory
		}
	}
	return &memory[T]{free: map[int][]*block[T]{}}
}

// buffer is a value in memory that is kept from step to step. Scalars get a
// fresh value each time, since Gorgonia hands them out by pointer.
type buffer[T num.Float] struct {
	d []T
	t *tensor.Dense
}

// data returns the memory for a value of the given shape.
func (b *buffer[T]) data(shape tensor.Shape) []T {
	if b.d == nil {
		b.use(num.Aligned[T](shape.TotalSize()))
	}
	return b.d
}

// use sets the memory.
func (b *buffer[T]) use(d []T) {
	if b.d == nil || &b.d[0] != &d[0] {
		b.d, b.t = d, nil
	}
}

// value returns the memory as a Gorgonia value.
func (b *buffer[T]) value(dt tensor.Dtype, shape tensor.Shape) G.Value {
	if shape.Dims() == 0 {
		if dt == tensor.Float32 {
			return G.NewF32(float32(b.d[0]))
		}
		return G.NewF64(float64(b.d[0]))
	}
	if b.t == nil {
		b.t = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(b.d))
	}
	return b.t
}

// grain is the number of elements in a piece of work of copies and sums.
const grain = 1 << 14

// copyTo copies src to dst, spread over the workers.
func copyTo[T num.Float](dst, src []T) {
	par.Blocks(len(dst), grain, func(_, lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
}
