package fft

import (
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// A product of bins is a convolution, one with a conjugate a correlation, mod z^2P + 1.
func TestSingle(t *testing.T) {
	t.Run("float32", testSingle[float32])
	t.Run("float64", testSingle[float64])
}

func testSingle[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	eachPlan(600, func(what string, plan *Plan[T]) {
		s, p := newSingle(plan), plan.Len()
		for _, n := range []int{1, p/2 + 3, p, p + 5, 2 * p} {
			x, k := random[T](rng, n), random[T](rng, min(n, 7))
			z := s.NewPlanes(3)
			s.Forward(z[0], k)
			s.Forward(z[1], x)
			MulAddConj(z[2], z[0], z[1])
			correlation, convolution := make([]float64, 2*p), make([]float64, 2*p)
			add := func(to []float64, i int, v float64) {
				if i < 0 || i >= 2*p {
					i, v = (i+2*p)%(2*p), -v
				}
				to[i] += v * float64(p)
			}
			for i, a := range k {
				for j, b := range x {
					add(correlation, j-i, float64(a)*float64(b))
					add(convolution, j+i, float64(a)*float64(b))
				}
			}
			got := make([]T, 2*p)
			s.Inverse(got, z[2])
			checkErr(t, what+": correlation", got, correlation)
			for i := range z[0].Im {
				z[0].Im[i] *= -1
			}
			z[2].Clear()
			MulAddConj(z[2], z[0], z[1])
			part := make([]T, n) // as much as is wanted
			s.Inverse(part, z[2])
			checkErr(t, what+": convolution", part, convolution[:n])
		}
	})
}

func TestNewSingleHasRoom(t *testing.T) {
	for _, n := range []int{0, 1, 100, 511, 2047} {
		if s := NewSingle[float32](n); 2*s.Len() < n || s.Len() != New[float32](n).Len() {
			t.Errorf("%d samples: got P = %d", n, s.Len())
		}
	}
}
