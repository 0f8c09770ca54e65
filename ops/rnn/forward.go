package rnn

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/rowblocks"
)

// Forward writes the output to its place in y (B, directions, H, L) and, unless they
// are nil, the state after the last step that counts to end (B, directions, H).
func (p *plan[T]) Forward(y []T, end State[[]T], in *inputs[T]) error {
	if err := graphop.ValidLengths(in.Lengths, p.L); err != nil {
		return err
	}
	p.pack(p.kind, p.I, p.H, &in.Params)
	p.kept() // before the workers ask for it
	scratches := *p.scratches.Get()
	par.For(p.blocks(), func(worker, i int) {
		b := p.block(i, in.Lengths)
		p.forwardBlock(&scratches[worker], y, in, &b)
		p.storeEnd(end.H, b.h, in.Start.H, &b)
		p.storeEnd(end.C, b.c, in.Start.C, &b)
	})
	return nil
}

// forwardBlock takes a block through all steps.
func (p *plan[T]) forwardBlock(s *scratch[T], y []T, in *inputs[T], b *block[T]) {
	p.loadStart(b.h, in.Start.H, b)
	if b.c != nil {
		p.loadStart(b.c, in.Start.C, b)
	}
	s.x = num.Grow(s.x, p.steps*b.N*p.I)
	rowblocks.EachChunk(b.Longest, p.steps, p.reverse, func(t0, t1 int) {
		rowblocks.Gather(s.x, in.X, p.I, 1, p.L, &b.Block, t0, t1)
		p.mapInputs(&s.ws, b.z[t0*b.N*p.width:t1*b.N*p.width], s.x, p.I, (t1-t0)*b.N)
		rowblocks.EachStep(t0, t1, p.reverse, func(t int) { p.forwardStep(s, b, t) })
		p.scatter(y, b, t0, t1)
	})
	for r := range b.N {
		rowblocks.ClearSteps(p.output(y, b.At+r, p.L), p.H, p.L, b.Longest, p.L)
	}
}

// loadStart writes the state before the first step of each row, nil for zero, to
// its place in the states, and zero to those that no step of the row reads.
func (p *plan[T]) loadStart(states, start []T, b *block[T]) {
	row := b.N * p.H
	for r := range b.N {
		n, first := b.Length(r, p.L), 0
		if p.reverse {
			first = n + 1
		}
		for t := n + 1; t <= b.Longest+1; t++ {
			clear(states[t*row+r*p.H:][:p.H])
		}
		to := states[first*row+r*p.H:][:p.H]
		if start == nil || n == 0 {
			clear(to)
		} else {
			copy(to, p.start(start, b.At+r))
		}
	}
}

// storeEnd writes the state after the last step of each row to end, unless it is
// nil: that before the first one if there is none.
func (p *plan[T]) storeEnd(end, states, start []T, b *block[T]) {
	if end == nil {
		return
	}
	for r := range b.N {
		to := p.output(end, b.At+r, 1)[:p.H]
		n, last := b.Length(r, p.L), 1
		if !p.reverse {
			last = n
		}
		switch {
		case n > 0:
			copy(to, states[(last*b.N+r)*p.H:])
		case start != nil:
			copy(to, p.start(start, b.At+r))
		default:
			clear(to)
		}
	}
}

// forwardStep adds what the states before step t give to z, and computes the
// gates and the states after it.
func (p *plan[T]) forwardStep(s *scratch[T], b *block[T], t int) {
	row := b.N * p.H
	z := b.z[t*b.N*p.width:][:b.N*p.width]
	before, after := (t+p.prev())*row, (t+1)*row
	gemm.AddPackedB(&s.ws, b.N, b.h[before:], p.H, &p.whh, z[p.hid:], p.width)
	for r := range b.N {
		if t >= b.Length(r, p.L) {
			continue
		}
		i, j := before+r*p.H, after+r*p.H
		p.cell.forward(z[r*p.width:][:p.width], b.h[i:][:p.H], p.stateC(b, i), b.h[j:][:p.H], p.stateC(b, j))
	}
}

// stateC returns the state c at i, or nil if there is none.
func (p *plan[T]) stateC(b *block[T], i int) []T {
	if b.c == nil {
		return nil
	}
	return b.c[i:][:p.H]
}

// scatter writes the states after the steps [t0, t1) to y.
func (p *plan[T]) scatter(y []T, b *block[T], t0, t1 int) {
	for r := range b.N {
		rowblocks.ScatterRow(p.output(y, b.At+r, p.L), b.h[(t0+1)*b.N*p.H+r*p.H:], p.H, p.L, &b.Block, r, t0, t1)
	}
}
