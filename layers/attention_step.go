package layers

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). A step of the softmax compares with
// all keys in its cache, at most Window of them with a window, so that without one it
// costs the more the later it is; the cache grows to twice its size when it is full.
// A layer that is not causal has no Recurrence.
func (l *Attention) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *Attention) checkRecurrent() error { return l.checkCausal("Recurrence") }

// Snapshot implements Stepper.
func (l *Attention) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newAttentionSnapshot[float32](l)
	}
	return newAttentionSnapshot[float64](l)
}

// attentionSnapshot is an attention as its steps see it.
type attentionSnapshot[T num.Float] struct {
	l       *Base
	cfg     AttentionConfig
	in, out *ops.LinearWeights[T]
	step    *attention.Step[T] // which sessions fork
	state   func(batch int) []StateShape
}

func newAttentionSnapshot[T num.Float](l *Attention) (Snapshot, error) {
	s := &attentionSnapshot[T]{l: l.Base, cfg: l.cfg, state: l.StateShapes}
	var err error
	if s.step, err = attention.NewStep[T](l.cfg.op(), l.cfg.Inner); err == nil {
		s.in, err = weightsOf[T](l.cfg.DModel, 3*l.cfg.Inner, l.inW, l.inB)
	}
	if err == nil {
		s.out, err = weightsOf[T](l.cfg.Inner, l.cfg.DModel, l.outW, l.outB)
	}
	return s, l.wrap("Recurrence", err)
}

// NewSession implements Snapshot.
func (s *attentionSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, max(3*s.cfg.Inner, s.cfg.DModel)); err != nil {
		return nil, err
	}
	r := &attentionSession[T]{
		attentionSnapshot: s, batch: batch, want: s.state(batch), inner: s.step.Fork(), project: s.in.NewStep(), mix: s.out.NewStep(),
		y: num.Aligned[T](batch * s.cfg.Inner), o: newStepOutput[T](batch, s.cfg.DModel),
	}
	if err := r.inner.Reset(batch); err != nil {
		return nil, s.l.wrap("Recurrence", err)
	}
	return r, nil
}

// attentionSession is a batch of sequences in an attention.
type attentionSession[T num.Float] struct {
	*attentionSnapshot[T]
	batch        int
	want         []StateShape
	inner        *attention.Step[T] // has the state
	project, mix *ops.LinearStep[T]
	y            []T // (B, Inner) of the heads
	scanned      []T // the same of the steps of Read
	o            stepOutput[T]
}

// Step implements Session.
func (r *attentionSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if err := r.inner.Advance(r.y, r.project.Apply(x, r.batch)); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	r.o.resize(r.batch, r.cfg.DModel)
	r.mix.ApplyTo(r.o.data, r.y, r.batch)
	return r.o.t, nil
}

// Read implements Reader.
func (r *attentionSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, r.batch, r.cfg.DModel, max(3*r.cfg.Inner, r.cfg.DModel))
	if err != nil {
		return nil, err
	}
	r.scanned = num.GrowRows(r.scanned, steps*r.cfg.Inner)
	if err := r.inner.Scan(r.scanned, r.project.Apply(x, steps)); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	r.o.resize(steps, r.cfg.DModel)
	r.mix.ApplyTo(r.o.data, r.scanned, steps)
	return r.o.t, nil
}

// State implements Session. A cache that grows has as many slots as the longest row
// needs.
func (r *attentionSession[T]) State() State {
	from := r.inner.Store()
	s := make(State, len(r.want))
	for i, w := range r.want {
		shape, v := w.Shape.Clone(), from.Tensors[i]
		if w.Grows > 0 {
			shape[w.Grows] = needed(from)
			v = newest(v, from.Slots*shape[3], shape[w.Grows]*shape[3])
		}
		s[i] = StateTensor{w.Name, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v)), w.Grows}
	}
	return s
}

// needed is the number of slots of a cache that count in some row, at least 1.
func needed[T num.Float](s attention.State[T]) int {
	n := 1
	for _, p := range s.Tensors[2] {
		n = max(n, int(min(p, T(s.Slots))))
	}
	return n
}

// newest moves the last n of every row of length l to the front.
func newest[T num.Float](v []T, l, n int) []T {
	if n == l {
		return v
	}
	rows := len(v) / l
	for r := range rows {
		copy(v[r*n:][:n], v[(r+1)*l-n:])
	}
	return v[: rows*n : rows*n]
}

// SetState implements Session.
func (r *attentionSession[T]) SetState(x State) error {
	to, err := r.inside(x, r.batch)
	if err != nil {
		return err
	}
	return r.l.wrap("SetState", r.inner.Load(to))
}

// inside returns a state of a batch as the operation has it.
func (r *attentionSession[T]) inside(x State, batch int) (attention.State[T], error) {
	to := attention.State[T]{Batch: batch}
	var err error
	if to.Tensors, err = stateMemory[T](r.l, x, r.state(batch)); err != nil {
		return to, err
	}
	if r.cfg.Form != attention.Linear {
		to.Slots = x[0].Value.Shape()[2]
		if n := x[1].Value.Shape()[2]; n != to.Slots {
			return to, r.l.errorf("SetState", "want %q and %q of one length T, got %d and %d", keysName, valuesName, to.Slots, n)
		}
	}
	return to, nil
}

// Regroup implements Regrouper.
func (r *attentionSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, max(3*r.cfg.Inner, r.cfg.DModel)); err != nil {
		return nil, err
	}
	join := make([]attention.State[T], len(rows.Join))
	for i, x := range rows.Join {
		if join[i], err = r.inside(x, rows.Joined[i]); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", i, err)
		}
	}
	if err := r.inner.CheckRegroup(rows.Keep, join...); err != nil {
		return nil, r.l.wrap("Regroup", err)
	}
	return func() {
		_ = r.inner.Regroup(rows.Keep, join...) // which has been checked
		r.batch, r.want = batch, r.state(batch)
		r.y = num.GrowRows(r.y, batch*r.cfg.Inner)
		r.o.resize(batch, r.cfg.DModel)
	}, nil
}

// Reset implements Session.
func (r *attentionSession[T]) Reset() { _ = r.inner.Reset(r.batch) } // which had room for it before
