package rnn

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/rowblocks"
)

const (
	// blockRows is the number of rows of a batch that are taken through the steps
	// together, on one worker: what a tile of a product takes. Small batches are
	// cut in blocks of half as many.
	blockRows = 8
	// chunkRows is the number of steps, times the rows of a block, whose inputs
	// are mapped in one product, and whose gradients are summed in one.
	chunkRows = 256
	// maxGroups bounds the number of partial sums of the gradients of the weights, and
	// maxPartials their elements where there are more than leastGroups.
	maxGroups, leastGroups = 16, 4
	maxPartials            = 1 << 25
)

// plan is a recurrence over a whole sequence, in one direction. What it keeps from
// Forward for Backward is, for every step of every row, the gates and the states,
// (4+2) H numbers for LSTM, (4+1) H for GRU and (1+1) H without gates; both have
// scratch memory of a chunk of steps beside.
//
// A block of rows goes through all steps by itself, chunk by chunk. In memory, a
// block has its steps first: z is (L, rows, width), and the states h and c are
// (L+2, rows, H), of which number t+1 is that after step t: number t is before
// it, or t+2 from the last step to the first.
type plan[T num.Float] struct {
	kind Cell
	sizes
	place
	cell cell[T]

	rows, steps int // of a block, of a chunk
	groups      int // of blocks, whose gradients are summed by themselves

	weights[T]
	wihT      gemm.PackedB[T] // the weights as gradients pass them
	whhT      gemm.PackedB[T]
	z, h, c   graphop.Room[T]
	dw        graphop.Scratch[T]       // (groups): those of the weights, as in z
	db        graphop.Scratch[float64] // (groups, width)
	scratches graphop.Common[[]scratch[T]]
}

// place is the place of a recurrence among those of other directions, and layers.
type place struct {
	reverse     bool
	number, of  int // of the directions, which share the output and its end
	slot, slots int // in the start
}

// scratch is the memory of a worker.
type scratch[T num.Float] struct {
	ws     gemm.Workspace[T]
	x      []T // (steps, rows, I): the inputs, or their gradient
	g      []T // (steps, rows, H): the gradient of the output
	dz     []T // (steps, rows, width)
	dh, dc []T // (rows, H)
	sums   []T // (width)
}

// inputs are the operands of a recurrence, or their gradients. What is optional and
// not there is nil.
type inputs[T num.Float] struct {
	X       []T // (B, I, L)
	Params  Params[[]T]
	Start   State[[]T]
	Lengths []int
}

// newPlans returns the plans of the directions of a recurrence. Start has slots
// states of a row.
func newPlans[T num.Float](cfg Config, size sizes, slots int) ([]*plan[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := size.validate(cfg.Cell); err != nil {
		return nil, err
	}
	n := cfg.Direction.count()
	if cfg.Slot+n > slots {
		return nil, fmt.Errorf("want Slot at most %d, as there are %d states, got %d", slots-n, slots, cfg.Slot)
	}
	plans := make([]*plan[T], n)
	for i := range plans {
		at := place{reverse: i == 1 || cfg.Direction == Backward, number: i, of: n, slot: cfg.Slot + i, slots: slots}
		plans[i] = newPlan[T](cfg.Cell, cfg.Leak, size, at)
	}
	return plans, nil
}

func newPlan[T num.Float](c Cell, leak float64, size sizes, at place) *plan[T] {
	p := &plan[T]{kind: c, sizes: size, place: at, cell: cellOf[T](c, leak)}
	p.layout = layoutOf(c, size.H)
	p.rows = min(blockRows, size.B)
	if size.B <= blockRows {
		p.rows = min(blockRows/2, size.B)
	}
	p.steps = min(chunkRows/p.rows, size.L)
	p.groups = min(p.blocks(), maxGroups, max(leastGroups, maxPartials/p.size()))
	p.scratches = graphop.PerWorker[scratch[T]]()
	return p
}

// blocks is the number of blocks of rows.
func (p *plan[T]) blocks() int { return (p.B + p.rows - 1) / p.rows }

// gates is the number of rows of the weights.
func (p *plan[T]) gates() int { return p.kind.Gates() * p.H }

// prev is the number of the state before step t, less t.
func (p *plan[T]) prev() int {
	if p.reverse {
		return 2
	}
	return 0
}

// block is a block of rows and its part of what is kept.
type block[T num.Float] struct {
	rowblocks.Block
	z, h, c []T
}

func (p *plan[T]) block(i int, lengths []int) block[T] {
	b := block[T]{Block: rowblocks.Of(i, p.rows, p.B, p.L, lengths)}
	z, h, c := p.kept()
	b.z = z[b.At*p.L*p.width:][:b.N*p.L*p.width]
	states := (p.L + 2) * p.H
	b.h = h[b.At*states:][:b.N*states]
	if p.kind.HasC() {
		b.c = c[b.At*states:][:b.N*states]
	}
	return b
}

// kept returns the memory of what Forward keeps for Backward.
func (p *plan[T]) kept() (z, h, c []T) {
	states := p.B * (p.L + 2) * p.H
	z, h = p.z.Of(p.B*p.L*p.width), p.h.Of(states)
	if p.kind.HasC() {
		c = p.c.Of(states)
	}
	return z, h, c
}

// output returns the output of row b of a batch, or the state after it, l numbers of
// each feature, in an array of those of all directions.
func (p *plan[T]) output(y []T, b, l int) []T { return y[(b*p.of+p.number)*p.H*l:] }

// start returns the state before row b of a batch, in an array of all states.
func (p *plan[T]) start(x []T, b int) []T { return x[(b*p.slots+p.slot)*p.H:][:p.H] }
