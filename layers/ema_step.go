package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/ema"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). A layer that is bidirectional or
// truncated has none.
func (l *EMA) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *EMA) checkRecurrent() error { return l.checkCausal("Recurrence") }

// Snapshot implements Stepper.
func (l *EMA) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newEMASnapshot[float32](l)
	}
	return newEMASnapshot[float64](l)
}

// emaSnapshot is an average as its steps see it.
type emaSnapshot[T num.Float] struct {
	l    *EMA
	step *ema.Step[T]
}

func newEMASnapshot[T num.Float](l *EMA) (*emaSnapshot[T], error) {
	var prm ema.Params[[]T]
	var omega []T
	err := size.First(read(&prm.Delta, l.params.Delta), read(&prm.Alpha, l.params.Alpha), read(&prm.Beta, l.params.Beta), read(&prm.Gamma, l.params.Gamma), read(&omega, l.omega))
	s := &emaSnapshot[T]{l: l}
	if err == nil {
		s.step, err = ema.NewStep(l.cfg.DModel, l.cfg.DState, prm, omega)
	}
	return s, l.wrap("Recurrence", err)
}

// widest is the largest number of elements of a row of a step.
func (s *emaSnapshot[T]) widest() int { return s.step.StateLen(1) }

// NewSession implements Snapshot.
func (s *emaSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.widest()); err != nil {
		return nil, err
	}
	return s.newSession(batch), nil
}

func (s *emaSnapshot[T]) newSession(batch int) *emaSession[T] {
	return &emaSession[T]{emaSnapshot: s, batch: batch, states: num.Aligned[T](s.step.StateLen(batch)), o: newStepOutput[T](batch, s.l.cfg.DModel)}
}

// emaSession is a batch of sequences in an average.
type emaSession[T num.Float] struct {
	*emaSnapshot[T]
	batch  int
	states []T // as steps have them
	spare  []T // where Regroup puts them together
	o      stepOutput[T]
}

// Step implements Session.
func (r *emaSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if err := r.run(x, r.batch, r.step.Advance); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	return r.o.t, nil
}

// Read implements Reader.
func (r *emaSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l.Base, u, r.batch, r.l.cfg.DModel, r.widest())
	if err != nil {
		return nil, err
	}
	if err := r.run(x, steps, r.step.Scan); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	return r.o.t, nil
}

// run writes the outputs of rows of inputs, which are those of a step or the steps of a
// row, as advance takes them.
func (r *emaSession[T]) run(x []T, rows int, advance func(y, x, u []T) error) error {
	r.o.resize(rows, r.l.cfg.DModel)
	if err := advance(r.o.data, r.states, x); err != nil {
		return err
	}
	vec.SiLU(r.o.data, r.o.data)
	return nil
}

// State implements Session.
func (r *emaSession[T]) State() State {
	w := r.l.StateShapes(r.batch)[0]
	return State{{Name: w.Name, Value: tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(r.step.Store(r.states)))}}
}

// SetState implements Session.
func (r *emaSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l.Base, x, r.l.StateShapes(r.batch))
	if err != nil {
		return err
	}
	return r.l.wrap("SetState", r.step.Load(r.states, v[0]))
}

// Regroup implements Regrouper.
func (r *emaSession[T]) Regroup(rows Rows) (do func(), err error) {
	if err := r.l.checkStep(rows.Batch(), r.widest()); err != nil {
		return nil, err
	}
	join, err := joining[T](r.l.Base, rows, r.l.StateShapes)
	if err != nil {
		return nil, err
	}
	return func() { r.regroup(rows, join) }, nil
}

// regroup makes the batch that of the rows, of which join are the states that have been
// checked.
func (r *emaSession[T]) regroup(rows Rows, join [][][]T) {
	batch, n := rows.Batch(), r.step.StateLen(1)
	next := num.GrowRows(r.spare, batch*n)
	num.CopyRows(next, batch, 0, r.states, r.batch, rows.Keep, n)
	at := len(rows.Keep) * n
	for _, x := range join {
		_ = r.step.Load(next[at:][:len(x[0])], x[0]) // whose length has been checked
		at += len(x[0])
	}
	r.states, r.spare = next, r.states
	r.batch = batch
	r.o.resize(batch, r.l.cfg.DModel)
}

// Reset implements Session.
func (r *emaSession[T]) Reset() { clear(r.states) }
