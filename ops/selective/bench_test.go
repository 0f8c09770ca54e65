package selective

import (
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// BenchmarkScan times a scan of 128 channels with 16 states over a batch of 16 sequences
// of 4,096 steps in float32, with gate and all gradients.
func BenchmarkScan(b *testing.B) {
	s := sizes{B: 16, D: 128, N: 16, L: 4096, G: 1}
	rng := rand.New(rand.NewPCG(1, 4))
	normal := func(shape ...int) []float32 {
		return testutil.Float32s(testutil.Normal(rng, "x", shape...).F)
	}
	draw := func() operands[float32] {
		return operands[float32]{Inputs: Inputs[[]float32]{
			U: normal(s.B, s.D, s.L), Delta: normal(s.B, s.D, s.L), A: normal(s.D, s.N), B: normal(s.B, s.N, s.L), C: normal(s.B, s.N, s.L),
			D: normal(s.D), Z: normal(s.B, s.D, s.L), Bias: normal(s.D),
		}}
	}
	in, grad := draw(), draw()
	for i := range in.Bias {
		in.Bias[i] -= 4 // steps of about 0.02, as a layer starts
	}
	p := newPlan[float32](Config{Softplus: true, LogA: true}, s, false, false)
	y, gy := make([]float32, s.B*s.D*s.L), normal(s.B, s.D, s.L)
	testutil.BenchPlan(b, "D128_N16_L4096",
		func() error { p.forward(y, nil, &in); return nil },
		func() error { p.backward(&grad, &in, gy, nil); return nil })
}
