package cauchy

import "math"

// lu solves small complex linear systems: M = perm L U with row pivoting. It is
// scratch memory for one goroutine.
type lu struct {
	n    int
	a    []complex128 // (n, n): M, then L below the diagonal and U, with 1/U on it
	perm []int        // (n)
}

func newLU(n int) *lu { return &lu{n, make([]complex128, n*n), make([]int, n)} }

// factorise replaces the matrix in a by its factors.
func (m *lu) factorise() {
	n, a := m.n, m.a
	for col := range n {
		pivot, size := col, 0.0
		for i := col; i < n; i++ {
			if s := math.Abs(real(a[i*n+col])) + math.Abs(imag(a[i*n+col])); s > size {
				pivot, size = i, s
			}
		}
		m.perm[col] = pivot
		if pivot != col {
			for j := range n {
				a[col*n+j], a[pivot*n+j] = a[pivot*n+j], a[col*n+j]
			}
		}
		a[col*n+col] = reciprocal(a[col*n+col])
		for i := col + 1; i < n; i++ {
			f := a[i*n+col] * a[col*n+col]
			a[i*n+col] = f
			for j := col + 1; j < n; j++ {
				a[i*n+j] -= f * a[col*n+j]
			}
		}
	}
}

// solve replaces x by M^-1 x.
func (m *lu) solve(x []complex128) {
	n, a := m.n, m.a
	for i, p := range m.perm {
		x[i], x[p] = x[p], x[i]
	}
	for i := range n {
		for j := range i {
			x[i] -= a[i*n+j] * x[j]
		}
	}
	for i := n - 1; i >= 0; i-- {
		for j := i + 1; j < n; j++ {
			x[i] -= a[i*n+j] * x[j]
		}
		x[i] *= a[i*n+i]
	}
}

// solveLeft replaces the row y by y M^-1.
func (m *lu) solveLeft(y []complex128) {
	n, a := m.n, m.a
	for j := range n {
		for i := range j {
			y[j] -= y[i] * a[i*n+j]
		}
		y[j] *= a[j*n+j]
	}
	for j := n - 1; j >= 0; j-- {
		for i := j + 1; i < n; i++ {
			y[j] -= y[i] * a[i*n+j]
		}
	}
	for i := n - 1; i >= 0; i-- {
		y[i], y[m.perm[i]] = y[m.perm[i]], y[i]
	}
}

// reciprocal returns 1/z for a z whose square is neither 0 nor infinite.
func reciprocal(z complex128) complex128 {
	m := 1 / (real(z)*real(z) + imag(z)*imag(z))
	return complex(real(z)*m, -imag(z)*m)
}
