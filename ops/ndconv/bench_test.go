package ndconv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// benchmark runs a plan forward, and forward and backward.
func benchmark(b *testing.B, name string, p *plan[float32]) {
	rng := rand.New(rand.NewPCG(1, 1))
	in := inputsOf(&p.geometry, nil, func(n int) []float32 { return draw[float32](rng, n) })
	y := make([]float32, p.B*p.CH*p.H*p.L)
	grad := inputsOf(&p.geometry, nil, func(n int) []float32 { return make([]float32, n) })
	testutil.BenchPlan(b, name, func() error { return p.Forward(y, in) }, func() error { return p.Backward(grad, in, y) })
}

// BenchmarkAxis compares the two methods about longAxis.
func BenchmarkAxis(b *testing.B) {
	for _, n := range []int{32, 64, 96, 128, 192, 256} {
		c := problem{Config: Config{Shape: []int{n, n}, Modes: []fftconv.Mode{both, both}}, b: 4, h: 4, ch: 1, lk: []int{n, n}}
		g := c.geometry()
		for name, method := range map[string]func(line, *gemm.Workspace[float32]) axis[float32]{"products": byToeplitz[float32], "fft": byFFT[float32]} {
			benchmark(b, fmt.Sprintf("%d/%s", n, name), newPlanBy(g, method))
		}
	}
}

// BenchmarkConv is the convolution of a layer over images and videos.
func BenchmarkConv(b *testing.B) {
	for _, c := range []problem{
		{Config: Config{Shape: []int{32, 32}, Modes: []fftconv.Mode{both, both}}, b: 16, h: 128, ch: 1, lk: []int{32, 32}},
		{Config: Config{Shape: []int{8, 16, 16}}, b: 4, h: 64, ch: 1, lk: []int{8, 16, 16}},
	} {
		benchmark(b, fmt.Sprint(c.Shape), newPlan[float32](c.geometry()))
	}
}
