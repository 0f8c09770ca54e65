package layers

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
)

// RunningPool is ops.Pool step by step: what a Step returns is the pool of the steps so
// far. It has no parameters. In a Chain it stands between a Stack and the layer that
// reads what was pooled.
type RunningPool struct {
	dt   tensor.Dtype
	mode ops.PoolMode
	h    int
}

// NewRunningPool returns a pool of h features of type dt.
func NewRunningPool(dt tensor.Dtype, mode ops.PoolMode, h int) (*RunningPool, error) {
	switch {
	case dt != tensor.Float32 && dt != tensor.Float64:
		return nil, fmt.Errorf("layers: RunningPool: want dtype float32 or float64, got %v", dt)
	case h < 1:
		return nil, fmt.Errorf("layers: RunningPool: want features >= 1, got %d", h)
	}
	if err := mode.Validate(); err != nil {
		return nil, fmt.Errorf("layers: RunningPool: %w", err)
	}
	return &RunningPool{dt, mode, h}, nil
}

// Snapshot implements Stepper.
func (p *RunningPool) Snapshot() (Snapshot, error) {
	if p == nil || p.h == 0 {
		return nil, fmt.Errorf("layers: RunningPool: %w", errNotMade)
	}
	return p, nil
}

// NewSession implements Snapshot. The state of a mean is sum (B, H) of float64 and
// count (B) of int64, the number of steps; of a sum it is sum; of the first and of the
// largest step it is value (B, H) and count; of the last there is none.
func (p *RunningPool) NewSession(batch int) (Session, error) {
	base := &Base{kind: "RunningPool", name: string(p.mode), dt: p.dt}
	if err := base.checkStep(batch, p.h); err != nil {
		return nil, err
	}
	if p.dt == tensor.Float32 {
		return newPoolSession[float32](base, p, batch), nil
	}
	return newPoolSession[float64](base, p, batch), nil
}

// poolSession is a batch of sequences that are pooled.
type poolSession[T num.Float] struct {
	l        *Base
	mode     ops.PoolMode
	batch, h int
	out      stepOutput[T]
	sum      []float64 // (B, H); nil: the mode has none
	value    []T       // (B, H); nil: the mode has none
	count    []int64   // (B): steps; nil: the mode has none
}

func newPoolSession[T num.Float](l *Base, p *RunningPool, batch int) *poolSession[T] {
	s := &poolSession[T]{l: l, mode: p.mode, batch: batch, h: p.h, out: newStepOutput[T](batch, p.h)}
	switch p.mode {
	case ops.PoolMean, ops.PoolSum:
		s.sum = make([]float64, batch*p.h)
	case ops.PoolFirst, ops.PoolMax:
		s.value = make([]T, batch*p.h)
	}
	if p.mode != ops.PoolSum && p.mode != ops.PoolLast {
		s.count = make([]int64, batch)
	}
	return s
}

// Step implements Session.
func (s *poolSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](s.l, u, s.batch, s.h)
	if err != nil {
		return nil, err
	}
	s.out.resize(s.batch, s.h)
	for b := range s.batch {
		lo, hi := b*s.h, (b+1)*s.h
		s.row(b, s.out.data[lo:hi], x[lo:hi])
	}
	return s.out.t, nil
}

// Read implements Reader.
func (s *poolSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](s.l, u, s.batch, s.h, s.h)
	if err != nil {
		return nil, err
	}
	s.out.resize(steps, s.h)
	for t := range steps {
		lo, hi := t*s.h, (t+1)*s.h
		s.row(0, s.out.data[lo:hi], x[lo:hi])
	}
	return s.out.t, nil
}

// row takes a step x of row b into account and writes what there is then to y.
func (s *poolSession[T]) row(b int, y, x []T) {
	lo, hi := b*s.h, (b+1)*s.h
	switch s.mode {
	case ops.PoolMean:
		n := float64(s.count[b] + 1)
		for i, v := range x {
			s.sum[lo+i] += float64(v)
			y[i] = T(s.sum[lo+i] / n)
		}
	case ops.PoolSum:
		for i, v := range x {
			s.sum[lo+i] += float64(v)
			y[i] = T(s.sum[lo+i])
		}
	case ops.PoolLast:
		copy(y, x)
	case ops.PoolFirst:
		if s.count[b] == 0 {
			copy(s.value[lo:hi], x)
		}
		copy(y, s.value[lo:hi])
	case ops.PoolMax:
		for i, v := range x {
			if s.count[b] == 0 || v > s.value[lo+i] || v != v { // a NaN stays: nothing is above it
				s.value[lo+i] = v
			}
		}
		copy(y, s.value[lo:hi])
	}
	if s.count != nil {
		s.count[b]++
	}
}

// shapes describes the state of a batch.
func (s *poolSession[T]) shapes(batch int) []StateShape {
	var all []StateShape
	switch {
	case s.sum != nil:
		all = append(all, StateShape{Name: "sum", Shape: tensor.Shape{batch, s.h}})
	case s.value != nil:
		all = append(all, StateShape{Name: "value", Shape: tensor.Shape{batch, s.h}})
	}
	if s.count != nil {
		all = append(all, StateShape{Name: "count", Shape: tensor.Shape{batch}})
	}
	return all
}

// State implements Session.
func (s *poolSession[T]) State() State {
	var x State
	for _, shape := range s.shapes(s.batch) {
		var data any
		switch shape.Name {
		case "sum":
			data = slices.Clone(s.sum)
		case "value":
			data = slices.Clone(s.value)
		default:
			data = slices.Clone(s.count)
		}
		x = append(x, StateTensor{Name: shape.Name, Value: tensor.New(tensor.WithShape(shape.Shape...), tensor.WithBacking(data))})
	}
	return x
}

// SetState implements Session.
func (s *poolSession[T]) SetState(x State) error {
	if err := s.checkState(x, s.batch); err != nil {
		return err
	}
	for _, t := range x {
		switch t.Name {
		case "sum":
			copy(s.sum, t.Value.Float64s())
		case "value":
			v, _ := weights.Memory[T](t.Value)
			copy(s.value, v)
		default:
			copy(s.count, t.Value.Data().([]int64))
		}
	}
	return nil
}

// checkState reports a state that is none of a batch.
func (s *poolSession[T]) checkState(x State, batch int) error {
	want := s.shapes(batch)
	if !slices.EqualFunc(x, want, func(t StateTensor, w StateShape) bool { return t.Name == w.Name }) {
		return s.l.errorf("SetState", "want a state of %s, got %s", namesOf(want), x.names())
	}
	for i, t := range x {
		if w := want[i]; !w.fits(shapeOf(t.Value)) {
			return s.l.errorf("SetState", "want a state %q %s, got %v", w.Name, w.form(), shapeOf(t.Value))
		}
		if err := s.check(t); err != nil {
			return err
		}
	}
	return nil
}

// Regroup implements Regrouper.
func (s *poolSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := s.l.checkStep(batch, s.h); err != nil {
		return nil, err
	}
	for i, x := range rows.Join {
		if err := s.checkState(x, rows.Joined[i]); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", i, err)
		}
	}
	return func() {
		s.sum = joinedRows(s.sum, s.h, rows, "sum")
		s.value = joinedRows(s.value, s.h, rows, "value")
		s.count = joinedRows(s.count, 1, rows, "count")
		s.batch = batch
		s.out.resize(batch, s.h)
	}, nil
}

// joinedRows returns what a part of a state of n numbers by row, which has that name,
// becomes; nil: there is none.
func joinedRows[E any](x []E, n int, rows Rows, name string) []E {
	if x == nil {
		return nil
	}
	all := make([]E, 0, rows.Batch()*n)
	for _, b := range rows.Keep {
		all = append(all, x[b*n:][:n]...)
	}
	for _, j := range rows.Join {
		for _, t := range j {
			if t.Name == name {
				all = append(all, t.Value.Data().([]E)...)
			}
		}
	}
	return all
}

// check reports a tensor of the right shape that is none of the state.
func (s *poolSession[T]) check(t StateTensor) error {
	var ok bool
	dt := tensor.Float64
	switch t.Name {
	case "sum":
		_, ok = weights.Memory[float64](t.Value)
	case "value":
		dt = s.l.dt
		_, ok = weights.Memory[T](t.Value)
	default:
		dt = tensor.Int64
		n, isInt := t.Value.Data().([]int64)
		if ok = isInt && !t.Value.RequiresIterator(); ok && slices.Min(n) < 0 {
			return s.l.errorf("SetState", "want a state %q of numbers >= 0, got %d", t.Name, slices.Min(n))
		}
	}
	if !ok {
		return s.l.errorf("SetState", "want a contiguous row-major state %q of dtype %v, got dtype %v, strides %v", t.Name, dt, t.Value.Dtype(), t.Value.Strides())
	}
	return nil
}

// Reset implements Session.
func (s *poolSession[T]) Reset() {
	clear(s.sum)
	clear(s.value)
	clear(s.count)
}
