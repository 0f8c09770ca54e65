package gemm

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
)

// What follows is for products that are chained, as in attention, where the
// result of one is an operand of the next. Both operands are in panels: rows of
// A, PanelRows at a time, and columns of B, PanelColumns at a time. The product
// with one panel of columns is a panel of columns again, in the order in which
// the next product reads it, so that nothing is copied in between.

// PanelRows returns the number of rows of A in a panel. A product writes whole
// panels: RoundRows of its rows.
func PanelRows[T num.Float]() int { return active[T]().mr }

// PanelColumns returns the number of columns of B in a panel.
func PanelColumns[T num.Float]() int { return active[T]().nr }

// RoundRows returns m rounded up to whole panels of rows.
func RoundRows[T num.Float](m int) int { return roundUp(m, active[T]().mr) }

// RoundColumns returns n rounded up to whole panels of columns.
func RoundColumns[T num.Float](n int) int { return roundUp(n, active[T]().nr) }

// RowPanel returns the index of the panel of row i, a multiple of PanelRows, among
// panels of k terms.
func RowPanel[T num.Float](i, k int) int { return i * (1 + k) }

// PackRows copies op(A), which is (m, k), and the bias (m) of its rows, or nil, to
// panels of rows, RoundRows(m) (1+k) elements. The rows beyond m are 0. A is as in
// Gemm, which says when PackRows panics.
func PackRows[T num.Float](dst []T, transA bool, m, k int, a []T, lda int, bias []T) {
	checkOp("A", transA, m, k, len(a), lda)
	packA(active[T](), dst, a, lda, transA, m, k, bias)
}

// PackColumns copies op(B), which is (k, n), to panels of columns, k
// RoundColumns(n) elements. The columns beyond n are 0. B is as in Gemm, which
// says when PackColumns panics.
func PackColumns[T num.Float](dst []T, transB bool, k, n int, b []T, ldb int) {
	checkOp("B", transB, k, n, len(b), ldb)
	kern := active[T]()
	for j := 0; j < n; j += kern.nr {
		pack(kern, dst[j*k:][:k*kern.nr], at(b, ldb, transB, 0, j), ldb, !transB, k, kern.nr, min(kern.nr, n-j))
	}
}

// MultiplyPanels sets C = A B + bias, or adds to it, with the first k of the terms
// of A: A and the bias are panels of m rows, B is one panel of columns, and so is
// C, of RoundRows(m) terms. Slices that are too short, and k above terms, panic.
func MultiplyPanels[T num.Float](m, k int, a []T, terms int, b, c []T, add bool) {
	kern := active[T]()
	mr, nr := kern.mr, kern.nr
	if k > terms {
		panic(fmt.Sprintf("gemm: want at most %d terms, got %d", terms, k))
	}
	check("A", roundUp(m, mr), 1+terms, len(a), 1+terms)
	check("B", k, nr, len(b), nr)
	check("C", roundUp(m, mr), nr, len(c), nr)
	for i := 0; i < m; i += mr {
		kern.run[(min(mr, m-i)-1)/kern.step](k, a[i*(1+terms):], b, c[i*nr:], nr, add)
	}
}
