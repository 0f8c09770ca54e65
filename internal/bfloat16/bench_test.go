package bfloat16

import (
	"math"
	"testing"
)

func BenchmarkBFloat16(b *testing.B) {
	const n = 1 << 14
	x, rest, dst := make([]float32, n), make([]float32, n), make([]byte, Size*n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)))
	}
	for name, f := range map[string]func(){
		"Split": func() { Split(dst, rest, 0.75, x) },
		"Read":  func() { Read(x, dst) },
		"Add":   func() { Add(x, dst) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * n)
			for range b.N {
				f()
			}
		})
	}
}
