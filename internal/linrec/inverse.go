package linrec

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
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
	u, v       [][]float64    // the singular vectors that the pseudoinverse leaves out

	// Factors of the rows and columns of the matrix in lu, powers of 2, where it is
	// not as badly conditioned with them as without. nil: 1.
	rows, cols []float64
}

// N returns the order of the matrix.
func (v *Inverse) N() int { return v.lu.Rows }

// LostLeft and LostRight return the directions x, unit vectors, in which the latest
// matrix m has no inverse: x m and m x are zero but for rounding.
func (v *Inverse) LostLeft() [][]float64  { return v.u }
func (v *Inverse) LostRight() [][]float64 { return v.v }

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
	v.rows, v.cols, v.u, v.v = nil, nil, nil, nil
	if !num.Finite(vec.Sum(m)) {
		return errors.New("want a finite matrix to invert")
	}
	copy(v.lu.Data, m)
	if v.degenerate = !v.factor(); !v.degenerate {
		return nil
	}
	v.balance(m)
	if v.degenerate = !v.factor(); !v.degenerate {
		return nil
	}
	return v.decompose(m)
}

// factor factorises the matrix in lu and reports whether it has an inverse.
func (v *Inverse) factor() bool {
	norm := lapack64.Lange(lapack.MaxColumnSum, v.lu, v.work)
	return lapack64.Getrf(v.lu, v.pivot) && !(v.pivotRatio() < safePivot &&
		lapack64.Gecon(lapack.MaxColumnSum, v.lu, norm, v.work, v.iwork) < 1/maxCond)
}

// balance puts m into lu with rows and columns scaled to a largest element near 1:
// modes of very different speeds are no reason to give one of them up.
func (v *Inverse) balance(m []float64) {
	n := v.lu.Rows
	v.rows, v.cols = make([]float64, n), make([]float64, n)
	copy(v.lu.Data, m)
	for i := range n {
		row := v.lu.Data[i*n:][:n]
		for _, x := range row {
			v.rows[i] = max(v.rows[i], math.Abs(x))
		}
		v.rows[i] = reciprocal(v.rows[i])
		vec.Scale(row, v.rows[i], row)
		for j, x := range row {
			v.cols[j] = max(v.cols[j], math.Abs(x))
		}
	}
	for j, size := range v.cols {
		v.cols[j] = reciprocal(size)
	}
	for i := range n {
		row := v.lu.Data[i*n:][:n]
		vec.Mul(row, row, v.cols)
	}
}

// reciprocal returns a power of 2 near 1/x, 1 for 0.
func reciprocal(x float64) float64 {
	if x == 0 {
		return 1
	}
	_, exp := math.Frexp(x)
	return math.Ldexp(1, max(-1000, min(1000, -exp)))
}

// decompose makes the pseudoinverse of m.
func (v *Inverse) decompose(m []float64) error {
	n := v.lu.Rows
	v.rows, v.cols = nil, nil
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(n, n, m), mat.SVDThin) {
		return errors.New("no singular value decomposition of the matrix to invert")
	}
	rank := svd.Rank(1 / maxCond)
	var left, right mat.Dense
	svd.UTo(&left)
	svd.VTo(&right)
	for i := rank; i < n; i++ {
		v.u = append(v.u, mat.Col(nil, i, &left))
		v.v = append(v.v, mat.Col(nil, i, &right))
	}
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
	before, after := v.cols, v.rows // m^-1 = cols lu^-1 rows
	if trans {
		before, after = after, before
	}
	for ; len(x) > 0; x = x[n:] {
		column := blas64.General{Rows: n, Cols: 1, Stride: 1, Data: x[:n]}
		if before != nil {
			vec.Mul(x[:n], x[:n], before)
		}
		switch {
		case v.degenerate:
			v.pseudoRow(x[:n], trans)
		case trans: // x m^-T is m^-1 x as a column
			lapack64.Getrs(blas.NoTrans, v.lu, column, v.pivot)
		default:
			lapack64.Getrs(blas.Trans, v.lu, column, v.pivot)
		}
		if after != nil {
			vec.Mul(x[:n], x[:n], after)
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
