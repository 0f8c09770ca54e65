package hippo

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// fouT is the translated Fourier measure (HTTYH, S4-FouT) at half speed, as
// LegT: the window is the last 2 units of time. In pairs (2j, 2j+1) of a
// cosine and a sine,
//
//	A = S - B B^T,   S_2j,2j+1 = -pi j,   S_2j+1,2j = pi j,
//	B = (1, 0, sqrt2, 0, sqrt2, 0, ...)
//
// B B^T is what forgets the input that leaves the window.
func fouT(n int) (*mat.Dense, []float64) {
	b := fourierB(n)
	a := rotations(n, math.Pi)
	a.Apply(func(i, k int, v float64) float64 { return v - b[i]*b[k] }, a)
	return a, b
}

// fouD is the diagonal counterpart of FouT: the rotations at full speed,
// damped evenly, A = S - I/2 with S_2j+1,2j = 2 pi j (state-spaces/s4). Its
// eigenvalues are -1/2 +- 2 pi i j.
func fouD(n int) (*mat.Dense, []float64) {
	a := rotations(n, 2*math.Pi)
	for i := range n {
		a.Set(i, i, -0.5)
	}
	return a, fourierB(n)
}

// rotations is the skew matrix whose pair j turns at the angular speed j*unit.
func rotations(n int, unit float64) *mat.Dense {
	s := mat.NewDense(n, n, nil)
	for j := 1; j < n/2; j++ {
		s.Set(2*j, 2*j+1, -unit*float64(j))
		s.Set(2*j+1, 2*j, unit*float64(j))
	}
	return s
}

// fourierB is (1, 0, sqrt2, 0, sqrt2, 0, ...): the basis at age 0. It is the
// rank-1 correction of FouT too.
func fourierB(n int) []float64 {
	b := make([]float64, n)
	fouTBasis(b, 0)
	return b
}

// fouTBasis is 1, 0, sqrt2 cos(pi j s), sqrt2 sin(pi j s), j = 1, 2, ...:
// orthonormal (but for the sine of frequency 0) under the weight 1/2 on
// [0, 2], and 0 at greater ages.
func fouTBasis(phi []float64, s float64) {
	clear(phi)
	if s > 2 {
		return
	}
	phi[0] = 1
	for j := 1; j < len(phi)/2; j++ {
		sin, cos := math.Sincos(math.Pi * float64(j) * s)
		phi[2*j], phi[2*j+1] = math.Sqrt2*cos, math.Sqrt2*sin
	}
}
