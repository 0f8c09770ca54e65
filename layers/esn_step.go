package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/rnn"
)

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, DModel).
func (l *ESN) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *ESN) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.dt == tensor.Float32:
		return newESNSnapshot[float32](l)
	}
	return newESNSnapshot[float64](l)
}

// esnSnapshot is an echo state network as its steps see it.
type esnSnapshot[T num.Float] struct {
	l         *ESN
	reservoir *rnn.Weights[T]
	readout   *ops.LinearWeights[T]
}

func newESNSnapshot[T num.Float](l *ESN) (Snapshot, error) {
	var p rnn.Params[[]T]
	n := l.reservoir
	s := &esnSnapshot[T]{l: l}
	err := size.First(read(&p.WeightIH, n.WeightIH), read(&p.WeightHH, n.WeightHH), read(&p.BiasIH, n.BiasIH))
	if err == nil {
		s.reservoir, err = rnn.NewLeakyWeights(rnn.Tanh, l.cfg.Leak, l.cfg.DModel, l.cfg.Reservoir, p)
	}
	if err == nil {
		s.readout, err = linearWeights[T](l.readout)
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *esnSnapshot[T]) NewSession(batch int) (Session, error) {
	c := s.l.cfg
	if err := s.l.checkStep(batch, max(c.DModel, c.Reservoir)); err != nil {
		return nil, err
	}
	return &esnSession[T]{
		l: s.l, batch: batch, step: s.reservoir.NewStep(), readout: s.readout.NewStep(),
		h: num.Aligned[T](batch * c.Reservoir), out: newStepOutput[T](batch, c.DModel),
	}, nil
}

// esnSession is a batch of sequences in an echo state network.
type esnSession[T num.Float] struct {
	l       *ESN
	batch   int
	step    *rnn.Step[T]
	readout *ops.LinearStep[T]
	h       []T // (B, Reservoir)
	spare   []T // where Regroup puts it together
	states  []T // (L, Reservoir): those of the steps of Read
	out     stepOutput[T]
}

// Step implements Session.
func (r *esnSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if err := r.step.Advance(rnn.State[[]T]{H: r.h}, x); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	r.out.resize(r.batch, r.l.cfg.DModel)
	r.readout.ApplyTo(r.out.data, r.h, r.batch)
	return r.out.t, nil
}

// Read implements Reader.
func (r *esnSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	c := r.l.cfg
	x, steps, err := readRows[T](r.l.Base, u, r.batch, c.DModel, max(c.DModel, c.Reservoir))
	if err != nil {
		return nil, err
	}
	r.states = num.GrowRows(r.states, steps*c.Reservoir)
	if err := r.step.Scan(r.states, rnn.State[[]T]{H: r.h}, x); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	r.out.resize(steps, c.DModel)
	r.readout.ApplyTo(r.out.data, r.states, steps)
	return r.out.t, nil
}

// State implements Session.
func (r *esnSession[T]) State() State {
	w := r.l.StateShapes(r.batch)[0]
	return State{{Name: w.Name, Value: tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(append([]T(nil), r.h...)))}}
}

// SetState implements Session.
func (r *esnSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l.Base, x, r.l.StateShapes(r.batch))
	if err == nil {
		copy(r.h, v[0])
	}
	return err
}

// Regroup implements Regrouper.
func (r *esnSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch, n := rows.Batch(), r.l.cfg.Reservoir
	if err := r.l.checkStep(batch, max(r.l.cfg.DModel, n)); err != nil {
		return nil, err
	}
	join, err := joining[T](r.l.Base, rows, r.l.StateShapes)
	if err != nil {
		return nil, err
	}
	return func() {
		next := num.GrowRows(r.spare, batch*n)
		num.CopyRows(next, batch, 0, r.h, r.batch, rows.Keep, n)
		at := len(rows.Keep) * n
		for _, x := range join {
			at += copy(next[at:], x[0])
		}
		r.h, r.spare, r.batch = next, r.h, batch
		r.out.resize(batch, r.l.cfg.DModel)
	}, nil
}

// Reset implements Session.
func (r *esnSession[T]) Reset() { clear(r.h) }
