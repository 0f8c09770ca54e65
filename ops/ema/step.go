package ema

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is the average a step at a time, without a graph, in O(D N) a step. States are in
// the order (B, N, D): [Step.Load] and [Step.Store] turn them from and to (B, D, N).
// Nothing changes it, so that several goroutines may use one.
type Step[T num.Float] struct {
	d, n    int
	q, b, g []T // (N, D)
	omega   []T // (D)
}

// NewStep returns the recurrence of D features with N averages each, whose output has
// omega (D) times the input added. It returns an error if a size or a length is wrong.
func NewStep[T num.Float](d, n int, p Params[[]T], omega []T) (*Step[T], error) {
	err := size.First(size.Positive("D", d), size.Positive("N", n))
	if err == nil {
		err = size.First(size.Tensor("the state (D, N)", d, n), num.CheckLen("Delta", p.Delta, d*n, false), num.CheckLen("Alpha", p.Alpha, d*n, false),
			num.CheckLen("Beta", p.Beta, d*n, false), num.CheckLen("Gamma", p.Gamma, d*n, false), num.CheckLen("omega", omega, d, false))
	}
	if err != nil {
		return nil, named("NewStep", err)
	}
	s := &Step[T]{d: d, n: n, q: num.Aligned[T](d * n), b: num.Aligned[T](d * n), g: num.Aligned[T](d * n), omega: append([]T(nil), omega...)}
	for i := range d * n {
		a, to := at(p, i, n), i%n*d+i/n
		s.q[to], s.b[to], s.g[to] = T(a.q), T(a.b), T(a.g)
	}
	return s, nil
}

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return batch * s.d * s.n }

// Advance replaces the states x by their successors for the inputs u (B, D) and writes
// the outputs (B, D), with omega u, to y. It returns an error, and changes nothing, if a
// length is wrong.
func (s *Step[T]) Advance(y, x, u []T) error {
	batch := len(x) / s.StateLen(1)
	if err := size.First(num.CheckLen("x", x, s.StateLen(max(1, batch)), false), num.CheckLen("y", y, batch*s.d, false), num.CheckLen("u", u, batch*s.d, false)); err != nil {
		return named("Step.Advance", err)
	}
	for b := range batch {
		s.row(y[b*s.d:][:s.d], x[b*s.d*s.n:], u[b*s.d:][:s.d])
	}
	return nil
}

// Scan is Advance for the steps u (L, D) of one sequence, one after the other: it writes
// (L, D) to y.
func (s *Step[T]) Scan(y, x, u []T) error {
	if err := size.First(num.CheckLen("x", x, s.StateLen(1), false), num.CheckLen("y", y, max(1, len(u)/s.d)*s.d, false), num.CheckLen("u", u, len(y), false)); err != nil {
		return named("Step.Scan", err)
	}
	for at := 0; at < len(u); at += s.d {
		s.row(y[at:][:s.d], x, u[at:][:s.d])
	}
	return nil
}

// row takes the state x (N, D) of a row a step further.
func (s *Step[T]) row(y, x, u []T) {
	vec.Mul(y, s.omega, u)
	for at := 0; at < s.d*s.n; at += s.d {
		h := x[at:][:s.d]
		vec.Mul(h, h, s.q[at:][:s.d])
		vec.AddMul(h, s.b[at:][:s.d], u)
		vec.AddMul(y, s.g[at:][:s.d], h)
	}
}

// Load sets the states x to src (B, D, N). It returns an error if a length is wrong.
func (s *Step[T]) Load(x, src []T) error {
	if err := size.First(num.CheckLen("x", x, s.StateLen(max(1, len(x)/s.StateLen(1))), false), num.CheckLen("src", src, len(x), false)); err != nil {
		return named("Step.Load", err)
	}
	for at := 0; at < len(x); at += s.StateLen(1) {
		gemm.Transpose(x[at:], s.d, src[at:], s.n, s.d, s.n)
	}
	return nil
}

// Store returns the states x as (B, D, N).
func (s *Step[T]) Store(x []T) []T {
	v := make([]T, len(x))
	for at := 0; at < len(x); at += s.StateLen(1) {
		gemm.Transpose(v[at:], s.n, x[at:], s.d, s.n, s.d)
	}
	return v
}

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("ema: %s: %w", fn, err)
	}
	return err
}
