package hippo

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// legS is the scaled Legendre measure (HiPPO, theorem 2; the matrix of S4,
// eq. 2):
//
//	       -sqrt(2n+1) sqrt(2k+1)   n > k
//	A_nk = -(n+1)                   n = k      B_n = sqrt(2n+1)
//	        0                       n < k
//
// HiPPO runs it as x' = (A x + B u)/t, whose memory covers all of [0, t]
// evenly; as a time-invariant system its memory decays as e^-s (HTTYH,
// corollary on S4-LegS). See [Memory] for both.
func legS(n int) (*mat.Dense, []float64) {
	a := matrix(n, func(i, k int) float64 {
		switch {
		case i > k:
			return -root(i) * root(k)
		case i == k:
			return -float64(i + 1)
		}
		return 0
	})
	return a, vector(n, root)
}

// legSD is the normal part of LegS, the system S4D-LegS diagonalises. With B
// halved its kernel tends to that of LegS as N grows (S4D, theorem 3):
//
//	A = A_legs + P P^T = -1/2 I + skew,   P_n = sqrt(n+1/2),   B_n = 1/2 sqrt(2n+1)
func legSD(n int) (*mat.Dense, []float64) {
	a := matrix(n, func(i, k int) float64 {
		switch {
		case i > k:
			return -root(i) * root(k) / 2
		case i == k:
			return -0.5
		}
		return root(i) * root(k) / 2
	})
	return a, vector(n, func(i int) float64 { return root(i) / 2 })
}

// legSLowRank is the rank-1 correction of LegS: P_n = sqrt(n+1/2) (S4,
// appendix C.1).
func legSLowRank(n int) [][]float64 {
	return [][]float64{vector(n, func(i int) float64 { return math.Sqrt(float64(i) + 0.5) })}
}

// legSBasis is sqrt(2n+1) P_n(2 e^-s - 1), n < len(phi): orthonormal under the
// weight e^-s (HTTYH, S4-LegS).
func legSBasis(phi []float64, s float64) {
	legendre(phi, 2*math.Exp(-s)-1)
	for i := range phi {
		phi[i] *= root(i)
	}
}

// legendre sets p_n to the Legendre polynomial P_n(x) by the recurrence
// (n+1) P_n+1 = (2n+1) x P_n - n P_n-1.
func legendre(p []float64, x float64) {
	prev, cur := 0.0, 1.0
	for i := range p {
		p[i] = cur
		n := float64(i)
		prev, cur = cur, ((2*n+1)*x*cur-n*prev)/(n+1)
	}
}
