package hippo

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Eigenvalues returns the eigenvalues of a (N, N), those of smaller imaginary
// part first, of equal ones that of smaller real part, and how far rounding may
// have moved them: each is within uncertainty of a true one, and the other way
// round (Bauer and Fike 1960, with the backward error of the QR algorithm as
// |A| in rounding units; V is the matrix of the eigenvectors):
//
//	uncertainty = |V| |V^-1| |A| eps
//
// That is rounding for a normal A. For a highly non-normal one it is not: the
// eigenvalues of LegS of N = 64 are beyond double precision.
func Eigenvalues(a *mat.Dense) (values []complex128, uncertainty float64, err error) {
	eig, err := factorize(a, mat.EigenRight)
	if err != nil {
		return nil, 0, fmt.Errorf("hippo: Eigenvalues: %w", err)
	}
	values = eig.Values(nil)
	slices.SortFunc(values, func(x, y complex128) int {
		return cmp.Or(cmp.Compare(imag(x), imag(y)), cmp.Compare(real(x), real(y)))
	})
	var v mat.CDense
	eig.VectorsTo(&v)
	const eps = 0x1p-52
	return values, complexCond(&v) * mat.Norm(a, 2) * eps, nil
}

// complexCond returns the condition number of v by the real matrix of the same
// singular values, each twice.
func complexCond(v *mat.CDense) float64 {
	n, _ := v.Dims()
	return mat.Cond(realMatrix(n, v.At), 2)
}

// SpectralAbscissa returns the largest real part of an eigenvalue of a (N, N):
// x' = A x is stable if it is negative. Of a highly non-normal A, such as LegS
// of a large N, the eigenvalues are known to few digits: see [Eigenvalues].
func SpectralAbscissa(a *mat.Dense) (float64, error) {
	eig, err := factorize(a, mat.EigenNone)
	if err != nil {
		return 0, fmt.Errorf("hippo: SpectralAbscissa: %w", err)
	}
	abscissa := math.Inf(-1)
	for _, l := range eig.Values(nil) {
		abscissa = max(abscissa, real(l))
	}
	return abscissa, nil
}

// factorize returns the eigenvalues of a, and its eigenvectors if kind asks for
// them. Of matrices whose elements lie some fifty orders of magnitude apart
// gonum does not find these: it panics.
func factorize(a *mat.Dense, kind mat.EigenKind) (eig *mat.Eigen, err error) {
	if err := checkFinite(a); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			eig, err = nil, fmt.Errorf("the eigenvectors were not found: %v", p)
		}
	}()
	eig = new(mat.Eigen)
	if !eig.Factorize(a, kind) {
		return nil, errors.New("the QR algorithm did not converge")
	}
	return eig, nil
}

// checkFinite returns an error unless a is square and finite: with other elements
// the QR algorithm does not end, and the matrix exponential is one of NaNs.
func checkFinite(a *mat.Dense) error {
	if a == nil {
		return errors.New("want a matrix A, got nil")
	}
	if r, c := a.Dims(); r != c || r == 0 {
		return fmt.Errorf("want A (N, N), N >= 1, got (%d, %d)", r, c)
	}
	if norm := mat.Norm(a, 1); math.IsNaN(norm) || math.IsInf(norm, 1) {
		return fmt.Errorf("want A finite, got one of norm %g", norm)
	}
	return nil
}
