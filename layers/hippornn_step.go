package layers

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/hippornn"
)

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, Hidden).
func (l *HiPPORNN) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper. Its sessions are IrregularSessions.
func (l *HiPPORNN) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.dt == tensor.Float32:
		return newHiPPORNNSnapshot[float32](l)
	}
	return newHiPPORNNSnapshot[float64](l)
}

// hippoRNNSnapshot is a HiPPORNN as its steps see it.
type hippoRNNSnapshot[T num.Float] struct {
	l *HiPPORNN
	w *hippornn.Weights[T]
}

func newHiPPORNNSnapshot[T num.Float](l *HiPPORNN) (Snapshot, error) {
	var p hippornn.Params[[]T]
	n := l.params
	err := size.First(
		read(&p.Write, n.Write), read(&p.WriteBias, n.WriteBias), read(&p.WriteMemory, n.WriteMemory),
		read(&p.Hidden, n.Hidden), read(&p.HiddenBias, n.HiddenBias), read(&p.HiddenHidden, n.HiddenHidden),
		read(&p.Gate, n.Gate), read(&p.GateBias, n.GateBias))
	s := &hippoRNNSnapshot[T]{l: l}
	if err == nil {
		s.w, err = hippornn.NewWeights(l.op, l.cfg.DModel, l.cfg.Hidden, l.cfg.MemorySize, p)
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// widest is the largest number of elements of a row of a step.
func (l *HiPPORNN) widest() int {
	return max(l.cfg.DModel, 2*l.cfg.Hidden, l.cfg.MemorySize*l.cfg.MemoryOrder)
}

// NewSession implements Snapshot.
func (s *hippoRNNSnapshot[T]) NewSession(batch int) (Session, error) {
	c := s.l.cfg
	if err := s.l.checkStep(batch, s.l.widest()); err != nil {
		return nil, err
	}
	r := &hippoRNNSession[T]{l: s.l, batch: batch, step: s.w.NewStep(), out: newStepOutput[T](batch, c.Hidden)}
	for i, w := range s.l.StateShapes(batch) {
		*r.tensors()[i] = num.Aligned[T](w.Shape.TotalSize())
	}
	return r, nil
}

// hippoRNNSession is a batch of sequences in a HiPPORNN.
type hippoRNNSession[T num.Float] struct {
	l     *HiPPORNN
	batch int
	step  *hippornn.Step[T]
	state hippornn.State[[]T]
	spare hippornn.State[[]T] // where Regroup puts one together
	out   stepOutput[T]
}

// tensors returns the memory of the tensors of the state; that of a memory without a time
// has none of the last.
func (r *hippoRNNSession[T]) tensors() []*[]T {
	return []*[]T{&r.state.H, &r.state.M, &r.state.Position}
}

// Step implements Session.
func (r *hippoRNNSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	return r.advance("Step", u, nil)
}

// StepAfter implements IrregularSession: dt is the time since the last step.
func (r *hippoRNNSession[T]) StepAfter(u, dt *tensor.Dense) (*tensor.Dense, error) {
	if r.l.cfg.Measure != hippo.LegS {
		return nil, r.l.wrap("StepAfter", errNoTime)
	}
	d, ok := weights.Memory[T](dt)
	if s := shapeOf(dt); !ok || len(s) != 1 || s[0] != r.batch {
		return nil, r.l.errorf("StepAfter", "want dt (%d) of dtype %v, contiguous, got %s", r.batch, r.l.dt, describe(dt))
	}
	return r.advance("StepAfter", u, d)
}

// advance is StepAfter by steps that may be nil, for 1.
func (r *hippoRNNSession[T]) advance(method string, u *tensor.Dense, dt []T) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if err := r.step.Advance(r.state, dt, x); err != nil {
		return nil, r.l.wrap(method, err)
	}
	r.out.resize(r.batch, r.l.cfg.Hidden)
	copy(r.out.data, r.state.H)
	return r.out.t, nil
}

// Read implements Reader.
func (r *hippoRNNSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l.Base, u, r.batch, r.l.cfg.DModel, r.l.widest())
	if err != nil {
		return nil, err
	}
	r.out.resize(steps, r.l.cfg.Hidden)
	if err := r.step.Scan(r.out.data, r.state, x); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	return r.out.t, nil
}

// State implements Session.
func (r *hippoRNNSession[T]) State() State {
	var s State
	for i, w := range r.l.StateShapes(r.batch) {
		d := append([]T(nil), *r.tensors()[i]...)
		s = append(s, StateTensor{Name: w.Name, Value: tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(d))})
	}
	return s
}

// SetState implements Session.
func (r *hippoRNNSession[T]) SetState(x State) error {
	from, err := stateMemory[T](r.l.Base, x, r.l.StateShapes(r.batch))
	if err != nil {
		return err
	}
	if err := checkPosition(from); err != nil {
		return r.l.wrap("SetState", err)
	}
	for i, v := range from {
		copy(*r.tensors()[i], v)
	}
	return nil
}

// checkPosition returns the error of the positions in the tensors of a state.
func checkPosition[T num.Float](state [][]T) error {
	if len(state) < 3 {
		return nil
	}
	return hippornn.CheckPositions(state[2])
}

// Regroup implements Regrouper.
func (r *hippoRNNSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, r.l.widest()); err != nil {
		return nil, err
	}
	join, err := joining[T](r.l.Base, rows, r.l.StateShapes)
	if err != nil {
		return nil, err
	}
	for i, x := range join {
		if err := checkPosition(x); err != nil {
			return nil, r.l.wrap("Regroup", fmt.Errorf("join[%d]: %w", i, err))
		}
	}
	return func() {
		next := r.spare
		r.spare = r.state
		to := []*[]T{&next.H, &next.M, &next.Position}
		for i, w := range r.l.StateShapes(batch) {
			n := w.Shape.TotalSize() / batch
			*to[i] = num.GrowRows(*to[i], batch*n)
			num.CopyRows(*to[i], batch, 0, *r.tensors()[i], r.batch, rows.Keep, n)
			at := len(rows.Keep) * n
			for _, x := range join {
				at += copy((*to[i])[at:], x[i])
			}
		}
		r.state, r.batch = next, batch
		r.out.resize(batch, r.l.cfg.Hidden)
	}, nil
}

// Reset implements Session.
func (r *hippoRNNSession[T]) Reset() {
	for _, v := range r.tensors() {
		clear(*v)
	}
}
