package fftconv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// BenchmarkConv is the convolution of a layer, on all workers, at every level.
func BenchmarkConv(b *testing.B) {
	for l := range cpu.Detected() + 1 {
		b.Run(l.String(), func(b *testing.B) {
			defer cpu.SetActive(cpu.SetActive(l))
			for _, s := range []sizes{
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
				b.Run(name, func(b *testing.B) { benchmarkConv[float32](b, config{}, s) })
			}
		})
	}
}

func benchmarkConv[T num.Float](b *testing.B, cfg config, s sizes) {
	p, err := newPlan[T](cfg, s)
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

// BenchmarkMethod compares the two methods near maxDirectTaps.
func BenchmarkMethod(b *testing.B) {
	for _, l := range []int{16, 32, 64, 1024} {
		for _, taps := range []int{8, 16, 32} {
			for _, byFFT := range []bool{false, true} {
				b.Run(fmt.Sprintf("L%d/taps%d/fft_%v", l, taps, byFFT), func(b *testing.B) {
					p := planOf[float32](b, config{Mode: Causal}, sizes{B: 8, H: 16, CH: 1, L: l, LK: taps}, byFFT)
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
