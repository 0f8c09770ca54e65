package hippo

import (
	"fmt"
	"math/cmplx"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// DPLR is a state space model in the diagonal plus low-rank form of S4 (S4,
// section 3.2), one member of each conjugate pair stored:
//
//	x' = Lambda x - sum_r P_r (P_r^H x + conj(P_r^H x)) + B u
//
// With the other members the state matrix is diag(Lambda, conj Lambda) -
// sum_r p_r p_r^H, p_r = (P_r, conj P_r). A model without P is diagonal.
type DPLR struct {
	Lambda []complex128   // (N/2), Im <= 0
	P      [][]complex128 // (R, N/2)
	B      []complex128   // (N/2)
	// V is the eigenbasis (N, N/2) of the matrix the model came from, x_real =
	// V x + conj(V x); nil for a model that was given in diagonal form.
	V *mat.CDense
}

// clone returns a copy that shares no memory with d.
func (d *DPLR) clone() *DPLR {
	c := &DPLR{Lambda: slices.Clone(d.Lambda), B: slices.Clone(d.B)}
	for _, p := range d.P {
		c.P = append(c.P, slices.Clone(p))
	}
	if d.V != nil {
		n, half := d.V.Dims()
		c.V = mat.NewCDense(n, half, nil)
		c.V.Copy(d.V)
	}
	return c
}

// check validates the shapes of d and of an output row c (N/2).
func (d *DPLR) check(c []complex128) error {
	half := len(d.Lambda)
	if half == 0 || len(d.B) != half || len(c) != half {
		return fmt.Errorf("want Lambda, B and C of one length >= 1, got %d, %d and %d", half, len(d.B), len(c))
	}
	for r, p := range d.P {
		if len(p) != half {
			return fmt.Errorf("want P[%d] (%d), got (%d)", r, half, len(p))
		}
	}
	return nil
}

// Real returns the same model with output y = 2 Re(C x), c (N/2), as a real one
// of state size N: its state is (Re x, Im x), see [RealState], and with
// p_r = (Re P_r, Im P_r)
//
//	A = [Re Lambda  -Im Lambda]                        B = (Re B, Im B)
//	    [Im Lambda   Re Lambda] - 2 sum_r p_r p_r^T    C = (2 Re C, -2 Im C)
//
// Everything that an [SSM] can do serves the complex models through it.
func (d *DPLR) Real(c []complex128) (*SSM, error) {
	if err := d.check(c); err != nil {
		return nil, fmt.Errorf("hippo: DPLR: %w", err)
	}
	half := len(d.Lambda)
	a := mat.NewDense(2*half, 2*half, nil)
	for i, l := range d.Lambda {
		a.Set(i, i, real(l))
		a.Set(i, half+i, -imag(l))
		a.Set(half+i, i, imag(l))
		a.Set(half+i, half+i, real(l))
	}
	for _, row := range d.P {
		p := RealState(row)
		a.Apply(func(i, k int, v float64) float64 { return v - 2*p[i]*p[k] }, a)
	}
	return &SSM{A: a, B: RealState(d.B), C: realRow(c)}, nil
}

// RealState returns (Re x, Im x): the state of [DPLR.Real] for the state x of
// the complex model.
func RealState(x []complex128) []float64 {
	r := make([]float64, 2*len(x))
	for i, v := range x {
		r[i], r[len(x)+i] = real(v), imag(v)
	}
	return r
}

// ComplexState is the inverse of [RealState]. An odd last element is ignored.
func ComplexState(r []float64) []complex128 {
	x := make([]complex128, len(r)/2)
	for i := range x {
		x[i] = complex(r[i], r[len(x)+i])
	}
	return x
}

// realRow returns the row of [DPLR.Real] for the output row c: 2 Re(c x) =
// realRow(c) RealState(x).
func realRow(c []complex128) []float64 {
	r := make([]float64, 2*len(c))
	for i, v := range c {
		r[i], r[len(c)+i] = 2*real(v), -2*imag(v)
	}
	return r
}

// complexRow is the inverse of realRow.
func complexRow(r []float64) []complex128 {
	c := make([]complex128, len(r)/2)
	for i := range c {
		c[i] = complex(r[i]/2, -r[len(c)+i]/2)
	}
	return c
}

// Kernel returns the convolution kernel (L) of the model discretised by the
// bilinear transform with step dt, for the output row c (N/2), by powers of the
// dense matrix. (For another discretisation: [DPLR.Real].)
func (d *DPLR) Kernel(c []complex128, dt float64, L int) ([]float64, error) {
	r, err := d.bilinear(c, dt)
	if err != nil {
		return nil, err
	}
	return r.Kernel(L)
}

// TuneC returns C~ = C (I - Ab^L), (N/2), for the bilinear Ab of step dt:
// the form in which S4 trains C. See [Recurrence.TuneC]. For twice the
// length, C~ (I + Ab^L) is the new C~.
func (d *DPLR) TuneC(c []complex128, dt float64, L int) ([]complex128, error) {
	r, err := d.bilinear(c, dt)
	if err != nil {
		return nil, err
	}
	ct, err := r.TuneC(L)
	return complexRow(ct), err
}

// UntuneC is the inverse of [DPLR.TuneC].
func (d *DPLR) UntuneC(ct []complex128, dt float64, L int) ([]complex128, error) {
	r, err := d.bilinear(ct, dt)
	if err != nil {
		return nil, err
	}
	c, err := r.UntuneC(r.C, L)
	return complexRow(c), err
}

func (d *DPLR) bilinear(c []complex128, dt float64) (*Recurrence, error) {
	s, err := d.Real(c)
	if err != nil {
		return nil, err
	}
	return s.Discretize(dt, ssm.Bilinear, 0)
}

// GeneratingFunction returns Khat(w) = C~ (I - w Ab)^-1 Bb of the model
// discretised by the bilinear transform with step dt, for the output row
// ct (N/2). With C~ of [DPLR.TuneC] and w = e^(-2 pi i k/L) it is element
// k of the discrete Fourier transform of the kernel.
//
// It is the Woodbury form of S4 (theorem 3, appendix C.3) with the pole at
// w = -1 cancelled by hand: with D_n = 2(1-w) - (1+w) dt Lambda_n and
//
//	s(a, b) = sum_n dt (a_n b_n/D_n + conj(a_n b_n)/(2(1-w) - (1+w) dt conj Lambda_n))
//	Khat(w) = 2 (s(C~,B) - (1+w) s(C~,P) (I + (1+w) s(conj P, P))^-1 s(conj P, B))
//
// where P stands for its R rows. The error tells when some D_n is 0, as for
// w = 1 and Lambda_n = 0: the limit exists but not term by term.
func (d *DPLR) GeneratingFunction(ct []complex128, dt float64, w complex128) (complex128, error) {
	err := d.check(ct)
	if err == nil {
		err = checkStep(dt)
	}
	if err != nil {
		return 0, fmt.Errorf("hippo: GeneratingFunction: %w", err)
	}
	step, plus, minus := complex(dt, 0), 1+w, 2*(1-w)
	for i, l := range d.Lambda {
		if minus == plus*step*l || minus == plus*step*cmplx.Conj(l) {
			return 0, fmt.Errorf("hippo: GeneratingFunction: w = %g is a pole of Lambda[%d] = %g, dt = %g", w, i, l, dt)
		}
	}
	s := func(a, b []complex128) (sum complex128) {
		for i, l := range d.Lambda {
			v := a[i] * b[i]
			sum += step * (v/(minus-plus*step*l) + cmplx.Conj(v)/(minus-plus*step*cmplx.Conj(l)))
		}
		return sum
	}
	rank := len(d.P)
	m, cp, pb := make([][]complex128, rank), make([]complex128, rank), make([]complex128, rank)
	for i := range d.P {
		q := conj(d.P[i])
		m[i] = make([]complex128, rank)
		for k := range d.P {
			m[i][k] = plus * s(q, d.P[k])
		}
		m[i][i]++
		cp[i], pb[i] = s(ct, d.P[i]), s(q, d.B)
	}
	x, err := solveComplex(m, pb)
	if err != nil {
		return 0, fmt.Errorf("hippo: GeneratingFunction: %w", err)
	}
	k := s(ct, d.B)
	for i := range x {
		k -= plus * cp[i] * x[i]
	}
	return 2 * k, nil
}

func conj(x []complex128) []complex128 {
	y := make([]complex128, len(x))
	for i, v := range x {
		y[i] = cmplx.Conj(v)
	}
	return y
}

// solveComplex returns m^-1 b by the real system.
func solveComplex(m [][]complex128, b []complex128) ([]complex128, error) {
	n := len(b)
	if n == 0 {
		return nil, nil
	}
	a := realMatrix(n, func(i, k int) complex128 { return m[i][k] })
	var x mat.VecDense
	if err := x.SolveVec(a, mat.NewVecDense(2*n, RealState(b))); err != nil {
		return nil, fmt.Errorf("the Woodbury system of rank %d: %w", n, err)
	}
	return ComplexState(x.RawVector().Data), nil
}

// realMatrix returns [Re m, -Im m; Im m, Re m], (2n, 2n), for the complex matrix
// m (n, n).
func realMatrix(n int, m func(i, k int) complex128) *mat.Dense {
	return matrix(2*n, func(i, k int) float64 {
		v := m(i%n, k%n)
		switch {
		case i < n && k >= n:
			return -imag(v)
		case i >= n && k < n:
			return imag(v)
		}
		return real(v)
	})
}

// DiagonalKernel returns the convolution kernel of a diagonal model (S4D,
// section 3),
//
//	K_l = 2 Re sum_n C_n Bb_n Ab_n^l,   l = 0..L-1
//
// by L multiplications per state. a, b and c have N/2 elements; see
// [DiscretizeDiagonal] for disc and alpha.
func DiagonalKernel(a, b, c []complex128, dt float64, disc ssm.Disc, alpha float64, L int) ([]float64, error) {
	if len(c) != len(a) {
		return nil, fmt.Errorf("hippo: DiagonalKernel: want A and C of equal length, got %d and %d", len(a), len(c))
	}
	if err := size.Length("L", L); err != nil {
		return nil, fmt.Errorf("hippo: DiagonalKernel: %w", err)
	}
	ab, x, err := DiscretizeDiagonal(a, b, dt, disc, alpha)
	if err != nil {
		return nil, err
	}
	k := make([]float64, L)
	for l := range k {
		for i := range x {
			k[l] += 2 * real(c[i]*x[i])
			x[i] *= ab[i]
		}
	}
	return k, nil
}
