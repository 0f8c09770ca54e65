package hippornn

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/rowblocks"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Backward writes the gradients of sum(gy y) + sum(gEnd end) to grad, but for those that
// are nil, after a Forward on the same inputs. gEnd may be nil; times have no gradient.
func (p *plan[T]) Backward(grad, in *inputs[T], gy []T, gEnd State[[]T]) {
	p.packTransposed(grad.X != nil)
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
	for _, v := range g.list() {
		if *v != nil {
			return true
		}
	}
	return false
}

// sums returns the memory for the gradients of the weights and biases of all groups.
func (p *plan[T]) sums() (dw []T, db []float64) {
	return p.dw.Of(p.groups * p.size()), p.db.Of(p.groups * (p.gates() + p.M))
}

// backwardBlock takes the gradients of a block through all steps.
func (p *plan[T]) backwardBlock(s *scratch[T], group int, grad, in *inputs[T], gy []T, gEnd State[[]T], b *block[T]) {
	m := p.steps * b.N
	s.x, s.f, s.g, s.dz = num.Grow(s.x, m*p.I), num.Grow(s.f, m*p.M), num.Grow(s.g, m*p.H), num.Grow(s.dz, m*p.gates())
	s.dh = loadEnd(s.dh, gEnd.H, p.H, b)
	s.dm = loadEnd(s.dm, gEnd.M, p.memory(), b)
	rowblocks.EachChunk(b.Longest, p.steps, true, func(t0, t1 int) {
		rowblocks.Gather(s.g, gy, p.H, 1, p.L, &b.Block, t0, t1)
		for t := t1 - 1; t >= t0; t-- {
			p.backwardStep(s, b, t0, t)
		}
		rowblocks.Gather(s.x, in.X, p.I, 1, p.L, &b.Block, t0, t1)
		if wantsParams(&grad.Params) {
			p.sumWeights(s, group, b, t0, t1)
		}
		if grad.X != nil {
			p.backwardInput(s, grad.X, b, t0, t1)
		}
	})
	for r := range b.N {
		if grad.X != nil {
			rowblocks.ClearSteps(grad.X[(b.At+r)*p.I*p.L:], p.I, p.L, b.Longest, p.L)
		}
		if grad.Start.H != nil {
			copy(grad.Start.H[(b.At+r)*p.H:][:p.H], s.dh[r*p.H:])
		}
		if grad.Start.M != nil {
			copy(grad.Start.M[(b.At+r)*p.memory():][:p.memory()], s.dm[r*p.memory():])
		}
	}
}

// loadEnd copies the gradient of the state after the last step, nil for zero, to dst.
func loadEnd[T num.Float](dst, end []T, n int, b *block[T]) []T {
	dst = num.Grow(dst, b.N*n)
	if end == nil {
		clear(dst)
	} else {
		copy(dst, end[b.At*n:])
	}
	return dst
}

// backwardStep replaces the gradients of the states after step t by those of the states
// before it, and writes those of z and of the signals.
func (p *plan[T]) backwardStep(s *scratch[T], b *block[T], t0, t int) {
	i, n := t-t0, b.N
	dz, df := s.dz[i*n*p.gates():][:n*p.gates()], s.f[i*n*p.M:][:n*p.M]
	g, a, st := s.g[i*n*p.H:][:n*p.H], b.a[t*n:][:n], p.states(b, t)
	for r, v := range a {
		if v != noStep {
			vec.Add(s.dh[r*p.H:][:p.H], s.dh[r*p.H:][:p.H], g[r*p.H:][:p.H])
		}
	}
	z := b.z[t*n*p.gates():][:n*p.gates()]
	if p.order == Code {
		p.backwardSee(s, dz, z, st.h0, a)
		p.backwardRemember(s, df, a)
		p.backwardSignals(s, df, a)
		return
	}
	p.backwardRemember(s, df, a)
	p.backwardSignals(s, df, a)
	p.backwardSee(s, dz, z, st.h0, a)
}

// backwardSee passes the gradient of the state after the step through c and g: to the
// state before it, and to the memory that they see.
func (p *plan[T]) backwardSee(s *scratch[T], dz, z, h0 []T, a []float64) {
	n, h := p.gates(), p.H
	for r, v := range a {
		to, dh, c := dz[r*n:][:n], s.dh[r*h:][:h], z[r*n:][:h]
		switch {
		case v == noStep:
			clear(to)
		case p.gated:
			gateGrad(to[:h], to[h:], c, z[r*n+h:][:h], h0[r*h:][:h], dh)
		default:
			for i, d := range dh {
				to[i] = d * (1 - c[i]*c[i])
			}
			clear(dh)
		}
	}
	gemm.AddPackedB(&s.ws, len(a), dz, n, &p.mzT, s.dm, p.memory())
	if p.hidden {
		gemm.AddPackedB(&s.ws, len(a), dz, n, &p.hzT, s.dh, h)
	}
}

// gateGrad writes the gradients of the sums under c and g to dc and dg, where dh is that
// of (1-g) h + g c, and replaces it by that of h.
func gateGrad[T num.Float](dc, dg, c, g, h, dh []T) {
	dg, c, g, h, dh = dg[:len(dc)], c[:len(dc)], g[:len(dc)], h[:len(dc)], dh[:len(dc)]
	for i, d := range dh {
		dc[i] = d * g[i] * (1 - c[i]*c[i])
		dg[i] = d * (c[i] - h[i]) * g[i] * (1 - g[i])
		dh[i] = d * (1 - g[i])
	}
}

// backwardRemember passes the gradient of the memory after the step to that before it,
// and to the signals.
func (p *plan[T]) backwardRemember(s *scratch[T], df []T, a []float64) {
	mem := p.memory()
	if p.b != nil {
		s.dm0 = num.Grow(s.dm0, len(a)*mem)
		clear(s.dm0)
		gemm.AddPackedB(&s.ws, len(a)*p.M, s.dm, p.N, &p.aT, s.dm0, p.N)
	}
	for r, v := range a {
		dm, to := s.dm[r*mem:][:mem], df[r*p.M:][:p.M]
		switch {
		case v == noStep:
			clear(to)
		case p.b == nil:
			s.legs.backward(dm, to, v)
		default:
			for j := range to {
				to[j] = vec.Dot(dm[j*p.N:][:p.N], p.b)
			}
			copy(dm, s.dm0[r*mem:])
		}
	}
}

// backwardSignals passes the gradient of the signals to the state that they are of, and
// to the memory.
func (p *plan[T]) backwardSignals(s *scratch[T], df []T, a []float64) {
	gemm.AddPackedB(&s.ws, len(a), df, p.M, &p.hfT, s.dh, p.H)
	if p.um == nil {
		return
	}
	for i, d := range df {
		vec.Axpy(s.dm[i*p.N:][:p.N], d, p.um[i%p.M*p.N:][:p.N])
	}
}

// sumWeights adds the gradients of the weights and biases by the steps [t0, t1) to those
// of a group.
func (p *plan[T]) sumWeights(s *scratch[T], group int, b *block[T], t0, t1 int) {
	rows, n, cols, mem := (t1-t0)*b.N, p.gates(), p.columns(), p.memory()
	allW, allB := p.sums()
	dw := allW[group*p.size():][:p.size()]
	from := p.writeColumns(p.order)
	all, write, um := dw[:n*cols], dw[n*cols:][:p.M*from], dw[n*cols+p.M*from:]
	add := func(dst []T, ld, outs int, dy []T, of []T, k int) {
		gemm.Gemm(&s.ws, true, false, outs, k, rows, dy, outs, of, k, dst, ld, true)
	}
	before := func(v []T, k, t int) []T { return v[t*b.N*k:] }
	seen, read := t0, t0 // the numbers of the memory in c and g, of the state in f
	if p.order == Code {
		seen++
	} else {
		read++
	}
	add(all, cols, n, s.dz, s.x, p.I)
	add(all[p.I:], cols, n, s.dz, before(b.m, mem, seen), mem)
	if p.hidden {
		add(all[p.I+mem:], cols, n, s.dz, before(b.h, p.H, t0), p.H)
	}
	if p.order == Code {
		add(write, from, p.M, s.f, s.x, p.I)
	}
	add(write[from-p.H:], from, p.M, s.f, before(b.h, p.H, read), p.H)
	if p.um != nil {
		m := before(b.m, mem, t0)
		for i, d := range s.f[:rows*p.M] {
			vec.Axpy(um[i%p.M*p.N:][:p.N], d, m[i*p.N:][:p.N])
		}
	}
	p.sumBiases(s, allB[group*(n+p.M):][:n+p.M], rows)
}

// sumBiases adds the gradients of z and of the signals of some rows to db.
func (p *plan[T]) sumBiases(s *scratch[T], db []float64, rows int) {
	n := p.gates()
	s.sums = num.Grow(s.sums, n+p.M)
	clear(s.sums)
	for i := range rows {
		vec.Add(s.sums[:n], s.sums[:n], s.dz[i*n:][:n])
		vec.Add(s.sums[n:], s.sums[n:], s.f[i*p.M:][:p.M])
	}
	for j, v := range s.sums {
		db[j] += float64(v)
	}
}

// backwardInput writes the gradient of the inputs of the steps [t0, t1).
func (p *plan[T]) backwardInput(s *scratch[T], dx []T, b *block[T], t0, t1 int) {
	rows := (t1 - t0) * b.N
	clear(s.x[:rows*p.I])
	gemm.AddPackedB(&s.ws, rows, s.dz, p.gates(), &p.xzT, s.x, p.I)
	if p.order == Code {
		gemm.AddPackedB(&s.ws, rows, s.f, p.M, &p.xfT, s.x, p.I)
	}
	for r := range b.N {
		rowblocks.ScatterRow(dx[(b.At+r)*p.I*p.L:], s.x[r*p.I:], p.I, p.L, &b.Block, r, t0, t1)
	}
}

// sumGroups adds the gradients of the groups up, and writes them to those of the
// parameters.
func (p *plan[T]) sumGroups(grad *Params[[]T]) {
	size, n, m := p.size(), p.gates(), p.gates()+p.M
	dw, db := p.sums()
	sum := dw[:size]
	par.Blocks(size, 1<<14, func(_, lo, hi int) {
		for g := 1; g < p.groups; g++ {
			vec.Add(sum[lo:hi], sum[lo:hi], dw[g*size+lo:g*size+hi])
		}
	})
	for g := 1; g < p.groups; g++ {
		vec.Add(db[:m], db[:m], db[g*m:][:m])
	}
	all, write := n*p.columns(), p.M*p.writeColumns(p.order)
	p.apart(grad, sum[:all])
	copy(grad.Write, sum[all:])
	copy(grad.WriteMemory, sum[all+write:])
	for _, to := range []struct {
		grad []T
		from int
	}{{grad.HiddenBias, 0}, {grad.GateBias, p.H}, {grad.WriteBias, n}} {
		for j := range to.grad {
			to.grad[j] = T(db[to.from+j])
		}
	}
}
