package hippo

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Basis returns the functions phi_n(s), n < N, of a measure at the age s >= 0:
// a state x(t) remembers the input as
//
//	u(t-s) ~ sum_n x_n(t) phi_n(s)
//
// where the measure has weight, and its kernel (e^(sA) B)_n is close to, for
// the scaled and Laguerre measures equal to, phi_n(s) times the weight (HTTYH,
// section 3). LegT and FouT are 0 beyond their window of 2 units, LMU beyond 1;
// GLagT of Alpha < 0 is infinite at s = 0. LegSD and FouD have no basis: the
// error says so.
func Basis(m Measure, n int, s float64, opts MeasureOptions) ([]float64, error) {
	basis, err := basisOf(m, n, opts)
	if err == nil {
		err = checkAges(s)
	}
	if err != nil {
		return nil, err
	}
	phi := make([]float64, n)
	basis(phi, s)
	return phi, nil
}

func checkAges(ages ...float64) error {
	for _, s := range ages {
		if !(s >= 0) || math.IsInf(s, 1) {
			return fmt.Errorf("hippo: want a finite age >= 0, got %g", s)
		}
	}
	return nil
}

// basisOf returns the function that evaluates the basis of a measure.
func basisOf(m Measure, n int, opts MeasureOptions) (func(phi []float64, s float64), error) {
	o, err := check(m, n, opts)
	if err != nil {
		return nil, err
	}
	switch m {
	case LegS:
		return legSBasis, nil
	case LegT:
		return legTBasis, nil
	case LMU:
		return lmuBasis, nil
	case FouT:
		return fouTBasis, nil
	case LagT:
		return func(phi []float64, s float64) { tLagTBasis(phi, s, 0) }, nil
	case TLagT:
		return func(phi []float64, s float64) { tLagTBasis(phi, s, o.Beta) }, nil
	case GLagT:
		return func(phi []float64, s float64) { gLagTBasis(phi, s, o.Alpha, o.Beta) }, nil
	}
	return nil, fmt.Errorf("hippo: measure %q: its kernels are no orthogonal basis: use %q or %q", m, LegS, FouT)
}

// MemoryOptions parametrises [NewMemory].
type MemoryOptions struct {
	MeasureOptions
	// Dt is the time between inputs, in the unit of time of the measure: to
	// remember the last L inputs evenly use LegT or FouT with Dt = 2/L. LegS
	// with Dt = 0 is the memory of all of the past evenly, which needs no time
	// scale (HiPPO, section 3).
	Dt float64
	// Disc is the discretisation, any but ssm.GBT. The zero value means
	// ssm.Bilinear, one linear solve per input for LegS with Dt = 0; ssm.ZOH is
	// exact for an input that is constant between samples.
	Disc ssm.Disc
}

// Memory is the online memory of a function: N coefficients that follow its
// past, one input at a time (HiPPO, section 2).
//
// With Dt > 0 it is the recurrence of the discretised measure. LegS with
// Dt = 0 is scaled, x' = (A x + B u)/t, with the clock at t = 1, 2, 3, ...
// after each input. In the time log t that is x' = A x + B u again, so input k
// is a step of width log(k/(k-1)). The first, from t = 0, fills the memory with
// a constant: x = -A^-1 B u = (u, 0, 0, ...).
type Memory struct {
	basis  func(phi []float64, s float64)
	scaled bool
	disc   ssm.Disc
	a, ab  *mat.Dense // (N, N)
	b, bb  []float64  // (N)
	x      []float64  // (N)
	seen   int        // inputs so far
}

// NewMemory returns the empty memory of n coefficients under a measure.
func NewMemory(m Measure, n int, opts MemoryOptions) (*Memory, error) {
	mem := &Memory{disc: opts.Disc, scaled: m == LegS && opts.Dt == 0}
	if mem.disc == "" {
		mem.disc = ssm.Bilinear
	}
	err := mem.disc.Validate(ssm.ZOH, ssm.Bilinear, ssm.Euler, ssm.BackwardEuler)
	if err != nil {
		return nil, err
	}
	if mem.basis, err = basisOf(m, n, opts.MeasureOptions); err != nil {
		return nil, err
	}
	mem.x = make([]float64, n)
	if mem.a, mem.b, err = Transition(m, n, opts.MeasureOptions); err != nil {
		return nil, err
	}
	if !mem.scaled {
		mem.ab, mem.bb, err = Discretize(mem.a, mem.b, opts.Dt, mem.disc, 0)
	}
	if err != nil {
		return nil, err
	}
	return mem, nil
}

// errNoMemory is what the zero value of Memory returns.
var errNoMemory = errors.New("hippo: memory: want one that NewMemory made, got the zero value")

// Push remembers one more input, a finite number: one that is not would never be
// forgotten. An error leaves the memory as it was; there is no other unless a
// step of the scaled memory cannot be solved for.
func (m *Memory) Push(u float64) error {
	if m.basis == nil {
		return errNoMemory
	}
	if math.IsNaN(u) || math.IsInf(u, 0) {
		return fmt.Errorf("hippo: memory: input %d: want a finite number, got %g", m.seen, u)
	}
	if m.scaled && m.seen == 0 {
		m.x[0] = u
		m.seen = 1
		return nil
	}
	if m.scaled {
		k := float64(m.seen)
		ab, bb, err := Discretize(m.a, m.b, math.Log1p(1/k), m.disc, 0)
		if err != nil {
			return fmt.Errorf("hippo: memory: input %d: %w", m.seen, err)
		}
		m.ab, m.bb = ab, bb
	}
	next := make([]float64, len(m.x))
	mulVec(next, m.ab, m.x)
	floats.AddScaled(next, u, m.bb)
	m.x = next
	m.seen++
	return nil
}

// Coefficients returns a copy of the state x (N).
func (m *Memory) Coefficients() []float64 { return slices.Clone(m.x) }

// Reconstruct returns what the memory holds of the input at each age: at 0 the
// end of the last step, its middle at half a step. Ages are in the unit of time
// of the measure, for the scaled memory in inputs, at most as many as it has
// seen.
func (m *Memory) Reconstruct(ages []float64) ([]float64, error) {
	if m.basis == nil {
		return nil, errNoMemory
	}
	s := slices.Clone(ages)
	for i, age := range ages {
		if !(age >= 0) || (m.scaled && age > float64(m.seen)) {
			return nil, fmt.Errorf("hippo: memory: want an age of at least 0 and within the %d inputs seen, got %g", m.seen, age)
		}
		if m.scaled {
			s[i] = logAge(age, m.seen)
		}
	}
	return reconstruct(m.basis, m.x, s), nil
}

// logAge is an age among the t inputs of the scaled memory, on the time axis of
// the measure LegS: there the origin lies infinitely long ago.
func logAge(age float64, t int) float64 {
	if age == 0 {
		return 0
	}
	return -math.Log1p(-age / float64(t))
}

// Project feeds u (L) to a memory and returns the coefficients (L, N), row l
// those after input u_l. L >= 1, and every input is finite.
func Project(m Measure, n int, u []float64, opts MemoryOptions) (*mat.Dense, error) {
	mem, err := NewMemory(m, n, opts)
	if err != nil {
		return nil, err
	}
	if len(u) == 0 {
		return nil, errors.New("hippo: Project: want at least one input, got none")
	}
	x := mat.NewDense(len(u), n, nil)
	for l, v := range u {
		if err := mem.Push(v); err != nil {
			return nil, err
		}
		x.SetRow(l, mem.x)
	}
	return x, nil
}

// Reconstruct returns u(t-s) ~ sum_n x_n phi_n(s) for each age s >= 0, from the
// coefficients x (N) that a measure holds at time t; see [Basis]. To read row l
// of [Project] for the scaled memory, whose t is l+1, the age of an input that
// was fed r < t steps ago is s = -log(1 - r/t).
func Reconstruct(m Measure, x, ages []float64, opts MeasureOptions) ([]float64, error) {
	basis, err := basisOf(m, len(x), opts)
	if err == nil {
		err = checkAges(ages...)
	}
	if err != nil {
		return nil, err
	}
	return reconstruct(basis, x, ages), nil
}

func reconstruct(basis func(phi []float64, s float64), x, ages []float64) []float64 {
	u, phi := make([]float64, len(ages)), make([]float64, len(x))
	for i, s := range ages {
		basis(phi, s)
		u[i] = floats.Dot(x, phi)
	}
	return u
}
