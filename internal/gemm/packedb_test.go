package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

func testPackedB[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	var ws Workspace[T]
	var pb PackedB[T]
	all := products([]int{0, 1, 2, 3, 5, 13, 24}, []int{0, 1, 4, 7, 16, 33, 64, 130}, []int{0, 1, 9, 21, 513})
	for _, p := range all {
		if p.transA || p.add {
			continue
		}
		a64, b64, c64, _ := p.operands(rng)
		a, b, c := cast[T](a64), cast[T](b64), cast[T](c64)
		var bias []T
		if p.bias {
			bias = make([]T, p.n)
			for j := range bias {
				bias[j] = T(rng.Float64() - 0.5)
			}
		}
		// The bias is one more term, whose factor in A is 1.
		q := p
		q.k++
		qa, qb := newMatrix[float64](rng, p.m, q.k, 0), newMatrix[float64](rng, q.k, p.n, 0)
		for i := range p.m {
			for l := range p.k {
				qa.data[i*q.k+l] = a.at(false, i, l)
			}
			qa.data[i*q.k+p.k] = 1
		}
		for j := range p.n {
			for l := range p.k {
				qb.data[l*p.n+j] = b.at(p.transB, l, j)
			}
			qb.data[p.k*p.n+j] = 0
			if bias != nil {
				qb.data[p.k*p.n+j] = float64(bias[j])
			}
		}
		q.transB = false
		pb.Pack(p.transB, p.k, p.n, b.data, b.ld, bias)
		got := c.clone()
		GemmPackedB(&ws, p.m, a.data, a.ld, &pb, 0, p.n, got.data, got.ld)
		verify(t, q, cast[T](qa), cast[T](qb), c, got, nil)

		p.add = true // without the bias
		got = c.clone()
		AddPackedB(&ws, p.m, a.data, a.ld, &pb, got.data, got.ld)
		verify(t, p, a, b, c, got, nil)
	}
}

func testTransPackedB[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 10))
	var ws Workspace[T]
	var pb PackedB[T]
	all := products([]int{0, 1, 3, 13, 24}, []int{0, 1, 7, 33, 130}, []int{0, 1, 21, 513})
	for _, p := range append(all, product{m: 500, n: 35, k: 259, transA: true}) {
		if !p.transA || p.add || p.bias {
			continue
		}
		a64, b64, c64, _ := p.operands(rng)
		a, b, c := cast[T](a64), cast[T](b64), cast[T](c64)
		pb.Pack(p.transB, p.k, p.n, b.data, b.ld, nil)
		got := c.clone()
		GemmTransPackedB(&ws, p.m, a.data, a.ld, &pb, got.data, got.ld)
		verify(t, p, a, b, c, got, nil)
	}
}

// TestPackedB compares products of packed weights with sums of products.
func TestPackedB(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", testPackedB[float32])
		t.Run("float64", testPackedB[float64])
		t.Run("transposed/float32", testTransPackedB[float32])
		t.Run("transposed/float64", testTransPackedB[float64])
	})
}

// TestPackedBRows checks that a row of C does not depend on the others, bit for
// bit.
func TestPackedBRows(t *testing.T) {
	const n, k = 163, 300
	eachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 5))
		for _, m := range []int{1, 2, 3, 4, 5, 13, 29} {
			p := product{m: m, n: n, k: k}
			a64, b64, c64, _ := p.operands(rng)
			a, b, c := cast[float32](a64), cast[float32](b64), cast[float32](c64)
			var ws Workspace[float32]
			var pb PackedB[float32]
			pb.Pack(false, k, n, b.data, b.ld, nil)
			GemmPackedB(&ws, m, a.data, a.ld, &pb, 0, n, c.data, c.ld)
			row := make([]float32, n)
			for i := range m {
				GemmPackedB(&ws, 1, a.data[i*a.ld:], a.ld, &pb, 0, n, row, n)
				for j, v := range row {
					if w := c.data[i*c.ld+j]; v != w {
						t.Fatalf("m=%d: C[%d, %d]: want %v, got %v for the row alone", m, i, j, w, v)
					}
				}
			}
		}
	})
}

// TestPackedBSplit checks that an element of C does not depend on how the columns
// are split, bit for bit.
func TestPackedBSplit(t *testing.T) {
	const n, k = 3*ColumnStep + 35, 300
	eachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 5))
		for _, m := range []int{1, 2, 7} {
			a64, b64, c64, _ := product{m: m, n: n, k: k}.operands(rng)
			a, b, want := cast[float32](a64), cast[float32](b64), cast[float32](c64)
			got := want.clone()
			var ws Workspace[float32]
			var pb PackedB[float32]
			pb.Pack(false, k, n, b.data, b.ld, nil)
			GemmPackedB(&ws, m, a.data, a.ld, &pb, 0, n, want.data, want.ld)
			for j := 0; j < n; j += ColumnStep {
				GemmPackedB(&ws, m, a.data, a.ld, &pb, j, min(n, j+ColumnStep), got.data, got.ld)
			}
			for i, v := range want.data {
				if v != got.data[i] {
					t.Fatalf("m=%d: C[%d, %d]: want %v, got %v", m, i/n, i%n, v, got.data[i])
				}
			}
		}
	})
}

func TestPackedBDoesNotAllocate(t *testing.T) {
	const m, n, k = 5, 40, 30
	a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	var ws Workspace[float32]
	var pb PackedB[float32]
	pb.Pack(false, k, n, b, n, make([]float32, n))
	if got := testing.AllocsPerRun(10, func() { GemmPackedB(&ws, m, a, k, &pb, 0, n, c, n) }); got != 0 {
		t.Errorf("a product allocates %v times", got)
	}
}

// BenchmarkPackedB times the mixing of a recurrent step, 128 to 256 features.
func BenchmarkPackedB(b *testing.B) {
	const k, n = 128, 256
	for _, m := range []int{1, 16} {
		for l := cpu.Generic; l <= cpu.Detected(); l++ {
			b.Run(fmt.Sprintf("%dx%dx%d/%v/float32", m, k, n, l), func(b *testing.B) {
				defer cpu.SetActive(cpu.SetActive(l))
				x, w, z := num.Aligned[float32](m*k), num.Aligned[float32](k*n), num.Aligned[float32](m*n)
				var ws Workspace[float32]
				var pb PackedB[float32]
				pb.Pack(false, k, n, w, n, num.Aligned[float32](n))
				for b.Loop() {
					GemmPackedB(&ws, m, x, k, &pb, 0, n, z, n)
				}
				b.ReportMetric(2*float64(m*k*n)*float64(b.N)/b.Elapsed().Seconds()*1e-9, "GFLOP/s")
			})
		}
	}
}
