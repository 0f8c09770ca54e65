package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// TestPanels holds a chain of two products, D = E (A B + bias) + D, against the
// sums.
func TestPanels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", func(t *testing.T) { testPanels[float32](t, 1e-5) })
		t.Run("float64", func(t *testing.T) { testPanels[float64](t, 1e-13) })
	})
}

func testPanels[T num.Float](t *testing.T, tol float64) {
	rng := rand.New(rand.NewPCG(7, 7))
	sizes := []int{1, 2, 5, 12, 13, 32, 47}
	for _, m := range sizes {
		for _, k := range sizes {
			for _, trans := range []bool{false, true} {
				checkPanels[T](t, fmt.Sprint(m, k, trans), trans, operand[T](rng, m, k), operand[T](rng, k, 1+rng.IntN(2*PanelColumns[T]())),
					operand[T](rng, 1+rng.IntN(40), m), operand[T](rng, 1, m).data, tol)
			}
		}
	}
}

// operand returns a random matrix with leading dimension cols + 3.
func operand[T num.Float](rng *rand.Rand, rows, cols int) matrix[T] {
	return newMatrix[T](rng, rows, cols, 3)
}

// turned returns the transpose of a matrix.
func turned[T num.Float](a matrix[T]) matrix[T] {
	b := matrix[T]{rows: a.cols, cols: a.rows, ld: a.rows + 1, data: make([]T, a.cols*(a.rows+1))}
	for i := range a.rows {
		for j := range a.cols {
			b.data[j*b.ld+i] = a.data[i*a.ld+j]
		}
	}
	return b
}

func checkPanels[T num.Float](t *testing.T, what string, trans bool, a, b, e matrix[T], bias []T, tol float64) {
	t.Helper()
	m, k, n, w := a.rows, a.cols, b.cols, PanelColumns[T]()
	pa, pe := make([]T, RoundRows[T](m)*(1+k)), make([]T, RoundRows[T](e.rows)*(1+m))
	pb := make([]T, RoundColumns[T](n)*k)
	if trans {
		at, bt := turned(a), turned(b)
		PackRows(pa, true, m, k, at.data, at.ld, bias)
		PackColumns(pb, true, k, n, bt.data, bt.ld)
	} else {
		PackRows(pa, false, m, k, a.data, a.ld, bias)
		PackColumns(pb, false, k, n, b.data, b.ld)
	}
	PackRows(pe, false, e.rows, m, e.data, e.ld, nil)
	used := (k + 1) / 2
	c, d := make([]T, RoundRows[T](m)*w), make([]T, RoundRows[T](e.rows)*w)
	for j0 := 0; j0 < n; j0 += w {
		for i := range d {
			d[i] = 1
		}
		MultiplyPanels(m, used, pa, k, pb[j0*k:], c, false)
		MultiplyPanels(e.rows, m, pe, m, c, d, true)
		for r := range e.rows {
			for j := j0; j < min(n, j0+w); j++ {
				want, scale := 1.0, 1.0
				for i := range m {
					s := float64(bias[i])
					for p := range used {
						s += a.at(false, i, p) * b.at(false, p, j)
					}
					want += e.at(false, r, i) * s
					scale += math.Abs(e.at(false, r, i) * s)
				}
				if got := float64(d[r*w+j-j0]); !(math.Abs(got-want) <= tol*scale) {
					t.Fatalf("%s: element (%d, %d): want %g, got %g", what, r, j, want, got)
				}
			}
		}
	}
}
