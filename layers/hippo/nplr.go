package hippo

import (
	"fmt"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/size"
)

// ReferenceClipB is the bound on |Im B| that state-spaces/s4 applies to every
// model that comes from a measure.
const ReferenceClipB = 2

// NPLROptions parametrises [NPLR].
type NPLROptions struct {
	MeasureOptions
	// ClipB > 0 clamps Im B to [-ClipB, ClipB], which tames the largest
	// elements of B (40 for LegS of N = 64) at the price of no longer being the
	// measure's B. Default 0: no clamp. The reference uses ReferenceClipB.
	ClipB float64
}

// NPLR returns the system of a measure in its eigenbasis, as S4 stores it
// (S4, theorem 1 and appendix C.1; HTTYH for FouT):
//
//	A + sum_r P_r P_r^T = V_full diag(Lambda, conj Lambda) V_full^H,   V_full = (V, conj V)
//	P <- V^H P,  B <- V^H B,  A = 2 Re(V diag(Lambda) V^H) - sum_r P_r P_r^T
//
// The left side is a multiple of I plus a skew matrix, so the real part of
// Lambda is one number, known exactly, and the imaginary part comes from a
// skew eigenproblem in real arithmetic. Lambda has Im <= 0, most negative
// first. FouT and FouD have one pair of eigenvalues with imaginary part 0; it
// is last, with the eigenvector (e_0 + i e_1)/sqrt2.
//
// Eigenvectors have no phase of their own. Here the first component of each
// column of V that is not negligible (above 1e-8) is real and positive, which
// makes P, B and V a function of the arguments alone. For LegS, LegT and LagT
// it is component 0. LAPACK's Hermitian eigensolver makes it real as well, so
// the clamped |B| agrees with the reference; the unclamped |B|, |P| and
// conj(P) B agree under any phase.
//
// n is even. The smallest rank is 1 for LegS, LagT, TLagT, GLagT (of Alpha 0)
// and FouT, 2 for LegT; LegSD and FouD are normal and any rank >= 1 does. A
// larger rank adds rows of zeros to P. LMU is refused: its matrix is LegT's in
// a basis that is not orthonormal.
func NPLR(m Measure, n, rank int, opts NPLROptions) (*DPLR, error) {
	o, err := check(m, n, opts.MeasureOptions)
	if err != nil {
		return nil, err
	}
	if n%2 != 0 {
		return nil, fmt.Errorf("hippo: measure %q: want an even N (conjugate pairs), got %d", m, n)
	}
	if !(opts.ClipB >= 0) {
		return nil, fmt.Errorf("hippo: measure %q: want ClipB > 0, or 0 for no clamp, got %g", m, opts.ClipB)
	}
	re, p, err := normalPart(m, n, o)
	if err != nil {
		return nil, err
	}
	if least := max(1, len(p)); rank < least {
		return nil, fmt.Errorf("hippo: measure %q: want rank >= %d, got %d", m, least, rank)
	}
	if err := size.Tensor("P (rank, N)", rank, n); err != nil {
		return nil, fmt.Errorf("hippo: measure %q: %w", m, err)
	}
	for len(p) < rank {
		p = append(p, make([]float64, n))
	}
	a, b, err := Transition(m, n, opts.MeasureOptions)
	if err != nil {
		return nil, err
	}
	omega, v, err := skewEigen(skewPart(a, p))
	if err != nil {
		return nil, fmt.Errorf("hippo: measure %q: %w", m, err)
	}
	d := &DPLR{Lambda: make([]complex128, n/2), B: coordinates(v, b), V: v}
	for i, w := range omega {
		d.Lambda[i] = complex(re, -w)
	}
	for _, row := range p {
		d.P = append(d.P, coordinates(v, row))
	}
	clipImag(d.B, opts.ClipB)
	return d, nil
}

// normalPart returns what makes the matrix of a measure normal: the rows of P
// and the real part of Lambda, A + sum_r P_r P_r^T = re I + skew.
func normalPart(m Measure, n int, o MeasureOptions) (re float64, p [][]float64, err error) {
	switch {
	case m == LegS:
		return -0.5, legSLowRank(n), nil
	case m == LegT:
		return 0, legTLowRank(n), nil
	case m == LagT:
		return 0, laguerreLowRank(n), nil
	case m == TLagT, m == GLagT && o.Alpha == 0:
		return -o.Beta / 2, laguerreLowRank(n), nil
	case m == FouT:
		return 0, [][]float64{fourierB(n)}, nil
	case m == LegSD, m == FouD:
		return -0.5, nil, nil
	case m == GLagT:
		return 0, nil, fmt.Errorf("hippo: measure %q: want Alpha 0, got %g: no low-rank correction makes the others normal", m, o.Alpha)
	}
	return 0, nil, fmt.Errorf("hippo: measure %q: it has no low-rank correction; use %q, the same measure in an orthonormal basis", m, LegT)
}

// skewPart returns (M - M^T)/2 for M = a + sum_r p_r p_r^T: M without its
// constant diagonal, and without the rounding that is not skew.
func skewPart(a *mat.Dense, p [][]float64) *mat.Dense {
	n, _ := a.Dims()
	plus := matrix(n, func(i, k int) float64 {
		v := a.At(i, k)
		for _, row := range p {
			v += row[i] * row[k]
		}
		return v
	})
	return matrix(n, func(i, k int) float64 { return (plus.At(i, k) - plus.At(k, i)) / 2 })
}

// coordinates returns V^H x.
func coordinates(v *mat.CDense, x []float64) []complex128 {
	n, half := v.Dims()
	y := make([]complex128, half)
	for j := range y {
		for i := range n {
			y[j] += cmplx.Conj(v.At(i, j)) * complex(x[i], 0)
		}
	}
	return y
}

// clipImag clamps the imaginary parts of b to [-bound, bound]; 0 means no
// bound.
func clipImag(b []complex128, bound float64) {
	if bound == 0 {
		return
	}
	for i, v := range b {
		b[i] = complex(real(v), math.Max(-bound, math.Min(bound, imag(v))))
	}
}
