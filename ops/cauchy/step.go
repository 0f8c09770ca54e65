package cauchy

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/dplr"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is the recurrence whose impulse response the kernels are,
//
//	x_l = Ab x_{l-1} + Bb u_l,  y_l = 2 Re(C x_l)
//
// by the Woodbury identity: O(N R) per feature and step. States are in the order
// that suits vector registers: [Step.Load] and [Step.Store] turn them from and
// to (B, H, N, 2).
//
// Its constants are prepared in float64 and rounded once; none is much larger
// than Ab itself, whatever dt and A. Its parameters do not change; its scratch
// memory is for one goroutine. [Step.Fork] shares the parameters.
type Step[T num.Float] struct{ r *dplr.Recurrence[T] }

// NewStep returns the recurrence of the kernels that cfg and prm describe: like
// theirs, prm.C is C~, and L and LKernel say for how many steps. It returns an
// error if the configuration, a size or a length is wrong.
//
// The cost is that of [UntuneC], O(N^3 log LKernel) per feature.
func NewStep[T num.Float](cfg Config, size Size, prm Params[[]T]) (*Step[T], error) {
	if err := checkRecurrence(cfg, size, prm); err != nil {
		return nil, named("NewStep", err)
	}
	r := dplr.New[T](dplr.Size{H: size.H, N: size.N, Rank: size.R, Channels: size.CH})
	err := eachRecurrence(cfg, size, prm, func(h int, f *feature, d *discrete) {
		r.Set(h, dplr.Feature{A: d.pole, B: d.b, E: d.e, Q: d.q, C: f.c, Gain: 2})
	})
	if err != nil {
		return nil, named("NewStep", err)
	}
	return &Step[T]{r}, nil
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
		err = fmt.Errorf("cauchy: %s: %w", fn, err)
	}
	return err
}

// DenseStep is the recurrence of [Step] with dense matrices: O(N^2) per feature
// and step, whatever the rank. Its states are (B, H, 2, N): for each feature the
// N real parts, then the N imaginary parts.
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
func NewDenseStep[T num.Float](cfg Config, size Size, prm Params[[]T]) (*DenseStep[T], error) {
	if err := checkRecurrence(cfg, size, prm); err != nil {
		return nil, named("NewDenseStep", err)
	}
	n := 2 * size.N
	s := &DenseStep[T]{
		size: size,
		A:    num.Aligned[T](size.H * n * n), B: num.Aligned[T](size.H * n), C: num.Aligned[T](size.CH * size.H * n),
		x: num.Aligned[T](n),
	}
	err := eachRecurrence(cfg, size, prm, func(h int, f *feature, d *discrete) {
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
		return nil, named("NewDenseStep", err)
	}
	return s, nil
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *DenseStep[T]) Fork() *DenseStep[T] {
	f := *s
	f.x = num.Aligned[T](len(s.x))
	return &f
}

// StateLen returns the length of the states of a batch.
func (s *DenseStep[T]) StateLen(batch int) int { return batch * s.size.H * 2 * s.size.N }

// Load does what [Step.Load] does.
func (s *DenseStep[T]) Load(x, src []T) error {
	if n := s.size.N; len(x) != len(src) || len(x)%s.StateLen(1) != 0 {
		return fmt.Errorf("cauchy: DenseStep.Load: want states (B, %d, %d, 2) and x of StateLen(B), got %d and %d elements", s.size.H, n, len(src), len(x))
	}
	for i := range len(src) / 2 {
		re := s.at(i)
		x[re], x[re+s.size.N] = src[2*i], src[2*i+1]
	}
	return nil
}

// Store does what [Step.Store] does.
func (s *DenseStep[T]) Store(x []T) []T {
	dst := make([]T, len(x))
	for i := range len(dst) / 2 {
		re := s.at(i)
		dst[2*i], dst[2*i+1] = x[re], x[re+s.size.N]
	}
	return dst
}

// CopyRows does what [Step.CopyRows] does.
func (s *DenseStep[T]) CopyRows(dst []T, at int, src []T, rows []int) {
	n := s.StateLen(1)
	num.CopyRows(dst, len(dst)/n, at, src, len(src)/n, rows, n)
}

// at returns the place of the real part of state i of (B, H, N).
func (s *DenseStep[T]) at(i int) int { return i/s.size.N*2*s.size.N + i%s.size.N }

// Advance does what [Step.Advance] does.
func (s *DenseStep[T]) Advance(y, x, u []T) error {
	batch, err := checkAdvance(&s.size, y, x, u)
	if err != nil {
		return named("DenseStep.Advance", err)
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
			for ch := range s.size.CH {
				y[(b*s.size.CH+ch)*s.size.H+h] = vec.Dot(s.C[(ch*s.size.H+h)*n:][:n], state)
			}
		}
	}
	return nil
}

// Scan does what [Step.Scan] does.
func (s *DenseStep[T]) Scan(y, x, u []T) error {
	h, ch := s.size.H, s.size.CH
	if len(u)%h != 0 || len(y) != len(u)*ch {
		return named("DenseStep.Scan", fmt.Errorf("want u (L, %d) and y (L, %d, %[1]d), got %d and %d elements", h, ch, len(u), len(y)))
	}
	for ; len(u) > 0; y, u = y[ch*h:], u[h:] {
		if err := s.Advance(y[:ch*h], x, u[:h]); err != nil {
			return err
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
	case len(y) != batch*s.CH*s.H:
		return 0, fmt.Errorf("y: want (%d, %d, %d), got %d elements", batch, s.CH, s.H, len(y))
	}
	return batch, nil
}

// checkRecurrence checks all that a recurrence and its C are made of.
func checkRecurrence[T num.Float](cfg Config, size Size, prm Params[[]T]) error {
	if err := checkModel(cfg, size, prm); err != nil {
		return err
	}
	if n := cfg.nodes(); n < 1 {
		return fmt.Errorf("want round(LKernel/Rate), the length that C~ is tuned to, at least 1, got %d", n)
	}
	return nil
}

// Discretize returns the recurrence whose impulse response the kernels are, as
// dense real matrices in float64: Ab (H, 2N, 2N) and Bb (H, 2N) on states (Re x,
// Im x), as in [DenseStep]. Config.L and LKernel, Size.CH and Params.C are not
// used. It returns an error if the configuration, a size or a length is wrong.
func Discretize[T num.Float](cfg Config, size Size, prm Params[[]T]) (a, b []float64, err error) {
	size.CH = 1
	for _, e := range []error{cfg.validateModel(), size.Validate()} {
		if e != nil {
			return nil, nil, named("Discretize", e)
		}
	}
	prm.C = make([]T, size.H*size.N*2) // not used
	if err := checkParams(&prm, size, false); err != nil {
		return nil, nil, named("Discretize", err)
	}
	n := 2 * size.N
	a, b = make([]float64, size.H*n*n), make([]float64, size.H*n)
	f, d := newFeature(&size), newDiscrete(&size)
	for h := range size.H {
		load(f, &prm, &cfg, &size, h)
		d.set(f)
		d.matrix(a[h*n*n:][:n*n])
		realColumn(b[h*n:], d.b)
	}
	return a, b, nil
}

// eachRecurrence calls visit for every feature, with C~ untuned to C, on any
// goroutine.
func eachRecurrence[T num.Float](cfg Config, size Size, prm Params[[]T], visit func(h int, f *feature, d *discrete)) error {
	errs := make([]error, size.H)
	par.For(size.H, func(_, h int) {
		f := newFeature(&size)
		load(f, &prm, &cfg, &size, h)
		if errs[h] = f.convertC(cfg.nodes(), untune); errs[h] == nil {
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
