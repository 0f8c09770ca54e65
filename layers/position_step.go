package layers

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). A step beyond the last learned
// position is an error, after which the state is as it was.
func (l *Position) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *Position) checkRecurrent() error {
	if l.Base == nil {
		return l.wrap("Recurrence", errNotMade)
	}
	return nil
}

// Snapshot implements Stepper.
func (l *Position) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newPositionSnapshot[float32](l)
	}
	return newPositionSnapshot[float64](l)
}

// positionSnapshot is a layer of positions as its steps see it.
type positionSnapshot[T num.Float] struct {
	l     *Base
	h     int
	most  int // the number of positions
	table []T // (MaxLen, H), nil if they are sinusoidal

	frequencies []float64 // of the sinusoids
	state       func(batch int) []StateShape
}

func newPositionSnapshot[T num.Float](l *Position) (*positionSnapshot[T], error) {
	s := &positionSnapshot[T]{l: l.Base, h: l.cfg.DModel, most: size.MaxLength, state: l.StateShapes}
	if l.w == nil {
		s.frequencies = attention.Frequencies(s.h)
		return s, nil
	}
	var w []T
	err := read(&w, l.w)
	s.most, s.table = l.cfg.MaxLen, slices.Clone(w)
	return s, l.wrap("Recurrence", err)
}

// NewSession implements Snapshot.
func (s *positionSnapshot[T]) NewSession(batch int) (Session, error) { return s.newSession(batch) }

func (s *positionSnapshot[T]) newSession(batch int) (*positionSession[T], error) {
	if err := s.l.checkStep(batch, s.h); err != nil {
		return nil, err
	}
	r := &positionSession[T]{positionSnapshot: s, at: make([]int, batch), waves: make([]T, s.h), of: -1, out: newStepOutput[T](batch, s.h)}
	return r, nil
}

// positionSession is a batch of sequences in a layer of positions.
type positionSession[T num.Float] struct {
	*positionSnapshot[T]
	at    []int // of the next step of each row
	waves []T   // the sinusoids of step of, -1 for none
	of    int
	out   stepOutput[T]
}

// Step implements Session.
func (r *positionSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, len(r.at), r.h)
	if err != nil {
		return nil, err
	}
	if err := r.end(1); err != nil {
		return nil, err
	}
	r.out.resize(len(r.at), r.h)
	for b, n := range r.at {
		vec.Add(r.out.data[b*r.h:][:r.h], x[b*r.h:][:r.h], r.row(n))
		r.at[b]++
	}
	return r.out.t, nil
}

// Read implements Reader.
func (r *positionSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, len(r.at), r.h, r.h)
	if err != nil {
		return nil, err
	}
	if err := r.end(steps); err != nil {
		return nil, err
	}
	r.out.resize(steps, r.h)
	for t := range steps {
		vec.Add(r.out.data[t*r.h:][:r.h], x[t*r.h:][:r.h], r.row(r.at[0]))
		r.at[0]++
	}
	return r.out.t, nil
}

// end implements ending.
func (r *positionSession[T]) end(steps int) error {
	for b, n := range r.at {
		if steps == 1 && n >= r.most {
			return r.l.errorf("Step", "want at most %d steps, as many as there are positions, got another in row %d", r.most, b)
		}
		if steps > r.most-n {
			return r.l.errorf("Read", "want at most %d steps, as many as there are positions, got %d after %d", r.most, steps, n)
		}
	}
	return nil
}

// ending is a session of a number of steps: end returns the error of some more.
type ending interface{ end(steps int) error }

// endOf is that of a session that may be one.
func endOf(s Session, steps int) error {
	if e, ok := s.(ending); ok {
		return e.end(steps)
	}
	return nil
}

// row returns what is added to step n.
func (r *positionSession[T]) row(n int) []T {
	if r.table != nil {
		return r.table[n*r.h:][:r.h]
	}
	if n != r.of {
		attention.Sinusoid(r.waves, r.frequencies, n)
		r.of = n
	}
	return r.waves
}

// State implements Session.
func (r *positionSession[T]) State() State {
	return State{{Name: positionName, Value: counts[T](r.at)}}
}

// SetState implements Session.
func (r *positionSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l, x, r.state(len(r.at)))
	if err != nil {
		return err
	}
	if err := checkCounts(v[0], r.most); err != nil {
		return r.l.wrap("SetState", err)
	}
	setCounts(r.at, v[0])
	return nil
}

// Regroup implements Regrouper.
func (r *positionSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, r.h); err != nil {
		return nil, err
	}
	states, err := joining[T](r.l, rows, r.state)
	if err != nil {
		return nil, err
	}
	for i, x := range states {
		if err := checkCounts(x[0], r.most); err != nil {
			return nil, r.l.wrap("Regroup", fmt.Errorf("join[%d]: %w", i, err))
		}
	}
	return func() {
		at := make([]int, 0, batch)
		for _, b := range rows.Keep {
			at = append(at, r.at[b])
		}
		for _, x := range states {
			for _, v := range x[0] {
				at = append(at, int(v))
			}
		}
		r.at = at
		r.out.resize(batch, r.h)
	}, nil
}

// Reset implements Session.
func (r *positionSession[T]) Reset() { clear(r.at) }

// counts returns whole numbers as a tensor of a state.
func counts[T num.Float](n []int) *tensor.Dense {
	d := make([]T, len(n))
	for i, v := range n {
		d[i] = T(v)
	}
	return tensor.New(tensor.WithShape(len(d)), tensor.WithBacking(d))
}

// setCounts is the other way.
func setCounts[T num.Float](n []int, d []T) {
	for i, v := range d {
		n[i] = int(v)
	}
}

// checkCounts reports a number of steps that is none, or more than most.
func checkCounts[T num.Float](d []T, most int) error {
	for b, v := range d {
		if f := float64(v); !(f >= 0 && f <= float64(most)) || f != math.Trunc(f) {
			return fmt.Errorf("%q of row %d: want a whole number in [0, %d], got %g", positionName, b, most, f)
		}
	}
	return nil
}
