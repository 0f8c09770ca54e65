package selective

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// backward writes the gradients of sum(gy y) + sum(gEnd end) to grad, after a forward on
// the same operands. gEnd may be nil.
func (p *plan[T]) backward(grad, in *operands[T], gy, gEnd []T) {
	q := p.gradients(grad)
	p.each(in, func(t *task[T]) {
		t.eachBlock(func(k block) {
			t.load(t.ofBlock(t.s.h, k), gEnd, t.b, k)
			t.clearPadding(grad, k)
		})
		t.clearBehind(q)
		t.s.sums = num.Grow(t.s.sums, 2*p.N*tileLen[T]())
		t.eachChunk(true, func(c chunk) { t.backwardChunk(grad, q, gy, c) })
		if grad.start != nil {
			t.eachBlock(func(k block) { t.store(grad.start, t.ofBlock(t.s.h, k), t.b, k) })
		}
	})
	q.total(grad)
	if p.cfg.LogA { // dA is A times that of its logarithm
		for i, v := range in.A {
			grad.A[i] *= T(-math.Exp(float64(v)))
		}
	}
}

// clearPadding sets the gradients of a block to 0 at the steps that do not count.
func (t *task[T]) clearPadding(grad *operands[T], k block) {
	for _, g := range [][]T{grad.U, grad.Delta, grad.Z} {
		if g == nil {
			continue
		}
		for i := range k.n {
			clear(g[(t.b*t.p.D+k.first+i)*t.p.L:][t.n:t.p.L])
		}
	}
}

// backwardChunk takes the gradients of all blocks of a task back through a chunk.
func (t *task[T]) backwardChunk(grad *operands[T], q *gradients[T], gy []T, c chunk) {
	n := tileLen[T]()
	for i := range 2 * t.p.N {
		clear(t.s.sums[i*n:][:c.len()*t.p.lanes])
	}
	t.eachBlock(func(k block) {
		t.backwardBlock(grad, q, gy, c, k)
		t.sumFixed(q, c, k)
	})
	if !t.p.fixedB {
		t.sumLanes(q.rows(q.b, t)[c.t0:], 0, c)
	}
	if !t.p.fixedC {
		t.sumLanes(q.rows(q.c, t)[c.t0:], 1, c)
	}
}

// backwardBlock takes the gradients of a block back through a chunk.
func (t *task[T]) backwardBlock(grad *operands[T], q *gradients[T], gy []T, c chunk, k block) {
	s, m := t.s, c.len()
	t.prepare(c, k)
	for i := range k.n { // the gradient of what is in front of the gate
		g := s.g[i*chunkSteps:][:m]
		if t.in.Z == nil {
			copy(g, t.row(gy, c, k, i))
			continue
		}
		vec.SiLU(g, t.row(t.in.Z, c, k, i))
		vec.Mul(g, g, t.row(gy, c, k, i))
	}
	t.turn(tileGOut, s.g, m, k)
	for _, i := range []int{tileOut, tileGDelta, tileGInput} {
		clear(tile(s.tiles, i)[:m*t.p.lanes])
	}
	x, da := t.ofBlock(s.x, k), t.ofBlock(s.da, k)
	copy(x, t.start(c.number, k))
	clear(da)
	b, cc := t.operand(t.in.B, t.p.fixedB, s.b, c, k), t.operand(t.in.C, t.p.fixedC, s.c, c, k)
	backward(s.tiles, s.sums, x, t.ofBlock(s.h, k), t.ofBlock(s.a, k), da, b, cc, t.p.N, m)
	q.addA(t, da, k)
	t.channels(grad, q, gy, c, k)
}

// channels writes the gradients of the inputs of a block by channel.
func (t *task[T]) channels(grad *operands[T], q *gradients[T], gy []T, c chunk, k block) {
	s, m := t.s, c.len()
	if t.in.Z != nil {
		t.back(s.y, tileOut, m, k)
		for i := range k.n {
			y := s.y[i*chunkSteps:][:m]
			t.skip(y, c, k, i)
			vec.Mul(y, y, t.row(gy, c, k, i))
			vec.SiLUGrad(t.row(grad.Z, c, k, i), t.row(t.in.Z, c, k, i), y)
		}
	}
	dInput, dDelta := s.input, s.y // which are not needed any more
	t.back(dInput, tileGInput, m, k)
	t.back(dDelta, tileGDelta, m, k)
	for i := range k.n {
		at := i * chunkSteps
		u, g := t.row(t.in.U, c, k, i), s.g[at:][:m]
		dv, dd, du := dInput[at:][:m], dDelta[at:][:m], t.row(grad.U, c, k, i)
		vec.Mul(du, dv, s.delta[at:][:m])
		vec.AddMul(dd, dv, u)
		if t.in.D != nil {
			vec.Axpy(du, t.in.D[k.first+i], g)
			q.d[t.b*t.p.D+k.first+i] += float64(vec.Dot(g, u))
		}
		d := t.row(grad.Delta, c, k, i)
		if t.p.cfg.Softplus {
			vec.GLU(d, dd, s.raw[at:][:m])
		} else {
			copy(d, dd)
		}
		if t.in.Bias != nil {
			q.bias[t.b*t.p.D+k.first+i] += vec.Sum64(d)
		}
	}
}

// gradients are the gradients of what several tasks share, by task or by row.
type gradients[T num.Float] struct {
	p              *plan[T]
	a              []float64 // (B, D, N)
	fixedB, fixedC []float64 // (B, D, N)
	d, bias        []float64 // (B, D)
	b, c           [][]T     // by part, (B, G, N, L)
}

// gradients returns memory for them, with sums of 0.
func (p *plan[T]) gradients(grad *operands[T]) *gradients[T] {
	n, m := p.B*p.D*p.N, p.B*p.D
	sums := p.sums.Of(3*n + 2*m)
	clear(sums)
	q := &gradients[T]{p: p, a: sums[:n], fixedB: sums[n : 2*n], fixedC: sums[2*n : 3*n], d: sums[3*n:][:m], bias: sums[3*n+m:]}
	size := p.B * p.G * p.N * p.L
	more := p.partial.Of(2 * (p.parts - 1) * size)
	for i := range p.parts {
		if i == 0 {
			q.b, q.c = append(q.b, grad.B), append(q.c, grad.C)
			continue
		}
		at := 2 * (i - 1) * size
		q.b, q.c = append(q.b, more[at:][:size]), append(q.c, more[at+size:][:size])
	}
	return q
}

// rows returns the rows of a task in the gradients of B or C by part.
func (q *gradients[T]) rows(of [][]T, t *task[T]) []T {
	n := t.p.N * t.p.L
	return of[t.part][(t.b*t.p.G+t.g)*n:][:n]
}

// clearBehind sets the gradients of B and C that a task writes to 0 at the steps that do
// not count.
func (t *task[T]) clearBehind(q *gradients[T]) {
	for i, of := range [][][]T{q.b, q.c} {
		if i == 0 && t.p.fixedB || i == 1 && t.p.fixedC {
			continue
		}
		rows := q.rows(of, t)
		for n := range t.p.N {
			clear(rows[n*t.p.L:][t.n:t.p.L])
		}
	}
}

// addA adds the gradient of A by a chunk of a block, (N, lanes), to the sums.
func (q *gradients[T]) addA(t *task[T], da []T, k block) {
	w := t.p.lanes
	for j := range k.n {
		to := q.a[(t.b*t.p.D+k.first+j)*t.p.N:][:t.p.N]
		for i := range to {
			to[i] += float64(da[i*w+j])
		}
	}
}

// sumLanes writes the sums over the lanes of the gradient of B, which is 0, or of C,
// which is 1, at the steps of a chunk to rows that are L apart.
func (t *task[T]) sumLanes(to []T, which int, c chunk) {
	w := t.p.lanes
	for i := range t.p.N {
		rows, m := t.s.tmp, c.len()
		gemm.Transpose(rows, chunkSteps, tile(t.s.sums, 2*i+which), w, m, w)
		out := to[i*t.p.L:][:m]
		copy(out, rows)
		for lane := 1; lane < w; lane++ {
			vec.Add(out, out, rows[lane*chunkSteps:][:m])
		}
	}
}

// sumFixed adds the gradients of a B or C that is the same at all steps to the sums, and
// clears them for the next block.
func (t *task[T]) sumFixed(q *gradients[T], c chunk, k block) {
	w := t.p.lanes
	for which, sums := range [][]float64{q.fixedB, q.fixedC} {
		if which == 0 && !t.p.fixedB || which == 1 && !t.p.fixedC {
			continue
		}
		for i := range t.p.N {
			rows := tile(t.s.sums, 2*i+which)[:c.len()*w]
			for l := range c.len() {
				for j, v := range rows[l*w:][:k.n] {
					sums[(t.b*t.p.D+k.first+j)*t.p.N+i] += float64(v)
				}
			}
			clear(rows)
		}
	}
}

// total adds up what tasks have left, in order.
func (q *gradients[T]) total(grad *operands[T]) {
	p := q.p
	sumRows(grad.A, q.a)
	sumRows(grad.D, q.d)
	sumRows(grad.Bias, q.bias)
	for i, to := range [][]T{grad.B, grad.C} {
		parts, sums, fixed := q.b, q.fixedB, p.fixedB
		if i == 1 {
			parts, sums, fixed = q.c, q.fixedC, p.fixedC
		}
		if fixed {
			sumRows(to, sums)
			continue
		}
		for _, part := range parts[1:] {
			par.Blocks(len(to), 1<<14, func(_, lo, hi int) { vec.Add(to[lo:hi], to[lo:hi], part[lo:hi]) })
		}
	}
}

// sumRows sets to to the sum of the rows of sums, unless it is nil.
func sumRows[T num.Float](to []T, sums []float64) {
	if to == nil {
		return
	}
	for i := range to {
		var sum float64
		for at := i; at < len(sums); at += len(to) {
			sum += sums[at]
		}
		to[i] = T(sum)
	}
}
