package linrec

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// maxCond is the largest condition number of a matrix that is inverted; beyond
// it, what is left of a mode is rounding.
const maxCond = 1e13

// safePivot is the ratio of the smallest to the largest pivot above which a
// matrix is not asked for its condition number, which takes as long to estimate
// as the factors do: with row exchanges, it is of the order of their inverse.
const safePivot = 1e-9

// Inverse multiplies rows by the inverse of a matrix, or by its pseudoinverse
// where its condition number is above 1e13. It is scratch memory for one
// goroutine.
type Inverse struct {
	lu         blas64.General // (N, N)
	pivot      []int          // (N)
	work       []float64      // (4N)
	iwork      []int          // (N)
	pseudo     mat.Dense      // (N, N), where there is no other inverse
	degenerate bool           // there is none
}

// NewInverse makes room for the inverse of an (n, n) matrix.
func NewInverse(n int) *Inverse {
	return &Inverse{
		lu:    blas64.General{Rows: n, Cols: n, Stride: n, Data: make([]float64, n*n)},
		pivot: make([]int, n), work: make([]float64, 4*n), iwork: make([]int, n),
	}
}

// Set inverts m (N, N). It allocates where the condition number is too large,
// and returns an error if m is not finite.
func (v *Inverse) Set(m []float64) error {
	copy(v.lu.Data, m)
	norm := lapack64.Lange(lapack.MaxColumnSum, v.lu, v.work)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return errors.New("want a finite matrix to invert")
	}
	v.degenerate = !lapack64.Getrf(v.lu, v.pivot) || v.pivotRatio() < safePivot &&
		lapack64.Gecon(lapack.MaxColumnSum, v.lu, norm, v.work, v.iwork) < 1/maxCond
	if !v.degenerate {
		return nil
	}
	n := v.lu.Rows
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(n, n, m), mat.SVDThin) {
		return errors.New("no singular value decomposition of the matrix to invert")
	}
	rank := svd.Rank(1 / maxCond)
	v.pseudo.Reset()
	if rank == 0 {
		v.pseudo.ReuseAs(n, n)
		return nil
	}
	identity := mat.NewDiagDense(n, nil)
	for i := range n {
		identity.SetDiag(i, 1)
	}
	svd.SolveTo(&v.pseudo, identity, rank)
	return nil
}

// pivotRatio returns the ratio of the smallest to the largest pivot.
func (v *Inverse) pivotRatio() float64 {
	least, most := math.Inf(1), 0.0
	for i := range v.lu.Rows {
		p := math.Abs(v.lu.Data[i*v.lu.Stride+i])
		least, most = min(least, p), max(most, p)
	}
	return least / most
}

// Rows replaces every row x (N) of x by x m^-1, or with trans by x m^-T.
func (v *Inverse) Rows(x []float64, trans bool) {
	n := v.lu.Rows
	for ; len(x) > 0; x = x[n:] {
		column := blas64.General{Rows: n, Cols: 1, Stride: 1, Data: x[:n]}
		switch {
		case v.degenerate:
			v.pseudoRow(x[:n], trans)
		case trans: // x m^-T is m^-1 x as a column
			lapack64.Getrs(blas.NoTrans, v.lu, column, v.pivot)
		default:
			lapack64.Getrs(blas.Trans, v.lu, column, v.pivot)
		}
	}
}

// pseudoRow is Rows for one row and the pseudoinverse.
func (v *Inverse) pseudoRow(x []float64, trans bool) {
	t := blas.Trans
	if trans {
		t = blas.NoTrans
	}
	n := len(x)
	copy(v.work, x)
	blas64.Gemv(t, 1, v.pseudo.RawMatrix(), blas64.Vector{N: n, Inc: 1, Data: v.work}, 0, blas64.Vector{N: n, Inc: 1, Data: x})
}
