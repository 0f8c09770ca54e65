package hippo

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Measure names the weighting of the past under which the state x(t) holds the
// coefficients of the input's history: u(t-s), the input at age s, is close to
// sum_n x_n(t) phi_n(s) where the measure has weight ([Basis] gives phi_n).
// The names are those of state-spaces/s4.
type Measure string

// The measures. The age s is in the unit of time in which dt is a step.
const (
	LegS  Measure = "legs"  // scaled Legendre: weight e^-s, Legendre polynomials in e^-s
	LegT  Measure = "legt"  // translated Legendre: the last 2 units evenly, Legendre polynomials
	LMU   Measure = "lmu"   // LegT over the last unit, in the normalisation of the LMU
	LagT  Measure = "lagt"  // translated Laguerre: Laguerre functions e^(-s/2) L_n(s)
	TLagT Measure = "tlagt" // LagT tilted by Beta
	GLagT Measure = "glagt" // generalised Laguerre polynomials of order Alpha, tilted by Beta
	FouT  Measure = "fout"  // translated Fourier: the last 2 units evenly, cosines and sines; even N
	LegSD Measure = "legsd" // the normal part of LegS
	FouD  Measure = "foud"  // damped cosines and sines of whole frequencies; even N
)

// MaxN is the largest state size N of a model from a measure, whose matrices
// have N^2 elements.
const MaxN = 1 << 15

// Measures lists every measure.
func Measures() []Measure {
	return []Measure{LegS, LegT, LMU, LagT, TLagT, GLagT, FouT, LegSD, FouD}
}

// ParseMeasure returns the measure of that name. The error lists the allowed
// names.
func ParseMeasure(name string) (Measure, error) {
	m := Measure(name)
	return m, m.Validate()
}

// Validate returns an error, which lists the allowed measures, unless m is one.
func (m Measure) Validate() error {
	return oneOf("measure", m, Measures())
}

// oneOf returns an error, which lists what is allowed, unless name is one of
// allowed.
func oneOf[S ~string](what string, name S, allowed []S) error {
	if slices.Contains(allowed, name) {
		return nil
	}
	return fmt.Errorf("hippo: want %s one of %q, got %q", what, allowed, name)
}

// MeasureOptions are the parameters of the measures that have any. The zero
// value means their defaults.
type MeasureOptions struct {
	// Alpha is the order of the polynomials of GLagT, in (-1, 1). Default 0.
	Alpha float64
	// Beta > 0 is the tilt: of TLagT, where 1 is no tilt and the default, and
	// of GLagT, where the default is 0.01 and 0 would be the limit LagT.
	Beta float64
}

// withDefaults returns the options as measure m reads them, or an error for
// one that is out of range or that m does not have.
func (o MeasureOptions) withDefaults(m Measure) (MeasureOptions, error) {
	switch {
	case o.Alpha != 0 && m != GLagT:
		return o, fmt.Errorf("hippo: measure %q: it has no Alpha, got %g", m, o.Alpha)
	case o.Beta != 0 && m != GLagT && m != TLagT:
		return o, fmt.Errorf("hippo: measure %q: it has no Beta, got %g", m, o.Beta)
	case !(o.Alpha > -1 && o.Alpha < 1):
		return o, fmt.Errorf("hippo: measure %q: want Alpha in (-1, 1), got %g", m, o.Alpha)
	case !(o.Beta >= 0) || math.IsInf(o.Beta, 1):
		return o, fmt.Errorf("hippo: measure %q: want a finite Beta > 0, or 0 for its default, got %g", m, o.Beta)
	}
	if o.Beta == 0 && m == TLagT {
		o.Beta = 1
	}
	if o.Beta == 0 && m == GLagT {
		o.Beta = 0.01
	}
	return o, nil
}

// check validates what every function of a measure takes, and fills in the
// options.
func check(m Measure, n int, opts MeasureOptions) (MeasureOptions, error) {
	if err := m.Validate(); err != nil {
		return opts, err
	}
	if n < 1 || n > MaxN {
		return opts, fmt.Errorf("hippo: measure %q: want N in [1, %d], got %d", m, MaxN, n)
	}
	if (m == FouT || m == FouD) && n%2 != 0 {
		return opts, fmt.Errorf("hippo: measure %q: want an even N (cosine and sine), got %d", m, n)
	}
	return opts.withDefaults(m)
}

// Transition returns the matrices of x' = A x + B u that keep x the
// coefficients of the past of u under the measure:
//
//	A  (N, N)
//	B  (N)
//
// Each measure's formula and source stand at its own function. The error says
// what is wrong with the measure, N or the options.
func Transition(m Measure, n int, opts MeasureOptions) (a *mat.Dense, b []float64, err error) {
	o, err := check(m, n, opts)
	if err != nil {
		return nil, nil, err
	}
	switch m {
	case LegT:
		a, b = legT(n)
	case LMU:
		a, b = lmu(n)
	case LagT:
		a, b = lagT(n)
	case TLagT:
		a, b = tLagT(n, o.Beta)
	case GLagT:
		a, b = gLagT(n, o.Alpha, o.Beta)
	case FouT:
		a, b = fouT(n)
	case FouD:
		a, b = fouD(n)
	case LegSD:
		a, b = legSD(n)
	default: // LegS: check knows the others
		a, b = legS(n)
	}
	return a, b, nil
}

// matrix returns the n x n matrix of elements f(i, k).
func matrix(n int, f func(i, k int) float64) *mat.Dense {
	a := mat.NewDense(n, n, nil)
	for i := range n {
		for k := range n {
			a.Set(i, k, f(i, k))
		}
	}
	return a
}

// vector returns the n numbers f(i).
func vector(n int, f func(i int) float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

// root returns sqrt(2n+1), the norm of the Legendre polynomial P_n under the
// uniform probability on [-1, 1], inverted.
func root(n int) float64 { return math.Sqrt(float64(2*n + 1)) }

// sign returns (-1)^n.
func sign(n int) float64 { return float64(1 - 2*(n&1)) }
