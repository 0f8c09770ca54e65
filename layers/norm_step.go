package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// (batch, DModel) to (batch, DModel). A BatchNorm normalises by its running
// statistics.
func (l *Norm) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *Norm) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newNormSnapshot[float32](l)
	}
	return newNormSnapshot[float64](l)
}

// normSnapshot is a normalisation as its steps see it.
type normSnapshot[T num.Float] struct {
	l     *Base
	h     int
	apply func(dst, x []T) // a row; dst may be x
}

func newNormSnapshot[T num.Float](l *Norm) (*normSnapshot[T], error) {
	s := &normSnapshot[T]{l: l.Base, h: l.cfg.DModel, apply: func(dst, x []T) { copy(dst, x) }}
	var weight, bias []T
	if err := read(&weight, l.weight); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	if err := read(&bias, l.bias); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	switch l.cfg.Kind {
	case LayerNorm:
		s.apply = ops.NewLayerNormStep(weight, bias, l.cfg.Eps).Apply
	case RMSNorm:
		s.apply = ops.NewRMSNormStep(weight, l.cfg.Eps).Apply
	case BatchNorm:
		mean, ok1 := weights.Memory[T](l.stats.Mean)
		variance, ok2 := weights.Memory[T](l.stats.Var)
		if !ok1 || !ok2 {
			return nil, l.errorf("Recurrence", "want running statistics of dtype %v", l.dt)
		}
		s.apply = ops.NewBatchNormStep(mean, variance, weight, bias, l.cfg.Eps).Apply
	}
	return s, nil
}

// rows normalises x (B, H) to dst, which may be x.
func (s *normSnapshot[T]) rows(dst, x []T) {
	for lo := 0; lo < len(x); lo += s.h {
		s.apply(dst[lo:lo+s.h], x[lo:lo+s.h])
	}
}

// NewSession implements Snapshot.
func (s *normSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.h); err != nil {
		return nil, err
	}
	return &normSession[T]{stateless{s.l}, s, batch, newStepOutput[T](batch, s.h)}, nil
}

// normSession is a batch of sequences in a normalisation.
type normSession[T num.Float] struct {
	stateless
	s     *normSnapshot[T]
	batch int
	out   stepOutput[T]
}

// Regroup implements Regrouper.
func (r *normSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, r.s.h, r.resize)
}

// Read implements Reader.
func (r *normSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	return r.read(r, r.s.h, u, r.resize)
}

func (r *normSession[T]) resize(batch int) {
	r.batch = batch
	r.out.resize(batch, r.s.h)
}

// Step implements Session.
func (r *normSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.s.h)
	if err != nil {
		return nil, err
	}
	r.s.rows(r.out.data, x)
	return r.out.t, nil
}
