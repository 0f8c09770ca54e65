package retention

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is plain retention a step at a time, without a graph: what [Retain] computes, up
// to rounding, in O(dk V) a step, the same at any position. States are (B, H, dk, dv).
//
// Its parameters do not change; its scratch memory is for one goroutine, but a large
// batch is spread over the workers. [Step.Fork] shares the parameters.
type Step[T num.Float] struct {
	*stepWeights[T]
	rows []T // (workers, dv)
	par  *par.Loop

	y, x, q, k, v []T // of the step under way
}

// stepWeights are what nothing changes.
type stepWeights[T num.Float] struct {
	Config
	keys, values int // features
	dk, dv       int // of a head
	gammas       []T
	cos, sin     []T // (H, pairs): gamma M of the package comment
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
	m := newFrame[float64](c.turnings(w.dk), w.dv, 1)
	for _, gamma := range c.Gammas() {
		w.gammas = append(w.gammas, T(gamma))
		for i := range m.cos {
			w.cos, w.sin = append(w.cos, T(gamma*m.cos[i])), append(w.sin, T(gamma*m.sin[i]))
		}
	}
	return w.newStep(), nil
}

func (w *stepWeights[T]) newStep() *Step[T] {
	s := &Step[T]{stepWeights: w, rows: num.Aligned[T](par.Workers() * w.dv)}
	s.par = par.NewLoop(s.head)
	return s
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *Step[T]) Fork() *Step[T] { return s.newStep() }

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return batch * s.keys * s.dv }

// parallelStates is the number of elements of states from which a step is spread over
// the workers: fewer take about as long as it takes to hand them over.
const parallelStates = 1 << 15

// Advance replaces the states x by their successors and writes the output (B, V) to y,
// for queries q and keys k (B, E) and values v (B, V). It returns an error, and changes
// nothing, if a length is wrong.
func (s *Step[T]) Advance(y, x, q, k, v []T) error {
	batch := len(x) / s.StateLen(1)
	if err := size.First(num.CheckLen("x", x, s.StateLen(max(1, batch)), false), s.check(y, q, k, v, batch)); err != nil {
		return named("Step.Advance", err)
	}
	s.advance(y, x, q, k, v, batch)
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
		s.advance(y[l*s.values:][:s.values], x, q[l*s.keys:][:s.keys], k[l*s.keys:][:s.keys], v[l*s.values:][:s.values], 1)
	}
	return nil
}

// check checks the operands of that many rows.
func (s *Step[T]) check(y, q, k, v []T, rows int) error {
	return size.First(
		num.CheckLen("y", y, rows*s.values, false), num.CheckLen("q", q, rows*s.keys, false),
		num.CheckLen("k", k, rows*s.keys, false), num.CheckLen("v", v, rows*s.values, false))
}

func (s *Step[T]) advance(y, x, q, k, v []T, batch int) {
	s.y, s.x, s.q, s.k, s.v = y, x, q, k, v
	if n := batch * s.Heads; len(x) < parallelStates {
		for i := range n {
			s.head(0, i)
		}
	} else {
		s.par.Run(n)
	}
	s.y, s.x, s.q, s.k, s.v = nil, nil, nil, nil, nil
}

// head takes a head of a row a step further.
func (s *Step[T]) head(worker, i int) {
	y, v := s.y[i*s.dv:][:s.dv], s.v[i*s.dv:][:s.dv]
	q, k := s.q[i*s.dk:][:s.dk], s.k[i*s.dk:][:s.dk]
	state := s.x[i*s.dk*s.dv:][:s.dk*s.dv]
	h, pairs, tmp := i%s.Heads, len(s.cos)/s.Heads, s.rows[worker*s.dv:][:s.dv]
	clear(y)
	for p := range pairs {
		a, b := state[2*p*s.dv:][:s.dv], state[(2*p+1)*s.dv:][:s.dv]
		cos, sin := s.cos[h*pairs+p], s.sin[h*pairs+p]
		vec.Scale(tmp, -sin, a)
		vec.Scale(a, cos, a)
		vec.Axpy(a, sin, b)
		vec.Scale(b, cos, b)
		vec.Add(b, b, tmp)
	}
	for f := 2 * pairs; f < s.dk; f++ {
		row := state[f*s.dv:][:s.dv]
		vec.Scale(row, s.gammas[h], row)
	}
	for f, kf := range k {
		row := state[f*s.dv:][:s.dv]
		vec.Axpy(row, s.keyScale*kf, v)
		vec.Axpy(y, q[f], row)
	}
}

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("retention: %s: %w", fn, err)
	}
	return err
}
