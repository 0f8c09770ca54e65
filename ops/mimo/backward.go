package mimo

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/scan"
)

// Backward writes the gradients of sum(gy y) + sum(gEnd end) to grad, but for those
// that are nil, after a Forward on the same inputs. gEnd may be nil.
func (p *plan[T]) Backward(grad, in *inputs[T], gy, gEnd []T) {
	p.back.Pack(true, p.H, p.width(), p.b, p.H, nil)
	for d := range p.S {
		p.backC[d].Pack(false, p.H, p.width(), p.outputs(d), p.width(), nil)
	}
	groups := p.groups()
	clear(p.da.Of(p.B * p.S * p.width()))
	clear(p.sums.Of(groups * p.sumLen()))
	clear(p.dd.Of(groups * p.H))
	scratches := *p.scratches.Get()
	if p.wholeRows() {
		par.For(groups, func(worker, g int) {
			for b := p.B * g / groups; b < p.B*(g+1)/groups; b++ {
				p.backwardRow(&scratches[worker], g, grad, in, gy, gEnd, b)
			}
		})
	} else {
		p.backwardPieces(scratches, grad, in, gy, gEnd)
	}
	p.sumGroups(grad, in)
}

// backwardRow is Backward of a row, up to the sums of its group.
func (p *plan[T]) backwardRow(s *scratch[T], group int, grad, in *inputs[T], gy, gEnd []T, b int) {
	for d := range p.S {
		p.eachChunk(b, 1-d, func(piece int) {
			p.readGradients(s, in, gy, d, piece)
			_, t0, t1 := p.piece(piece, in.Lengths)
			p.scanBack(s, grad, in, gEnd, b, d, t0, t1)
			if d == p.S-1 {
				p.sumPiece(s, group, grad, in, gy, piece)
			}
		})
		p.writeStart(s, grad, in, gEnd, b, d)
	}
}

// backwardPieces is Backward of all, up to the sums of the groups, for few rows: the
// products of a row are spread over the workers.
func (p *plan[T]) backwardPieces(scratches []scratch[T], grad, in *inputs[T], gy, gEnd []T) {
	pieces, groups := p.B*p.chunks(), p.groups()
	for d := range p.S { // before the workers ask for it
		p.adjoints(d)
	}
	par.For(pieces, func(worker, i int) {
		for d := range p.S {
			p.readGradients(&scratches[worker], in, gy, d, i)
		}
	})
	par.For(p.B, func(worker, b int) { // both directions have poles that vary in common
		s := &scratches[worker]
		for d := range p.S {
			p.eachChunk(b, 1-d, func(piece int) {
				_, t0, t1 := p.piece(piece, in.Lengths)
				p.scanBack(s, grad, in, gEnd, b, d, t0, t1)
			})
			p.writeStart(s, grad, in, gEnd, b, d)
		}
	})
	par.For(groups, func(worker, g int) {
		for i := pieces * g / groups; i < pieces*(g+1)/groups; i++ {
			p.sumPiece(&scratches[worker], g, grad, in, gy, i)
		}
	})
}

// groups is the number of groups of pieces whose gradients are summed by themselves.
func (p *plan[T]) groups() int { return min(p.B*p.chunks(), maxGroups) }

// sumLen is the number of gradients of a group: of B, then of C of each direction.
func (p *plan[T]) sumLen() int { return (1 + p.S) * p.width() * p.H }

// adjoints returns the gradients by the states of a direction, (B, L, 2P), where rows are
// not taken whole.
func (p *plan[T]) adjoints(d int) []T { return p.g[d].Of(p.B * p.L * p.width()) }

// adjoint returns the gradients by the states of a row in a direction, (L, 2P).
func (p *plan[T]) adjoint(s *scratch[T], b, d int) []T {
	n := p.L * p.width()
	if !p.wholeRows() {
		return p.adjoints(d)[b*n:][:n]
	}
	s.g[d] = num.Grow(s.g[d], n)
	return s.g[d]
}

// readGradients writes what a piece of the gradient of the output adds to those of the
// states to their place, in a direction.
func (p *plan[T]) readGradients(s *scratch[T], in *inputs[T], gy []T, d, piece int) {
	b, t0, t1 := p.piece(piece, in.Lengths)
	if t0 == t1 {
		return
	}
	w := p.width()
	gemm.GemmTransPackedB(&s.ws, t1-t0, gy[b*p.H*p.L+t0:], p.L, &p.backC[d], p.adjoint(s, b, d)[t0*w:], w)
}

// scanBack makes the gradients by the states of steps [t0, t1) of a row in a direction
// complete, and sums those of the poles. Those of the steps behind them in it are
// complete.
func (p *plan[T]) scanBack(s *scratch[T], grad, in *inputs[T], gEnd []T, b, d, t0, t1 int) {
	if p.varying && d == 0 {
		w := p.width()
		clear(grad.Params.Poles[(b*p.L+t0)*w : (b*p.L+min(t0+chunkSteps, p.L))*w])
	}
	if t0 == t1 {
		return
	}
	p.alongBack(s, in, gEnd, b, d, t0, t1)
	p.sumPoles(s, grad, in, b, d, t0, t1)
}

// alongBack replaces the gradients by the states of some steps by those by the states and
// by what follows from them.
func (p *plan[T]) alongBack(s *scratch[T], in *inputs[T], gEnd []T, b, d, t0, t1 int) {
	w, n := p.width(), graphop.Length(in.Lengths, b, p.L)
	g := p.adjoint(s, b, d)
	last := p.first(1-d, n)
	if t0 <= last && last < t1 {
		if end := p.loadState(&s.row, gEnd, b, d); end != nil {
			vec.Add(g[last*w:][:w], g[last*w:][:w], end)
		}
	}
	l := p.line(d)
	l.Conj, l.Reverse = true, !l.Reverse
	// The gradient by a state is that by the next one, times the pole of that step.
	next, pole := min(t1, last), t0+1
	if d == 0 {
		t1 = next
	} else {
		next = max(t0-1, last)
		t0 = next + 1
		pole = next
	}
	scan.Along(l, g[t0*w:t1*w], p.poles(in, b, pole, pole+t1-t0), g[next*w:][:w])
}

// writeStart writes the gradient by the state before the first step of a row in a
// direction, unless there is none.
func (p *plan[T]) writeStart(s *scratch[T], grad, in *inputs[T], gEnd []T, b, d int) {
	if grad.Start == nil {
		return
	}
	w, n := p.width(), graphop.Length(in.Lengths, b, p.L)
	start := p.loadState(&s.row, gEnd, b, d)
	if n > 0 {
		t := p.first(d, n)
		s.row = num.Grow(s.row, w)
		start = s.row
		mulPlanes(start, p.adjoint(s, b, d)[t*w:][:w], p.poles(in, b, t, t+1), p.P, true)
	}
	storeState(grad.Start[(b*p.S+d)*w:][:w], start)
}

// sumPoles writes the gradients by the poles of steps [t0, t1) of a row in a direction,
// or adds them up: g conj(s), s the state before.
func (p *plan[T]) sumPoles(s *scratch[T], grad, in *inputs[T], b, d, t0, t1 int) {
	w, n := p.width(), graphop.Length(in.Lengths, b, p.L)
	g, x := p.adjoint(s, b, d), p.kept(d)[b*p.L*w:][:n*w]
	first := p.first(d, n)
	if t0 <= first && first < t1 {
		if start := p.loadState(&s.row, in.Start, b, d); start != nil {
			p.addPoles(s, grad, b, d, first*w, g[first*w:][:w], start)
		}
	}
	// Of the other steps the state before is that of a neighbour.
	from := t0 + 1
	if d == 0 {
		t0 = max(t0, 1)
		from = t0 - 1
	} else {
		t1 = min(t1, n-1)
	}
	if m := (t1 - t0) * w; m > 0 {
		p.addPoles(s, grad, b, d, t0*w, g[t0*w:][:m], x[from*w:][:m])
	}
}

// addPoles adds the gradients by the poles of some steps, the numbers of which are from
// at on in a row.
func (p *plan[T]) addPoles(s *scratch[T], grad *inputs[T], b, d, at int, g, before []T) {
	w, l := p.width(), p.line(d)
	if p.varying {
		scan.GradA(l, grad.Params.Poles[b*p.L*w+at:][:len(g)], g, before)
		return
	}
	s.sum = num.Grow(s.sum, w)
	clear(s.sum)
	scan.GradA(l, s.sum, g, before)
	da := p.da.Of(p.B * p.S * w)[(b*p.S+d)*w:][:w]
	for i, v := range s.sum {
		da[i] += float64(v)
	}
}

// sumPiece adds the gradients of the parameters by a piece to those of a group, and
// writes that of the inputs.
func (p *plan[T]) sumPiece(s *scratch[T], group int, grad, in *inputs[T], gy []T, piece int) {
	b, t0, t1 := p.piece(piece, in.Lengths)
	w, row, n := p.width(), b*p.H*p.L, t1-t0
	if grad.X != nil {
		p.clearRest(grad.X[row:], t0, t1)
	}
	at := (b*p.L + t0) * w
	if p.varying {
		clear(p.factors(grad)[at+n*w : (b*p.L+min(t0+chunkSteps, p.L))*w])
	}
	if n == 0 {
		return
	}
	sums := p.sums.Of(p.groups() * p.sumLen())[group*p.sumLen():][:p.sumLen()]
	for d := range p.S {
		gemm.Gemm(&s.ws, false, false, p.H, w, n, gy[row+t0:], p.L, p.kept(d)[at:], w, sums[(1+d)*w*p.H:], w, true)
	}
	g := p.adjoint(s, b, 0)[t0*w:][:n*w] // the chunk before still reads it
	if p.S == 2 {
		s.v = num.Grow(s.v, n*w)
		vec.Add(s.v, g, p.adjoint(s, b, 1)[t0*w:][:n*w])
		g = s.v
	}
	if p.varying {
		s.v = num.Grow(s.v, n*w)
		mulPlanes(p.factors(grad)[at:][:n*w], g, p.inner()[at:][:n*w], p.P, true)
		mulPlanes(s.v, g, p.factors(in)[at:][:n*w], p.P, true)
		g = s.v
	}
	gemm.Gemm(&s.ws, true, true, w, p.H, n, g, w, in.X[row+t0:], p.L, sums[:w*p.H], p.H, true)
	if grad.X != nil {
		gemm.GemmPacked(&s.ws, &p.back, true, n, g, w, grad.X[row+t0:], p.L, false, nil)
	}
	if in.Params.D == nil {
		return
	}
	dd := p.dd.Of(p.groups() * p.H)[group*p.H:][:p.H]
	for h := range p.H {
		from, to := row+h*p.L+t0, row+h*p.L+t1
		dd[h] += float64(vec.Dot(gy[from:to], in.X[from:to]))
		if grad.X != nil {
			vec.Axpy(grad.X[from:to], in.Params.D[h], gy[from:to])
		}
	}
}

// sumGroups adds the gradients of the groups up, and writes them in the layout of the
// parameters.
func (p *plan[T]) sumGroups(grad, in *inputs[T]) {
	n, groups, w := p.sumLen(), p.groups(), p.width()
	sums := p.sums.Of(groups * n)
	sum := sums[:n]
	for g := 1; g < groups; g++ {
		vec.Add(sum, sum, sums[g*n:][:n])
	}
	for d := range p.S {
		unlayC(grad.Params.C[d*w*p.H:], sum[(1+d)*w*p.H:], p.gain, p.P, p.H)
	}
	if p.varying {
		unlayB(grad.Params.B, sum, p.P, p.H)
	} else {
		p.sumFactors(grad, in, sum)
	}
	if grad.Params.D != nil {
		dd := p.dd.Of(groups * p.H)
		for h := range p.H {
			var v float64
			for g := range groups {
				v += dd[g*p.H+h]
			}
			grad.Params.D[h] = T(v)
		}
	}
}

// sumFactors writes the gradients of B, of the poles and of the factors, the same at all
// steps, where db (2P, H) are those of their product with B.
func (p *plan[T]) sumFactors(grad, in *inputs[T], db []T) {
	w := p.width()
	da := p.da.Of(p.B * p.S * w)
	for i := range w {
		var v float64
		for r := range p.B * p.S {
			v += da[r*w+i]
		}
		grad.Params.Poles[i] = T(v)
	}
	beta, out := in.Params.Poles[w:], grad.Params.Poles[w:]
	for i := range p.P {
		re, im := db[i*p.H:][:p.H], db[(p.P+i)*p.H:][:p.H]
		b, to := in.Params.B[i*2*p.H:][:2*p.H], grad.Params.B[i*2*p.H:][:2*p.H]
		br, bi := beta[i], beta[p.P+i]
		var gr, gi float64
		for h := range p.H {
			x, y := re[h], im[h]
			to[2*h], to[2*h+1] = x*br+y*bi, y*br-x*bi
			gr += float64(x*b[2*h] + y*b[2*h+1])
			gi += float64(y*b[2*h] - x*b[2*h+1])
		}
		out[i], out[p.P+i] = T(gr), T(gi)
	}
}

// unlayB is layB backwards, for poles that vary.
func unlayB[T num.Float](dst, b []T, n, h int) {
	for p := range n {
		for i := range h {
			dst[(p*h+i)*2], dst[(p*h+i)*2+1] = b[p*h+i], b[(n+p)*h+i]
		}
	}
}

// unlayC writes the gradient of C (H, P, 2), where c (H, 2P) is that of what layC makes
// of it.
func unlayC[T num.Float](dst, c []T, gain float64, n, h int) {
	k := T(gain)
	for i := range h {
		to, from := dst[i*2*n:][:2*n], c[i*2*n:][:2*n]
		for p := range n {
			to[2*p], to[2*p+1] = k*from[p], -k*from[n+p]
		}
	}
}
