package layers

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/mega"
)

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). A step compares with those of its chunk
// at most. A layer that is not causal, has no chunks, or is truncated has none.
func (l *MegaAttention) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *MegaAttention) checkRecurrent() error { return l.checkCausal("Recurrence") }

// Snapshot implements Stepper.
func (l *MegaAttention) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newMegaSnapshot[float32](l)
	}
	return newMegaSnapshot[float64](l)
}

// megaSnapshot is a gated attention as its steps see it.
type megaSnapshot[T num.Float] struct {
	l             *MegaAttention
	norm          *normSnapshot[T]
	move          *emaSnapshot[T]
	v, u, z, r, x *ops.LinearWeights[T] // x: to what is added to h
	h             *ops.LinearWeights[T]
	step          *mega.Step[T] // which sessions fork
}

func newMegaSnapshot[T num.Float](l *MegaAttention) (Snapshot, error) {
	s, c := &megaSnapshot[T]{l: l}, l.cfg
	var err error
	if s.norm, err = newNormSnapshot[T](l.norm); err != nil {
		return nil, err
	}
	if s.move, err = newEMASnapshot[T](l.move); err != nil {
		return nil, err
	}
	if s.v, err = weightsOf[T](c.DModel, c.VDim, l.vW, l.vB); err == nil {
		s.h, err = weightsOf[T](c.VDim, c.DModel, l.hW, l.hB)
	}
	if err == nil {
		err = s.readParts()
	}
	if err == nil {
		err = s.readAttention()
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// readParts copies the parts of mx_proj.
func (s *megaSnapshot[T]) readParts() error {
	var w, b []T
	if err := size.First(read(&w, s.l.mxW), read(&b, s.l.mxB)); err != nil {
		return err
	}
	c, at := s.l.cfg, 0
	next := func(n int) *ops.LinearWeights[T] {
		part := ops.NewLinearWeights(c.DModel, n, w[at*c.DModel:][:n*c.DModel], b[at:][:n])
		at += n
		return part
	}
	s.u, s.z, s.r, s.x = next(c.DModel), next(c.ZDim), next(c.VDim), next(c.DModel)
	return nil
}

// readAttention copies the parameters of the attention.
func (s *megaSnapshot[T]) readAttention() error {
	var prm mega.Inputs[[]T]
	var alpha, beta []T
	l := s.l
	if err := size.First(read(&prm.Gamma, l.gamma), read(&prm.Beta, l.beta), read(&prm.Bias, l.bias), read(&alpha, l.biasAlpha), read(&beta, l.biasBeta)); err != nil {
		return err
	}
	if l.cfg.Bias == RotaryBias {
		prm.Bias = mega.RotaryBiases(alpha, beta, l.cfg.Chunk)
	}
	var err error
	s.step, err = mega.NewStep(l.cfg.op(), l.cfg.ZDim, l.cfg.VDim, prm)
	return err
}

// widest is the largest number of elements of a row of a step.
func (s *megaSnapshot[T]) widest() int {
	c := s.l.cfg
	return max(c.DModel, c.ZDim, c.VDim, s.move.widest())
}

// NewSession implements Snapshot.
func (s *megaSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.widest()); err != nil {
		return nil, err
	}
	r := &megaSession[T]{
		megaSnapshot: s, batch: batch, move: s.move.newSession(batch), inner: s.step.Fork(),
		v: s.v.NewStep().Then(vec.SiLU[T]), z: s.z.NewStep().Then(vec.SiLU[T]), r: s.r.NewStep().Then(vec.SiLU[T]),
		u: s.u.NewStep(), x: s.x.NewStep(), h: s.h.NewStep(), o: newStepOutput[T](batch, s.l.cfg.DModel),
	}
	if err := r.inner.Reset(batch); err != nil {
		return nil, s.l.wrap("Recurrence", err)
	}
	r.blocks = newRowBlocks(r.block)
	return r, nil
}

// megaSession is a batch of sequences in a gated attention.
type megaSession[T num.Float] struct {
	*megaSnapshot[T]
	batch            int
	move             *emaSession[T]
	inner            *mega.Step[T] // has the state but for the averages
	v, u, z, r, x, h *ops.LinearStep[T]
	xn, y, t         []T // (rows, DModel), (rows, VDim) and (rows, DModel) of a step, or of those of Read
	o                stepOutput[T]

	blocks *rowBlocks
	in     []T         // (batch, DModel) of the step under way
	rows   megaRows[T] // of the same
}

// megaRows are what the rows of a step are mapped to: z (batch, ZDim), v and r (batch, VDim),
// the others (batch, DModel).
type megaRows[T num.Float] struct{ z, v, r, h, x, u []T }

// Step implements Session.
func (r *megaSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.cfg.DModel)
	if err != nil {
		return nil, err
	}
	if r.blocks.worth(r.batch, r.l.cfg.products()) {
		r.spread(x)
		return r.o.t, nil
	}
	if err := r.run(x, r.batch, r.move.step.Advance, r.inner.Advance); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	return r.o.t, nil
}

// products is the number of multiplications of the linear maps for a row.
func (c MegaAttentionConfig) products() int { return c.DModel * (2*c.DModel + c.ZDim + 3*c.VDim) }

// grow makes room for rows of the outputs of both ways.
func (r *megaSession[T]) grow(rows int) {
	c := r.l.cfg
	r.y, r.t = num.GrowRows(r.y, rows*c.VDim), num.GrowRows(r.t, rows*c.DModel)
	r.o.resize(rows, c.DModel)
	r.move.o.resize(rows, c.DModel)
	if c.PreNorm {
		r.xn = num.GrowRows(r.xn, rows*c.DModel)
	}
}

// spread is a step whose rows are spread over the workers.
func (r *megaSession[T]) spread(x []T) {
	c, m := r.l.cfg, &r.rows
	r.grow(r.batch)
	m.z = num.GrowRows(m.z, r.batch*c.ZDim)
	for _, v := range []*[]T{&m.v, &m.r} {
		*v = num.GrowRows(*v, r.batch*c.VDim)
	}
	for _, v := range []*[]T{&m.h, &m.x, &m.u} {
		*v = num.GrowRows(*v, r.batch*c.DModel)
	}
	r.in = x
	r.blocks.run(r.batch)
	r.in = nil
}

// block takes rows [lo, hi) a step further.
func (r *megaSession[T]) block(worker, lo, hi int) {
	c, m, n := r.l.cfg, &r.rows, hi-lo
	rows := func(v []T, features int) []T { return v[lo*features : hi*features] }
	x, mx, y := rows(r.in, c.DModel), rows(r.move.o.data, c.DModel), rows(r.y, c.VDim)
	z, v, gate := rows(m.z, c.ZDim), rows(m.v, c.VDim), rows(m.r, c.VDim)
	h, hx, u := rows(m.h, c.DModel), rows(m.x, c.DModel), rows(m.u, c.DModel)
	xn := x
	if c.PreNorm {
		xn = rows(r.xn, c.DModel)
		r.norm.rows(xn, x)
	}
	_ = r.move.step.Advance(mx, rows(r.move.states, r.move.step.StateLen(1)), xn) // which are of these lengths
	vec.SiLU(mx, mx)
	r.z.Rows(worker, z, mx, n)
	r.v.Rows(worker, v, xn, n)
	_ = r.inner.AdvanceRows(worker, lo, y, z, v)
	r.r.Rows(worker, gate, mx, n)
	vec.Mul(y, y, gate)
	r.h.Rows(worker, h, y, n)
	r.x.Rows(worker, hx, mx, n)
	r.u.Rows(worker, u, mx, n)
	r.leave(rows(r.o.data, c.DModel), x, h, hx, u, rows(r.t, c.DModel))
}

// Read implements Reader.
func (r *megaSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l.Base, u, r.batch, r.l.cfg.DModel, r.widest())
	if err != nil {
		return nil, err
	}
	if err := r.run(x, steps, r.move.step.Scan, r.inner.Scan); err != nil {
		return nil, r.l.wrap("Read", err)
	}
	return r.o.t, nil
}

// run writes the outputs of rows of inputs, which are those of a step or the steps of a
// row, as the average and the attention take them.
func (r *megaSession[T]) run(x []T, rows int, average, attend func(y, a, b []T) error) error {
	r.grow(rows)
	xn := x
	if r.l.cfg.PreNorm {
		xn = r.xn
		r.norm.rows(xn, x)
	}
	if err := r.move.run(xn, rows, average); err != nil {
		return err
	}
	mx := r.move.o.data
	if err := attend(r.y, r.z.Apply(mx, rows), r.v.Apply(xn, rows)); err != nil {
		return err
	}
	vec.Mul(r.y, r.y, r.r.Apply(mx, rows))
	r.leave(r.o.data, x, r.h.Apply(r.y, rows), r.x.Apply(mx, rows), r.u.Apply(mx, rows), r.t)
	return nil
}

// leave writes the outputs of rows x, where h and hx are what the attention and the average
// give, and u opens the gate. It overwrites h and t.
func (r *megaSession[T]) leave(out, x, h, hx, u, t []T) {
	vec.Add(h, hx, h)
	vec.SiLU(h, h)
	vec.Sub(h, h, x)
	vec.GLU(t, h, u)
	vec.Add(out, x, t)
	if !r.l.cfg.PreNorm {
		r.norm.rows(out, out)
	}
}

// State implements Session.
func (r *megaSession[T]) State() State {
	from := r.inner.Store()
	s := r.move.State()
	for i, w := range r.l.StateShapes(r.batch)[1:] {
		v := [][]T{from.Z, from.V, from.Position}[i]
		s = append(s, StateTensor{Name: w.Name, Value: tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(v))})
	}
	return s
}

// attentionOf is the part of a state that the attention has.
func attentionOf[T num.Float](v [][]T) mega.State[[]T] {
	return mega.State[[]T]{Z: v[1], V: v[2], Position: v[3]}
}

// SetState implements Session.
func (r *megaSession[T]) SetState(x State) error {
	v, err := stateMemory[T](r.l.Base, x, r.l.StateShapes(r.batch))
	if err != nil {
		return err
	}
	if err := r.inner.Load(attentionOf(v)); err != nil {
		return r.l.wrap("SetState", err)
	}
	return r.move.SetState(x[:1])
}

// Regroup implements Regrouper.
func (r *megaSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.l.checkStep(batch, r.widest()); err != nil {
		return nil, err
	}
	if err := r.inner.CheckSize(batch); err != nil {
		return nil, r.l.wrap("Regroup", err)
	}
	join, err := joining[T](r.l.Base, rows, r.l.StateShapes)
	if err != nil {
		return nil, err
	}
	states := make([]mega.State[[]T], len(join))
	for i, v := range join {
		states[i] = attentionOf(v)
		if err := r.inner.CheckState(states[i]); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", i, r.l.wrap("Regroup", err))
		}
	}
	return func() {
		r.move.regroup(rows, join)
		r.inner.Regroup(rows.Keep, states...)
		r.batch = batch
		r.o.resize(batch, r.l.cfg.DModel)
	}, nil
}

// Reset implements Session.
func (r *megaSession[T]) Reset() {
	r.move.Reset()
	_ = r.inner.Reset(r.batch) // which had room for it before
}
