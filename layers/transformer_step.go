package layers

import (
	"errors"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). See Attention.Recurrence and
// Position.Recurrence. A layer that is not causal has none.
func (l *Transformer) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *Transformer) checkRecurrent() error { return l.checkCausal("Recurrence") }

// Snapshot implements Stepper.
func (l *Transformer) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newTransformerSnapshot[float32](l)
	}
	return newTransformerSnapshot[float64](l)
}

// transformerSnapshot is a Transformer layer as its steps see it, or another layer of two
// blocks, of which the second has no state.
type transformerSnapshot[T num.Float] struct {
	l                      *Base
	positions              *positionSnapshot[T] // nil without
	own                    bool                 // their state is not in that of the attention
	attention, feedForward Snapshot
	state                  func(batch int) []StateShape
}

func newTransformerSnapshot[T num.Float](l *Transformer) (Snapshot, error) {
	s := &transformerSnapshot[T]{l: l.Base, own: l.ownPosition(), state: l.StateShapes}
	var err error
	if l.positions != nil {
		if s.positions, err = newPositionSnapshot[T](l.positions); err != nil {
			return nil, err
		}
	}
	if s.attention, err = l.attention.Snapshot(); err != nil {
		return nil, err
	}
	s.feedForward, err = l.feedForward.Snapshot()
	return s, err
}

// NewSession implements Snapshot.
func (s *transformerSnapshot[T]) NewSession(batch int) (Session, error) {
	r := &transformerSession[T]{s: s}
	var err error
	if s.positions != nil {
		if r.positions, err = s.positions.newSession(batch); err != nil {
			return nil, err
		}
	}
	if r.attention, err = s.attention.NewSession(batch); err != nil {
		return nil, err
	}
	r.feedForward, err = s.feedForward.NewSession(batch)
	r.want = s.state(batch)
	return r, err
}

// transformerSession is a batch of sequences in a Transformer layer.
type transformerSession[T num.Float] struct {
	s                      *transformerSnapshot[T]
	positions              *positionSession[T] // nil without
	attention, feedForward Session
	want                   []StateShape
}

// Step implements Session. Positions that have come to an end are an error before
// anything is changed.
func (r *transformerSession[T]) Step(u *tensor.Dense) (y *tensor.Dense, err error) {
	y = u
	if r.positions != nil {
		if y, err = r.positions.Step(y); err != nil {
			return nil, err
		}
	}
	if y, err = r.attention.Step(y); err != nil {
		return nil, err
	}
	return r.feedForward.Step(y)
}

// Read implements Reader.
func (r *transformerSession[T]) Read(u *tensor.Dense) (y *tensor.Dense, err error) {
	y = u
	if r.positions != nil {
		if y, err = r.positions.Read(y); err != nil {
			return nil, err
		}
	}
	if y, err = readAll(r.attention, y); err != nil {
		return nil, err
	}
	return readAll(r.feedForward, y)
}

// end implements ending.
func (r *transformerSession[T]) end(steps int) error {
	if r.positions == nil {
		return nil
	}
	return r.positions.end(steps)
}

// State implements Session.
func (r *transformerSession[T]) State() State {
	s := r.attention.State()
	if r.s.own {
		s = append(s, r.positions.State()...)
	}
	return s
}

// SetState implements Session.
func (r *transformerSession[T]) SetState(x State) error {
	if _, err := stateMemory[T](r.s.l, x, r.want); err != nil {
		return err
	}
	if r.positions == nil {
		return r.attention.SetState(x)
	}
	before := r.positions.State()
	last := len(x) - 1
	if err := r.positions.SetState(x[last:]); err != nil {
		return err
	}
	if r.s.own {
		x = x[:last]
	}
	if err := r.attention.SetState(x); err != nil {
		return errors.Join(err, r.positions.SetState(before))
	}
	return nil
}

// Regroup implements Regrouper.
func (r *transformerSession[T]) Regroup(rows Rows) (do func(), err error) {
	if _, err := joining[T](r.s.l, rows, r.s.state); err != nil {
		return nil, err
	}
	positions, inner := func() {}, rows
	if r.positions != nil {
		if positions, err = r.positions.Regroup(rows.with(func(x State) State { return x[len(x)-1:] })); err != nil {
			return nil, err
		}
	}
	if r.s.own {
		inner = rows.with(func(x State) State { return x[:len(x)-1] })
	}
	attention, err := regroup(r.attention, r.s.attention, inner)
	if err != nil {
		return nil, err
	}
	feedForward, err := regroup(r.feedForward, r.s.feedForward, rows.with(func(State) State { return nil }))
	if err != nil {
		return nil, err
	}
	return func() {
		positions()
		r.attention, r.feedForward = attention(), feedForward()
		r.want = r.s.state(rows.Batch())
	}, nil
}

// Reset implements Session.
func (r *transformerSession[T]) Reset() {
	if r.positions != nil {
		r.positions.Reset()
	}
	r.attention.Reset()
}
