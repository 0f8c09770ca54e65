package retention

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is plain retention a step at a time, without a graph: what [Retain] computes, up
// to rounding, in O(dk V) a step, the same at any position. States are (B, H, dk, dv).
//
// Its parameters do not change. It is for one goroutine, but a large batch is spread over
// the workers, and [Step.AdvanceRows] is for any number. [Step.Fork] shares the parameters.
type Step[T num.Float] struct {
	*stepWeights[T]
	heads *par.Loop

	y, x, q, k, v []T // of the step under way
}

// stepWeights are what nothing changes.
type stepWeights[T num.Float] struct {
	Config
	keys, values int // features
	dk, dv       int // of a head
	gammas       []T
	cos, sin     []T // (H, dk/2): gamma M of the package comment
	keyScale     T
}

// NewStep returns the recurrence on so many features of keys and values. It returns an
// error if the configuration is wrong or has normalized scores.
func NewStep[T num.Float](c Config, keys, values int) (*Step[T], error) {
	if err := c.Validate(keys, values); err != nil {
		return nil, named("NewStep", err)
	}
	if c.Scores == Normalized {
		return nil, named("NewStep", fmt.Errorf("want Scores %q for steps, got %q, which need all steps before", Plain, Normalized))
	}
	w := &stepWeights[T]{Config: c, keys: keys, values: values, dk: keys / c.Heads, dv: values / c.Heads}
	w.keyScale = T(c.keyScale(w.dk))
	turnings := c.turnings(w.dk)
	if turnings == nil { // pairs that are not turned
		turnings = slices.Repeat([]turning{{zeta: 1}}, w.dk/2)
	}
	m := newFrame[float64](turnings, w.dv, 1)
	for _, gamma := range c.Gammas() {
		w.gammas = append(w.gammas, T(gamma))
		for i := range m.cos {
			w.cos, w.sin = append(w.cos, T(gamma*m.cos[i])), append(w.sin, T(gamma*m.sin[i]))
		}
	}
	return w.newStep(), nil
}

func (w *stepWeights[T]) newStep() *Step[T] {
	s := &Step[T]{stepWeights: w}
	s.heads = par.NewLoop(func(_, i int) { s.head(i, s.y, s.x, s.q, s.k, s.v) })
	return s
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *Step[T]) Fork() *Step[T] { return s.newStep() }

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return batch * s.keys * s.dv }

// parallelStates is the number of elements of states from which a step is spread over
// the workers: fewer take about as long as it takes to hand them over.
const parallelStates = 1 << 14

// Advance replaces the states x by their successors and writes the output (B, V) to y,
// for queries q and keys k (B, E) and values v (B, V). It returns an error, and changes
// nothing, if a length is wrong.
func (s *Step[T]) Advance(y, x, q, k, v []T) error {
	batch, err := s.batch(y, x, q, k, v)
	if err != nil {
		return named("Step.Advance", err)
	}
	if len(x) < parallelStates {
		s.rows(y, x, q, k, v, batch)
		return nil
	}
	s.y, s.x, s.q, s.k, s.v = y, x, q, k, v
	s.heads.Run(batch * s.Heads)
	s.y, s.x, s.q, s.k, s.v = nil, nil, nil, nil, nil
	return nil
}

// AdvanceRows is Advance on the goroutine that calls it alone: any number may, at the same
// time, each for other rows.
func (s *Step[T]) AdvanceRows(y, x, q, k, v []T) error {
	batch, err := s.batch(y, x, q, k, v)
	if err != nil {
		return named("Step.AdvanceRows", err)
	}
	s.rows(y, x, q, k, v, batch)
	return nil
}

// Scan is Advance for the steps of one sequence, one after the other: q and k are (L, E),
// v and y (L, V). The outputs and the state are, to the bit, those of as many steps.
func (s *Step[T]) Scan(y, x, q, k, v []T) error {
	steps := len(y) / s.values
	if err := size.First(num.CheckLen("x", x, s.StateLen(1), false), s.check(y, q, k, v, max(1, steps))); err != nil {
		return named("Step.Scan", err)
	}
	for l := range steps {
		s.rows(y[l*s.values:], x, q[l*s.keys:], k[l*s.keys:], v[l*s.values:], 1)
	}
	return nil
}

// batch returns the number of rows, or an error if a length is wrong.
func (s *Step[T]) batch(y, x, q, k, v []T) (int, error) {
	batch := len(x) / s.StateLen(1)
	return batch, size.First(num.CheckLen("x", x, s.StateLen(max(1, batch)), false), s.check(y, q, k, v, batch))
}

// check checks the operands of that many rows.
func (s *Step[T]) check(y, q, k, v []T, rows int) error {
	return size.First(
		num.CheckLen("y", y, rows*s.values, false), num.CheckLen("q", q, rows*s.keys, false),
		num.CheckLen("k", k, rows*s.keys, false), num.CheckLen("v", v, rows*s.values, false))
}

// rows takes so many rows a step further.
func (s *Step[T]) rows(y, x, q, k, v []T, n int) {
	for i := range n * s.Heads {
		s.head(i, y, x, q, k, v)
	}
}

// head takes head i of all rows a step further: one pass over its state, a pair of
// features of keys at a time.
func (s *Step[T]) head(i int, y, x, q, k, v []T) {
	y, v = y[i*s.dv:][:s.dv], v[i*s.dv:][:s.dv]
	q, k = q[i*s.dk:][:s.dk], k[i*s.dk:][:s.dk]
	state := x[i*s.dk*s.dv:][:s.dk*s.dv]
	h, pairs := i%s.Heads, s.dk/2
	cos, sin := s.cos[h*pairs:][:pairs], s.sin[h*pairs:][:pairs]
	clear(y)
	for p, c := range cos {
		a, b := 2*p, 2*p+1
		t := vec.Turn[T]{Cos: c, Sin: sin[p], KA: s.keyScale * k[a], KB: s.keyScale * k[b], QA: q[a], QB: q[b]}
		vec.Retain(y, state[a*s.dv:][:s.dv], state[b*s.dv:][:s.dv], v, t)
	}
	if last := s.dk - 1; last%2 == 0 { // in no pair
		row := state[last*s.dv:]
		vec.Scale(row, s.gammas[h], row)
		vec.Axpy(row, s.keyScale*k[last], v)
		vec.Axpy(y, q[last], row)
	}
}

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("retention: %s: %w", fn, err)
	}
	return err
}
