package gemm

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

func benchGemm[T num.Float](b *testing.B, transA, transB bool, m, k, n int) {
	x, y, z := num.Aligned[T](m*k), num.Aligned[T](k*n), num.Aligned[T](m*n)
	lda, ldb := k, n
	if transA {
		lda = m
	}
	if transB {
		ldb = k
	}
	var ws Workspace[T]
	for b.Loop() {
		Gemm(&ws, transA, transB, m, n, k, x, lda, y, ldb, z, n, false)
	}
	b.ReportMetric(2*float64(m*k*n)*float64(b.N)/b.Elapsed().Seconds()*1e-9, "GFLOP/s")
}

// BenchmarkGemm times the products of a position-wise linear layer of 128 to
// 256 features at length 1024: forward, gradient of the input, gradient of the
// weights.
func BenchmarkGemm(b *testing.B) {
	for _, c := range []struct {
		name           string
		transA, transB bool
		m, k, n        int
	}{
		{"256x128x1024", false, false, 256, 128, 1024},
		{"128x256x1024_At", true, false, 128, 256, 1024},
		{"256x1024x128_Bt", false, true, 256, 1024, 128},
	} {
		for l := cpu.Generic; l <= cpu.Detected(); l++ {
			b.Run(fmt.Sprintf("%s/%v/float32", c.name, l), func(b *testing.B) {
				defer cpu.SetActive(cpu.SetActive(l))
				benchGemm[float32](b, c.transA, c.transB, c.m, c.k, c.n)
			})
			b.Run(fmt.Sprintf("%s/%v/float64", c.name, l), func(b *testing.B) {
				defer cpu.SetActive(cpu.SetActive(l))
				benchGemm[float64](b, c.transA, c.transB, c.m, c.k, c.n)
			})
		}
	}
}

// BenchmarkTranspose times what a recurrent network does with 32 steps of 128 features
// of a row of 1,024, one of 8 rows that are taken together.
func BenchmarkTranspose(b *testing.B) {
	const features, steps, rows, l = 128, 32, 8, 1024
	x, z := num.Aligned[float32](features*l), num.Aligned[float32](steps*rows*features)
	b.Run("in", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			Transpose(z, rows*features, x[i%32*steps:], l, features, steps)
		}
	})
	b.Run("out", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			Transpose(x[i%32*steps:], l, z, rows*features, steps, features)
		}
	})
}
