package hippo

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// SSM is a real linear state space model with one input and one output,
//
//	x'(t) = A x(t) + B u(t)
//	y(t)  = C x(t) + D u(t)
type SSM struct {
	A *mat.Dense // (N, N)
	B []float64  // (N)
	C []float64  // (N)
	D float64
}

// Discretize returns the model of x_l = Ab x_{l-1} + Bb u_l with step dt; see
// [Discretize] for the rules and for alpha.
func (s *SSM) Discretize(dt float64, disc ssm.Disc, alpha float64) (*Recurrence, error) {
	if len(s.C) != len(s.B) {
		return nil, fmt.Errorf("hippo: SSM: want B and C of equal length, got %d and %d", len(s.B), len(s.C))
	}
	ab, bb, err := Discretize(s.A, s.B, dt, disc, alpha)
	if err != nil {
		return nil, err
	}
	return &Recurrence{A: ab, B: bb, C: slices.Clone(s.C), D: s.D}, nil
}

// Recurrence is a discretised SSM,
//
//	x_l = A x_{l-1} + B u_l
//	y_l = C x_l + D u_l
//
// with A and B discretised (Ab and Bb elsewhere). It is a recurrent network
// ([Recurrence.Step], [Recurrence.Scan]) and a convolution
// ([Recurrence.Kernel]), and gives the same result either way (LSSL, section 3;
// S4, eq. 3-5).
type Recurrence struct {
	A *mat.Dense // (N, N)
	B []float64  // (N)
	C []float64  // (N)
	D float64
}

func (r *Recurrence) check() error {
	if err := checkShape(r.A, r.B); err != nil {
		return err
	}
	if len(r.C) != len(r.B) {
		return fmt.Errorf("want C (%d), got (%d)", len(r.B), len(r.C))
	}
	return nil
}

// Step advances the state x (N) in place by one input and returns the output.
func (r *Recurrence) Step(x []float64, u float64) (y float64, err error) {
	if err := r.check(); err != nil {
		return 0, fmt.Errorf("hippo: Step: %w", err)
	}
	if len(x) != len(r.B) {
		return 0, fmt.Errorf("hippo: Step: want a state (%d), got (%d)", len(r.B), len(x))
	}
	return r.step(x, u), nil
}

func (r *Recurrence) step(x []float64, u float64) (y float64) {
	next := make([]float64, len(x))
	mulVec(next, r.A, x)
	floats.AddScaled(next, u, r.B)
	copy(x, next)
	return floats.Dot(r.C, x) + r.D*u
}

// Scan runs the recurrence over u (L) and returns y (L). The state x (N) is
// where it starts and is left where it ends; nil starts from zero. Under an
// input of zeros y is what the start state adds to any output.
func (r *Recurrence) Scan(x, u []float64) (y []float64, err error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("hippo: Scan: %w", err)
	}
	if x == nil {
		x = make([]float64, len(r.B))
	}
	if len(x) != len(r.B) {
		return nil, fmt.Errorf("hippo: Scan: want a state (%d), got (%d)", len(r.B), len(x))
	}
	y = make([]float64, len(u))
	for l := range u {
		y[l] = r.step(x, u[l])
	}
	return y, nil
}

// Kernel returns the convolution kernel K_l = C A^l B, l = 0..L-1 (S4, eq. 5),
// by L products of matrix and vector. D is not part of it: y = K * u + D u.
func (r *Recurrence) Kernel(L int) ([]float64, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("hippo: Kernel: %w", err)
	}
	if err := size.Length("L", L); err != nil {
		return nil, fmt.Errorf("hippo: Kernel: %w", err)
	}
	k := make([]float64, L)
	x, next := append([]float64(nil), r.B...), make([]float64, len(r.B))
	for l := range k {
		k[l] = floats.Dot(r.C, x)
		mulVec(next, r.A, x)
		x, next = next, x
	}
	return k, nil
}

// TuneC returns C~ = C (I - A^L), (N), with which the generating function
// of the first L elements of the kernel needs no power of A (S4, appendix C.3):
//
//	sum_{l<L} K_l w^l = C~ (I - w A)^-1 B   where w^L = 1
func (r *Recurrence) TuneC(L int) ([]float64, error) {
	m, err := r.tuning(L)
	if err != nil {
		return nil, fmt.Errorf("hippo: TuneC: %w", err)
	}
	ct := make([]float64, len(r.C))
	mulVec(ct, m, r.C)
	return ct, nil
}

// UntuneC returns the C (N) whose TuneC for that L is ct. The error
// tells when I - A^L is singular to working precision: when some state is the
// same again after L steps.
func (r *Recurrence) UntuneC(ct []float64, L int) ([]float64, error) {
	m, err := r.tuning(L)
	if err == nil && len(ct) != len(r.B) {
		err = fmt.Errorf("want C~ (%d), got (%d)", len(r.B), len(ct))
	}
	if err != nil {
		return nil, fmt.Errorf("hippo: UntuneC: %w", err)
	}
	var c mat.VecDense
	if err := c.SolveVec(m, mat.NewVecDense(len(ct), ct)); err != nil {
		return nil, fmt.Errorf("hippo: UntuneC: I - A^%d: %w", L, err)
	}
	return c.RawVector().Data, nil
}

// tuning returns (I - A^L)^T.
func (r *Recurrence) tuning(L int) (*mat.Dense, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := size.Length("L", L); err != nil {
		return nil, err
	}
	var p mat.Dense
	p.Pow(r.A, L)
	return matrix(len(r.B), func(i, k int) float64 {
		if i == k {
			return 1 - p.At(i, i)
		}
		return -p.At(k, i)
	}), nil
}

// Convolve returns the causal convolution y_l = sum_{j<=l} k_j u_{l-j}, as long
// as u, by direct summation. k may be shorter or longer than u.
func Convolve(k, u []float64) []float64 {
	y := make([]float64, len(u))
	for l := range y {
		for j := 0; j <= l && j < len(k); j++ {
			y[l] += k[j] * u[l-j]
		}
	}
	return y
}
