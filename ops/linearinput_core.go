package ops

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// linearInput is what a linear map on sequences does to x first, a unit of
// steps at a time: an activation, then a dropout. Nothing of it is kept.
type linearInput[T num.Float] struct {
	linearDims
	act  *activation[T] // nil for the identity
	drop dropoutMask[T]

	one   []T   // a row of ones
	h, dh [][]T // one per worker, (I, linearWidth): what is mapped, and its derivative by x
}

// newLinearInput returns nil if nothing is to be done.
func newLinearInput[T num.Float](d linearDims, o linearOptions) *linearInput[T] {
	if o.act == ActIdentity && o.dropInput.p == 0 {
		return nil
	}
	p := &linearInput[T]{linearDims: d, drop: newDropoutMask[T](o.dropInput, d.l), one: num.Aligned[T](linearWidth)}
	if o.act != ActIdentity {
		p.act = newActivation[T](o.act)
	}
	fill(p.one, 1)
	p.h, p.dh = make([][]T, par.Workers()), make([][]T, par.Workers())
	return p
}

// values returns h of the steps [lo, hi) of sequence b.
func (p *linearInput[T]) values(worker int, x []T, b, lo, hi int) []T {
	h, _ := p.compute(worker, x, b, lo, hi, false)
	return h
}

// compute returns h of the steps [lo, hi) of sequence b, and with derive dh.
func (p *linearInput[T]) compute(worker int, x []T, b, lo, hi int, derive bool) (h, dh []T) {
	p.h[worker] = num.Grow(p.h[worker], p.i*linearWidth)
	h = p.h[worker]
	if derive {
		p.dh[worker] = num.Grow(p.dh[worker], p.i*linearWidth)
		dh = p.dh[worker]
	}
	n := hi - lo
	for i := range p.i {
		var d []T
		if derive {
			d = dh[i*linearWidth:][:n]
		}
		p.row(h[i*linearWidth:][:n], d, x[(b*p.i+i)*p.l+lo:][:n], b*p.i+i)
	}
	return h, dh
}

// row computes a part of row r of h, and of dh unless that is nil.
func (p *linearInput[T]) row(h, dh, x []T, r int) {
	f := p.drop.factor(r)
	if f == 0 {
		clear(h)
		clear(dh)
		return
	}
	one := p.one[:len(h)]
	switch {
	case p.act == nil:
		copy(h, x)
		copy(dh, one)
	case dh == nil:
		p.act.f(h, x)
	default:
		p.act.derive(h, dh, x, one)
	}
	if f != 1 {
		vec.Scale(h, f, h)
		vec.Scale(dh, f, dh)
	}
}
