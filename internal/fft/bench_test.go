package fft

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// names of the pass sets, in the order of sets at the highest level.
func setName[T num.Float](s *passSet[T]) string { return fmt.Sprintf("W%d", s.width) }

// BenchmarkConvolve is one convolution of a pair of rows, both halves.
func BenchmarkConvolve(b *testing.B) {
	for _, set := range sets[float32](cpu.Detected()) {
		for _, n := range []int{64, 128, 256, 512, 1024, 2048, 4096, 16384} {
			if n >= set.unit() {
				b.Run(fmt.Sprintf("float32/%s/L%d", setName(set), n), func(b *testing.B) { benchmarkConvolve(b, n, set) })
			}
		}
	}
	for _, set := range sets[float64](cpu.Detected()) {
		b.Run(fmt.Sprintf("float64/%s/L1024", setName(set)), func(b *testing.B) { benchmarkConvolve(b, 1024, set) })
	}
}

func benchmarkConvolve[T num.Float](b *testing.B, n int, set *passSet[T]) {
	p := newPlan(n, set)
	u, y := p.NewPlanes(1)[0], p.NewPlanes(1)[0]
	s := p.NewSpectra(2)
	k, z := s[0], s[1]
	for i := range n {
		u.Re[i], u.Im[i] = T(i%7), T(i%5)
	}
	p.Forward(Cyclic, k[Cyclic], u.Re, nil)
	p.Forward(Negacyclic, k[Negacyclic], u.Re, nil)
	b.ReportAllocs()
	for b.Loop() {
		p.Convolve(Cyclic, z[Cyclic], u.Re, u.Im, k[Cyclic])
		p.Convolve(Negacyclic, z[Negacyclic], u.Re, u.Im, k[Negacyclic])
		p.Store(y.Re, y.Im, z)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*n), "ns/sample")
}

// BenchmarkPass times one pass of every kind, over planes that fit the first
// level cache.
func BenchmarkPass(b *testing.B) {
	for _, set := range sets[float32](cpu.Detected()) {
		b.Run("float32/"+setName(set), func(b *testing.B) { benchmarkPass(b, set) })
	}
	for _, set := range sets[float64](cpu.Detected()) {
		b.Run("float64/"+setName(set), func(b *testing.B) { benchmarkPass(b, set) })
	}
}

func benchmarkPass[T num.Float](b *testing.B, set *passSet[T]) {
	n := 1024
	s := newPlanes[T](n, 5)
	z, k, u, acc, c := s[0], s[1], s[2], s[3], s[4]
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(z.Re)), "ns/point")
		})
	}
	for r := range set.down {
		if set.down[r] == nil {
			continue
		}
		q := n / r / set.width * set.width
		z := Planes[T]{z.Re[:r*q], z.Im[:r*q]}
		tw := twiddles[T](r, q, set.width, false)
		run(fmt.Sprintf("down%d", r), func() { set.down[r](z, q, tw) })
		run(fmt.Sprintf("up%d", r), func() { set.up[r](z, q, tw) })
	}
	for h, name := range []string{"cyclic", "negacyclic"} {
		tw := twiddles[T](4, n/4, set.width, h == 1)
		run("load/"+name, func() { set.load[h](z, u.Re, u.Im, tw) })
		if h == 1 {
			run("store", func() { set.store(u.Re, u.Im, c, z, tw) })
		}
	}
	run("midForward", func() { set.midForward(z) })
	run("midConvolve", func() { set.midConvolve(z, k) })
	run("midBackward", func() { set.midBackward(z, k, u, acc) })
}
