package vec

import (
	"math"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// adamWReference is the update as the paper writes it, in float64.
func adamWReference(p, g, m, v *float64, lr, beta1, beta2, eps, wd float64, t int) {
	*p -= lr * wd * *p
	*m = beta1**m + (1-beta1)**g
	*v = beta2**v + (1-beta2)**g**g
	mHat := *m / (1 - math.Pow(beta1, float64(t)))
	vHat := *v / (1 - math.Pow(beta2, float64(t)))
	*p -= lr * mHat / (math.Sqrt(vHat) + eps)
}

func testAdamW[T num.Float](t *testing.T, tol float64) {
	const lr, beta1, beta2, eps, wd = 4e-3, 0.9, 0.999, 1e-8, 0.01
	n := 37
	p, g, m, v := make([]T, n), make([]T, n), make([]T, n), make([]T, n)
	want := make([][4]float64, n) // p, g, m, v
	for i := range want {
		p[i] = T(math.Sin(float64(3 * i)))
		want[i][0] = float64(p[i])
	}
	for step := 1; step <= 20; step++ {
		for i := range g {
			// One sign per element: the moments suffer no cancellation.
			g[i] = T((1.5 + math.Cos(float64(step+i))) * math.Pow(-10, float64(i%9-6)))
			w := &want[i]
			w[1] = float64(g[i])
			adamWReference(&w[0], &w[1], &w[2], &w[3], lr, beta1, beta2, eps, wd, step)
		}
		AdamW(p, g, m, v, NewAdamWStep[T](lr, beta1, beta2, eps, wd, step))
	}
	for i, w := range want {
		for j, got := range []T{p[i], g[i], m[i], v[i]} {
			if d := math.Abs(float64(got) - w[j]); d > tol*math.Max(math.Abs(w[j]), 1e-12) {
				t.Errorf("element %d, %s: want %v, got %v", i, []string{"p", "g", "m", "v"}[j], w[j], got)
			}
		}
	}
}

func TestAdamW(t *testing.T) {
	t.Run("float64", func(t *testing.T) { testAdamW[float64](t, 1e-12) })
	t.Run("float32", func(t *testing.T) { testAdamW[float32](t, 3e-6) })
}
