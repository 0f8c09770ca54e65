package rnn

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/rowblocks"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Backward writes the gradients of sum(gy y) + sum(gEnd end) to grad, but for those
// that are nil, after a Forward on the same inputs. gEnd may be nil. The gradient of
// the inputs is added, but by the first direction; that of the start is written to its
// place.
func (p *plan[T]) Backward(grad, in *inputs[T], gy []T, gEnd State[[]T]) {
	if grad.X != nil {
		p.wihT.Pack(false, p.in, p.I, p.ordered(in.Params.WeightIH, p.I), p.I, nil)
	}
	p.whhT.Pack(false, p.gates(), p.H, in.Params.WeightHH, p.H, nil)
	dw, db := p.sums()
	clear(db)
	scratches := *p.scratches.Get()
	par.For(p.groups, func(worker, g int) {
		s := &scratches[worker]
		clear(dw[g*p.size():][:p.size()])
		for i := p.blocks() * g / p.groups; i < p.blocks()*(g+1)/p.groups; i++ {
			b := p.block(i, in.Lengths)
			p.backwardBlock(s, g, grad, in, gy, gEnd, &b)
		}
	})
	p.sumGroups(&grad.Params)
}

// wantsParams says whether there is a gradient of a parameter to be written.
func wantsParams[T num.Float](g *Params[[]T]) bool {
	return g.WeightIH != nil || g.WeightHH != nil || g.BiasIH != nil || g.BiasHH != nil
}

// sums returns the memory for the gradients of the weights and biases of all groups.
func (p *plan[T]) sums() (dw []T, db []float64) {
	return p.dw.Of(p.groups * p.size()), p.db.Of(p.groups * p.width)
}

// size is the number of weights.
func (p *plan[T]) size() int { return p.in*p.I + p.gates()*p.H }

// backwardBlock takes the gradients of a block through all steps.
func (p *plan[T]) backwardBlock(s *scratch[T], group int, grad, in *inputs[T], gy []T, gEnd State[[]T], b *block[T]) {
	m := p.steps * b.N
	s.x, s.g, s.dz = num.Grow(s.x, m*p.I), num.Grow(s.g, m*p.H), num.Grow(s.dz, m*p.width)
	s.dh = p.loadEnd(s.dh, gEnd.H, b)
	s.dc = p.loadEnd(s.dc, gEnd.C, b)
	rowblocks.EachChunk(b.Longest, p.steps, !p.reverse, func(t0, t1 int) {
		rowblocks.Gather(s.g, p.output(gy, 0, p.L), p.H, p.of, p.L, &b.Block, t0, t1)
		rowblocks.EachStep(t0, t1, !p.reverse, func(t int) { p.backwardStep(s, b, t0, t) })
		rowblocks.Gather(s.x, in.X, p.I, 1, p.L, &b.Block, t0, t1)
		if wantsParams(&grad.Params) {
			p.sumWeights(s, group, b, t0, t1)
		}
		if grad.X != nil {
			p.backwardInput(s, grad.X, b, t0, t1)
		}
	})
	for r := range b.N {
		if grad.X != nil && p.number == 0 {
			rowblocks.ClearSteps(grad.X[(b.At+r)*p.I*p.L:], p.I, p.L, b.Longest, p.L)
		}
		if grad.Start.H != nil {
			copy(p.start(grad.Start.H, b.At+r), s.dh[r*p.H:])
		}
		if grad.Start.C != nil {
			copy(p.start(grad.Start.C, b.At+r), s.dc[r*p.H:])
		}
	}
}

// loadEnd copies the gradient of the state after the last step, nil for zero, to
// dst.
func (p *plan[T]) loadEnd(dst, end []T, b *block[T]) []T {
	dst = num.Grow(dst, b.N*p.H)
	clear(dst)
	if end == nil {
		return dst
	}
	for r := range b.N {
		copy(dst[r*p.H:][:p.H], p.output(end, b.At+r, 1))
	}
	return dst
}

// backwardStep replaces the gradient of the state after step t by that of the
// state before it, and writes that of the gates.
func (p *plan[T]) backwardStep(s *scratch[T], b *block[T], t0, t int) {
	row, wide := b.N*p.H, b.N*p.width
	before, after := (t+p.prev())*row, (t+1)*row
	z, dz := b.z[t*wide:][:wide], s.dz[(t-t0)*wide:][:wide]
	for r := range b.N {
		to := dz[r*p.width:][:p.width]
		if t >= b.Length(r, p.L) {
			clear(to)
			continue
		}
		i, j, k := before+r*p.H, after+r*p.H, r*p.H
		g := s.g[(t-t0)*row+k:][:p.H]
		p.cell.backward(to, z[r*p.width:][:p.width], b.h[i:][:p.H], p.stateC(b, i), p.stateC(b, j), s.dh[k:][:p.H], s.dc[k:][:p.H], g)
	}
	gemm.AddPackedB(&s.ws, b.N, dz[p.hid:], p.width, &p.whhT, s.dh, p.H)
}

// sumWeights adds the gradients of the weights and biases by the steps [t0, t1) to
// those of a group.
func (p *plan[T]) sumWeights(s *scratch[T], group int, b *block[T], t0, t1 int) {
	m := (t1 - t0) * b.N
	allW, allB := p.sums()
	dw := allW[group*p.size():][:p.size()]
	gemm.Gemm(&s.ws, true, false, p.in, p.I, m, s.dz, p.width, s.x, p.I, dw, p.I, true)
	h := b.h[(t0+p.prev())*b.N*p.H:]
	gemm.Gemm(&s.ws, true, false, p.gates(), p.H, m, s.dz[p.hid:], p.width, h, p.H, dw[p.in*p.I:], p.H, true)

	s.sums = num.Grow(s.sums, p.width)
	clear(s.sums)
	for i := range m {
		vec.Add(s.sums, s.sums, s.dz[i*p.width:][:p.width])
	}
	db := allB[group*p.width:][:p.width]
	for j, v := range s.sums {
		db[j] += float64(v)
	}
}

// backwardInput writes the gradient of the inputs of the steps [t0, t1), or adds it.
func (p *plan[T]) backwardInput(s *scratch[T], dx []T, b *block[T], t0, t1 int) {
	m := (t1 - t0) * b.N
	if p.number == 0 {
		clear(s.x[:m*p.I])
	} else {
		rowblocks.Gather(s.x, dx, p.I, 1, p.L, &b.Block, t0, t1)
	}
	gemm.AddPackedB(&s.ws, m, s.dz, p.width, &p.wihT, s.x, p.I)
	for r := range b.N {
		rowblocks.ScatterRow(dx[(b.At+r)*p.I*p.L:], s.x[r*p.I:], p.I, p.L, &b.Block, r, t0, t1)
	}
}

// sumGroups adds the gradients of the groups up, and writes them in the order of
// the parameters.
func (p *plan[T]) sumGroups(grad *Params[[]T]) {
	size := p.size()
	dw, db := p.sums()
	sum := dw[:size]
	par.Blocks(size, 1<<14, func(_, lo, hi int) {
		for g := 1; g < p.groups; g++ {
			vec.Add(sum[lo:hi], sum[lo:hi], dw[g*size+lo:g*size+hi])
		}
	})
	n := p.in * p.I
	turn(grad.WeightIH, sum[:n], n-p.turn*p.I)
	copy(grad.WeightHH, sum[n:])
	for g := 1; g < p.groups; g++ {
		vec.Add(db[:p.width], db[:p.width], db[g*p.width:][:p.width])
	}
	for j := range grad.BiasIH {
		grad.BiasIH[j] = T(db[(j+p.in-p.turn)%p.in])
	}
	for j := range grad.BiasHH {
		grad.BiasHH[j] = T(db[p.hid+j])
	}
}
