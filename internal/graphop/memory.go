package graphop

import (
	"math"
	"slices"
	"sync/atomic"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// memory lends blocks to values that live for a part of a step only: gradients,
// and, in a graph with a share in an [Arena], outputs. The ops of a graph that are
// connected, or that have a share, have one, so that a chain of backward passes
// needs a few blocks, whatever its length.
//
// A value is lent a block if the ops of this package are all that reads its node,
// for a gradient the backward ops: each gives the block back when it has run, and
// the last one frees it. Any other value (the gradient of a parameter, what is read
// by gorgonia.Read, or summed by Gorgonia) stays in memory of its own until the
// next step.
type memory[T num.Float] struct {
	free map[int][]*block[T] // by size
	from *Share              // nil: of its own
}

func newMemory[T num.Float]() *memory[T] { return &memory[T]{free: map[int][]*block[T]{}} }

func (m *memory[T]) takeFrom(s *Share) { m.from = s }
func (m *memory[T]) drop()             { clear(m.free) }

// block is memory lent to a value.
type block[T num.Float] struct {
	d       []T
	home    *memory[T]
	to      **block[T] // the borrower's record of it; nil when free
	readers int        // ops that have still to run
}

// borrow records in *to a block of n elements, which readers will give back. It is
// the one of the last step, if that is free: what the values of the nodes are
// tensors around.
func (m *memory[T]) borrow(to **block[T], n, readers int) {
	if b := *to; b != nil && b.to == to { // not all its readers ran in the last step
		b.readers = readers
		return
	}
	var b *block[T]
	if free := m.free[n]; len(free) > 0 {
		i := len(free) - 1
		if last := slices.Index(free, *to); last >= 0 {
			i = last
		}
		b = free[i]
		m.free[n] = slices.Delete(free, i, i+1)
	} else {
		b = &block[T]{d: take[T](m.from, n), home: m}
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

// Gorgonia's own ops do not survive the pool of package tensor: an op that works
// in place leaves one tensor with two nodes, UnbindAllNonInputs returns it once
// for each, and then two ops that run at the same time share it. A program in
// which one machine unbinds its nodes so ends in a panic on another. Without the
// pool, which saves the allocation of headers and nothing else, all is well.
func init() { tensor.DontUsePool() }

var poison atomic.Bool

// Poison makes every value NaN as soon as its memory is free for another: a value
// that is lent when the last op that reads it has run, all others in an [Arena]
// when their graph has. A test that reads one too late then fails.
func Poison(on bool) { poison.Store(on) }

// memoryOf returns the memory that the ops among the producers of the inputs
// share, or a new one.
func memoryOf[T num.Float](in []*G.Node) *memory[T] {
	for _, n := range in {
		if o, ok := n.Op().(*op[T]); ok {
			return o.memory
		}
	}
	return newMemory[T]()
}

// buffer is a value in memory that is kept from step to step. Scalars get a
// fresh value each time, since Gorgonia hands them out by pointer.
//
// The tensor around the memory is kept for as long as the node has it that it
// was returned for. When a machine or a graph unbinds its nodes, Gorgonia gives
// their tensors to the pool of package tensor, which, if it is in use, empties
// them and hands them to whoever asks next: a tensor that the node has no more
// is not so much as looked at. The memory never goes to the pool.
type buffer[T num.Float] struct {
	d []T
	t *tensor.Dense
}

// data returns the memory for a value of the given shape, of a share or, where
// that is nil, its own.
func (b *buffer[T]) data(shape tensor.Shape, from *Share) []T {
	if b.d == nil {
		b.use(take[T](from, shape.TotalSize()))
	}
	return b.d
}

// use sets the memory.
func (b *buffer[T]) use(d []T) {
	if b.d == nil || &b.d[0] != &d[0] {
		b.d, b.t = d, nil
	}
}

// value returns the memory as a Gorgonia value of a node.
func (b *buffer[T]) value(n *G.Node, dt tensor.Dtype, shape tensor.Shape) G.Value {
	if shape.Dims() == 0 {
		if dt == tensor.Float32 {
			return G.NewF32(float32(b.d[0]))
		}
		return G.NewF64(float64(b.d[0]))
	}
	if b.t == nil || n.Value() != G.Value(b.t) {
		b.t = newTensor(b.d, shape)
	}
	return b.t
}

// newTensor returns a tensor around d that is not from the pool, as those of
// tensor.New may be where a program has called tensor.UsePool.
func newTensor[T num.Float](d []T, shape tensor.Shape) *tensor.Dense {
	t := new(tensor.Dense)
	for _, set := range []tensor.ConsOpt{
		tensor.WithEngine(tensor.StdEng{}), tensor.WithBacking(d), tensor.WithShape(shape...),
	} {
		set(t)
	}
	return t
}

// grain is the number of elements in a piece of work of copies and sums.
const grain = 1 << 14

// copyTo copies src to dst, spread over the workers.
func copyTo[T num.Float](dst, src []T) {
	par.Blocks(len(dst), grain, func(_, lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
}
