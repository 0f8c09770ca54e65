package rnn

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// Weights are the parameters of a recurrence as a step needs them: packed copies
// that nothing changes, for any number of steps at the same time.
type Weights[T num.Float] struct {
	w    weights[T]
	kind Cell
	cell cell[T]
	i, h int
}

// NewWeights copies the parameters of a recurrence of h features over i inputs. It
// returns an error if the cell, a size or a length is wrong.
func NewWeights[T num.Float](c Cell, i, h int, prm Params[[]T]) (*Weights[T], error) {
	return NewLeakyWeights(c, 0, i, h, prm)
}

// NewLeakyWeights is NewWeights of a cell with a leak: see [Config].
func NewLeakyWeights[T num.Float](c Cell, leak float64, i, h int, prm Params[[]T]) (*Weights[T], error) {
	err := c.Validate()
	if err == nil {
		err = checkLeak(c, leak)
	}
	if err == nil {
		err = sizes{B: 1, I: i, H: h, L: 1}.validate(c)
	}
	n := c.Gates() * h
	for _, a := range []struct {
		name     string
		v        []T
		want     int
		optional bool
	}{
		{"WeightIH", prm.WeightIH, n * i, false}, {"WeightHH", prm.WeightHH, n * h, false},
		{"BiasIH", prm.BiasIH, n, true}, {"BiasHH", prm.BiasHH, n, true},
	} {
		if err == nil {
			err = num.CheckLen(a.name, a.v, a.want, a.optional)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("rnn: NewWeights: %w", err)
	}
	w := &Weights[T]{kind: c, cell: cellOf[T](c, leak), i: i, h: h}
	w.w.pack(c, i, h, &prm)
	return w, nil
}

// Step is the recurrence, a step at a time. It is for one goroutine, but a large batch
// is spread over the workers.
type Step[T num.Float] struct {
	*Weights[T]
	ws     []gemm.Workspace[T] // of each worker
	blocks *par.Loop           // over blocks of rows
	inputs *par.Loop           // over the same, of the inputs alone
	z      []T                 // (B, width)

	batch int // of the step under way
	state State[[]T]
	x     []T
}

// NewStep returns a step with scratch memory of its own.
func (w *Weights[T]) NewStep() *Step[T] {
	s := &Step[T]{Weights: w, ws: make([]gemm.Workspace[T], par.Workers())}
	s.blocks = par.NewLoop(func(worker, i int) {
		lo := i * blockRows
		s.advance(worker, lo, min(lo+blockRows, s.batch))
	})
	s.inputs = par.NewLoop(func(worker, i int) {
		lo := i * inputRows
		hi := min(lo+inputRows, s.batch)
		s.w.mapInputs(&s.ws[worker], s.z[lo*s.w.width:hi*s.w.width], s.x[lo*s.i:], s.i, hi-lo)
	})
	return s
}

// inputRows is the number of steps whose inputs Scan maps at a time.
const inputRows = 64

// parallelProducts is the number of multiplications from which a step is spread
// over the workers: fewer take about as long as it takes to hand them over.
const parallelProducts = 1 << 18

// Advance replaces the state, H and, where Cell.HasC, C (B, H), by that after the
// inputs x (B, I), whose H is the output. It returns an error, and changes nothing, if
// a length is wrong.
func (s *Step[T]) Advance(state State[[]T], x []T) error {
	if err := s.check(&state, x); err != nil {
		return fmt.Errorf("rnn: Step.Advance: %w", err)
	}
	b := len(x) / s.i
	s.batch, s.state, s.x = b, state, x
	s.z = num.Grow(s.z, b*s.w.width)
	if b*s.kind.Gates()*s.h*(s.i+s.h) < parallelProducts {
		s.advance(0, 0, b)
	} else {
		s.blocks.Run((b + blockRows - 1) / blockRows)
	}
	s.state, s.x = State[[]T]{}, nil
	return nil
}

// advance is Advance for rows [lo, hi).
func (s *Step[T]) advance(worker, lo, hi int) {
	ws, width := &s.ws[worker], s.w.width
	z := s.z[lo*width : hi*width]
	s.w.mapInputs(ws, z, s.x[lo*s.i:], s.i, hi-lo)
	gemm.AddPackedB(ws, hi-lo, s.state.H[lo*s.h:], s.h, &s.w.whh, z[s.w.hid:], width)
	for r := lo; r < hi; r++ {
		h := s.state.H[r*s.h:][:s.h]
		var c []T
		if s.kind.HasC() {
			c = s.state.C[r*s.h:][:s.h]
		}
		s.cell.forward(s.z[r*width:][:width], h, c, h, c)
	}
}

// Scan is Advance for the inputs x (L, I) of one sequence, one after the other, whose
// state is (1, H): it writes the outputs (L, H) to y, to the bit those of as many
// steps. The inputs of all steps are mapped at once.
func (s *Step[T]) Scan(y []T, state State[[]T], x []T) error {
	steps := len(x) / s.i
	err := num.CheckLen("y", y, steps*s.h, false)
	if err == nil {
		err = num.CheckLen("x", x, max(1, steps)*s.i, false)
	}
	if err == nil {
		err = s.check(&state, x[:s.i])
	}
	if err != nil {
		return fmt.Errorf("rnn: Step.Scan: %w", err)
	}
	s.batch, s.x = steps, x
	s.z = num.Grow(s.z, steps*s.w.width)
	s.inputs.Run((steps + inputRows - 1) / inputRows)
	s.x = nil
	for t := range steps {
		z := s.z[t*s.w.width:][:s.w.width]
		gemm.AddPackedB(&s.ws[0], 1, state.H, s.h, &s.w.whh, z[s.w.hid:], s.w.width)
		s.cell.forward(z, state.H, state.C, state.H, state.C)
		copy(y[t*s.h:][:s.h], state.H)
	}
	return nil
}

func (s *Step[T]) check(state *State[[]T], x []T) error {
	b := len(x) / s.i
	if b < 1 || len(x) != b*s.i {
		return fmt.Errorf("x: want B rows of %d elements, got %d elements", s.i, len(x))
	}
	if err := num.CheckLen("H", state.H, b*s.h, false); err != nil {
		return err
	}
	if s.kind.HasC() {
		return num.CheckLen("C", state.C, b*s.h, false)
	}
	return num.CheckLen("C", state.C, 0, true)
}
