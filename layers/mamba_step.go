package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
	"github.com/gorgonia-s4/s4/ops/selective"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel).
func (l *Mamba) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *Mamba) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.dt == tensor.Float32:
		return newMambaSnapshot[float32](l)
	}
	return newMambaSnapshot[float64](l)
}

// mambaSnapshot is a Mamba layer as its steps see it.
type mambaSnapshot[T num.Float] struct {
	l             *Mamba
	in, gate      *ops.LinearWeights[T] // to the channels, and to their gates
	conv          *conv1d.Weights[T]
	low, b, c, dt *ops.LinearWeights[T]
	step          *selective.Step[T] // which sessions fork
	out           *ops.LinearWeights[T]
}

func newMambaSnapshot[T num.Float](l *Mamba) (Snapshot, error) {
	s := &mambaSnapshot[T]{l: l}
	c, d := l.cfg, l.cfg.inner()
	var convW, convB, dtB []T
	var prm selective.Inputs[[]T]
	err := size.First(read(&convW, l.convW), read(&convB, l.convB), read(&dtB, l.dtB), read(&prm.A, l.logA), read(&prm.D, l.skip))
	if err == nil {
		s.in, s.gate, err = halvesOf[T](c.DModel, d, l.inW, l.inB)
	}
	if err == nil {
		s.conv, err = conv1d.NewWeights(c.shape(), convW, convB)
	}
	if err == nil {
		err = s.readProjections(l)
	}
	if err == nil {
		prm.Bias = dtB
		s.step, err = selective.NewStep(c.scan(), d, c.DState, prm)
	}
	if err == nil {
		s.out, err = weightsOf[T](d, c.DModel, l.outW, l.oB)
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// halvesOf copies the first and the last out rows of a weight (2*out, in) and of a bias
// (2*out), or nil.
func halvesOf[T num.Float](in, out int, weight, bias *G.Node) (first, last *ops.LinearWeights[T], err error) {
	var w, b, b2 []T
	if err := size.First(read(&w, weight), read(&b, bias)); err != nil {
		return nil, nil, err
	}
	if b != nil {
		b, b2 = b[:out], b[out:]
	}
	return ops.NewLinearWeights(in, out, w[:out*in], b), ops.NewLinearWeights(in, out, w[out*in:], b2), nil
}

// readProjections copies the maps to what a scan depends on.
func (s *mambaSnapshot[T]) readProjections(l *Mamba) error {
	r, n, d := l.cfg.DtRank, l.cfg.DState, l.cfg.inner()
	var w []T
	if err := read(&w, l.xW); err != nil {
		return err
	}
	s.low = ops.NewLinearWeights(d, r, w[:r*d], nil)
	s.b = ops.NewLinearWeights(d, n, w[r*d:][:n*d], nil)
	s.c = ops.NewLinearWeights(d, n, w[(r+n)*d:], nil)
	var err error
	s.dt, err = weightsOf[T](r, d, l.dtW, nil)
	return err
}

// widest is the largest number of elements of a row of a step.
func (s *mambaSnapshot[T]) widest() int {
	return max(s.l.cfg.DModel, s.l.cfg.inner()*max(s.l.cfg.DState, s.l.cfg.Kernel), s.step.StateLen(1))
}

// NewSession implements Snapshot.
func (s *mambaSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.widest()); err != nil {
		return nil, err
	}
	conv, err := s.conv.NewStep(batch)
	if err != nil {
		return nil, s.l.wrap("Recurrence", err)
	}
	r := &mambaSession[T]{
		mambaSnapshot: s, batch: batch, in: s.in.NewStep(), gate: s.gate.NewStep(), conv: conv,
		low: s.low.NewStep(), b: s.b.NewStep(), c: s.c.NewStep(), dt: s.dt.NewStep(), scan: s.step.Fork(), mix: s.out.NewStep(),
		states: num.Aligned[T](s.step.StateLen(batch)), o: newStepOutput[T](batch, s.l.cfg.DModel),
	}
	r.blocks = newRowBlocks(r.block)
	return r, nil
}

// mambaSession is a batch of sequences in a Mamba layer.
type mambaSession[T num.Float] struct {
	*mambaSnapshot[T]
	batch         int
	in, gate      *ops.LinearStep[T]
	conv          *conv1d.Step[T]
	low, b, c, dt *ops.LinearStep[T]
	scan          *selective.Step[T]
	mix           *ops.LinearStep[T]
	states        []T // of the scan
	spare         []T // where Regroup puts them together
	u, y          []T // (rows, D) of a step, or of those of Read
	o             stepOutput[T]

	blocks *rowBlocks
	x      []T          // (batch, DModel) of the step under way
	rows   mambaRows[T] // of the same
}

// mambaRows are what the rows of a step are mapped to: in, gate and dt (batch, D), low
// (batch, DtRank), b and c (batch, DState).
type mambaRows[T num.Float] struct{ in, gate, dt, low, b, c []T }

// Step implements Session.
func (r *mambaSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if r.blocks.worth(r.batch, r.l.cfg.products()) {
		r.spread(x)
		return r.o.t, nil
	}
	if err := r.run(x, r.batch, r.conv.Advance, r.scan.Advance); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	return r.o.t, nil
}

// products is the number of multiplications of the linear maps for a row.
func (c MambaConfig) products() int { return c.inner() * (3*c.DModel + 2*(c.DtRank+c.DState)) }

// spread is a step whose rows are spread over the workers.
func (r *mambaSession[T]) spread(x []T) {
	c, d, m := r.l.cfg, r.l.cfg.inner(), &r.rows
	for _, v := range []*[]T{&r.u, &r.y, &m.in, &m.gate, &m.dt} {
		*v = num.GrowRows(*v, r.batch*d)
	}
	m.low = num.GrowRows(m.low, r.batch*c.DtRank)
	m.b, m.c = num.GrowRows(m.b, r.batch*c.DState), num.GrowRows(m.c, r.batch*c.DState)
	r.o.resize(r.batch, c.DModel)
	r.x = x
	r.blocks.run(r.batch)
	r.conv.Next()
	r.x = nil
}

// block takes rows [lo, hi) a step further.
func (r *mambaSession[T]) block(worker, lo, hi int) {
	c, d, m, n := r.l.cfg, r.l.cfg.inner(), &r.rows, hi-lo
	rows := func(v []T, features int) []T { return v[lo*features : hi*features] }
	x, in, gate, u := rows(r.x, c.DModel), rows(m.in, d), rows(m.gate, d), rows(r.u, d)
	low, dt, b, cs, y := rows(m.low, c.DtRank), rows(m.dt, d), rows(m.b, c.DState), rows(m.c, c.DState), rows(r.y, d)
	r.in.Rows(worker, in, x, n)
	r.gate.Rows(worker, gate, x, n)
	_ = r.conv.AdvanceRows(lo, u, in) // which are of these lengths
	vec.SiLU(u, u)
	r.low.Rows(worker, low, u, n)
	r.dt.Rows(worker, dt, low, n)
	r.b.Rows(worker, b, u, n)
	r.c.Rows(worker, cs, u, n)
	_ = r.scan.AdvanceRows(worker, y, rows(r.states, r.scan.StateLen(1)), selective.Inputs[[]T]{U: u, Delta: dt, B: b, C: cs, Z: gate})
	r.mix.Rows(worker, rows(r.o.data, c.DModel), y, n)
}

// Read implements Reader.
func (r *mambaSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l.Base, u, r.batch, r.l.cfg.DModel, r.widest())
	if err != nil {
		return nil, err
	}
	if err := r.run(x, steps, r.conv.Scan, r.scan.Scan); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	return r.o.t, nil
}

// run writes the outputs of rows of inputs, which are those of a step or the steps of a
// row, as conv and scan take them.
func (r *mambaSession[T]) run(x []T, rows int, conv func(y, u []T) error, scan func(y, x []T, in selective.Inputs[[]T]) error) error {
	d := r.l.cfg.inner()
	r.u, r.y = num.GrowRows(r.u, rows*d), num.GrowRows(r.y, rows*d)
	if err := conv(r.u, r.in.Apply(x, rows)); err != nil {
		return err
	}
	vec.SiLU(r.u, r.u)
	in := selective.Inputs[[]T]{
		U: r.u, Delta: r.dt.Apply(r.low.Apply(r.u, rows), rows), B: r.b.Apply(r.u, rows), C: r.c.Apply(r.u, rows), Z: r.gate.Apply(x, rows),
	}
	if err := scan(r.y, r.states, in); err != nil {
		return err
	}
	r.o.resize(rows, r.l.cfg.DModel)
	r.mix.ApplyTo(r.o.data, r.y, rows)
	return nil
}

// State implements Session.
func (r *mambaSession[T]) State() State {
	var s State
	for _, w := range r.l.StateShapes(r.batch) {
		v := r.scan.Store
		if w.Name == windowName {
			v = func([]T) []T { return r.conv.State() }
		}
		s = append(s, StateTensor{Name: w.Name, Value: tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(v(r.states)))})
	}
	return s
}

// SetState implements Session.
func (r *mambaSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l.Base, x, r.l.StateShapes(r.batch))
	if err != nil {
		return err
	}
	if len(v) > 1 {
		if err := r.conv.SetState(v[0]); err != nil {
			return r.l.wrap("SetState", err)
		}
	}
	return r.l.wrap("SetState", r.scan.Load(r.states, v[len(v)-1]))
}

// Regroup implements Regrouper.
func (r *mambaSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, r.widest()); err != nil {
		return nil, err
	}
	join, err := joining[T](r.l.Base, rows, r.l.StateShapes)
	if err != nil {
		return nil, err
	}
	windows := make([][]T, 0, len(join))
	for i, x := range join {
		if len(x) > 1 {
			windows = append(windows, x[0])
		} else {
			windows = append(windows, make([][]T, rows.Joined[i])...) // a row each
		}
	}
	if err := r.conv.CheckRegroup(rows.Keep, windows...); err != nil {
		return nil, r.l.wrap("Regroup", err)
	}
	states, err := r.joined(join, rows)
	if err != nil {
		return nil, err
	}
	return func() {
		_ = r.conv.Regroup(rows.Keep, windows...) // which has been checked
		next := num.GrowRows(r.spare, r.scan.StateLen(batch))
		r.scan.CopyRows(next, 0, r.states, rows.Keep)
		at := r.scan.StateLen(len(rows.Keep))
		for _, x := range states {
			at += copy(next[at:], x)
		}
		r.states, r.spare = next, r.states
		r.batch = batch
		r.o.resize(batch, r.l.cfg.DModel)
	}, nil
}

// joined returns the states of scans that join, as steps have them.
func (r *mambaSession[T]) joined(join [][][]T, rows Rows) ([][]T, error) {
	states := make([][]T, len(join))
	for i, x := range join {
		states[i] = make([]T, r.scan.StateLen(rows.Joined[i]))
		if err := r.scan.Load(states[i], x[len(x)-1]); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", i, r.l.wrap("Regroup", err))
		}
	}
	return states, nil
}

// Reset implements Session.
func (r *mambaSession[T]) Reset() {
	r.conv.Reset()
	clear(r.states)
}
