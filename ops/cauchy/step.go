package cauchy

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is the recurrence whose impulse response the kernels are,
//
//	x_l = Ab x_{l-1} + Bb u_l,  y_l = 2 Re(C x_l)
//
// by the Woodbury identity: O(N R) per feature and step. States are (B, H, 2,
// N): for each feature the N real parts, then the N imaginary parts.
//
// Its constants are prepared in float64 and rounded once; none is much larger
// than Ab itself, whatever dt and A. It is scratch memory for one goroutine.
type Step[T num.Float] struct {
	size Size
	pole []T // (H, 2, N)
	b    []T // (H, 2, N)
	q    []T // (H, R, 2N) rows: phi = q x
	e    []T // (H, R, 2N)
	c    []T // (CH, H, 2N) rows: y = c x
	phi  []T // (R)
}

// NewStep returns the recurrence of the kernels that cfg and prm describe: like
// theirs, prm.C is C~, and L and LKernel say for how many steps. It returns an
// error if the configuration, a size or a length is wrong.
//
// The cost is that of [RecoverC], O(N^3 log LKernel) per feature.
func NewStep[T num.Float](cfg Config, size Size, prm Params[T]) (*Step[T], error) {
	if err := checkRecurrence(cfg, size, prm); err != nil {
		return nil, fmt.Errorf("cauchy: NewStep: %w", err)
	}
	n := 2 * size.N
	s := &Step[T]{
		size: size,
		pole: num.Aligned[T](size.H * n), b: num.Aligned[T](size.H * n),
		q: num.Aligned[T](size.H * size.R * n), e: num.Aligned[T](size.H * size.R * n),
		c: num.Aligned[T](size.CH * size.H * n), phi: make([]T, size.R),
	}
	err := discretise(cfg, size, prm, func(h int, f *feature, d *discrete) {
		realColumn(s.pole[h*n:], d.pole)
		realColumn(s.b[h*n:], d.b)
		for r := range size.R {
			realRow(s.q[(h*size.R+r)*n:], d.q[r])
			realColumn(s.e[(h*size.R+r)*n:], d.e[r])
		}
		for ch, c := range f.c {
			realRow(s.c[(ch*size.H+h)*n:], c)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cauchy: NewStep: %w", err)
	}
	return s, nil
}

// Advance replaces the states x (B, H, 2, N) by their successors for the input
// u (B, H), and writes the output (B, CH, H) to y unless that is nil. It
// returns an error if a length is wrong.
func (s *Step[T]) Advance(y, x, u []T) error {
	batch, err := checkAdvance(&s.size, y, x, u)
	if err != nil {
		return fmt.Errorf("cauchy: Step.Advance: %w", err)
	}
	n := 2 * s.size.N
	for b := range batch {
		for h := range s.size.H {
			state := x[(b*s.size.H+h)*n:][:n]
			s.advance(h, state, u[b*s.size.H+h])
			if y == nil {
				continue
			}
			for ch := range s.size.CH {
				y[(b*s.size.CH+ch)*s.size.H+h] = vec.Dot(s.c[(ch*s.size.H+h)*n:][:n], state)
			}
		}
	}
	return nil
}

// advance is one step of the state of feature h.
func (s *Step[T]) advance(h int, state []T, u T) {
	n := len(state)
	lowRank := func(m []T, r int) []T { return m[(h*s.size.R+r)*n:][:n] }
	for r := range s.phi {
		s.phi[r] = vec.Dot(lowRank(s.q, r), state)
	}
	half := n / 2
	re, im := state[:half], state[half:]
	pr, pi := s.pole[h*n:][:half], s.pole[h*n+half:][:half]
	br, bi := s.b[h*n:][:half], s.b[h*n+half:][:half]
	for i, x := range re {
		y := im[i]
		re[i] = pr[i]*x - pi[i]*y + br[i]*u
		im[i] = pr[i]*y + pi[i]*x + bi[i]*u
	}
	for r, v := range s.phi {
		vec.Axpy(state, -v, lowRank(s.e, r))
	}
}

// DenseStep is the recurrence of [Step] with dense matrices: O(N^2) per feature
// and step, whatever the rank.
type DenseStep[T num.Float] struct {
	size Size
	// A, B and C are the discrete model in real form, on states (Re x, Im x).
	A []T // (H, 2N, 2N) Ab
	B []T // (H, 2N) Bb
	C []T // (CH, H, 2N) y = C (Re x, Im x)
	x []T // (2N)
}

// NewDenseStep returns the dense recurrence of the kernels that cfg and prm
// describe, as [NewStep] does.
func NewDenseStep[T num.Float](cfg Config, size Size, prm Params[T]) (*DenseStep[T], error) {
	if err := checkRecurrence(cfg, size, prm); err != nil {
		return nil, fmt.Errorf("cauchy: NewDenseStep: %w", err)
	}
	n := 2 * size.N
	s := &DenseStep[T]{
		size: size,
		A:    num.Aligned[T](size.H * n * n), B: num.Aligned[T](size.H * n), C: num.Aligned[T](size.CH * size.H * n),
		x: num.Aligned[T](n),
	}
	err := discretise(cfg, size, prm, func(h int, f *feature, d *discrete) {
		a := make([]float64, n*n)
		d.matrix(a)
		for i, v := range a {
			s.A[h*n*n+i] = T(v)
		}
		realColumn(s.B[h*n:], d.b)
		for ch, c := range f.c {
			realRow(s.C[(ch*size.H+h)*n:], c)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cauchy: NewDenseStep: %w", err)
	}
	return s, nil
}

// Advance does what [Step.Advance] does.
func (s *DenseStep[T]) Advance(y, x, u []T) error {
	batch, err := checkAdvance(&s.size, y, x, u)
	if err != nil {
		return fmt.Errorf("cauchy: DenseStep.Advance: %w", err)
	}
	n := 2 * s.size.N
	for b := range batch {
		for h := range s.size.H {
			state := x[(b*s.size.H+h)*n:][:n]
			copy(s.x, state)
			for i := range state {
				state[i] = vec.Dot(s.A[(h*n+i)*n:][:n], s.x)
			}
			vec.Axpy(state, u[b*s.size.H+h], s.B[h*n:][:n])
			if y == nil {
				continue
			}
			for ch := range s.size.CH {
				y[(b*s.size.CH+ch)*s.size.H+h] = vec.Dot(s.C[(ch*s.size.H+h)*n:][:n], state)
			}
		}
	}
	return nil
}

// checkAdvance returns the batch size of a step.
func checkAdvance[T num.Float](s *Size, y, x, u []T) (batch int, err error) {
	batch = len(u) / s.H
	switch {
	case len(u) != batch*s.H:
		return 0, fmt.Errorf("u: want (B, %d), got %d elements", s.H, len(u))
	case len(x) != batch*s.H*2*s.N:
		return 0, fmt.Errorf("x: want (%d, %d, 2, %d), got %d elements", batch, s.H, s.N, len(x))
	case y != nil && len(y) != batch*s.CH*s.H:
		return 0, fmt.Errorf("y: want (%d, %d, %d), got %d elements", batch, s.CH, s.H, len(y))
	}
	return batch, nil
}

// checkRecurrence checks all that a recurrence and its C are made of.
func checkRecurrence[T num.Float](cfg Config, size Size, prm Params[T]) error {
	if err := checkModel(cfg, size, prm); err != nil {
		return err
	}
	if n := cfg.nodes(); n < 1 {
		return fmt.Errorf("want round(LKernel/Rate), the length that C~ is tuned to, at least 1, got %d", n)
	}
	return nil
}

// discretise calls visit for every feature, with C recovered from C~, on any
// goroutine.
func discretise[T num.Float](cfg Config, size Size, prm Params[T], visit func(h int, f *feature, d *discrete)) error {
	errs := make([]error, size.H)
	par.For(size.H, func(_, h int) {
		f := newFeature(&size)
		load(f, &prm, &cfg, &size, h)
		if errs[h] = f.retune(cfg.nodes(), untilt); errs[h] == nil {
			d := newDiscrete(&size)
			d.set(f)
			visit(h, f, d)
		}
	})
	return firstError(errs)
}

// firstError returns the first error of the features.
func firstError(errs []error) error {
	for h, err := range errs {
		if err != nil {
			return fmt.Errorf("feature %d: %w", h, err)
		}
	}
	return nil
}
