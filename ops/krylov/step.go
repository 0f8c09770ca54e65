package krylov

import (
	"errors"
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is the recurrence whose impulse response the kernels are,
//
//	x_l = Ab x_{l-1} + Bb u_l,  y_l = C x_l
//
// with dense Ab: O(N^2) per feature and step. Inside, states are (H, B, N+1): those
// of a feature together, each followed by the input, so that a step of a feature is
// a product with one matrix; [Step.Load] and [Step.Store] turn them from and to (B,
// H, N).
//
// Its parameters do not change; its scratch memory is for one goroutine. [Step.Fork]
// shares the parameters.
type Step[T num.Float] struct {
	size Size
	ab   []gemm.PackedB[T] // (H), each (N+1, N): Ab and Bb transposed
	c    []T               // (CH, H, N)

	work []gemm.Workspace[T] // of each worker
	next [][]T               // of each worker, successors of the states of a feature

	// The step in progress, for the body of the loop over the features.
	batch    int
	y, x, u  []T
	features *par.Loop

	scans *par.Loop // over the features of Scan
}

// NewStep returns the recurrence of the kernels that cfg and prm describe. It
// returns an error if the configuration, a size or a length is wrong.
func NewStep[T num.Float](cfg Config, size Size, prm Params[[]T]) (*Step[T], error) {
	if err := errors.Join(size.Validate(), num.CheckLen("C", prm.C, size.CH*size.H*size.N, false)); err != nil {
		return nil, fmt.Errorf("krylov: NewStep: %w", err)
	}
	a, b, err := Discretize(cfg, size, prm)
	if err != nil {
		return nil, err
	}
	n := size.N
	s := &Step[T]{size: size, ab: make([]gemm.PackedB[T], size.H), c: append([]T(nil), prm.C...)}
	m := make([]T, n*(n+1))
	for h := range s.ab {
		for i := range n {
			row := m[i*(n+1):][:n+1]
			round(row, a[(h*n+i)*n:][:n])
			row[n] = T(b[h*n+i])
		}
		s.ab[h].Pack(true, n+1, n, m, n+1, nil)
	}
	s.scratch()
	return s, nil
}

// scratch makes the memory of a goroutine.
func (s *Step[T]) scratch() {
	workers := min(par.Workers(), s.size.H)
	s.work, s.next = make([]gemm.Workspace[T], workers), make([][]T, workers)
	s.features, s.scans = par.NewLoop(s.feature), par.NewLoop(s.scan)
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *Step[T]) Fork() *Step[T] {
	f := &Step[T]{size: s.size, ab: s.ab, c: s.c}
	f.scratch()
	return f
}

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return batch * s.size.H * (s.size.N + 1) }

// Load sets the states x to src (B, H, N). It returns an error if a length is
// wrong.
func (s *Step[T]) Load(x, src []T) error {
	batch := len(src) / (s.size.H * s.size.N)
	if len(src) != batch*s.size.H*s.size.N || len(x) != s.StateLen(batch) {
		return fmt.Errorf("krylov: Step.Load: want states (B, %d, %d) and x of StateLen(B), got %d and %d elements", s.size.H, s.size.N, len(src), len(x))
	}
	s.each(batch, x, func(at int, x []T) { copy(x, src[at:]) })
	return nil
}

// Store returns the states x as (B, H, N), where len(x) = StateLen(B).
func (s *Step[T]) Store(x []T) []T {
	batch := len(x) / s.StateLen(1)
	dst := make([]T, batch*s.size.H*s.size.N)
	s.each(batch, x, func(at int, x []T) { copy(dst[at:], x) })
	return dst
}

// CopyRows copies rows of the states src to the states dst, from row at on. Both are
// of whole batches, and do not overlap.
func (s *Step[T]) CopyRows(dst []T, at int, src []T, rows []int) {
	num.CopyRows(dst, len(dst)/s.StateLen(1), at, src, len(src)/s.StateLen(1), rows, s.size.N+1)
}

// each calls f with every state, and where it is in (B, H, N).
func (s *Step[T]) each(batch int, x []T, f func(at int, x []T)) {
	h, n := s.size.H, s.size.N
	for i := range h {
		for b := range batch {
			f((b*h+i)*n, x[(i*batch+b)*(n+1):][:n])
		}
	}
}

// parallelProducts is the number of multiplications from which a step is spread
// over the workers: fewer take about as long as it takes to wake one.
const parallelProducts = 1 << 22

// Advance replaces the states x by their successors for the input u (B, H), and
// writes the output (B, CH, H) to y. It returns an error if a length is wrong. It
// allocates when B grows.
func (s *Step[T]) Advance(y, x, u []T) error {
	h, n := s.size.H, s.size.N
	batch := len(u) / h
	if len(u) != batch*h || len(y) != batch*s.size.CH*h || len(x) != s.StateLen(batch) {
		return fmt.Errorf("krylov: Step.Advance: want u (B, %d), y (B, %d, %[1]d) and x of StateLen(B), got %d, %d and %d elements", h, s.size.CH, len(u), len(y), len(x))
	}
	s.batch, s.y, s.x, s.u = batch, y, x, u
	for w := range s.next {
		s.next[w] = num.Grow(s.next[w], batch*(n+1))
	}
	if batch*h*n*n < parallelProducts {
		for i := range h {
			s.feature(0, i)
		}
	} else {
		s.features.Run(h)
	}
	s.y, s.x, s.u = nil, nil, nil
	return nil
}

// feature advances the states of feature i.
func (s *Step[T]) feature(worker, i int) {
	h, n, ch := s.size.H, s.size.N, s.size.CH
	x, next := s.x[i*s.batch*(n+1):][:s.batch*(n+1)], s.next[worker]
	for b := range s.batch {
		x[b*(n+1)+n] = s.u[b*h+i]
	}
	gemm.GemmPackedB(&s.work[worker], s.batch, x, n+1, &s.ab[i], 0, n, next, n+1)
	for b := range s.batch {
		for k := range ch {
			s.y[(b*ch+k)*h+i] = vec.Dot(s.c[(k*h+i)*n:][:n], next[b*(n+1):][:n])
		}
	}
	copy(x, next)
}

// Scan is Advance for the steps u (L, H) of one sequence, one after the other, whose
// state is x: it writes the outputs (L, CH, H) to y, to the bit those of as many steps.
// It returns an error if a length is wrong.
func (s *Step[T]) Scan(y, x, u []T) error {
	h, n := s.size.H, s.size.N
	steps := len(u) / h
	if len(u) != steps*h || len(y) != steps*s.size.CH*h || len(x) != s.StateLen(1) {
		return fmt.Errorf("krylov: Step.Scan: want u (L, %d), y (L, %d, %[1]d) and x of StateLen(1), got %d, %d and %d elements", h, s.size.CH, len(u), len(y), len(x))
	}
	s.batch, s.y, s.x, s.u = steps, y, x, u
	for w := range s.next {
		s.next[w] = num.Grow(s.next[w], n+1)
	}
	if steps*h*n*n < parallelProducts {
		for i := range h {
			s.scan(0, i)
		}
	} else {
		s.scans.Run(h)
	}
	s.y, s.x, s.u = nil, nil, nil
	return nil
}

// scan takes all steps of feature i.
func (s *Step[T]) scan(worker, i int) {
	h, n, ch := s.size.H, s.size.N, s.size.CH
	x, next := s.x[i*(n+1):][:n+1], s.next[worker][:n+1]
	for t := range s.batch {
		x[n] = s.u[t*h+i]
		gemm.GemmPackedB(&s.work[worker], 1, x, n+1, &s.ab[i], 0, n, next, n+1)
		for k := range ch {
			s.y[(t*ch+k)*h+i] = vec.Dot(s.c[(k*h+i)*n:][:n], next[:n])
		}
		copy(x, next)
	}
}
