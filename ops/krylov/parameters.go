package krylov

import (
	"errors"
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// kind describes a form of models.
type kind struct {
	minN  int                // the least N
	parts func(n int) []part // of theta
	form  func(n int) form
}

// part is one parameter of a form: some of theta's numbers.
type part struct {
	name  string
	width int
}

// values are the parameters of a bank, or the gradients with respect to them.
type values[T num.Float] struct {
	dt    []T   // (H)
	parts [][]T // (S, width) each
	c     []T   // (CH, H, N)
}

// set makes v refer to the given slices.
func (v *values[T]) set(dt, c []T, parts ...[]T) {
	v.dt, v.c = dt, c
	v.parts = append(v.parts[:0], parts...)
}

// forget lets go of the slices, which are the caller's.
func (v *values[T]) forget() {
	clear(v.parts)
	v.dt, v.c, v.parts = nil, nil, v.parts[:0]
}

// makeParameters makes room for the parameters and what follows from them.
func (b *bank[T]) makeParameters() {
	for _, p := range b.parts {
		b.count += p.width
	}
	s := b.size
	models := func() []float64 { return make([]float64, s.S*b.count) }
	features := func() []float64 { return make([]float64, s.H) }
	b.raw, b.rawDt, b.dt, b.dDt = models(), features(), features(), features()
	for h := range b.rawDt {
		b.rawDt[h] = math.NaN() // differs from every value
	}
	b.theta = b.raw
	if b.cfg.Stable {
		b.theta, b.slope = models(), models()
	}
	b.fresh, b.valid = make([]bool, s.S), make([]bool, s.H)
	if b.cfg.Frozen {
		for range s.H {
			b.kept = append(b.kept, b.workers[0].newFactors())
		}
	}
}

// check returns an error that names the first array of the wrong length. Where
// gradient is true, any may be nil.
func (b *bank[T]) check(v *values[T], gradient bool) error {
	if err := num.CheckLen("Dt", v.dt, b.size.H, gradient); err != nil {
		return err
	}
	for i, p := range b.parts {
		if err := num.CheckLen(p.name, v.parts[i], b.size.S*p.width, gradient); err != nil {
			return err
		}
	}
	return num.CheckLen("C", v.c, b.size.CH*b.size.H*b.size.N, gradient)
}

// checkFrozen returns an error if a gradient of a frozen parameter is asked for.
func (b *bank[T]) checkFrozen() error {
	frozen := b.grad.dt
	for _, v := range b.grad.parts {
		if v != nil {
			frozen = v
		}
	}
	if b.cfg.Frozen && frozen != nil {
		return errors.New("want no gradient but that of C with Config.Frozen")
	}
	return nil
}

// load takes over the values of prm but C. What follows from values that have
// not changed stays valid.
func (b *bank[T]) load() error {
	for h, x := range b.prm.dt {
		if raw := float64(x); raw != b.rawDt[h] {
			b.rawDt[h], b.valid[h] = raw, false
			b.dt[h], b.dDt[h] = b.cfg.dynamics().Dt(raw)
		}
	}
	for s := range b.size.S {
		if b.loadModel(b.raw[s*b.count:][:b.count], s) {
			b.fresh[s] = false
			for h := s; h < b.size.H; h += b.size.S {
				b.valid[h] = false
			}
		}
	}
	if b.cfg.Stable {
		par.For(b.size.S, b.modelLoop)
		return b.failure("state matrix")
	}
	return nil
}

// loadModel copies model s to theta and reports whether it has changed.
func (b *bank[T]) loadModel(theta []float64, s int) (changed bool) {
	for i, p := range b.parts {
		for k, x := range b.prm.parts[i][s*p.width:][:p.width] {
			if v := float64(x); v != theta[k] {
				theta[k], changed = v, true
			}
		}
		theta = theta[p.width:]
	}
	return changed
}

// stabilise makes theta of model s from raw.
func (b *bank[T]) stabilise(worker, s int) {
	if b.fresh[s] {
		return
	}
	o := s * b.count
	copy(b.theta[o:][:b.count], b.raw[o:])
	b.errs[s] = b.workers[worker].form.stabilise(b.theta[o:][:b.count], b.slope[o:][:b.count])
	b.fresh[s] = b.errs[s] == nil
}
