package fftconv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// BenchmarkConv is the convolution of a layer, on all workers, at every level and
// with an activation.
func BenchmarkConv(b *testing.B) {
	for l := range cpu.Detected() + 1 {
		b.Run(l.String(), func(b *testing.B) {
			defer cpu.SetActive(cpu.SetActive(l))
			for _, s := range []Size{
				{B: 16, H: 128, CH: 1, L: 1024, LK: 1024},
				{B: 16, H: 128, CH: 1, L: 4096, LK: 4096},
				{B: 8, H: 64, CH: 1, L: 16384, LK: 16384},
				{B: 50, H: 128, CH: 1, L: 784, LK: 784},
				{B: 16, H: 1, CH: 1, L: 16384, LK: 16384},
				{B: 16, H: 128, CH: 2, L: 1024, LK: 1024},
			} {
				name := fmt.Sprintf("B%d_H%d_L%d", s.B, s.H, s.L)
				if s.CH > 1 {
					name += fmt.Sprintf("_CH%d", s.CH)
				}
				for _, act := range []ops.Activation{ops.ActIdentity, ops.ActGELU} {
					b.Run(name+"/"+string(act), func(b *testing.B) { benchmarkConv[float32](b, Config{Activation: act}, s) })
				}
			}
		})
	}
}

func benchmarkConv[T num.Float](b *testing.B, cfg Config, s Size) {
	p, err := NewPlan[T](cfg, s)
	if err != nil {
		b.Fatal(err)
	}
	in := randomInputs[T](rand.New(rand.NewPCG(1, 1)), &p.geometry)
	y, grad := make([]T, s.B*s.CH*s.H*s.L), unwritten[T](&p.geometry)
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(y)), "ns/sample")
		})
	}
	run("fwd", func() error { return p.Forward(y, in) })
	run("fwdbwd", func() error {
		if err := p.Forward(y, in); err != nil {
			return err
		}
		return p.Backward(grad, in, y)
	})
}

// BenchmarkSeparateActivation is what the fused activation saves: a convolution,
// then passes over memory for the activation and its gradient.
func BenchmarkSeparateActivation(b *testing.B) {
	s := Size{B: 16, H: 128, CH: 1, L: 1024, LK: 1024}
	p, err := NewPlan[float32](Config{}, s)
	if err != nil {
		b.Fatal(err)
	}
	in := randomInputs[float32](rand.New(rand.NewPCG(1, 1)), &p.geometry)
	n := len(in.U)
	pre, y, dy, grad := make([]float32, n), make([]float32, n), make([]float32, n), unwritten[float32](&p.geometry)
	for b.Loop() {
		if err := p.Forward(pre, in); err != nil {
			b.Fatal(err)
		}
		par.Blocks(n, 1<<14, func(_, lo, hi int) { vec.GELU(y[lo:hi], pre[lo:hi]) })
		par.Blocks(n, 1<<14, func(_, lo, hi int) { vec.GELUGrad(dy[lo:hi], pre[lo:hi], y[lo:hi]) })
		if err := p.Backward(grad, in, dy); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMethod compares the two methods near maxDirectTaps.
func BenchmarkMethod(b *testing.B) {
	for _, l := range []int{16, 32, 64, 1024} {
		for _, taps := range []int{8, 16, 32} {
			for _, byFFT := range []bool{false, true} {
				b.Run(fmt.Sprintf("L%d/taps%d/fft_%v", l, taps, byFFT), func(b *testing.B) {
					p := newPlan[float32](b, Config{Mode: Causal}, Size{B: 8, H: 16, CH: 1, L: l, LK: taps}, byFFT)
					in := randomInputs[float32](rand.New(rand.NewPCG(1, 1)), &p.geometry)
					y, grad := forward(b, p, in), unwritten[float32](&p.geometry)
					for b.Loop() {
						if err := p.Forward(y, in); err != nil {
							b.Fatal(err)
						}
						if err := p.Backward(grad, in, y); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
