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
	r := &retentionSession[T]{
		retentionSnapshot: s, batch: batch, inner: s.step.Fork(), states: num.Aligned[T](s.step.StateLen(batch)),
		q: s.q.NewStep(), k: s.k.NewStep(), v: s.v.NewStep(), g: s.g.NewStep(), mix: s.o.NewStep(),
		o: newStepOutput[T](batch, s.l.cfg.DModel),
	}
	r.blocks = newRowBlocks(r.block)
	return r, nil
}

// retentionSession is a batch of sequences in a retention.
type retentionSession[T num.Float] struct {
	*retentionSnapshot[T]
	batch           int
	inner           *retention.Step[T]
	states          []T // (batch, Heads, dk, dv)
	spare           []T // where Regroup puts them together
	q, k, v, g, mix *ops.LinearStep[T]
	blocks          *rowBlocks
	x               []T              // (batch, DModel) of the step under way
	rows            retentionRows[T] // of the same
	y               []T              // (rows, VWidth) of a step, or of those of Read
	o               stepOutput[T]
}

// retentionRows are what the rows of a step are mapped to.
type retentionRows[T num.Float] struct{ q, k, v, g []T }

// Step implements Session.
func (r *retentionSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if r.blocks.worth(r.batch, r.l.cfg.products()) {
		r.spread(x)
		return r.o.t, nil
	}
	if err := r.run(x, r.batch, r.inner.Advance); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	return r.o.t, nil
}

// products is the number of multiplications of the linear maps for a row.
func (c RetentionConfig) products() int { return c.DModel * (2*c.DModel + 3*c.VWidth) }

// spread is a step whose rows are spread over the workers.
func (r *retentionSession[T]) spread(x []T) {
	e, v := r.l.cfg.DModel, r.l.cfg.VWidth
	m := &r.rows
	m.q, m.k = num.GrowRows(m.q, r.batch*e), num.GrowRows(m.k, r.batch*e)
	m.v, m.g, r.y = num.GrowRows(m.v, r.batch*v), num.GrowRows(m.g, r.batch*v), num.GrowRows(r.y, r.batch*v)
	r.o.resize(r.batch, e)
	r.x = x
	r.blocks.run(r.batch)
	r.x = nil
}

// block takes rows [lo, hi) a step further.
func (r *retentionSession[T]) block(worker, lo, hi int) {
	e, v, s := r.l.cfg.DModel, r.l.cfg.VWidth, r.step.StateLen(1)
	x, q, k, val, g, y := r.x[lo*e:hi*e], r.rows.q[lo*e:hi*e], r.rows.k[lo*e:hi*e], r.rows.v[lo*v:hi*v], r.rows.g[lo*v:hi*v], r.y[lo*v:hi*v]
	r.q.Rows(worker, q, x, hi-lo)
	r.k.Rows(worker, k, x, hi-lo)
	r.v.Rows(worker, val, x, hi-lo)
	r.g.Rows(worker, g, x, hi-lo)
	_ = r.inner.AdvanceRows(y, r.states[lo*s:hi*s], q, k, val) // which are of these lengths
	_ = r.gate.Apply(y, g)
	r.mix.Rows(worker, r.o.data[lo*e:hi*e], y, hi-lo)
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
	if err := r.gate.Apply(r.y, r.g.Apply(x, rows)); err != nil {
		return err
	}
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
