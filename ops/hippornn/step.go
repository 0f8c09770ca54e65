package hippornn

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// Weights are the parameters of a recurrence as a step needs them: packed copies that
// nothing changes, for any number of steps at the same time.
type Weights[T num.Float] struct {
	w weights[T]
}

// NewWeights copies the parameters of a recurrence of h features over i inputs, of m
// signals. It returns an error if the configuration, a size or a length is wrong.
func NewWeights[T num.Float](cfg Config, i, h, m int, p Params[[]T]) (*Weights[T], error) {
	s := sizes{B: 1, I: i, H: h, M: m, N: cfg.N, L: 1, gated: p.Gate != nil, hidden: cfg.Order == Paper || p.HiddenHidden != nil}
	err := cfg.Validate()
	if err == nil {
		err = s.validate()
	}
	all := p.list()
	has := make([]bool, len(all))
	for k, v := range all {
		has[k] = *v != nil
	}
	if err == nil {
		err = wanted(cfg.Order, has)
	}
	for k, shape := range s.shapes(cfg.Order) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		if err == nil {
			err = num.CheckLen(names[k], *all[k], n, true)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("hippornn: NewWeights: %w", err)
	}
	w := &Weights[T]{w: weights[T]{sizes: s}}
	w.w.update(cfg)
	w.w.pack(&p)
	if w.w.um != nil { // a copy, as all others are
		w.w.um = append([]T(nil), w.w.um...)
	}
	return w, nil
}

// Step is the recurrence, a step at a time. It is for one goroutine, but a large batch is
// spread over the workers.
type Step[T num.Float] struct {
	*Weights[T]
	workers []stepScratch[T]
	blocks  *par.Loop // over blocks of rows
	inputs  *par.Loop // over the same, of the inputs alone
	z, f    []T       // (B, gates), (B, M)
	h, m    []T       // (B, H), (B, M, N): the state after the step
	a       []float64 // (B)

	batch int // of the step under way
	state State[[]T]
	x     []T
}

// stepScratch is the memory of a worker.
type stepScratch[T num.Float] struct {
	ws   gemm.Workspace[T]
	legs *legs[T]
}

// NewStep returns a step with scratch memory of its own.
func (w *Weights[T]) NewStep() *Step[T] {
	s := &Step[T]{Weights: w, workers: make([]stepScratch[T], par.Workers())}
	for i := range s.workers {
		s.workers[i].legs = newLegS[T](w.w.N)
	}
	s.blocks = par.NewLoop(func(worker, i int) {
		lo := i * blockRows
		s.advance(worker, lo, min(lo+blockRows, s.batch))
	})
	s.inputs = par.NewLoop(func(worker, i int) {
		lo := i * inputRows
		s.mapInputs(worker, lo, min(lo+inputRows, s.batch))
	})
	return s
}

// inputRows is the number of steps whose inputs Scan maps at a time.
const inputRows = 64

// parallelProducts is the number of multiplications from which a step is spread over the
// workers: fewer take about as long as it takes to hand them over.
const parallelProducts = 1 << 18

// Advance replaces the state by that after the inputs x (B, I), whose H is the output.
// Those of LegS come dt (B) after the last, nil for 1. It returns an error, and changes
// nothing, if a length, a position or a step is wrong.
func (s *Step[T]) Advance(state State[[]T], dt, x []T) error {
	b, err := s.check(&state, dt, x)
	if err != nil {
		return fmt.Errorf("hippornn: Step.Advance: %w", err)
	}
	s.batch, s.state, s.x = b, state, x
	s.grow(b, b)
	for r := range b {
		s.a[r] = s.tick(r, dt)
	}
	if w := &s.w; b*w.gates()*w.columns() < parallelProducts {
		s.advance(0, 0, b)
	} else {
		s.blocks.Run((b + blockRows - 1) / blockRows)
	}
	copy(state.H, s.h)
	copy(state.M, s.m)
	s.state, s.x = State[[]T]{}, nil
	return nil
}

// grow makes room for some inputs, and for the states of rows.
func (s *Step[T]) grow(inputs, rows int) {
	w := &s.w
	s.z, s.f = num.Grow(s.z, inputs*w.gates()), num.Grow(s.f, inputs*w.M)
	s.h, s.m, s.a = num.Grow(s.h, rows*w.H), num.Grow(s.m, rows*w.memory()), num.Grow(s.a, rows)
}

// tick returns the a of the step of row r of the state, and moves its position on.
func (s *Step[T]) tick(r int, dt []T) float64 {
	if s.w.b != nil {
		return 0
	}
	d := 1.0
	if dt != nil {
		d = float64(dt[r])
	}
	c := clock{float64(s.state.Position[r])}
	a := c.step(d)
	s.state.Position[r] = T(c.position)
	return a
}

// mapInputs maps the inputs of rows [lo, hi).
func (s *Step[T]) mapInputs(worker, lo, hi int) {
	w := &s.w
	w.mapInputs(&s.workers[worker].ws, s.z[lo*w.gates():], s.f[lo*w.M:], s.x[lo*w.I:], hi-lo)
}

// advance is Advance for rows [lo, hi).
func (s *Step[T]) advance(worker, lo, hi int) {
	s.mapInputs(worker, lo, hi)
	w, o := &s.w, &s.workers[worker]
	st := states[T]{s.state.H[lo*w.H:], s.state.M[lo*w.memory():], s.h[lo*w.H:], s.m[lo*w.memory():]}
	w.advance(&o.ws, o.legs, s.z[lo*w.gates():hi*w.gates()], s.f[lo*w.M:hi*w.M], st, s.a[lo:hi])
}

// Scan is Advance for the inputs x (L, I) of one sequence, one after the other, whose
// state is of one row: it writes the outputs (L, H) to y, to the bit those of as many
// steps. The inputs of all steps are mapped at once.
func (s *Step[T]) Scan(y []T, state State[[]T], x []T) error {
	w := &s.w
	steps := len(x) / w.I
	err := num.CheckLen("y", y, steps*w.H, false)
	if err == nil {
		err = num.CheckLen("x", x, max(1, steps)*w.I, false)
	}
	if err == nil {
		_, err = s.check(&state, nil, x[:w.I])
	}
	if err != nil {
		return fmt.Errorf("hippornn: Step.Scan: %w", err)
	}
	s.batch, s.state, s.x = steps, state, x
	s.grow(steps, 1)
	s.inputs.Run((steps + inputRows - 1) / inputRows)
	o := &s.workers[0]
	for t := range steps {
		s.a[0] = s.tick(0, nil)
		st := states[T]{state.H, state.M, s.h[:w.H], s.m[:w.memory()]}
		w.advance(&o.ws, o.legs, s.z[t*w.gates():][:w.gates()], s.f[t*w.M:][:w.M], st, s.a[:1])
		copy(state.H, st.h1)
		copy(state.M, st.m1)
		copy(y[t*w.H:][:w.H], st.h1)
	}
	s.state, s.x = State[[]T]{}, nil
	return nil
}

// check returns the number of rows.
func (s *Step[T]) check(state *State[[]T], dt, x []T) (int, error) {
	w := &s.w
	b := len(x) / w.I
	if b < 1 || len(x) != b*w.I {
		return 0, fmt.Errorf("x: want B rows of %d elements, got %d elements", w.I, len(x))
	}
	err := num.CheckLen("H", state.H, b*w.H, false)
	if err == nil {
		err = num.CheckLen("M", state.M, b*w.memory(), false)
	}
	positions := b
	if w.b != nil {
		positions = 0
	}
	if err == nil {
		err = num.CheckLen("Position", state.Position, positions, positions == 0)
	}
	if err == nil {
		err = CheckPositions(state.Position)
	}
	if err == nil {
		err = num.CheckLen("dt", dt, positions, true)
	}
	for r, v := range dt {
		if err != nil {
			break
		}
		if err = checkDt(v); err == nil && !num.Finite(state.Position[r]+v) {
			err = fmt.Errorf("want a step that leaves the position finite, got %g at %g", float64(v), float64(state.Position[r]))
		}
		if err != nil {
			err = fmt.Errorf("dt[%d]: %w", r, err)
		}
	}
	return b, err
}
