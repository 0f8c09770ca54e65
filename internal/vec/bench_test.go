package vec

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

func benchFunctions[T num.Float](b *testing.B, n int) {
	x, y, z, u, v := num.Aligned[T](n), num.Aligned[T](n), num.Aligned[T](n), num.Aligned[T](n), num.Aligned[T](n)
	for i := range x {
		x[i] = T(i%1237)/200 - 3
		y[i], z[i] = x[i], x[i]
	}
	step := NewAdamWStep[T](1e-3, 0.9, 0.999, 1e-8, 0.01, 3)
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"Exp", func() { Exp(y, x) }},
		{"Sigmoid", func() { Sigmoid(y, x) }},
		{"Tanh", func() { Tanh(y, x) }},
		{"Erf", func() { Erf(y, x) }},
		{"GELU", func() { GELU(y, x) }},
		{"GELUGrad", func() { GELUGrad(y, x, z) }},
		{"GELUBoth", func() { GELUBoth(y, z, x) }},
		{"GELUTanh", func() { GELUTanh(y, x) }},
		{"GELUTanhGrad", func() { GELUTanhGrad(y, x, z) }},
		{"GELUTanhBoth", func() { GELUTanhBoth(y, z, x) }},
		{"SiLU", func() { SiLU(y, x) }},
		{"Softplus", func() { Softplus(y, x) }},
		{"SiLUGrad", func() { SiLUGrad(y, x, z) }},
		{"GLU", func() { GLU(y, x, z) }},
		{"GLUGrad", func() { GLUGrad(u, v, x, z, y) }},
		{"Add", func() { Add(y, x, z) }},
		{"Mul", func() { Mul(y, x, z) }},
		{"Axpy", func() { Axpy(y, 1e-9, x) }},
		{"Scale", func() { Scale(y, 2, x) }},
		{"Sum", func() { Sum(x) }},
		{"SumSq", func() { SumSq(x) }},
		{"Dot", func() { Dot(x, z) }},
		{"LSTM", func() { LSTM(x, y[:n/4], z[:n/4], u[:n/4]) }},
		{"LSTMGrad", func() { LSTMGrad(u, x, y[:n/4], z[:n/4], v[:n/4], v[n/4:n/2], v[n/2:3*n/4]) }},
		{"GRU", func() { GRU(x, y[:n/4], z[:n/4]) }},
		{"GRUGrad", func() { GRUGrad(u, x, y[:n/4], v[:n/4], v[n/4:n/2]) }},
		{"AdamW", func() { AdamW(u, x, y, v, step) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			clear(u)
			clear(v)
			for b.Loop() {
				c.f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
		})
	}
}

// BenchmarkFunctions times every function on 4096 elements, which stay in
// cache, and on 4 Mi, which do not.
func BenchmarkFunctions(b *testing.B) {
	for _, n := range []int{4 << 10, 4 << 20} {
		for l := cpu.Generic; l <= cpu.Detected(); l++ {
			run := func(name string, f func(b *testing.B, n int)) {
				b.Run(fmt.Sprintf("%d/%v/%s", n, l, name), func(b *testing.B) {
					defer cpu.SetActive(cpu.SetActive(l))
					f(b, n)
				})
			}
			run("float32", benchFunctions[float32])
			run("float64", benchFunctions[float64])
		}
	}
}
