package cauchy_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// BenchmarkKernel times the kernels of one layer in float32. N is the state
// size: N/2 stored conjugate pairs.
func BenchmarkKernel(b *testing.B) {
	for _, x := range []struct{ h, n, l int }{{128, 64, 1024}, {128, 64, 4096}, {64, 64, 16384}} {
		cfg := cauchy.Config{L: x.l}
		size := cauchy.Size{CH: 1, H: x.h, S: x.h, N: x.n / 2, R: 1}
		p := cauchy.Params[[]float32]{Dt: make([]float32, x.h), AReal: make([]float32, x.h*x.n/2), AImag: make([]float32, x.h*x.n/2), P: make([]float32, x.h*x.n), B: make([]float32, x.h*x.n), C: make([]float32, x.h*x.n)}
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range p.Dt {
			p.Dt[i] = -4
		}
		for i := range p.AImag {
			p.AImag[i] = 3 * float32(i%(x.n/2))
			p.AReal[i] = -0.7
		}
		for i := range p.P {
			p.P[i], p.B[i], p.C[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		g := cauchy.Params[[]float32]{Dt: make([]float32, x.h), AReal: make([]float32, x.h*x.n/2), AImag: make([]float32, x.h*x.n/2), P: make([]float32, x.h*x.n), B: make([]float32, x.h*x.n), C: make([]float32, x.h*x.n)}
		plan, err := cauchy.NewPlan[float32](cfg, size)
		if err != nil {
			b.Fatal(err)
		}
		k := make([]float32, x.h*x.l)
		name := fmt.Sprintf("H%d_N%d_L%d", x.h, x.n, x.l)
		testutil.BenchPlan(b, name,
			func() error { return plan.Forward(k, p) }, func() error { return plan.Backward(g, p, k) })
	}
}
