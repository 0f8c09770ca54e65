package linrec

import (
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/vec"
)

// Power returns A^count - I, count >= 1, given e = A - I and plus = A + I (n, n).
// It loses no digits where A, or a mode of it, is close to I or -I. plus may be nil:
// then it does near -I.
func Power(e, plus []float64, n, count int) []float64 {
	w := newPowers(n, bits.Len(uint(count))-1)
	copy(w.e[0], e)
	w.plus = plus
	w.square()
	p := newProduct(w, count)
	p.run()
	return p.last()
}

// product is a power of A, A^n - I, made of those for the bits k_0, k_1, .. of n:
//
//	F_0 = E_k0,  F_i = F_{i-1} (I + E_ki) + E_ki,  A^n = I + F_last
type product struct {
	p    *powers
	bits []int
	f, g [][]float64 // (bits) of (N, N): F and its gradient
}

func newProduct(p *powers, n int) *product {
	b := bitsOf(n)
	return &product{p: p, bits: b, f: rows(len(b), p.n*p.n), g: rows(len(b), p.n*p.n)}
}

func (r *product) last() []float64 { return r.f[len(r.f)-1] }

func (r *product) run() {
	copy(r.f[0], r.p.e[r.bits[0]])
	for i, k := range r.bits[1:] {
		r.p.times(r.f[i+1], r.f[i], false, k, r.p.n, false)
		vec.Add(r.f[i+1], r.f[i+1], r.p.e[k])
	}
}

// runGrad carries the gradient of the last F, in g, to the powers.
func (r *product) runGrad() {
	for i := len(r.bits) - 1; i >= 0; i-- {
		k := r.bits[i]
		vec.Add(r.p.g[k], r.p.g[k], r.g[i])
		if i > 0 {
			r.p.collect(r.f[i-1], r.g[i], false, k, r.p.n)
			clear(r.g[i-1])
			r.p.timesGrad(r.g[i-1], r.g[i], false, k, r.p.n)
		}
	}
}
