package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/rnn"
)

// Snapshot implements Stepper.
func (l *recurrentLayer) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.c.Bidirectional:
		return nil, l.errorf("Recurrence", "a bidirectional layer needs the future: want Bidirectional false")
	case l.dt == tensor.Float32:
		return newRecurrentSnapshot[float32](l)
	}
	return newRecurrentSnapshot[float64](l)
}

// recurrentSnapshot is a recurrent layer as its steps see it.
type recurrentSnapshot[T num.Float] struct {
	l *recurrentLayer
	w []*rnn.Weights[T] // by layer
}

func newRecurrentSnapshot[T num.Float](l *recurrentLayer) (Snapshot, error) {
	s := &recurrentSnapshot[T]{l: l}
	for k, directions := range l.params {
		var p rnn.Params[[]T]
		from := directions[0]
		err := size.First(read(&p.WeightIH, from.WeightIH), read(&p.WeightHH, from.WeightHH), read(&p.BiasIH, from.BiasIH), read(&p.BiasHH, from.BiasHH))
		if err != nil {
			return nil, l.wrap("Recurrence", err)
		}
		w, err := rnn.NewWeights(l.cell, l.c.inputs(k), l.c.Hidden, p)
		if err != nil {
			return nil, l.wrap("Recurrence", err)
		}
		s.w = append(s.w, w)
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *recurrentSnapshot[T]) NewSession(batch int) (Session, error) {
	c := s.l.c
	if err := s.l.checkStep(batch, max(c.DModel, c.states()*c.Hidden)); err != nil {
		return nil, err
	}
	r := &recurrentSession[T]{l: s.l, batch: batch, out: newStepOutput[T](batch, c.Hidden)}
	for _, w := range s.w {
		state := rnn.State[[]T]{H: num.Aligned[T](batch * c.Hidden)}
		if s.l.cell.HasC() {
			state.C = num.Aligned[T](batch * c.Hidden)
		}
		r.layers = append(r.layers, w.NewStep())
		r.states = append(r.states, state)
	}
	return r, nil
}

// recurrentSession is a batch of sequences in a recurrent layer.
type recurrentSession[T num.Float] struct {
	l      *recurrentLayer
	batch  int
	layers []*rnn.Step[T]
	states []rnn.State[[]T] // by layer, (B, Hidden)
	spare  []T              // where Regroup puts one of them together
	out    stepOutput[T]
}

// Step implements Session.
func (r *recurrentSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.Base, u, r.batch, r.l.c.DModel)
	if err != nil {
		return nil, err
	}
	for k, step := range r.layers {
		if err := step.Advance(r.states[k], x); err != nil {
			return nil, r.l.wrap("Step", err)
		}
		x = r.states[k].H
	}
	r.out.resize(r.batch, r.l.c.Hidden)
	copy(r.out.data, x)
	return r.out.t, nil
}

// Read implements Reader.
func (r *recurrentSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	c := r.l.c
	x, steps, err := readRows[T](r.l.Base, u, r.batch, c.DModel, max(c.DModel, c.states()*c.Hidden))
	if err != nil {
		return nil, err
	}
	r.out.resize(steps, c.Hidden)
	for k, layer := range r.layers {
		// A layer has mapped its inputs when it writes its outputs over them.
		if err := layer.Scan(r.out.data, r.states[k], x); err != nil {
			return nil, r.l.wrap("Read", err)
		}
		x = r.out.data
	}
	return r.out.t, nil
}

// tensorsOf returns the memory of each tensor of the state, by layer.
func (r *recurrentSession[T]) tensorsOf() [][][]T {
	all := make([][][]T, r.l.tensors())
	for _, s := range r.states {
		for i, v := range [][]T{s.H, s.C}[:len(all)] {
			all[i] = append(all[i], v)
		}
	}
	return all
}

// State implements Session.
func (r *recurrentSession[T]) State() State {
	var s State
	h := r.l.c.Hidden
	for i, want := range r.l.shapes(r.batch) {
		d := make([]T, 0, want.Shape.TotalSize())
		for b := range r.batch {
			for _, v := range r.tensorsOf()[i] {
				d = append(d, v[b*h:][:h]...)
			}
		}
		s = append(s, StateTensor{Name: want.Name, Value: tensor.New(tensor.WithShape(want.Shape...), tensor.WithBacking(d))})
	}
	return s
}

// SetState implements Session.
func (r *recurrentSession[T]) SetState(x State) error {
	from, err := stateMemory[T](r.l.Base, x, r.l.shapes(r.batch))
	if err != nil {
		return err
	}
	h := r.l.c.Hidden
	for i, layers := range r.tensorsOf() {
		for k, v := range layers {
			for b := range r.batch {
				copy(v[b*h:][:h], from[i][(b*len(layers)+k)*h:])
			}
		}
	}
	return nil
}

// Regroup implements Regrouper.
func (r *recurrentSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch, c := rows.Batch(), r.l.c
	if err := r.l.checkStep(batch, max(c.DModel, c.states()*c.Hidden)); err != nil {
		return nil, err
	}
	from, err := joining[T](r.l.Base, rows, r.l.shapes)
	if err != nil {
		return nil, err
	}
	return func() {
		for k := range r.states {
			s := &r.states[k]
			for i, x := range []*[]T{&s.H, &s.C}[:r.l.tensors()] {
				r.regroup(x, rows.Keep, batch, from, i, k)
			}
		}
		r.batch = batch
		r.out.resize(batch, c.Hidden)
	}, nil
}

// regroup makes a tensor x (B, Hidden) of the state of layer k that of another batch:
// the rows keep, then those of the i-th tensor (B, layers, Hidden) of the states join.
func (r *recurrentSession[T]) regroup(x *[]T, keep []int, batch int, join [][][]T, i, k int) {
	h, layers := r.l.c.Hidden, len(r.layers)
	next := num.GrowRows(r.spare, batch*h)
	num.CopyRows(next, batch, 0, *x, r.batch, keep, h)
	to := next[len(keep)*h:]
	for _, of := range join {
		for from := of[i]; len(from) > 0; from, to = from[layers*h:], to[h:] {
			copy(to[:h], from[k*h:])
		}
	}
	*x, r.spare = next, *x
}

// Reset implements Session.
func (r *recurrentSession[T]) Reset() {
	for _, s := range r.states {
		clear(s.H)
		clear(s.C)
	}
}
