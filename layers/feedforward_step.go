package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// (batch, DModel) to (batch, DModel).
func (l *FeedForward) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *FeedForward) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newFeedForwardSnapshot[float32](l)
	}
	return newFeedForwardSnapshot[float64](l)
}

// feedForwardSnapshot is a feed-forward layer as its steps see it.
type feedForwardSnapshot[T num.Float] struct {
	l      *Base
	cfg    FeedForwardConfig
	w1, w2 *ops.LinearWeights[T]
}

func newFeedForwardSnapshot[T num.Float](l *FeedForward) (*feedForwardSnapshot[T], error) {
	s := &feedForwardSnapshot[T]{l: l.Base, cfg: l.cfg}
	var err error
	if s.w1, err = linearWeights[T](l.linear1); err == nil {
		s.w2, err = linearWeights[T](l.linear2)
	}
	return s, l.wrap("Recurrence", err)
}

// NewSession implements Snapshot.
func (s *feedForwardSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.cfg.inner()); err != nil {
		return nil, err
	}
	return &feedForwardSession[T]{stateless{s.l}, s.newRows(batch), newStepOutput[T](batch, s.cfg.DModel)}, nil
}

// feedForwardRows is the layer at one step, on the rows (batch, DModel) of a batch.
type feedForwardRows[T num.Float] struct {
	*feedForwardSnapshot[T]
	batch            int
	linear1, linear2 *ops.LinearStep[T]
	act              func(dst, x []T)
	h                []T // (batch, FF), gated
}

// newRows returns the layer at one step with scratch memory of its own.
func (s *feedForwardSnapshot[T]) newRows(batch int) *feedForwardRows[T] {
	r := &feedForwardRows[T]{feedForwardSnapshot: s, linear1: s.w1.NewStep(), linear2: s.w2.NewStep(), act: ops.ActivationFunc[T](s.cfg.Activation)}
	if !s.cfg.Gate {
		r.linear1.Then(r.act)
	}
	r.resize(batch)
	return r
}

// resize makes the batch another.
func (r *feedForwardRows[T]) resize(batch int) {
	r.batch = batch
	if r.cfg.Gate {
		r.h = num.GrowRows(r.h, batch*r.cfg.FF)
	}
}

// apply maps x (batch, DModel) to y (batch, DModel).
func (r *feedForwardRows[T]) apply(y, x []T) {
	z := r.linear1.Apply(x, r.batch)
	if r.cfg.Gate {
		z = r.gate(z)
	}
	r.linear2.ApplyTo(y, z, r.batch)
}

// gate maps z (batch, 2*FF) to (batch, FF), which the next call overwrites.
func (r *feedForwardRows[T]) gate(z []T) []T {
	n := r.cfg.FF
	for b := range r.batch {
		h, z := r.h[b*n:][:n], z[b*2*n:][:2*n]
		r.act(h, z[:n])
		vec.Mul(h, h, z[n:])
	}
	return r.h
}

// feedForwardSession is a batch of sequences in a feed-forward layer.
type feedForwardSession[T num.Float] struct {
	stateless
	rows *feedForwardRows[T]
	out  stepOutput[T]
}

// Regroup implements Regrouper.
func (r *feedForwardSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, r.rows.cfg.inner(), r.resize)
}

// Read implements Reader.
func (r *feedForwardSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	return r.read(r, r.rows.cfg.inner(), u, r.resize)
}

func (r *feedForwardSession[T]) resize(batch int) {
	r.rows.resize(batch)
	r.out.resize(batch, r.rows.cfg.DModel)
}

// Step implements Session.
func (r *feedForwardSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.rows.batch, r.rows.cfg.DModel)
	if err != nil {
		return nil, err
	}
	r.rows.apply(r.out.data, x)
	return r.out.t, nil
}
