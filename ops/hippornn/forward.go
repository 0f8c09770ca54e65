package hippornn

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/rowblocks"
)

// newScratches returns the memory of all workers, for signals of n coefficients.
func newScratches[T num.Float](n int) *[]scratch[T] {
	s := make([]scratch[T], par.Workers())
	for i := range s {
		s[i].legs = newLegS[T](n)
	}
	return &s
}

// Forward writes the output to y (B, H, L) and, unless they are nil, the state after the
// last step that counts to end.
func (p *plan[T]) Forward(y []T, end State[[]T], in *inputs[T]) error {
	if err := graphop.ValidLengths(in.Lengths, p.L); err != nil {
		return err
	}
	if err := p.checkTimes(in); err != nil {
		return err
	}
	p.pack(&in.Params)
	p.kept() // before the workers ask for it
	scratches := *p.scratches.Get()
	par.For(p.blocks(), func(worker, i int) {
		b := p.block(i, in.Lengths)
		p.times(in, &b)
		p.forwardBlock(&scratches[worker], y, in, &b)
		p.storeEnd(end.H, b.h, in.Start.H, p.H, &b)
		p.storeEnd(end.M, b.m, in.Start.M, p.memory(), &b)
	})
	return nil
}

// times writes where in time the steps of a block are.
func (p *plan[T]) times(in *inputs[T], b *block[T]) {
	for r := range b.N {
		var c clock
		if in.Start.Position != nil {
			c.position = float64(in.Start.Position[b.At+r])
		}
		n := b.Length(r, p.L)
		for t := range p.L {
			a := &b.a[t*b.N+r]
			switch {
			case t >= n:
				*a = noStep
			case p.b != nil:
				*a = 0
			case in.Dt != nil:
				*a = c.step(float64(in.Dt[(b.At+r)*p.L+t]))
			default:
				*a = c.step(1)
			}
		}
	}
}

// forwardBlock takes a block through all steps.
func (p *plan[T]) forwardBlock(s *scratch[T], y []T, in *inputs[T], b *block[T]) {
	p.loadStart(b.h, in.Start.H, p.H, b)
	p.loadStart(b.m, in.Start.M, p.memory(), b)
	m, n, h := p.steps*b.N, b.N*p.gates(), b.N*p.H
	s.x, s.f = num.Grow(s.x, m*p.I), num.Grow(s.f, m*p.M)
	rowblocks.EachChunk(b.Longest, p.steps, false, func(t0, t1 int) {
		rowblocks.Gather(s.x, in.X, p.I, 1, p.L, &b.Block, t0, t1)
		p.mapInputs(&s.ws, b.z[t0*n:t1*n], s.f, s.x, (t1-t0)*b.N)
		for t := t0; t < t1; t++ {
			f := s.f[(t-t0)*b.N*p.M:][:b.N*p.M]
			p.advance(&s.ws, s.legs, b.z[t*n:][:n], f, p.states(b, t), b.a[t*b.N:][:b.N])
		}
		for r := range b.N {
			rowblocks.ScatterRow(y[(b.At+r)*p.H*p.L:], b.h[(t0+1)*h+r*p.H:], p.H, p.L, &b.Block, r, t0, t1)
		}
	})
	for r := range b.N {
		rowblocks.ClearSteps(y[(b.At+r)*p.H*p.L:], p.H, p.L, b.Longest, p.L)
	}
}

// loadStart writes the state before the first step of each row, nil for zero, to its
// place in the states, of n numbers each: 0 where there are no steps.
func (p *plan[T]) loadStart(states, start []T, n int, b *block[T]) {
	for r := range b.N {
		to := states[r*n:][:n]
		if start == nil || b.Length(r, p.L) == 0 {
			clear(to)
		} else {
			copy(to, start[(b.At+r)*n:])
		}
	}
}

// storeEnd writes the state after the last step of each row to end, unless it is nil:
// that before the first one if there is none.
func (p *plan[T]) storeEnd(end, states, start []T, n int, b *block[T]) {
	if end == nil {
		return
	}
	for r := range b.N {
		to := end[(b.At+r)*n:][:n]
		switch l := b.Length(r, p.L); {
		case l > 0:
			copy(to, states[(l*b.N+r)*n:])
		case start != nil:
			copy(to, start[(b.At+r)*n:])
		default:
			clear(to)
		}
	}
}

// packTransposed lays the weights out as gradients pass them.
func (p *plan[T]) packTransposed(withX bool) {
	n, cols, mem := p.gates(), p.columns(), p.memory()
	p.mzT.Pack(false, n, mem, p.all[p.I:], cols, nil)
	if p.hidden {
		p.hzT.Pack(false, n, p.H, p.all[p.I+mem:], cols, nil)
	}
	from := p.writeColumns(p.order)
	p.hfT.Pack(false, p.M, p.H, p.write[from-p.H:], from, nil)
	if !withX {
		return
	}
	p.xzT.Pack(false, n, p.I, p.all, cols, nil)
	if p.order == Code {
		p.xfT.Pack(false, p.M, p.I, p.write, from, nil)
	}
}
