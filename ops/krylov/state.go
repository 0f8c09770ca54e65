package krylov

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// stateBank is the recurrences of a bank of structured models behind a
// [linrec.Bank]. Its first inputs are dt and the parts of theta.
type stateBank[T num.Float] struct{ *bank[T] }

// newStateBank makes every feature a piece of its own, so that they may be carried
// in any order.
func newStateBank[T num.Float](cfg Config, size Size) (stateBank[T], error) {
	b, err := newStepBank[T](cfg, size, structuredKind)
	if err == nil {
		b.cut(1)
	}
	return stateBank[T]{b}, err
}

// Bind implements linrec.Bank.
func (s stateBank[T]) Bind(in []graphop.Arg[T], grad [][]T) (int, error) {
	own := 1 + len(s.parts)
	s.prm.dt, s.prm.parts = in[0].F, s.prm.parts[:0]
	for _, a := range in[1:own] {
		s.prm.parts = append(s.prm.parts, a.F)
	}
	if grad != nil {
		s.grad.set(grad[0], nil, grad[1:own]...)
	}
	return own, s.load()
}

// Discretize implements linrec.Bank. C is never tuned to a length here.
func (s stateBank[T]) Discretize(worker, h int, e, _, bb []float64) error {
	err := s.workers[worker].step(e, bb, s.model(s.theta, h), s.dt[h])
	for i := range bb {
		e[i*len(bb)+i]--
	}
	return err
}

// Carry implements linrec.Bank.
func (s stateBank[T]) Carry(worker, h int, gab, gbb []float64) {
	sum := s.part[(ssm.Row(h, s.size.S)*s.pieces+h/s.size.S)*s.count:][:s.count]
	clear(sum)
	gDt := s.workers[worker].stepGrad(sum, s.model(s.theta, h), gab, gbb)
	if dt := s.grad.dt; dt != nil {
		dt[h] = T(gDt * s.dDt[h])
	}
}

// Store implements linrec.Bank.
func (s stateBank[T]) Store() {
	s.storeGrads()
	s.grad.forget()
}
