package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/retention"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). A layer whose scores are not plain has
// none.
func (l *Retention) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *Retention) checkRecurrent() error { return l.checkPlain("Recurrence") }

// Snapshot implements Stepper.
func (l *Retention) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newRetentionSnapshot[float32](l)
	}
	return newRetentionSnapshot[float64](l)
}

// retentionSnapshot is a retention as its steps see it.
type retentionSnapshot[T num.Float] struct {
	l             *Retention
	q, k, v, g, o *ops.LinearWeights[T]
	step          *retention.Step[T] // which sessions fork
	gate          *retention.GateStep[T]
}

func newRetentionSnapshot[T num.Float](l *Retention) (Snapshot, error) {
	s := &retentionSnapshot[T]{l: l}
	if err := s.read(l.cfg); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// read copies the parameters.
func (s *retentionSnapshot[T]) read(c RetentionConfig) (err error) {
	l := s.l
	for _, w := range []struct {
		to      **ops.LinearWeights[T]
		in, out int
		node    *G.Node
	}{
		{&s.q, c.DModel, c.DModel, l.qW}, {&s.k, c.DModel, c.DModel, l.kW}, {&s.v, c.DModel, c.VWidth, l.vW}, {&s.g, c.DModel, c.VWidth, l.gW}, {&s.o, c.VWidth, c.DModel, l.oW},
	} {
		if *w.to, err = weightsOf[T](w.in, w.out, w.node, nil); err != nil {
			return err
		}
	}
	var weight, bias []T
	if err := size.First(read(&weight, l.normWeight), read(&bias, l.normBias)); err != nil {
		return err
	}
	if s.gate, err = retention.NewGateStep(c.gate(), c.VWidth, weight, bias); err != nil {
		return err
	}
	s.step, err = retention.NewStep[T](c.op(), c.DModel, c.VWidth)
	return err
}

// widest is the largest number of elements of a row of a step.
func (s *retentionSnapshot[T]) widest() int {
	return max(s.l.cfg.DModel, s.l.cfg.VWidth, s.step.StateLen(1))
}

// NewSession implements Snapshot.
func (s *retentionSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.widest()); err != nil {
		return nil, err
	}
	return &retentionSession[T]{
		retentionSnapshot: s, batch: batch, inner: s.step.Fork(), states: num.Aligned[T](s.step.StateLen(batch)),
		q: s.q.NewStep(), k: s.k.NewStep(), v: s.v.NewStep(), g: s.g.NewStep(), mix: s.o.NewStep(),
		o: newStepOutput[T](batch, s.l.cfg.DModel),
	}, nil
}

// retentionSession is a batch of sequences in a retention.
type retentionSession[T num.Float] struct {
	*retentionSnapshot[T]
	batch           int
	inner           *retention.Step[T]
	states          []T // (batch, Heads, dk, dv)
	spare           []T // where Regroup puts them together
	q, k, v, g, mix *ops.LinearStep[T]
	y               []T // (rows, VWidth) of a step, or of those of Read
	o               stepOutput[T]
}

// Step implements Session.
func (r *retentionSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if err := r.run(x, r.batch, r.inner.Advance); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	return r.o.t, nil
}

// Read implements Reader.
func (r *retentionSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l.Base, u, r.batch, r.l.cfg.DModel, r.widest())
	if err != nil {
		return nil, err
	}
	if err := r.run(x, steps, r.inner.Scan); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	return r.o.t, nil
}

// run writes the outputs of rows of inputs, which are those of a step or the steps of a
// row, as advance takes them.
func (r *retentionSession[T]) run(x []T, rows int, advance func(y, x, q, k, v []T) error) error {
	r.y = num.GrowRows(r.y, rows*r.l.cfg.VWidth)
	if err := advance(r.y, r.states, r.q.Apply(x, rows), r.k.Apply(x, rows), r.v.Apply(x, rows)); err != nil {
		return err
	}
	r.gate.Apply(r.y, r.g.Apply(x, rows))
	r.o.resize(rows, r.l.cfg.DModel)
	r.mix.ApplyTo(r.o.data, r.y, rows)
	return nil
}

// State implements Session.
func (r *retentionSession[T]) State() State {
	w := r.l.StateShapes(r.batch)[0]
	v := append([]T(nil), r.states...)
	return State{{Name: w.Name, Value: tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(v))}}
}

// SetState implements Session.
func (r *retentionSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l.Base, x, r.l.StateShapes(r.batch))
	if err != nil {
		return err
	}
	copy(r.states, v[0])
	return nil
}

// Regroup implements Regrouper.
func (r *retentionSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, r.widest()); err != nil {
		return nil, err
	}
	join, err := joining[T](r.l.Base, rows, r.l.StateShapes)
	if err != nil {
		return nil, err
	}
	return func() {
		n := r.step.StateLen(1)
		next := num.GrowRows(r.spare, batch*n)
		num.CopyRows(next, batch, 0, r.states, r.batch, rows.Keep, n)
		at := len(rows.Keep) * n
		for _, x := range join {
			at += copy(next[at:], x[0])
		}
		r.states, r.spare = next, r.states
		r.batch = batch
		r.o.resize(batch, r.l.cfg.DModel)
	}, nil
}

// Reset implements Session.
func (r *retentionSession[T]) Reset() { clear(r.states) }
