package hippo

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// LSSLMeasures lists the measures whose system has the trainable form of LSSL.
func LSSLMeasures() []Measure { return []Measure{LegS, LegT, LMU, LagT, TLagT, GLagT} }

// LSSL returns the system of a measure in the trainable form of LSSL, with O(N)
// parameters (LSSL, section 4); [Untridiagonal] of it is [Transition]. n is at
// least 2. With p_n = sqrt(2n+1) and the norms Lambda of GLagT,
//
//	        Pl            Pr        C
//	LegS    p             p         -n/(2n+1)
//	LegT    p             p         0
//	LMU     2 (-1)^n p^2  (-1)^n    0
//	LagT    1             1         -1/2
//	TLagT   1             1         (beta-1)/2
//	GLagT   1/Lambda      Lambda    (beta-1)/2
//
// The two over a sliding window share one T, the other four another:
//
//	         T                                         T^-1
//	window   1 above the diagonal, -1 below,           1/2 where n >= k,
//	         1 at its two ends, 0 between              (-1)^(n-k)/2 where n < k
//	others   1 on the diagonal, -1 below               1 where n >= k, 0 where n < k
//
// The published code runs LegT at twice this speed: double dt for that.
func LSSL(m Measure, n int, opts MeasureOptions) (*ssm.Tridiagonal[[]float64], error) {
	if err := oneOf("measure with a tridiagonal inverse", m, LSSLMeasures()); err != nil {
		return nil, err
	}
	if n < 2 || n > MaxN {
		return nil, fmt.Errorf("hippo: LSSL: want N in [2, %d], got %d", MaxN, n)
	}
	o, err := check(m, n, opts)
	if err != nil {
		return nil, err
	}
	t := &ssm.Tridiagonal[[]float64]{
		Pl: constant(n, 1), Dl: constant(n-1, -1), D: constant(n, 1), Du: constant(n-1, 0),
		Pr: constant(n, 1), C: constant(n, (o.Beta-1)/2),
	}
	switch m {
	case LegS:
		t.Pl, t.Pr = vector(n, root), vector(n, root)
		t.C = vector(n, func(i int) float64 { return -float64(i) / float64(2*i+1) })
	case LegT:
		t.Pl, t.Pr = vector(n, root), vector(n, root)
	case LMU:
		t.Pl = vector(n, func(i int) float64 { return 2 * sign(i) * float64(2*i+1) })
		t.Pr = vector(n, sign)
	case GLagT:
		t.Pr = laguerreNorms(n, o.Alpha)
		t.Pl = vector(n, func(i int) float64 { return 1 / t.Pr[i] })
	}
	if m == LegT || m == LMU {
		t.D, t.Du, t.C = constant(n, 0), constant(n-1, 1), constant(n, 0)
		t.D[0], t.D[n-1] = 1, 1
	}
	_, b, err := Transition(m, n, opts)
	if err != nil {
		return nil, err
	}
	t.B = vector(n, func(i int) float64 { return b[i] / t.Pl[i] })
	return t, nil
}

// constant returns n numbers v.
func constant(n int, v float64) []float64 {
	return vector(n, func(int) float64 { return v })
}

// Untridiagonal returns the system x' = A x + B u that t stands for, with the
// sign part of A as everywhere here:
//
//	A = -diag(Pl) (T^-1 + diag(C)) diag(Pr)   (N, N)
//	B =  diag(Pl) t.B                         (N)
//
// The error tells when lengths do not agree or T is singular to working
// precision.
func Untridiagonal(t *ssm.Tridiagonal[[]float64]) (a *mat.Dense, b []float64, err error) {
	if t == nil {
		return nil, nil, errors.New("hippo: Untridiagonal: want the parameters of a system, got nil")
	}
	n := len(t.D)
	for i, v := range t.Parts() {
		want := n
		if i == 1 || i == 3 { // Dl, Du
			want = n - 1
		}
		if n < 2 || len(v) != want {
			return nil, nil, fmt.Errorf("hippo: Untridiagonal: want lengths N, N-1, N, N-1, N, N, N with N >= 2, got %d for part %d with N = %d", len(v), i, n)
		}
	}
	tri := matrix(n, func(i, k int) float64 {
		switch i - k {
		case 1:
			return t.Dl[k]
		case 0:
			return t.D[i]
		case -1:
			return t.Du[i]
		}
		return 0
	})
	var inv mat.Dense
	if err := inv.Inverse(tri); err != nil {
		return nil, nil, fmt.Errorf("hippo: Untridiagonal: T: %w", err)
	}
	a = matrix(n, func(i, k int) float64 {
		s := inv.At(i, k)
		if i == k {
			s += t.C[i]
		}
		return -t.Pl[i] * s * t.Pr[k]
	})
	return a, vector(n, func(i int) float64 { return t.Pl[i] * t.B[i] }), nil
}
