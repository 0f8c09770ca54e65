package krylov

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/vec"
)

// tridiagonal is the LU decomposition with partial pivoting of a tridiagonal
// matrix, after LAPACK's gttrf and gtts2. It solves for all columns of a matrix
// at once, a row at a time.
type tridiagonal struct {
	n     int
	mult  []float64 // (n-1) multipliers
	main  []float64 // (n) diagonal of U
	upper []float64 // (n-1) first superdiagonal of U
	fill  []float64 // (n-1) second superdiagonal of U, which pivoting fills
	swap  []bool    // (n-1) whether rows i and i+1 were exchanged
}

func newTridiagonal(n int) tridiagonal {
	v := func() []float64 { return make([]float64, n-1) }
	return tridiagonal{n: n, mult: v(), main: make([]float64, n), upper: v(), fill: v(), swap: make([]bool, n-1)}
}

// factor decomposes the matrix that mult, main and upper hold: its
// subdiagonal, diagonal and superdiagonal. It reports whether the matrix is
// regular.
func (t *tridiagonal) factor() bool {
	for i := range t.n - 1 {
		t.fill[i] = 0
		t.swap[i] = math.Abs(t.main[i]) < math.Abs(t.mult[i])
		if !t.swap[i] {
			if t.main[i] == 0 {
				return false
			}
			t.mult[i] /= t.main[i]
			t.main[i+1] -= t.mult[i] * t.upper[i]
			continue
		}
		f := t.main[i] / t.mult[i]
		t.main[i] = t.mult[i]
		t.mult[i] = f
		t.upper[i], t.main[i+1] = t.main[i+1], t.upper[i]-f*t.main[i+1]
		if i+2 < t.n {
			t.fill[i] = t.upper[i+1]
			t.upper[i+1] *= -f
		}
	}
	return t.main[t.n-1] != 0
}

// solve replaces x (n, n) by M^-1 x.
func (t *tridiagonal) solve(x []float64) {
	n := t.n
	for i := range n - 1 {
		a, b := row(x, i, n), row(x, i+1, n)
		if t.swap[i] {
			exchange(a, b)
		}
		vec.Axpy(b, -t.mult[i], a)
	}
	for i := n - 1; i >= 0; i-- {
		a := row(x, i, n)
		if i+1 < n {
			vec.Axpy(a, -t.upper[i], row(x, i+1, n))
		}
		if i+2 < n && t.fill[i] != 0 {
			vec.Axpy(a, -t.fill[i], row(x, i+2, n))
		}
		vec.Scale(a, 1/t.main[i], a)
	}
}

// solveTrans replaces x (n, n) by M^-T x.
func (t *tridiagonal) solveTrans(x []float64) {
	n := t.n
	for i := range n {
		a := row(x, i, n)
		if i > 0 {
			vec.Axpy(a, -t.upper[i-1], row(x, i-1, n))
		}
		if i > 1 && t.fill[i-2] != 0 {
			vec.Axpy(a, -t.fill[i-2], row(x, i-2, n))
		}
		vec.Scale(a, 1/t.main[i], a)
	}
	for i := n - 2; i >= 0; i-- {
		a, b := row(x, i, n), row(x, i+1, n)
		vec.Axpy(a, -t.mult[i], b)
		if t.swap[i] {
			exchange(a, b)
		}
	}
}

// row returns row i of a matrix of n columns.
func row(x []float64, i, n int) []float64 { return x[i*n : (i+1)*n : (i+1)*n] }

func exchange(a, b []float64) {
	for i, v := range a {
		a[i], b[i] = b[i], v
	}
}
