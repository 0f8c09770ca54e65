package fftconv

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// parallelProducts is the number of multiplications from which a step is spread
// over the workers: fewer take about as long as it takes to wake one.
const parallelProducts = 1 << 20

// Step is a causal convolution at one step, without a skip: the dot products of the
// kernels with the last inputs. It takes O(Lk) time for each output, and its state
// is Lk - 1 inputs of each feature.
//
// It is for one goroutine, and for one batch of states; its forks are for others.
type Step[T num.Float] struct {
	ch, h, lk int
	k         []T // (C, H, Lk)
	next      int // in the rings of the states, where the latest input is
	rows      *par.Loop

	y, x, u []T // of the step under way
}

// NewStep copies kernels k (C, H, Lk).
func NewStep[T num.Float](ch, h, lk int, k []T) (*Step[T], error) {
	if err := (sizes{B: 1, H: h, CH: ch, L: 1, LK: lk}).validate(); err != nil {
		return nil, fmt.Errorf("fftconv.NewStep: %w", err)
	}
	if err := num.CheckLen("k", k, ch*h*lk, false); err != nil {
		return nil, fmt.Errorf("fftconv.NewStep: %w", err)
	}
	return (&Step[T]{ch: ch, h: h, lk: lk, k: slices.Clone(k)}).Fork(), nil
}

// Fork returns the same convolution for another batch.
func (s *Step[T]) Fork() *Step[T] {
	f := &Step[T]{ch: s.ch, h: s.h, lk: s.lk, k: s.k}
	f.rows = par.NewLoop(func(_, i int) { f.row(i) })
	return f
}

// StateLen returns the length of the states of a batch as Advance has them: of each
// feature a ring of the last Lk inputs, the latest first, twice over, so that it can
// be read in one go from wherever the latest is.
func (s *Step[T]) StateLen(batch int) int { return 2 * batch * s.h * s.lk }

// Advance adds the inputs u (B, H) to the states x, which are zero at the start of
// a sequence, and writes the outputs y (B, C, H).
func (s *Step[T]) Advance(y, x, u []T) error {
	if len(u)%s.h != 0 || len(y) != len(u)*s.ch || len(x) != len(u)*2*s.lk {
		return fmt.Errorf("fftconv.Step: want u (B, %d), y (B, %d, %[1]d) and x of length B*%[3]d, got lengths %d, %d and %d",
			s.h, s.ch, s.StateLen(1), len(u), len(y), len(x))
	}
	s.next = (s.next + s.lk - 1) % s.lk
	s.y, s.x, s.u = y, x, u
	if len(y)*s.lk < parallelProducts {
		for i := range u {
			s.row(i)
		}
	} else {
		s.rows.Run(len(u))
	}
	s.y, s.x, s.u = nil, nil, nil
	return nil
}

// Scan is Advance for the steps u (L, H) of one sequence, one after the other: it
// writes the outputs (L, C, H) to y.
func (s *Step[T]) Scan(y, x, u []T) error {
	if len(u)%s.h != 0 || len(y) != len(u)*s.ch {
		return fmt.Errorf("fftconv.Step: want u (L, %d) and y (L, %d, %[1]d), got lengths %d and %d", s.h, s.ch, len(u), len(y))
	}
	for ; len(u) > 0; y, u = y[s.ch*s.h:], u[s.h:] {
		if err := s.Advance(y[:s.ch*s.h], x, u[:s.h]); err != nil {
			return err
		}
	}
	return nil
}

// row computes the outputs of a feature of a sequence.
func (s *Step[T]) row(i int) {
	s.ring(s.x, i).set(s.next, s.u[i])
	inputs := s.ring(s.x, i)[s.next:][:s.lk]
	b, h := i/s.h, i%s.h
	for c := range s.ch {
		s.y[(b*s.ch+c)*s.h+h] = vec.Dot(row(s.k, s.lk, c*s.h+h), inputs)
	}
}

// ring is the state of a feature.
type ring[T num.Float] []T

func (s *Step[T]) ring(x []T, i int) ring[T] { return row(x, 2*s.lk, i) }

// set sets an element, in [0, 2 Lk), and its copy.
func (r ring[T]) set(i int, v T) {
	n := len(r) / 2
	r[i%n], r[n+i%n] = v, v
}

// Load turns states src (B, H, Lk-1), the last inputs, oldest first, into those of
// Advance.
func (s *Step[T]) Load(x, src []T) error {
	features := len(x) / (2 * s.lk)
	if len(x)%s.StateLen(1) != 0 || len(src) != features*(s.lk-1) {
		return fmt.Errorf("fftconv.Step: want states (B, %d, %d), got length %d for %d", s.h, s.lk-1, len(src), features*(s.lk-1))
	}
	for i := range features {
		from := row(src, s.lk-1, i)
		for age := range from {
			s.ring(x, i).set(s.next+age, from[len(from)-1-age])
		} // the one left is where the next input goes
	}
	return nil
}

// CopyRows copies rows of the states src to the states dst, from row at on. Both are
// of whole batches at the same step, and do not overlap.
func (s *Step[T]) CopyRows(dst []T, at int, src []T, rows []int) {
	n := s.StateLen(1)
	num.CopyRows(dst, len(dst)/n, at, src, len(src)/n, rows, n)
}

// Store turns states of Advance into those of Load.
func (s *Step[T]) Store(x []T) []T {
	features := len(x) / (2 * s.lk)
	dst := make([]T, features*(s.lk-1))
	for i := range features {
		to := row(dst, s.lk-1, i)
		for age, v := range s.ring(x, i)[s.next:][:len(to)] {
			to[len(to)-1-age] = v
		}
	}
	return dst
}
