package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// eachLevel runs f for every instruction set of this machine.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(l))
			f(t)
		})
	}
}

// matrix is a row-major matrix with a leading dimension, inside a longer slice
// filled with NaN: what reads or writes around it shows.
type matrix[T num.Float] struct {
	rows, cols, ld int
	data           []T // from its first element to the end of its slice
	whole          []T
}

const guard = 19

func newMatrix[T num.Float](rng *rand.Rand, rows, cols, pad int) matrix[T] {
	ld := cols + pad
	whole := make([]T, 2*guard+rows*ld)
	for i := range whole {
		whole[i] = T(math.NaN())
	}
	m := matrix[T]{rows, cols, ld, whole[guard : len(whole)-guard-min(pad, rows*pad)], whole}
	for i := range rows {
		for j := range cols {
			m.data[i*ld+j] = T(rng.Float64() - 0.5)
		}
	}
	return m
}

func (m matrix[T]) clone() matrix[T] {
	m.whole = slices.Clone(m.whole)
	m.data = m.whole[guard:][:len(m.data)]
	return m
}

// at returns op(M)[i, j].
func (m matrix[T]) at(trans bool, i, j int) float64 {
	if trans {
		i, j = j, i
	}
	return float64(m.data[i*m.ld+j])
}

// product is one product to test.
type product struct {
	m, n, k        int
	transA, transB bool
	add, bias      bool
	pad            int
}

func (p product) String() string {
	return fmt.Sprintf("m=%d n=%d k=%d transA=%v transB=%v add=%v bias=%v pad=%d", p.m, p.n, p.k, p.transA, p.transB, p.add, p.bias, p.pad)
}

func (p product) operands(rng *rand.Rand) (a, b, c matrix[float64], bias []float64) {
	ar, ac, br, bc := p.m, p.k, p.k, p.n
	if p.transA {
		ar, ac = ac, ar
	}
	if p.transB {
		br, bc = bc, br
	}
	a, b = newMatrix[float64](rng, ar, ac, p.pad), newMatrix[float64](rng, br, bc, p.pad)
	if p.bias {
		bias = make([]float64, p.m)
		for i := range bias {
			bias[i] = rng.Float64() - 0.5
		}
	}
	return a, b, newMatrix[float64](rng, p.m, p.n, p.pad), bias
}

// cast returns m with its elements rounded to T.
func cast[T num.Float](m matrix[float64]) matrix[T] {
	c := matrix[T]{m.rows, m.cols, m.ld, nil, make([]T, len(m.whole))}
	for i, v := range m.whole {
		c.whole[i] = T(v)
	}
	c.data = c.whole[guard:][:len(m.data)]
	return c
}

// verify compares got, the result of p on c, with the sum of products.
func verify[T num.Float](t *testing.T, p product, a, b, c, got matrix[T], bias []T) {
	t.Helper()
	eps := 0x1p-24
	if unsafe.Sizeof(T(0)) == 8 {
		eps = 0x1p-53
	}
	for i := range p.m {
		for j := range p.n {
			var sum, size float64
			term := func(v float64) { sum += v; size += math.Abs(v) }
			for q := range p.k {
				term(a.at(p.transA, i, q) * b.at(p.transB, q, j))
			}
			if p.add {
				term(c.at(false, i, j))
			}
			if bias != nil {
				term(float64(bias[i]))
			}
			// Every rounding is at most eps of a partial sum.
			if d := math.Abs(got.at(false, i, j) - sum); !(d <= eps*float64(p.k+3)*size) {
				t.Fatalf("%v: C[%d, %d]: want %v, got %v", p, i, j, sum, got.at(false, i, j))
			}
		}
	}
	for i := range got.whole {
		e := i - guard
		inside := e >= 0 && e/max(got.ld, 1) < p.m && e%max(got.ld, 1) < p.n
		if v := got.whole[i]; !inside && v == v {
			t.Fatalf("%v: element %d, outside C, was written", p, e)
		}
	}
}

// run computes p with Gemm (without bias) and with GemmPacked and verifies both.
func run[T num.Float](t *testing.T, rng *rand.Rand, ws *Workspace[T], pa *Packed[T], p product) {
	t.Helper()
	a64, b64, c64, bias64 := p.operands(rng)
	a, b, c := cast[T](a64), cast[T](b64), cast[T](c64)
	if p.bias {
		bias := make([]T, p.m)
		for i, v := range bias64 {
			bias[i] = T(v)
		}
		got := c.clone()
		pa.Pack(p.transA, p.m, p.k, a.data, a.ld, bias)
		GemmPacked(ws, pa, p.transB, p.n, b.data, b.ld, got.data, got.ld, p.add, nil)
		verify(t, p, a, b, c, got, bias)
		return
	}
	got := c.clone()
	Gemm(ws, p.transA, p.transB, p.m, p.n, p.k, a.data, a.ld, b.data, b.ld, got.data, got.ld, p.add)
	verify(t, p, a, b, c, got, nil)
}

func testProducts[T num.Float](t *testing.T, products []product) {
	rng := rand.New(rand.NewPCG(1, 2))
	var ws Workspace[T]
	var pa Packed[T]
	for _, p := range products {
		run(t, rng, &ws, &pa, p)
	}
}

// products returns every combination of the sizes with every option.
func products(ms, ns, ks []int) []product {
	var all []product
	for _, m := range ms {
		for _, n := range ns {
			for _, k := range ks {
				for o := range 16 {
					all = append(all, product{m: m, n: n, k: k,
						transA: o&1 > 0, transB: o&2 > 0, add: o&4 > 0, bias: o&8 > 0, pad: (m + n + k) % 3})
				}
			}
		}
	}
	return all
}

func TestGemm(t *testing.T) {
	small := products([]int{0, 1, 2, 3, 5, 8, 13, 24}, []int{0, 1, 4, 7, 16, 33, 64}, []int{0, 1, 2, 9, 21})
	large := []product{
		{m: 49, n: 131, k: 256}, {m: 25, n: 37, k: 257, add: true}, {m: 7, n: 257, k: 530, transB: true},
		{m: 31, n: 97, k: 513, transA: true}, {m: 12, n: 130, k: 600, transA: true, bias: true},
		{m: 500, n: 3, k: 259}, {m: 500, n: 35, k: 259, transA: true, transB: true, add: true},
	}
	eachLevel(t, func(t *testing.T) {
		for name, ps := range map[string][]product{"small": small, "large": large} {
			t.Run(name+"/float32", func(t *testing.T) { testProducts[float32](t, ps) })
			t.Run(name+"/float64", func(t *testing.T) { testProducts[float64](t, ps) })
		}
	})
}

// TestSplit checks that an element of C does not depend on how its columns are
// split, bit for bit, and that Gemm and GemmPacked agree.
func TestSplit(t *testing.T) {
	const m, n, k = 29, 163, 300
	eachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		p := product{m: m, n: n, k: k}
		a64, b64, c64, _ := p.operands(rng)
		a, b, c := cast[float32](a64), cast[float32](b64), cast[float32](c64)
		var ws Workspace[float32]
		var pa Packed[float32]
		Gemm(&ws, false, false, m, n, k, a.data, a.ld, b.data, b.ld, c.data, c.ld, false)
		pa.Pack(false, m, k, a.data, a.ld, nil)
		for _, width := range []int{1, 7, 32, 100, n} {
			got := cast[float32](c64)
			for j := 0; j < n; j += width {
				GemmPacked(&ws, &pa, false, min(width, n-j), b.data[j:], b.ld, got.data[j:], got.ld, false, nil)
			}
			for i, v := range c.data {
				if v != got.data[i] {
					t.Fatalf("columns by %d: C[%d, %d]: want %v, got %v", width, i/n, i%n, v, got.data[i])
				}
			}
		}
	})
}

// TestSpecial checks that NaN and infinities reach the elements of C they are
// terms of, and no other.
func TestSpecial(t *testing.T) {
	const m, n, k = 17, 39, 11
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	eachLevel(t, func(t *testing.T) {
		a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
		for i := range a {
			a[i] = 1
		}
		for i := range b {
			b[i] = 1
		}
		a[16*k+3] = inf // row 16, the last
		b[5*n+38] = nan // column 38, the last
		var ws Workspace[float32]
		Gemm(&ws, false, false, m, n, k, a, k, b, n, c, n, false)
		for i := range m {
			for j := range n {
				got := c[i*n+j]
				switch {
				case j == 38:
					if got == got {
						t.Errorf("C[%d, %d]: want NaN, got %v", i, j, got)
					}
				case i == 16:
					if got != inf {
						t.Errorf("C[%d, %d]: want +Inf, got %v", i, j, got)
					}
				case got != k:
					t.Errorf("C[%d, %d]: want %v, got %v", i, j, k, got)
				}
			}
		}
	})
}

// TestAlignment checks that the place of the operands in memory does not matter.
func TestAlignment(t *testing.T) {
	const m, n, k = 26, 70, 19
	rng := rand.New(rand.NewPCG(5, 6))
	eachLevel(t, func(t *testing.T) {
		for _, p := range []product{{m: m, n: n, k: k}, {m: m, n: n, k: k, transA: true, transB: true, add: true}} {
			a64, b64, c64, _ := p.operands(rng)
			a, b, c := cast[float32](a64), cast[float32](b64), cast[float32](c64)
			var ws Workspace[float32]
			want := c.clone()
			Gemm(&ws, p.transA, p.transB, m, n, k, a.data, a.ld, b.data, b.ld, want.data, n, p.add)
			for offset := range 16 {
				shift := func(x []float32, by int) []float32 {
					s := num.Aligned[float32](len(x) + by)[by:]
					copy(s, x)
					return s
				}
				got := shift(c.data, (offset+5)%16)
				Gemm(&ws, p.transA, p.transB, m, n, k, shift(a.data, offset), a.ld, shift(b.data, 15-offset), b.ld, got, n, p.add)
				for i := range m * n {
					if got[i] != want.data[i] {
						t.Fatalf("%v, offset %d: C[%d, %d]: want %v, got %v", p, offset, i/n, i%n, want.data[i], got[i])
					}
				}
			}
		}
	})
}

// FuzzGemm compares products of any sizes with sums of products.
func FuzzGemm(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint16(1), uint8(0), uint64(1))
	f.Add(uint8(24), uint8(64), uint16(256), uint8(7), uint64(2))
	f.Add(uint8(13), uint8(33), uint16(257), uint8(0xff), uint64(3))
	f.Fuzz(func(t *testing.T, m, n uint8, k uint16, options uint8, seed uint64) {
		p := product{m: int(m % 64), n: int(n % 128), k: int(k % 600),
			transA: options&1 > 0, transB: options&2 > 0, add: options&4 > 0, bias: options&8 > 0, pad: int(options >> 4)}
		for l := cpu.Generic; l <= cpu.Detected(); l++ {
			old := cpu.SetActive(l)
			rng := rand.New(rand.NewPCG(seed, 1))
			run(t, rng, new(Workspace[float32]), new(Packed[float32]), p)
			run(t, rng, new(Workspace[float64]), new(Packed[float64]), p)
			cpu.SetActive(old)
		}
	})
}

func testTranspose[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 6))
	for _, p := range products([]int{0, 1, 3, 4, 5, 8, 17, 34}, []int{0, 1, 5, 16, 33}, []int{0}) {
		src := cast[T](newMatrix[float64](rng, p.m, p.n, p.pad))
		dst := cast[T](newMatrix[float64](rng, p.n, p.m, p.pad))
		Transpose(dst.data, dst.ld, src.data, src.ld, p.m, p.n)
		for i := range p.n {
			for j := range p.m {
				if v, w := dst.at(false, i, j), src.at(true, i, j); v != w {
					t.Fatalf("%d x %d: element [%d, %d]: want %v, got %v", p.m, p.n, i, j, w, v)
				}
			}
		}
		for i, v := range dst.whole {
			e := i - guard
			inside := e >= 0 && e/max(dst.ld, 1) < p.n && e%max(dst.ld, 1) < p.m
			if !inside && v == v {
				t.Fatalf("%d x %d: element %d, outside, was written", p.m, p.n, e)
			}
		}
	}
}

// TestTranspose compares transposes element by element.
func TestTranspose(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", testTranspose[float32])
		t.Run("float64", testTranspose[float64])
	})
}

// TestDone checks that the columns GemmPacked reports are complete and cover C.
func TestDone(t *testing.T) {
	const m, n, k = 6, 300, 600
	a, b, c := make([]float64, m*k), make([]float64, k*n), make([]float64, m*n)
	for i := range a {
		a[i] = 1
	}
	for i := range b {
		b[i] = 1
	}
	var ws Workspace[float64]
	var pa Packed[float64]
	pa.Pack(false, m, k, a, k, []float64{0, 1, 2, 3, 4, 5})
	next := 0
	GemmPacked(&ws, &pa, false, n, b, n, c, n, false, func(j0, j1 int) {
		if j0 != next || j1 <= j0 {
			t.Fatalf("want columns from %d, got [%d, %d)", next, j0, j1)
		}
		next = j1
		for i := range m {
			for j := j0; j < j1; j++ {
				if want := float64(k + i); c[i*n+j] != want {
					t.Fatalf("C[%d, %d] is %v when complete, want %v", i, j, c[i*n+j], want)
				}
			}
		}
	})
	if next != n {
		t.Errorf("columns reported up to %d, want %d", next, n)
	}
}

func TestBadArguments(t *testing.T) {
	x := make([]float64, 12)
	var ws Workspace[float64]
	for name, f := range map[string]func(){
		"short A":        func() { Gemm(&ws, false, false, 4, 3, 4, x, 4, x, 3, x, 3, false) },
		"short B":        func() { Gemm(&ws, false, false, 3, 4, 4, x, 4, x, 4, x, 4, false) },
		"short C":        func() { Gemm(&ws, false, false, 4, 4, 3, x, 3, x, 4, x, 4, false) },
		"leading of A":   func() { Gemm(&ws, true, false, 3, 3, 2, x, 2, x, 3, x, 3, false) },
		"leading of B":   func() { Gemm(&ws, false, true, 3, 3, 4, x, 4, x, 3, x, 3, false) },
		"leading of C":   func() { Gemm(&ws, false, false, 3, 3, 2, x, 2, x, 3, x, 2, false) },
		"negative size":  func() { Gemm(&ws, false, false, 3, -3, 2, x, 2, x, 3, x, 2, false) },
		"bias":           func() { new(Packed[float64]).Pack(false, 3, 2, x, 2, x[:2]) },
		"leading of sum": func() { AddPackedB(&ws, 4, x, 4, new(PackedB[float64]), x, -1) },
		"transposed":     func() { Transpose(x, 3, x, 4, 3, 5) },
		"short dst":      func() { Transpose(x, 4, x, 3, 4, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestAllocs checks that products in a warm workspace allocate nothing.
func TestAllocs(t *testing.T) {
	const m, n, k = 20, 50, 40
	a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	var ws Workspace[float32]
	var pa Packed[float32]
	f := func() {
		Gemm(&ws, false, false, m, n, k, a, k, b, n, c, n, false)
		pa.Pack(false, m, k, a, k, nil)
		GemmPacked(&ws, &pa, false, n, b, n, c, n, true, nil)
	}
	f()
	if got := testing.AllocsPerRun(10, f); got != 0 {
		t.Errorf("want no allocation, got %v", got)
	}
}
