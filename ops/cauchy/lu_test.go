package cauchy

import (
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

func TestLU(t *testing.T) {
	const tol = 1e-12
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []complex128 {
		v := make([]complex128, n)
		for i := range v {
			v[i] = complex(rng.NormFloat64(), rng.NormFloat64())
		}
		return v
	}
	for n := 1; n <= 6; n++ {
		for range 20 {
			m := newLU(n)
			a := random(n * n)
			if n > 1 {
				a[0] = 0 // needs a pivot
			}
			copy(m.a, a)
			m.factorise()
			b := random(n)
			x := append([]complex128{}, b...)
			m.solve(x)
			y := append([]complex128{}, b...)
			m.solveLeft(y)
			for i := range n {
				var ax, ya complex128
				for j := range n {
					ax += a[i*n+j] * x[j]
					ya += y[j] * a[j*n+i]
				}
				if cmplx.Abs(ax-b[i]) > tol || cmplx.Abs(ya-b[i]) > tol {
					t.Fatalf("n = %d: residuals %.3g, %.3g", n, cmplx.Abs(ax-b[i]), cmplx.Abs(ya-b[i]))
				}
			}
		}
	}
}

// Near a pole the matrix of the correction is g v v^H with a huge g, plus I.
// The result, of the order of 1, must lose digits in proportion to g only.
func TestWoodburyNearAPole(t *testing.T) {
	const g, tol = 1e9, 1e-6 // 1e-16 g, and a margin
	v := []complex128{1 + 2i, -0.5 + 1i}
	c, b := complex128(0.3-0.7i), complex128(1.5+0.2i)
	// All sums are those of one pole: s(a, b) = g a b. Then K = g c b/(1 + g |v|^2).
	left, right := []complex128{cmplx.Conj(v[0]), cmplx.Conj(v[1]), c}, []complex128{v[0], v[1], b}
	var sums []complex128
	for _, l := range left {
		for _, r := range right {
			sums = append(sums, g*l*r)
		}
	}
	k, xy := make([]complex128, 1), make([]complex128, 4)
	newWoodbury(2, 1).apply(k, xy, sums, 1)
	want := g * c * b / (1 + g*(5+1.25))
	if e := cmplx.Abs(k[0]-want) / cmplx.Abs(want); e > tol {
		t.Errorf("K = %g, want %g (relative error %.3g)", k[0], want, e)
	}
}
