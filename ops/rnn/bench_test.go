package rnn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// BenchmarkSequence times a layer and direction of 128 features over a batch of 16
// sequences of 1,024 steps in float32, with all gradients.
func BenchmarkSequence(b *testing.B) {
	s := sizes{B: 16, I: 128, H: 128, L: 1024}
	for _, c := range []Cell{LSTM, GRU, Tanh} {
		p := newProblem(rand.New(rand.NewPCG(1, 2)), Config{Cell: c}, s, options{biasIH: true, biasHH: true})
		for _, w := range [][]float64{p.in64.Params.WeightIH, p.in64.Params.WeightHH} {
			for i := range w {
				w[i] *= 0.09 // as a layer starts
			}
		}
		in := cast[float32](&p.in64)
		plan := planOf[float32](b, p.cfg, s)
		y, grad := make([]float32, s.B*s.H*s.L), unwritten(&in)
		gy := testutil.Float32s(testutil.Normal(rand.New(rand.NewPCG(2, 2)), "gy", s.B, s.H, s.L).F)
		testutil.BenchPlan(b, string(c),
			func() error { return plan.Forward(y, State[[]float32]{}, &in) },
			func() error { plan.Backward(&grad, &in, gy, State[[]float32]{}); return nil })
	}
}

// BenchmarkStep times a step of 128 features in float32.
func BenchmarkStep(b *testing.B) {
	for _, c := range []Cell{LSTM, GRU, Tanh} {
		for _, batch := range []int{1, 16} {
			s := sizes{B: batch, I: 128, H: 128, L: 1}
			p := newProblem(rand.New(rand.NewPCG(1, 2)), Config{Cell: c}, s, options{biasIH: true, biasHH: true, start: true})
			in := cast[float32](&p.in64)
			w, err := NewWeights(c, s.I, s.H, in.Params)
			if err != nil {
				b.Fatal(err)
			}
			step := w.NewStep()
			b.Run(fmt.Sprintf("%s/B%d", c, batch), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := step.Advance(in.Start, in.X); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
