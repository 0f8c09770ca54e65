package hippo

import (
	"fmt"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"
)

// skewEigen returns one of each conjugate pair of eigenvalues of the real skew
// matrix s (N, N), N even, with its eigenvector:
//
//	s v_j = -i omega_j v_j,   omega_1 >= omega_2 >= ... >= 0,   v  (N, N/2)
//
// so that s = 2 Re(V diag(-i omega) V^H), and the columns of v and conj v
// together are an orthonormal basis. The phase of each column is free; here
// its first component that is not negligible is real and positive (see
// [NPLR]).
//
// Orthogonal Q brings s to tridiagonal form T = Q^T s Q. T couples only even
// with odd components, x_odd' = M x_even and x_even' = -M^T x_odd with M
// (N/2, N/2) bidiagonal, and the singular vectors M w = omega u,
// M^T u = omega w give T (w, iu) = -i omega (w, iu). Only real arithmetic, no
// doubled eigenvalues to untangle, and an eigenvalue 0 is a singular value
// like another.
func skewEigen(s *mat.Dense) (omega []float64, v *mat.CDense, err error) {
	n, _ := s.Dims()
	t, q := skewTridiagonal(s)
	m := mat.NewDense(n/2, n/2, nil)
	for i := range n / 2 {
		m.Set(i, i, t[2*i])
		if i+1 < n/2 {
			m.Set(i, i+1, -t[2*i+1])
		}
	}
	var svd mat.SVD
	if !svd.Factorize(m, mat.SVDFull) {
		return nil, nil, fmt.Errorf("no singular values of a (%d, %d) bidiagonal matrix: it has NaN or Inf", n/2, n/2)
	}
	var u, w mat.Dense
	svd.UTo(&u)
	svd.VTo(&w)
	v = mat.NewCDense(n, n/2, nil)
	for j := range n / 2 {
		for i := range n {
			var re, im float64
			for k := range n / 2 {
				re += q.At(i, 2*k) * w.At(k, j)
				im += q.At(i, 2*k+1) * u.At(k, j)
			}
			v.Set(i, j, complex(re/math.Sqrt2, im/math.Sqrt2))
		}
		fixPhase(v, j)
	}
	return svd.Values(nil), v, nil
}

// skewTridiagonal returns the orthogonal q, with first column e_0, for which
// q^T s q is tridiagonal: t_k at (k+1, k), -t_k at (k, k+1), 0 elsewhere.
//
// Step k reflects the space of components > k so that column k of s becomes a
// multiple of e_k and e_k+1. For H = I - beta h h^T and skew s,
// H s H = s + h p^T - p h^T with p = beta s h, since h^T s h = 0.
func skewTridiagonal(s *mat.Dense) (t []float64, q *mat.Dense) {
	n, _ := s.Dims()
	a := mat.DenseCopyOf(s)
	q = matrix(n, func(i, k int) float64 {
		if i == k {
			return 1
		}
		return 0
	})
	h, p := make([]float64, n), make([]float64, n)
	for k := range n - 2 {
		beta := reflector(h, a, k)
		if beta == 0 {
			continue
		}
		mulVec(p, a, h)
		for i := range n {
			for j := range n {
				a.Set(i, j, a.At(i, j)+beta*(h[i]*p[j]-p[i]*h[j]))
			}
		}
		mulVec(p, q, h)
		for i := range n {
			for j := range n {
				q.Set(i, j, q.At(i, j)-beta*p[i]*h[j])
			}
		}
	}
	return vector(n-1, func(k int) float64 { return a.At(k+1, k) }), q
}

// reflector sets h, and returns beta, such that I - beta h h^T maps column k of
// a below its diagonal to a multiple of e_k+1 and leaves the components <= k
// alone. beta is 0 where the column already has that form.
func reflector(h []float64, a *mat.Dense, k int) (beta float64) {
	clear(h)
	var rest, norm float64
	for i := k + 1; i < len(h); i++ {
		h[i] = a.At(i, k)
		norm = math.Hypot(norm, h[i])
		if i > k+1 {
			rest = math.Hypot(rest, h[i])
		}
	}
	if rest == 0 {
		return 0
	}
	h[k+1] += math.Copysign(norm, h[k+1])
	var hh float64
	for _, v := range h {
		hh += v * v
	}
	return 2 / hh
}

// mulVec sets dst = a x.
func mulVec(dst []float64, a *mat.Dense, x []float64) {
	mat.NewVecDense(len(dst), dst).MulVec(a, mat.NewVecDense(len(x), x))
}

// negligible is how small a component of a unit eigenvector must be for its
// phase not to be trusted. The first components are far above it for every
// measure (LegT has the smallest, N^-3/2 or so) but where they are exactly 0.
const negligible = 1e-8

// fixPhase turns column j of v so that its first component above negligible is
// real and positive.
func fixPhase(v *mat.CDense, j int) {
	n, _ := v.Dims()
	first := 0
	for cmplx.Abs(v.At(first, j)) < negligible {
		first++ // ends: the column has norm 1
	}
	c := v.At(first, j)
	turn := cmplx.Conj(c) / complex(cmplx.Abs(c), 0)
	for i := range n {
		v.Set(i, j, v.At(i, j)*turn)
	}
	v.Set(first, j, complex(cmplx.Abs(c), 0))
}
