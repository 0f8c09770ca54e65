package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// (batch, In) to (batch, Out).
func (l *Linear) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *Linear) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newLinearSnapshot[float32](l)
	}
	return newLinearSnapshot[float64](l)
}

// linearSnapshot is a linear layer as its steps see it.
type linearSnapshot[T num.Float] struct {
	l       *Base
	in, out int
	w       *ops.LinearWeights[T]
}

func newLinearSnapshot[T num.Float](l *Linear) (Snapshot, error) {
	w, err := linearWeights[T](l)
	return &linearSnapshot[T]{l.Base, l.cfg.In, l.cfg.Out, w}, l.wrap("Recurrence", err)
}

// linearWeights copies the weights of a layer.
func linearWeights[T num.Float](l *Linear) (*ops.LinearWeights[T], error) {
	return weightsOf[T](l.cfg.In, l.cfg.Out, l.w, l.b)
}

// weightsOf copies the weight (out, in) and the bias (out), or nil, of a linear map.
func weightsOf[T num.Float](in, out int, weight, bias *G.Node) (*ops.LinearWeights[T], error) {
	var w, b []T
	if err := read(&w, weight); err != nil {
		return nil, err
	}
	if err := read(&b, bias); err != nil {
		return nil, err
	}
	return ops.NewLinearWeights(in, out, w, b), nil
}

// NewSession implements Snapshot.
func (s *linearSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, max(s.in, s.out)); err != nil {
		return nil, err
	}
	return &linearSession[T]{stateless{s.l}, s, batch, s.w.NewStep(), newStepOutput[T](batch, s.out)}, nil
}

// linearSession is a batch of sequences in a linear layer.
type linearSession[T num.Float] struct {
	stateless
	s     *linearSnapshot[T]
	batch int
	step  *ops.LinearStep[T]
	out   stepOutput[T]
}

// Regroup implements Regrouper.
func (r *linearSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, max(r.s.in, r.s.out), r.resize)
}

// Read implements Reader.
func (r *linearSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	return r.read(r, max(r.s.in, r.s.out), u, r.resize)
}

func (r *linearSession[T]) resize(batch int) {
	r.batch = batch
	r.out.resize(batch, r.s.out)
}

// Step implements Session.
func (r *linearSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.s.in)
	if err != nil {
		return nil, err
	}
	r.step.ApplyTo(r.out.data, x, r.batch)
	return r.out.t, nil
}
