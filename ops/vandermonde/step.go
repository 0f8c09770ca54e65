package vandermonde

import (
	"errors"
	"fmt"

	"github.com/gorgonia-s4/s4/internal/dplr"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Step is the recurrence whose impulse response the kernels are,
//
//	x_l = Ab x_{l-1} + Bb u_l,  y_l = gain Re(C x_l)
//
// with gain 2 for S4D, whose states stand for conjugate pairs, and 1 for DSS: O(N)
// per feature and step. States are in the order that suits vector registers:
// [Step.Load] and [Step.Store] turn them from and to (B, H, N, 2).
//
// Its parameters do not change; its scratch memory is for one goroutine. [Step.Fork]
// shares the parameters.
type Step[T num.Float] struct{ r *dplr.Recurrence[T] }

// NewStep returns the recurrence of the kernels that cfg and prm describe. It
// returns an error if the configuration, a size or a length is wrong.
func NewStep[T num.Float](cfg Config, size Size, prm Params[[]T]) (*Step[T], error) {
	if err := errors.Join(size.Validate(), num.CheckLen("C", prm.C, size.CH*size.H*size.N*2, false)); err != nil {
		return nil, named("NewStep", err)
	}
	ab, bb, err := Discretize(cfg, size, prm)
	if err != nil {
		return nil, err
	}
	return newStep(size.H, size.CH, ab, bb, prm.C, 2), nil
}

// NewDSSStep is NewStep for the kernels of DSS.
func NewDSSStep[T num.Float](cfg DSSConfig, size DSSSize, prm DSSParams[[]T]) (*Step[T], error) {
	if err := errors.Join(size.Validate(), num.CheckLen("W", prm.W, size.CH*size.H*size.N*2, false)); err != nil {
		return nil, named("NewDSSStep", err)
	}
	ab, bb, err := DiscretizeDSS(cfg, size, prm)
	if err != nil {
		return nil, err
	}
	return newStep(size.H, size.CH, ab, bb, prm.W, 1), nil
}

// newStep returns the recurrence of diagonal Ab and Bb (H, N) and C (CH, H, N, 2).
func newStep[T num.Float](h, channels int, ab, bb []complex128, c []T, gain float64) *Step[T] {
	n := len(ab) / h
	r := dplr.New[T](dplr.Size{H: h, N: n, Channels: channels})
	f := dplr.Feature{C: make([][]complex128, channels), Gain: gain}
	for ch := range f.C {
		f.C[ch] = make([]complex128, n)
	}
	for i := range h {
		f.A, f.B = ab[i*n:][:n], bb[i*n:][:n]
		for ch, row := range f.C {
			for k := range row {
				row[k] = num.Complex(c, (ch*h+i)*n+k)
			}
		}
		r.Set(i, f)
	}
	return &Step[T]{r}
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *Step[T]) Fork() *Step[T] { return &Step[T]{s.r.Fork()} }

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return s.r.StateLen(batch) }

// Load sets the states x to src (B, H, N, 2). It returns an error if a length is
// wrong.
func (s *Step[T]) Load(x, src []T) error { return named("Step.Load", s.r.Load(x, src)) }

// Store returns the states x as (B, H, N, 2), where len(x) = StateLen(B).
func (s *Step[T]) Store(x []T) []T { return s.r.Store(x) }

// CopyRows copies rows of the states src to the states dst, from row at on. Both are
// of whole batches, and do not overlap.
func (s *Step[T]) CopyRows(dst []T, at int, src []T, rows []int) { s.r.CopyRows(dst, at, src, rows) }

// Advance replaces the states x by their successors for the input u (B, H), and
// writes the output (B, CH, H) to y. It returns an error if a length is wrong.
func (s *Step[T]) Advance(y, x, u []T) error { return named("Step.Advance", s.r.Advance(y, x, u)) }

// Scan is Advance for the steps u (L, H) of one sequence, one after the other: it
// writes the outputs (L, CH, H) to y, to the bit those of as many steps. It returns an
// error if a length is wrong.
func (s *Step[T]) Scan(y, x, u []T) error { return named("Step.Scan", s.r.Scan(y, x, u)) }

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("vandermonde: %s: %w", fn, err)
	}
	return err
}
