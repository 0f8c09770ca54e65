package hippo

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// lagT is the translated Laguerre measure (HiPPO, theorem 1, in the symmetric
// tilt of state-spaces/s4):
//
//	A_nk = { -1    n > k
//	       { -1/2  n = k       B_n = 1
//	       {  0    n < k
func lagT(n int) (*mat.Dense, []float64) {
	return laguerreMatrix(n, -0.5), vector(n, func(int) float64 { return 1 })
}

// tLagT is LagT tilted by beta: the diagonal is (1-beta)/2 - 1, B_n = beta.
func tLagT(n int, beta float64) (*mat.Dense, []float64) {
	return laguerreMatrix(n, (1-beta)/2-1), vector(n, func(int) float64 { return beta })
}

// laguerreMatrix has d on its diagonal, -1 below and 0 above.
func laguerreMatrix(n int, d float64) *mat.Dense {
	return matrix(n, func(i, k int) float64 {
		switch {
		case i > k:
			return -1
		case i == k:
			return d
		}
		return 0
	})
}

// gLagT is the generalised Laguerre measure of order alpha, tilted by beta
// (HiPPO, appendix D.2), with the norms Lambda_n = (Gamma(n+alpha+1)/n!)^1/2:
//
//	A = Lambda^-1 (-(1+beta)/2 I - strictly lower ones) Lambda
//	B_n = c Lambda_n^-1 binom(n+alpha, n) = c Lambda_n / Gamma(1+alpha)
//	c = Gamma(1-alpha)^-1/2 beta^((1-alpha)/2)
func gLagT(n int, alpha, beta float64) (*mat.Dense, []float64) {
	lambda := laguerreNorms(n, alpha)
	a := laguerreMatrix(n, -(1+beta)/2)
	a.Apply(func(i, k int, v float64) float64 { return v * lambda[k] / lambda[i] }, a)
	c := gLagTScale(alpha, beta)
	return a, vector(n, func(i int) float64 { return c * lambda[i] / math.Gamma(1+alpha) })
}

// laguerreNorms returns (Gamma(i+alpha+1)/i!)^1/2 for i < n, the norms of the
// generalised Laguerre polynomials under s^alpha e^-s.
func laguerreNorms(n int, alpha float64) []float64 {
	return vector(n, func(i int) float64 {
		num, _ := math.Lgamma(float64(i) + alpha + 1)
		den, _ := math.Lgamma(float64(i) + 1)
		return math.Exp((num - den) / 2)
	})
}

// gLagTScale is the constant c of gLagT.
func gLagTScale(alpha, beta float64) float64 {
	return math.Pow(beta, (1-alpha)/2) / math.Sqrt(math.Gamma(1-alpha))
}

// laguerreLowRank is the rank-1 correction of LagT, TLagT and GLagT of order
// 0: P_n = sqrt(1/2) (S4, appendix C.1).
func laguerreLowRank(n int) [][]float64 {
	return [][]float64{vector(n, func(int) float64 { return math.Sqrt(0.5) })}
}

// tLagTBasis is e^((beta-1)s/2) L_n(s)/beta, n < len(phi): orthonormal under
// the weight beta^2 e^(-beta s). beta = 0 stands for LagT, the functions
// e^(-s/2) L_n(s), orthonormal under the weight 1.
func tLagTBasis(phi []float64, s, beta float64) {
	scale := 1.0
	if beta > 0 {
		scale = 1 / beta
	}
	laguerre(phi, 0, s, scale*math.Exp((beta-1)*s/2))
}

// gLagTBasis is s^alpha e^((beta-1)s/2) L_n^alpha(s) / (c Lambda_n),
// n < len(phi): orthonormal under the weight c^2 s^-alpha e^(-beta s).
func gLagTBasis(phi []float64, s, alpha, beta float64) {
	laguerre(phi, alpha, s, math.Pow(s, alpha)*math.Exp((beta-1)*s/2)/gLagTScale(alpha, beta))
	for i, v := range laguerreNorms(len(phi), alpha) {
		phi[i] /= v
	}
}

// laguerre sets p_n to scale times the generalised Laguerre polynomial
// L_n^alpha(s), by the recurrence
// (n+1) L_n+1 = (2n+1+alpha-s) L_n - (n+alpha) L_n-1. Carrying the scale keeps
// a product with a decaying factor from overflowing on the way.
func laguerre(p []float64, alpha, s, scale float64) {
	prev, cur := 0.0, scale
	for i := range p {
		p[i] = cur
		n := float64(i)
		prev, cur = cur, ((2*n+1+alpha-s)*cur-(n+alpha)*prev)/(n+1)
	}
}
