package hippo

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// legT is the translated Legendre measure (HiPPO, theorem 1) in orthonormal
// scaling, at half speed so that its time scale is comparable with LegS
// (state-spaces/s4): the window is the last 2 units of time.
//
//	A_nk = -1/2 sqrt(2n+1) sqrt(2k+1) * { 1           n >= k
//	                                    { (-1)^(n-k)  n <  k       B_n = 1/2 sqrt(2n+1)
func legT(n int) (*mat.Dense, []float64) {
	a := matrix(n, func(i, k int) float64 {
		v := -root(i) * root(k) / 2
		if i < k {
			v *= sign(k - i)
		}
		return v
	})
	return a, vector(n, func(i int) float64 { return root(i) / 2 })
}

// lmu is the Legendre memory unit with a window of theta = 1 unit (LMU, eq. 2;
// HiPPO, theorem 1). Its state is diag(sqrt(2n+1) (-1)^n) times that of LegT:
//
//	A_nk = (2n+1) * { -1             n <  k
//	                { (-1)^(n-k+1)   n >= k       B_n = (2n+1) (-1)^n
func lmu(n int) (*mat.Dense, []float64) {
	a := matrix(n, func(i, k int) float64 {
		v := -float64(2*i + 1)
		if i >= k {
			v *= sign(i - k)
		}
		return v
	})
	return a, vector(n, func(i int) float64 { return float64(2*i+1) * sign(i) })
}

// legTLowRank is the rank-2 correction of LegT: P_n = sqrt((2n+1)/2), its odd
// and its even elements apart (S4, appendix C.1).
func legTLowRank(n int) [][]float64 {
	odd, even := make([]float64, n), make([]float64, n)
	for i := range n {
		p := math.Sqrt(float64(i) + 0.5)
		if i%2 == 1 {
			odd[i] = p
		} else {
			even[i] = p
		}
	}
	return [][]float64{odd, even}
}

// legTBasis is sqrt(2n+1) P_n(1 - s), n < len(phi): orthonormal under the
// weight 1/2 on [0, 2], and 0 at greater ages.
func legTBasis(phi []float64, s float64) {
	if s > 2 {
		clear(phi)
		return
	}
	legendre(phi, 1-s)
	for i := range phi {
		phi[i] *= root(i)
	}
}

// lmuBasis is P_n(2s - 1), n < len(phi), on [0, 1], and 0 at greater ages.
func lmuBasis(phi []float64, s float64) {
	if s > 1 {
		clear(phi)
		return
	}
	legendre(phi, 2*s-1)
}
