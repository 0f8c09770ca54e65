package layers

import (
	"errors"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, In) to (batch, Out). Its state is the last
// (Kernel-1)*Dilation inputs, as StateShapes describes it.
func (l *Conv1D) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *Conv1D) checkRecurrent() error { return l.checkCausal("Recurrence") }

// Snapshot implements Stepper.
func (l *Conv1D) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newConv1DSnapshot[float32](l)
	}
	return newConv1DSnapshot[float64](l)
}

// conv1dSnapshot is a convolution as its steps see it.
type conv1dSnapshot[T num.Float] struct {
	l       *Base
	weights *conv1d.Weights[T]
	state   func(batch int) []StateShape
}

func newConv1DSnapshot[T num.Float](l *Conv1D) (*conv1dSnapshot[T], error) {
	var w, norm, bias []T
	err := errors.Join(read(&w, l.w), read(&norm, l.norm), read(&bias, l.b))
	if err == nil && norm != nil {
		v := w
		w = make([]T, len(v))
		ops.WeightsOfNorm(w, v, norm)
	}
	s := &conv1dSnapshot[T]{l: l.Base, state: l.StateShapes}
	if err == nil {
		c := l.cfg
		s.weights, err = conv1d.NewWeights(conv1d.Shape{In: c.In, Out: c.Out, Groups: c.Groups, Kernel: c.Kernel, Dilation: c.Dilation}, w, bias)
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *conv1dSnapshot[T]) NewSession(batch int) (Session, error) { return s.newSession(batch) }

func (s *conv1dSnapshot[T]) newSession(batch int) (*conv1dSession[T], error) {
	if err := s.l.checkStep(batch, max(s.weights.In, s.weights.Out)); err != nil {
		return nil, err
	}
	step, err := s.weights.NewStep(batch)
	if err != nil {
		return nil, s.l.wrap("Recurrence", err)
	}
	return &conv1dSession[T]{l: s.l, batch: batch, state: s.state, want: s.state(batch), step: step, out: newStepOutput[T](batch, s.weights.Out)}, nil
}

// conv1dSession is a batch of sequences in a convolution.
type conv1dSession[T num.Float] struct {
	l     *Base
	batch int
	state func(batch int) []StateShape
	want  []StateShape // of the state: one or none
	step  *conv1d.Step[T]
	out   stepOutput[T]
}

// Read implements Reader.
func (r *conv1dSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, r.batch, r.step.In, max(r.step.In, r.step.Out))
	if err != nil {
		return nil, err
	}
	if err := r.scan(x, steps); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	return r.out.t, nil
}

// scan writes the outputs of as many steps x (L, In) of one row to r.out.
func (r *conv1dSession[T]) scan(x []T, steps int) error {
	r.out.resize(steps, r.step.Out)
	return r.step.Scan(r.out.data, x)
}

// Step implements Session.
func (r *conv1dSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.step.In)
	if err != nil {
		return nil, err
	}
	if err := r.advance(x); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	return r.out.t, nil
}

// State implements Session.
func (r *conv1dSession[T]) State() State {
	if len(r.want) == 0 {
		return nil
	}
	return State{{Name: stateName, Value: tensor.New(tensor.WithShape(r.want[0].Shape...), tensor.WithBacking(r.step.State()))}}
}

// SetState implements Session.
func (r *conv1dSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l, x, r.want)
	if err != nil || len(v) == 0 {
		return err
	}
	return r.l.wrap("SetState", r.step.SetState(v[0]))
}

// Regroup implements Regrouper.
func (r *conv1dSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, max(r.step.In, r.step.Out)); err != nil {
		return nil, err
	}
	states, err := joining[T](r.l, rows, r.state)
	if err != nil {
		return nil, err
	}
	var join [][]T
	for i, x := range states {
		if len(x) > 0 {
			join = append(join, x[0])
		} else {
			join = append(join, make([][]T, rows.Joined[i])...) // a row each
		}
	}
	if err := r.step.CheckRegroup(rows.Keep, join...); err != nil {
		return nil, r.l.wrap("Regroup", err)
	}
	return func() {
		_ = r.step.Regroup(rows.Keep, join...) // which has been checked
		r.batch, r.want = batch, r.state(batch)
		r.out.resize(batch, r.step.Out)
	}, nil
}

// Reset implements Session.
func (r *conv1dSession[T]) Reset() { r.step.Reset() }
