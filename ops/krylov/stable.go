package krylov

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/gorgonia-s4/s4/internal/num"
)

// stableSlack is how far, relative to its size, a matrix may lie outside the
// dissipative ones before it is moved: HiPPO-LegT, -LagT and -FouT lie on their
// boundary, and rounding must not decide whether they are moved.
const stableSlack = 1e-12

// symmetric finds the largest eigenvalue of symmetric matrices.
type symmetric struct {
	n      int
	a      []float64 // (N, N) the matrix, overwritten
	v      []float64 // (N) eigenvector
	values []float64 // (N)
	work   []float64
}

func newSymmetric(n int) *symmetric {
	s := &symmetric{n: n, a: make([]float64, n*n), v: make([]float64, n), values: make([]float64, n)}
	query := []float64{0}
	lapack64.Syev(lapack.EVCompute, s.matrix(), s.values, query, -1)
	s.work = make([]float64, int(query[0]))
	return s
}

func (s *symmetric) matrix() blas64.Symmetric {
	return blas64.Symmetric{N: s.n, Stride: s.n, Data: s.a, Uplo: blas.Upper}
}

// excess returns the largest eigenvalue of a, with its eigenvector in v, if it
// is positive beyond rounding, and 0 otherwise. It is NaN where a is not
// finite.
func (s *symmetric) excess() float64 {
	var size float64
	for _, x := range s.a {
		size = max(size, math.Abs(x))
	}
	if !num.Finite(size) || !lapack64.Syev(lapack.EVCompute, s.matrix(), s.values, s.work, len(s.work)) {
		return math.NaN()
	}
	rho := s.values[s.n-1]
	if rho <= stableSlack*size {
		return 0
	}
	for i := range s.v {
		s.v[i] = s.a[i*s.n+s.n-1]
	}
	return rho
}
