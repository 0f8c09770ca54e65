package hippo

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Discretize turns x' = A x + B u into x_l = Ab x_{l-1} + Bb u_l with a step
// dt > 0 and one of the rules of [ssm.Disc]: zero-order hold ([ZOH]), or the
// generalised bilinear transform ([GBT]) with alpha = 0 (Euler), 1/2
// (Bilinear), 1 (BackwardEuler) or, for ssm.GBT alone, the alpha given. With the
// other rules alpha is 0, or the one that the rule has.
//
//	a  (N, N)
//	b  (N)
func Discretize(a *mat.Dense, b []float64, dt float64, disc ssm.Disc, alpha float64) (ab *mat.Dense, bb []float64, err error) {
	alpha, err = gbtAlpha(disc, alpha)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("hippo: Discretize: %w", err)
	case disc == ssm.ZOH:
		return ZOH(a, b, dt)
	}
	return GBT(a, b, dt, alpha)
}

// gbtAlpha returns the alpha of a rule, 0 for ssm.ZOH, which has none.
func gbtAlpha(disc ssm.Disc, alpha float64) (float64, error) {
	if err := disc.Validate(); err != nil {
		return 0, err
	}
	if disc == ssm.GBT {
		return alpha, checkAlpha(alpha)
	}
	own := map[ssm.Disc]float64{ssm.Bilinear: 0.5, ssm.BackwardEuler: 1}[disc]
	if alpha != 0 && alpha != own {
		return 0, fmt.Errorf("want no alpha with discretisation %q, got %g: it is for %q", disc, alpha, ssm.GBT)
	}
	return own, nil
}

func checkAlpha(alpha float64) error {
	if !(alpha >= 0 && alpha <= 1) {
		return fmt.Errorf("want alpha in [0, 1], got %g", alpha)
	}
	return nil
}

// ZOH discretises by zero-order hold, exact for an input that is constant over
// each step (LSSL, section 2; S4D, eq. 2):
//
//	Ab = e^(dt A),   Bb = A^-1 (e^(dt A) - I) B
//
// Both are blocks of one matrix exponential, which needs no inverse and so
// takes a singular A:
//
//	exp(dt [A B; 0 0]) = [Ab Bb; 0 1]
func ZOH(a *mat.Dense, b []float64, dt float64) (ab *mat.Dense, bb []float64, err error) {
	if err := checkSystem(a, b, dt); err != nil {
		return nil, nil, fmt.Errorf("hippo: ZOH: %w", err)
	}
	n := len(b)
	m := mat.NewDense(n+1, n+1, nil)
	for i := range n {
		for k := range n {
			m.Set(i, k, dt*a.At(i, k))
		}
		m.Set(i, n, dt*b[i])
	}
	var e mat.Dense
	e.Exp(m)
	return mat.DenseCopyOf(e.Slice(0, n, 0, n)), mat.Col(nil, n, e.Slice(0, n, 0, n+1)), nil
}

// GBT discretises by the generalised bilinear transform (LSSL, eq. 3), alpha
// in [0, 1]:
//
//	Ab = (I - alpha dt A)^-1 (I + (1-alpha) dt A),   Bb = (I - alpha dt A)^-1 dt B
//
// The error tells when I - alpha dt A is singular to working precision, which
// does not happen while A has no eigenvalue in the right half plane.
func GBT(a *mat.Dense, b []float64, dt, alpha float64) (ab *mat.Dense, bb []float64, err error) {
	if err = checkSystem(a, b, dt); err == nil {
		err = checkAlpha(alpha)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("hippo: GBT: %w", err)
	}
	n := len(b)
	left, right := mat.NewDense(n, n, nil), mat.NewDense(n, n+1, nil)
	for i := range n {
		for k := range n {
			v := dt * a.At(i, k)
			left.Set(i, k, -alpha*v)
			right.Set(i, k, (1-alpha)*v)
		}
		left.Set(i, i, left.At(i, i)+1)
		right.Set(i, i, right.At(i, i)+1)
		right.Set(i, n, dt*b[i])
	}
	var x mat.Dense
	if err := x.Solve(left, right); err != nil {
		return nil, nil, fmt.Errorf("hippo: GBT: I - alpha dt A with alpha = %g, dt = %g: %w", alpha, dt, err)
	}
	return mat.DenseCopyOf(x.Slice(0, n, 0, n)), mat.Col(nil, n, &x), nil
}

// checkSystem validates a (N, N), b (N) and dt.
func checkSystem(a *mat.Dense, b []float64, dt float64) error {
	if err := checkShape(a, b); err != nil {
		return err
	}
	if err := checkFinite(a); err != nil {
		return err
	}
	for i, v := range b {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("want B finite, got %g at element %d", v, i)
		}
	}
	return checkStep(dt)
}

func checkShape(a *mat.Dense, b []float64) error {
	if a == nil {
		return errors.New("want a matrix A, got nil")
	}
	r, c := a.Dims()
	if r != c || r == 0 || len(b) != r {
		return fmt.Errorf("want A (N, N) and B (N), N >= 1, got (%d, %d) and (%d)", r, c, len(b))
	}
	return nil
}

func checkStep(dt float64) error {
	if !(dt > 0) || math.IsInf(dt, 1) {
		return fmt.Errorf("want a finite step dt > 0, got %g", dt)
	}
	return nil
}

// DiscretizeDiagonal is [Discretize] for a diagonal A, element by element
// (S4D, section 3):
//
//	zoh       Ab = e^z,                                  Bb = (e^z - 1)/A B
//	the rest  Ab = (1 + (1-alpha) z)/(1 - alpha z),      Bb = dt/(1 - alpha z) B      z = dt A
//
// a and b have equal length. A = 0 is allowed.
func DiscretizeDiagonal(a, b []complex128, dt float64, disc ssm.Disc, alpha float64) (ab, bb []complex128, err error) {
	alpha, err = gbtAlpha(disc, alpha)
	if err == nil {
		err = checkStep(dt)
	}
	if err == nil && len(a) != len(b) {
		err = fmt.Errorf("want A and B of equal length, got %d and %d", len(a), len(b))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("hippo: DiscretizeDiagonal: %w", err)
	}
	ab, bb = make([]complex128, len(a)), make([]complex128, len(a))
	step := complex(dt, 0)
	for i := range a {
		p := ssm.GBTPole(step*a[i], alpha)
		if disc == ssm.ZOH {
			p = ssm.ZOHPole(step * a[i])
		}
		ab[i], bb[i] = p.Ab, step*p.Phi*b[i]
	}
	return ab, bb, nil
}
