package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// linearInput is what a linear map on sequences does to x first, a unit of
// steps at a time: an activation, or a gate, then a dropout. Nothing of it is
// kept.
type linearInput[T num.Float] struct {
	linearDims
	act  *activation[T] // nil for the identity
	drop dropoutMask[T] // of rows, or of elements

	one  []T // a row of ones
	work graphop.Common[[]inputWorker[T]]
}

// inputWorker is the scratch memory of a worker.
type inputWorker[T num.Float] struct {
	h, dh []T // (xi(), steps), its first half where gated, and (xi(), steps): what is mapped, and its derivative by x
	mask  []T // (linearWidth): of elements
}

// newLinearInput returns nil if nothing is to be done.
func newLinearInput[T num.Float](d linearDims, o linearOptions) *linearInput[T] {
	if o.act == ActIdentity && !d.gated && o.dropInput.p == 0 {
		return nil
	}
	return makeLinearInput[T](d, o)
}

// rooms is for [graphop.Roomy].
func (p *linearInput[T]) rooms() []graphop.Holder {
	if p == nil {
		return nil
	}
	return []graphop.Holder{&p.work}
}

// worker returns the scratch memory of a worker.
func (p *linearInput[T]) worker(i int) *inputWorker[T] { return &(*p.work.Get())[i] }

// makeLinearInput returns one that copies x if nothing is to be done.
func makeLinearInput[T num.Float](d linearDims, o linearOptions) *linearInput[T] {
	run, each := 1, d.i*d.l
	if o.dropInput.tied {
		run, each = d.l, d.i
	}
	p := &linearInput[T]{linearDims: d, drop: newDropoutMask[T](o.dropInput, run, each), one: num.Aligned[T](linearWidth), work: graphop.PerWorker[inputWorker[T]]()}
	if o.act != ActIdentity {
		p.act = newActivation[T](o.act)
	}
	fill(p.one, 1)
	return p
}

// compute returns h (I, n) of n steps of sequence b from step lo on, which x has in
// rows spaced by ld, and with derive writes the worker's dh for chain.
func (p *linearInput[T]) compute(worker int, x []T, ld, b, lo, n int, derive bool) []T {
	w := p.worker(worker)
	w.h = num.Grow(w.h, p.xi()*n)
	if derive {
		w.dh = num.Grow(w.dh, p.xi()*n)
	}
	h, dh := w.h, w.dh
	for i := range p.i {
		var r inputRow[T]
		r.h, r.x = h[i*n:][:n], x[i*ld:][:n]
		if p.gated {
			r.gate = x[(p.i+i)*ld:][:n]
		}
		if derive {
			r.dh = dh[i*n:][:n]
		}
		if derive && p.gated {
			r.dgate = dh[(p.i+i)*n:][:n]
		}
		p.row(worker, r, b*p.i+i, lo)
	}
	return h
}

// inputRow is some steps of a feature of x, of the other half where there is a
// gate, of h, and, where they are wanted, of its derivatives by both.
type inputRow[T num.Float] struct{ x, gate, h, dh, dgate []T }

// row computes a part of row r of h, from step lo on.
func (p *linearInput[T]) row(worker int, v inputRow[T], r, lo int) {
	elements := p.drop.dropped && p.drop.run < p.l
	f := T(1)
	if !elements {
		f = p.drop.factor(r)
	}
	if f == 0 {
		clear(v.h)
		clear(v.dh)
		clear(v.dgate)
		return
	}
	p.activate(v)
	if v.gate != nil {
		copy(v.dgate, v.h)
		vec.Mul(v.h, v.h, v.gate)
		if v.dh != nil {
			vec.Mul(v.dh, v.dh, v.gate)
		}
	}
	switch {
	case elements:
		w := p.worker(worker)
		w.mask = num.Grow(w.mask, linearWidth)
		m := w.mask[:len(v.h)]
		p.drop.factors(m, r*p.l+lo)
		for _, d := range [][]T{v.h, v.dh, v.dgate} {
			vec.Mul(d, d, m[:len(d)])
		}
	case f != 1:
		for _, d := range [][]T{v.h, v.dh, v.dgate} {
			vec.Scale(d, f, d)
		}
	}
}

// activate sets h, and dh unless that is nil, without gate and dropout.
func (p *linearInput[T]) activate(v inputRow[T]) {
	one := p.one[:len(v.h)]
	switch {
	case p.act == nil:
		copy(v.h, v.x)
		copy(v.dh, one)
	case v.dh == nil:
		p.act.f(v.h, v.x)
	default:
		p.act.derive(v.h, v.dh, v.x, one)
	}
}

// chain makes the gradient of h of n steps, in dx, that of x: dx has rows spaced by
// ld, and where x is gated, the gradient of h is in the place of the second half.
func (p *linearInput[T]) chain(worker int, dx []T, ld, n int) {
	dh := p.worker(worker).dh
	for i := range p.i {
		d := dx[(p.xi()-p.i+i)*ld:][:n]
		vec.Mul(dx[i*ld:][:n], d, dh[i*n:][:n])
		if p.gated {
			vec.Mul(d, d, dh[(p.i+i)*n:][:n])
		}
	}
}
