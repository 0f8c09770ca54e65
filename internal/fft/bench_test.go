package fft

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// BenchmarkConvolve is one convolution of a pair of rows, both halves.
func BenchmarkConvolve(b *testing.B) {
	for _, n := range []int{64, 256, 1024, 2048, 4096, 16384} {
		b.Run(fmt.Sprintf("float32/L%d", n), func(b *testing.B) { benchmarkConvolve[float32](b, n) })
	}
	b.Run("float64/L1024", func(b *testing.B) { benchmarkConvolve[float64](b, 1024) })
}

func benchmarkConvolve[T num.Float](b *testing.B, n int) {
	p := newPlan(n, generic[T]())
	u, y, z, k := p.NewPlanes(1)[0], p.NewPlanes(1)[0], p.NewPlanes(1)[0], p.NewSpectra(1)[0]
	for i := range n {
		u.Re[i], u.Im[i] = T(i%7), T(i%5)
	}
	p.Forward(Cyclic, k[Cyclic], u.Re, nil)
	p.Forward(Negacyclic, k[Negacyclic], u.Re, nil)
	b.ReportAllocs()
	for b.Loop() {
		p.Convolve(Cyclic, y.Re, y.Im, u.Re, u.Im, k[Cyclic], z)
		p.Convolve(Negacyclic, y.Re, y.Im, u.Re, u.Im, k[Negacyclic], z)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*n), "ns/sample")
}

// BenchmarkPass times one pass over 960 points of every kind.
func BenchmarkPass(b *testing.B) {
	const n = 960
	z, k, u, acc := newPlanes[float32](n, 1)[0], newPlanes[float32](n, 1)[0], newPlanes[float32](n, 1)[0], newPlanes[float32](n, 1)[0]
	set := generic[float32]()
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/point")
		})
	}
	for _, r := range []int{2, 3, 4, 5} {
		for _, q := range []int{n / r, 4} {
			tw := twiddles[float32](r, q, 1, false)
			run(fmt.Sprintf("down%d/q%d", r, q), func() { set.down[r](z, q, tw) })
			run(fmt.Sprintf("up%d/q%d", r, q), func() { set.up[r](z, q, tw) })
		}
	}
	for h, name := range []string{"cyclic", "negacyclic"} {
		tw := twiddles[float32](4, n/4, 1, h == 1)
		run("load/"+name, func() { set.load[h](z, u.Re, u.Im, tw) })
		run("store/"+name, func() { set.store[h](u.Re, u.Im, z, tw) })
	}
	run("midForward", func() { set.midForward(z) })
	run("midConvolve", func() { set.midConvolve(z, k) })
	run("midBackward", func() { set.midBackward(z, k, u, acc) })
}
