package vandermonde_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// BenchmarkKernel times the kernels of one layer in float32. N is the state
// size: N/2 stored conjugate pairs.
func BenchmarkKernel(b *testing.B) {
	for _, x := range []struct{ h, n, l int }{{128, 64, 1024}, {128, 64, 4096}, {64, 64, 16384}} {
		cfg := vandermonde.Config{L: x.l}
		size := vandermonde.Size{CH: 1, H: x.h, S: x.h, N: x.n / 2}
		p := to32(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true))
		g := to32(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true)) // overwritten
		plan, err := vandermonde.NewPlan[float32](cfg, size)
		if err != nil {
			b.Fatal(err)
		}
		k := make([]float32, x.h*x.l)
		name := fmt.Sprintf("H%d_N%d_L%d", x.h, x.n, x.l)
		testutil.BenchPlan(b, name,
			func() error { return plan.Forward(k, p) }, func() error { return plan.Backward(g, p, k) })
	}
}
