package linrec

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// powers are the powers A^(2^k) of one feature, and their gradients. What is
// kept of them is their difference from the identity,
//
//	E_k = A^(2^k) - I,  E_{k+1} = E_k (I + E_k) + E_k
//
// in which a mode of A that hardly decays, and the step size, keep their digits.
// One with an eigenvalue near -1, as long steps give the bilinear transform, does so
// where A + I is known too: E_1 = E_0 (A + I). It is scratch memory for one
// goroutine, and multiplies for it.
type powers struct {
	n    int
	e, g [][]float64 // (N, N) each
	plus []float64   // (N, N) A + I; nil: not known
	ws   gemm.Workspace[float64]
}

// newPowers makes room for the powers up to k = top.
func newPowers(n, top int) *powers { return &powers{n: n, e: rows(top+1, n*n), g: rows(top+1, n*n)} }

// rows returns count rows of n numbers.
func rows(count, n int) [][]float64 {
	r := make([][]float64, count)
	for i := range r {
		r[i] = make([]float64, n)
	}
	return r
}

// square computes all from A - I, which is e[0], and A + I.
func (w *powers) square() {
	first := 1
	if w.plus != nil && len(w.e) > 1 {
		gemm.Gemm(&w.ws, false, false, w.n, w.n, w.n, w.e[0], w.n, w.plus, w.n, w.e[1], w.n, false)
		first = 2
	}
	for k := first; k < len(w.e); k++ {
		w.times(w.e[k], w.e[k-1], false, k-1, w.n, false)
		vec.Add(w.e[k], w.e[k], w.e[k-1])
	}
}

// times sets dst (count, N) to the product of x with power k, or with trans with
// its transpose, or adds it.
func (w *powers) times(dst, x []float64, trans bool, k, count int, add bool) {
	n := w.n
	dst, x = dst[:count*n], x[:count*n]
	if add {
		vec.Add(dst, dst, x)
	} else {
		copy(dst, x)
	}
	gemm.Gemm(&w.ws, false, trans, count, n, n, x, n, w.e[k], n, dst, n, true)
}

// timesGrad adds to gx the gradient of x of such a product, given its own in g.
func (w *powers) timesGrad(gx, g []float64, trans bool, k, count int) {
	w.times(gx, g, !trans, k, count, true)
}

// collect adds to the gradient of power k what its product with x has for it.
func (w *powers) collect(x, g []float64, trans bool, k, count int) {
	n := w.n
	if trans {
		x, g = g, x
	}
	gemm.Gemm(&w.ws, true, false, n, n, count, x, n, g, n, w.g[k], n, true)
}

// clear sets all gradients to zero.
func (w *powers) clear() {
	for _, g := range w.g {
		clear(g)
	}
}

// squareGrad carries the gradients of all powers to that of A, and returns it.
func (w *powers) squareGrad() []float64 {
	for k := len(w.e) - 1; k > 0; k-- {
		g := w.g[k]
		w.collect(w.e[k-1], g, false, k-1, w.n)
		if k == 1 && w.plus != nil {
			gemm.Gemm(&w.ws, false, true, w.n, w.n, w.n, g, w.n, w.plus, w.n, w.g[0], w.n, true)
			continue
		}
		w.timesGrad(w.g[k-1], g, false, k-1, w.n)
		vec.Add(w.g[k-1], w.g[k-1], g)
	}
	return w.g[0]
}

// productRows is what a product costs besides its rows, in rows: the power is
// packed for it.
const productRows = 8

// blockSteps returns the exponent m of the number of steps T = 2^m <= l of a
// block, for states (batch, n) and a table of width rows for each step. Twice
// as many save half of the l/T products of the states, of n^2 for each row, and
// take one more of n^3, and T width more rows of the table.
func blockSteps(batch, width, n, l int) (m int) {
	for t := 1; 2*t <= l && l*(batch+productRows) > 2*t*(n+t*width); t *= 2 {
		m++
	}
	return m
}
