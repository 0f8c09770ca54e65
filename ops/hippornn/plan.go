package hippornn

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/rowblocks"
)

const (
	// blockRows is the number of rows of a batch that are taken through the steps
	// together, on one worker. Small batches are cut in blocks of half as many.
	blockRows = 8
	// chunkRows is the number of steps, times the rows of a block, whose inputs are
	// mapped in one product, and whose gradients are summed in one.
	chunkRows = 256
	// maxGroups bounds the number of partial sums of the gradients of the weights, and
	// maxPartials their elements where there are more than leastGroups.
	maxGroups, leastGroups = 16, 4
	maxPartials            = 1 << 25
)

// plan is a recurrence over a whole sequence. What it keeps from Forward for Backward is,
// for every step of every row, c and g, the states, and where in time it is: (2+1) H + M N
// numbers, H less without g.
//
// In memory a block has its steps first: z is (L, rows, gates), the states h and m are
// (L+1, rows, H) and (L+1, rows, M, N), of which number t is that before step t, and a is
// (L, rows).
type plan[T num.Float] struct {
	weights[T]
	rows, steps int // of a block, of a chunk
	groups      int // of blocks, whose gradients are summed by themselves

	aT        gemm.PackedB[T]
	xzT, mzT  gemm.PackedB[T]
	hzT       gemm.PackedB[T]
	xfT, hfT  gemm.PackedB[T]
	z, h, m   graphop.Room[T]
	a         graphop.Room[float64]
	dw        graphop.Scratch[T]       // (groups): those of all, of write and of um
	db        graphop.Scratch[float64] // (groups): those of bias and of fBias
	scratches graphop.Common[[]scratch[T]]
}

// scratch is the memory of a worker.
type scratch[T num.Float] struct {
	ws     gemm.Workspace[T]
	legs   *legs[T]
	x      []T // (steps, rows, I): the inputs, or their gradient
	f      []T // (steps, rows, M): the signals, or their gradient
	g      []T // (steps, rows, H): the gradient of the output
	dz     []T // (steps, rows, gates)
	dh, dm []T // (rows, H) and (rows, M, N)
	dm0    []T // (rows, M, N)
	sums   []T // (gates+M)
}

// inputs are the operands of a recurrence, or their gradients. What is optional and not
// there is nil.
type inputs[T num.Float] struct {
	X       []T // (B, I, L)
	Params  Params[[]T]
	Start   State[[]T]
	Dt      []T // (B, L), of LegS alone
	Lengths []int
}

// newPlan returns the plan of a recurrence of checked parameters.
func newPlan[T num.Float](cfg Config, s sizes) (*plan[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	p := &plan[T]{weights: weights[T]{sizes: s}}
	p.update(cfg)
	if w := p.b; w != nil {
		a := make([]T, len(cfg.A))
		for i, v := range cfg.A {
			a[i] = T(v)
		}
		p.aT.Pack(false, s.N, s.N, a, s.N, nil)
	}
	p.rows = min(blockRows, s.B)
	if s.B <= blockRows {
		p.rows = min(blockRows/2, s.B)
	}
	p.steps = min(chunkRows/p.rows, s.L)
	p.groups = min(p.blocks(), maxGroups, max(leastGroups, maxPartials/p.size()))
	p.scratches = graphop.NewCommon(s.N, func() *[]scratch[T] { return newScratches[T](s.N) })
	return p, nil
}

// blocks is the number of blocks of rows.
func (p *plan[T]) blocks() int { return (p.B + p.rows - 1) / p.rows }

// size is the number of weights.
func (p *plan[T]) size() int {
	return p.gates()*p.columns() + p.M*p.writeColumns(p.order) + p.memory()
}

// block is a block of rows and its part of what is kept.
type block[T num.Float] struct {
	rowblocks.Block
	z, h, m []T
	a       []float64
}

func (p *plan[T]) block(i int, lengths []int) block[T] {
	b := block[T]{Block: rowblocks.Of(i, p.rows, p.B, p.L, lengths)}
	z, h, m, a := p.kept()
	cut := func(v []T, n int) []T { return v[b.At*n:][:b.N*n] }
	b.z = cut(z, p.L*p.gates())
	b.h = cut(h, (p.L+1)*p.H)
	b.m = cut(m, (p.L+1)*p.memory())
	b.a = a[b.At*p.L:][:b.N*p.L]
	return b
}

// kept returns the memory of what Forward keeps for Backward.
func (p *plan[T]) kept() (z, h, m []T, a []float64) {
	return p.z.Of(p.B * p.L * p.gates()), p.h.Of(p.B * (p.L + 1) * p.H), p.m.Of(p.B * (p.L + 1) * p.memory()), p.a.Of(p.B * p.L)
}

// states are those before and after step t of a block.
func (p *plan[T]) states(b *block[T], t int) states[T] {
	h, m := b.N*p.H, b.N*p.memory()
	return states[T]{b.h[t*h:][:h], b.m[t*m:][:m], b.h[(t+1)*h:][:h], b.m[(t+1)*m:][:m]}
}

// checkTimes returns the error of a position or of a step that is out of range.
func (p *plan[T]) checkTimes(in *inputs[T]) error {
	return checkTimes(in.Start.Position, in.Dt, in.Lengths, p.B, p.L)
}
