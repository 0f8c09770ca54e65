package fft

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// Tolerances: relative, in the Euclidean norm.
const (
	tol64 = 1e-14
	tol32 = 5e-7
)

func tol[T num.Float]() float64 {
	if _, ok := any(T(0)).(float32); ok {
		return tol32
	}
	return tol64
}

func random[T num.Float](rng *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

// relErr returns |got-want| / |want|.
func relErr[T num.Float](got []T, want []float64) float64 {
	var d, w float64
	for i := range want {
		e := float64(got[i]) - want[i]
		d += e * e
		w += want[i] * want[i]
	}
	if w == 0 {
		return math.Sqrt(d)
	}
	return math.Sqrt(d / w)
}

func checkErr[T num.Float](t *testing.T, what string, got []T, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: length %d, want %d", what, len(got), len(want))
	}
	if e := relErr(got, want); !(e <= tol[T]()) {
		t.Errorf("%s: relative error %.3g > %.3g", what, e, tol[T]())
	}
}

// factors are products of levels, with every radix, repeated and combined.
var factors = []int{1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 20, 25, 27, 30, 32, 45, 64, 128}

// eachPlan calls f with plans made of every pass set this machine has, for P up
// to limit.
func eachPlan[T num.Float](limit int, f func(what string, p *Plan[T])) {
	for _, set := range sets[T](cpu.Detected()) {
		for _, m := range factors {
			if n := m * set.unit(); n <= limit {
				f(fmt.Sprintf("W=%d P=%d", set.width, n), newPlan(n, set))
			}
		}
	}
}

// halves of a transform.
var halves = []Half{Cyclic, Negacyclic}

// bins returns, for every slot of a spectrum, which bin of the transform of
// length 2P the plan has there. It is read off the spectrum of an impulse at
// n = 1, exp(-2 pi i bin/2P).
func bins[T num.Float](t *testing.T, p *Plan[T], h Half) []int {
	t.Helper()
	z := p.NewPlanes(1)[0]
	p.Forward(h, z, []T{0, 1}, nil)
	n := 2 * p.Len()
	b := make([]int, p.Len())
	for i := range b {
		turn := -math.Atan2(float64(z.Im[i]), float64(z.Re[i])) / (2 * math.Pi) * float64(n)
		b[i] = (int(math.Round(turn)) + n) % n
		if math.Abs(turn-math.Round(turn)) > 1e-2 {
			t.Fatalf("P=%d half %d slot %d: bin %g is not whole", p.Len(), h, i, turn)
		}
	}
	sorted := slices.Sorted(slices.Values(b))
	for i, v := range sorted {
		if v != 2*i+int(h) {
			t.Fatalf("P=%d half %d: bins %v, want every second one from %d", p.Len(), h, sorted, h)
		}
	}
	return b
}

// circle returns exp(-2 pi i j/n) for j < n.
func circle(n int) []complex128 {
	w := make([]complex128, n)
	for j := range w {
		w[j] = cmplx.Rect(1, -2*math.Pi*float64(j)/float64(n))
	}
	return w
}

// dft returns bin k of the DFT, of the length of the circle w, of a + ib. A nil
// b is zero.
func dft[T num.Float](a, b []T, k int, w []complex128) (re, im float64) {
	var sum complex128
	for j := range a {
		x := complex(float64(a[j]), 0)
		if b != nil {
			x = complex(float64(a[j]), float64(b[j]))
		}
		sum += x * w[j*k%len(w)]
	}
	return real(sum), imag(sum)
}

func TestForwardIsDFT(t *testing.T) {
	t.Run("float32", testForwardIsDFT[float32])
	t.Run("float64", testForwardIsDFT[float64])
}

func testForwardIsDFT[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	eachPlan(512, func(what string, p *Plan[T]) {
		n := p.Len()
		z := p.NewPlanes(1)[0]
		w := circle(2 * n)
		for _, h := range halves {
			order := bins(t, p, h)
			for _, rows := range []int{1, n / 4, n/2 + 3, n - 1, n, n + 1, 2*n - 3, 2 * n} {
				a, b := random[T](rng, rows), random[T](rng, rows)
				for _, second := range [][]T{b, nil} {
					want := make([]float64, 2*n)
					for i, k := range order {
						want[i], want[n+i] = dft(a, second, k, w)
					}
					p.Forward(h, z, a, second)
					checkErr(t, fmt.Sprintf("%s half %d, rows of %d, alone %v", what, h, rows, second == nil), slices.Concat(z.Re, z.Im), want)
				}
			}
		}
	})
}

func TestInverse(t *testing.T) {
	t.Run("float32", testInverse[float32])
	t.Run("float64", testInverse[float64])
}

func testInverse[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	eachPlan(6000, func(plan string, p *Plan[T]) {
		n := p.Len()
		s := p.NewSpectra(1)[0]
		for i, rows := range []int{1, n/4 - 1, n/2 + 3, 3*n/4 - 1, 3 * n / 4, 3*n/4 + 1, n - 1, n, n + 1, 2*n - 3, 2 * n} {
			// Rows lie anywhere: only elements are aligned.
			a, b := random[T](rng, rows+i)[i:], random[T](rng, rows+2*i)[2*i:]
			wantA, wantB := make([]float64, rows), make([]float64, rows)
			for i := range rows {
				wantA[i], wantB[i] = 2*float64(n)*float64(a[i]), 2*float64(n)*float64(b[i])
			}
			for _, alone := range []bool{false, true} {
				inB := b
				outA, outB := fence.Of(make([]T, rows), i+1), fence.Of(make([]T, rows), i+3)
				toA, toB := outA.V, outB.V
				if alone {
					inB, toB = nil, nil
				}
				for _, h := range halves {
					p.Forward(h, s[h], a, inB)
					p.Inverse(h, s[h])
				}
				p.Store(toA, toB, s)
				what := fmt.Sprintf("%s rows of %d alone %v", plan, rows, alone)
				checkErr(t, what, toA, wantA)
				if !alone {
					checkErr(t, what, toB, wantB)
				}
				outA.Check(t, what)
				if alone {
					outB.Unchanged(t, what)
				} else {
					outB.Check(t, what)
				}
			}
		}
	})
}

// cyclicSum returns the cyclic convolution of length n of k and x, or, with
// sign -1, of the reversed k and x.
func cyclicSum[T num.Float](k, x []T, n, sign int) []float64 {
	y := make([]float64, n)
	for i, a := range k {
		for j, b := range x {
			y[((j+sign*i)%n+n)%n] += float64(a) * float64(b)
		}
	}
	return y
}

func TestConvolveAndBackward(t *testing.T) {
	t.Run("float32", testConvolve[float32])
	t.Run("float64", testConvolve[float64])
}

func testConvolve[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	eachPlan(640, func(what string, p *Plan[T]) {
		n := p.Len()
		s := p.NewSpectra(4)
		k, u, acc, z := s[0], s[1], s[2], s[3]
		rows := 2*n - 5
		row, ua, ub, ga, gb := random[T](rng, rows), random[T](rng, rows), random[T](rng, rows), random[T](rng, rows), random[T](rng, rows)
		scale := func(x []T) []T {
			for i := range x {
				x[i] /= T(2 * n)
			}
			return x
		}
		row2 := func() []T { return make([]T, 2*n) }
		ya, yb, va, vb, ca, cb, da, db, dk := row2(), row2(), row2(), row2(), row2(), row2(), row2(), row2(), row2()
		for _, h := range halves {
			p.Forward(h, k[h], row, nil)
			p.Forward(h, u[h], ua, ub)
		}
		result := func(a, b []T, f func(h Half)) {
			for _, h := range halves {
				f(h)
			}
			p.Store(a, b, z)
			scale(a)
			scale(b)
		}
		result(ya, yb, func(h Half) { p.Convolve(h, z[h], ua, ub, k[h]) })
		result(va, vb, func(h Half) { p.Multiply(h, z[h], k[h], u[h]) })
		result(ca, cb, func(h Half) { p.Correlate(h, z[h], ga, gb, k[h]) })
		for range 2 { // acc adds up, the rows are overwritten
			result(da, db, func(h Half) { p.Backward(h, z[h], ga, gb, k[h], u[h], acc[h]) })
		}
		for _, h := range halves {
			p.Inverse(h, acc[h])
		}
		p.Store(dk, nil, acc)
		scale(dk)
		for _, c := range []struct {
			name string
			got  []T
			x    []T
			sign int
		}{
			{"Convolve: k*a", ya, ua, 1}, {"Convolve: k*b", yb, ub, 1}, {"Multiply: k*a", va, ua, 1}, {"Multiply: k*b", vb, ub, 1},
			{"Correlate: a", ca, ga, -1}, {"Correlate: b", cb, gb, -1}, {"Backward: a", da, ga, -1}, {"Backward: b", db, gb, -1},
		} {
			checkErr(t, what+" "+c.name, c.got, cyclicSum(row, c.x, 2*n, c.sign))
		}
		want := cyclicSum(ua, ga, 2*n, -1)
		for i, v := range cyclicSum(ub, gb, 2*n, -1) {
			want[i] = 2 * (want[i] + v)
		}
		checkErr(t, what+" acc", dk, want)
	})
}

func TestMulAddConj(t *testing.T) {
	t.Run("float32", testMulAddConj[float32])
	t.Run("float64", testMulAddConj[float64])
}

func testMulAddConj[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	at := func(z Planes[T], i int) complex128 { return complex(float64(z.Re[i]), float64(z.Im[i])) }
	eachLevel(func(l cpu.Level) {
		for n := range 70 {
			planes := func() Planes[T] { return Planes[T]{random[T](rng, n+2)[1 : n+1], random[T](rng, n+3)[2 : n+2]} }
			d, x, y := planes(), planes(), planes()
			after := [2]T{d.Re[:n+1][n], d.Im[:n+1][n]}
			want := make([]complex128, n)
			for i := range want {
				want[i] = at(d, i) + cmplx.Conj(at(x, i))*at(y, i)
			}
			MulAddConj(d, x, y)
			for i := range want {
				if e := cmplx.Abs(at(d, i) - want[i]); e > 10*tol[T]() {
					t.Errorf("%v: point %d of %d: got %v, want %v", l, i, n, at(d, i), want[i])
				}
			}
			if after != [2]T{d.Re[:n+1][n], d.Im[:n+1][n]} {
				t.Errorf("%v: wrote beyond point %d", l, n)
			}
		}
	})
}

func TestClear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	z := Planes[float64]{random[float64](rng, 9), random[float64](rng, 9)}
	z.Clear()
	if i := slices.IndexFunc(slices.Concat(z.Re, z.Im), func(v float64) bool { return v != 0 }); i >= 0 {
		t.Errorf("Clear left %d", i)
	}
}

// eachLevel calls f with every level this machine has in use.
func eachLevel(f func(l cpu.Level)) {
	for l := range cpu.Detected() + 1 {
		old := cpu.SetActive(l)
		f(l)
		cpu.SetActive(old)
	}
}

// New returns a plan that is long enough, and none that is long enough would be
// cheaper.
func TestNewPicksTheCheapestPlan(t *testing.T) {
	t.Run("float32", testNewPicksTheCheapestPlan[float32])
	t.Run("float64", testNewPicksTheCheapestPlan[float64])
}

func testNewPicksTheCheapestPlan[T num.Float](t *testing.T) {
	eachLevel(func(l cpu.Level) {
		for n := 1; n <= 3000; n += 7 {
			p := New[T](n)
			if 2*p.Len() < n {
				t.Fatalf("%v: New(%d).Len() = %d: too short", l, n, p.Len())
			}
			cost := p.passes.cost.of(p.Len(), p.passes.unit())
			for _, set := range sets[T](l) {
				for m := 1; m*set.unit() < 2*max(n, set.unit()); m++ {
					rest := m
					for _, f := range []int{2, 3, 5} {
						for rest%f == 0 {
							rest /= f
						}
					}
					size := m * set.unit()
					if rest == 1 && 2*size >= n && set.cost.of(size, set.unit()) < cost {
						t.Errorf("%v: New(%d) has W = %d, P = %d, but W = %d, P = %d is cheaper", l, n, p.passes.width, p.Len(), set.width, size)
					}
				}
			}
		}
	})
	for _, c := range [][2]int{{1, 16}, {32, 16}, {33, 32}, {2048, 1024}, {2 * 784, 800}, {32768, 16384}, {2 << 20, 1 << 20}} {
		if got := cheapest([]*passSet[float32]{generic32}, (c[0]+1)/2).n; got != c[1] {
			t.Errorf("for %d points: P = %d, want %d", c[0], got, c[1])
		}
	}
}

func TestPlansAreKeptPerTypeAndSize(t *testing.T) {
	var wg sync.WaitGroup
	got := make([]*Plan[float32], 8)
	for i := range got {
		wg.Go(func() { got[i] = New[float32](1000 + i) }) // all have P = 512
	}
	wg.Wait()
	for i, p := range got {
		if p != got[0] {
			t.Errorf("call %d made another plan of the same size", i)
		}
	}
	if p := New[float64](1000); p.Len() != got[0].Len() {
		t.Errorf("float64 plan has P = %d, float32 plan %d", p.Len(), got[0].Len())
	}
}

func TestRoot(t *testing.T) {
	for n := 1; n <= 400; n++ {
		for a := range n {
			re, im := root(a, n)
			// Here the angle itself is rounded: an error of up to 2 pi times 2^-53,
			// twice.
			s, c := math.Sincos(-2 * math.Pi * float64(a) / float64(n))
			if math.Abs(re-c) > 1.5e-15 || math.Abs(im-s) > 1.5e-15 {
				t.Errorf("root(%d, %d) = %v, %v, want %v, %v", a, n, re, im, c, s)
			}
			// The symmetries of the circle hold to the last bit.
			if a > 0 {
				if r, i := root(n-a, n); r != re || i != -im {
					t.Errorf("root(%d, %d) is not the conjugate of root(%d, %d)", n-a, n, a, n)
				}
			}
			if e := math.Abs(re*re + im*im - 1); e > 4e-16 {
				t.Errorf("|root(%d, %d)|^2 is off by %g", a, n, e)
			}
		}
	}
	for a, want := range [][2]float64{{1, 0}, {0, -1}, {-1, 0}, {0, 1}} {
		if re, im := root(a, 4); re != want[0] || im != want[1] {
			t.Errorf("root(%d, 4) = %v, %v, want %v", a, re, im, want)
		}
	}
}

func TestTwiddleGroups(t *testing.T) {
	const radix, q, width = 3, 8, 4
	for _, twisted := range []bool{false, true} {
		one, four := twiddles[float64](radix, q, 1, twisted), twiddles[float64](radix, q, width, twisted)
		if len(one) != len(four) {
			t.Fatalf("tables of %d and %d", len(one), len(four))
		}
		outs := len(one) / (2 * q)
		for j := range q {
			for s := range outs {
				for part := range 2 {
					a := one[2*(j*outs+s)+part]
					b := four[2*((j/width)*outs*width+s*width)+part*width+j%width]
					if a != b {
						t.Errorf("twisted %v column %d output %d part %d: %v in groups of 1, %v in groups of %d", twisted, j, s, part, a, b, width)
					}
				}
			}
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	eachLevel(func(l cpu.Level) {
		p := New[float32](2 * 480)
		s, u := p.NewSpectra(3), p.NewPlanes(1)[0]
		if n := testing.AllocsPerRun(10, func() {
			for _, h := range halves {
				p.Forward(h, s[0][h], u.Re, nil)
				p.Backward(h, s[1][h], u.Re, u.Im, s[0][h], s[0][h], s[2][h])
			}
			p.Store(u.Re, u.Im, s[1])
			MulAddConj(s[0][0], s[1][0], s[2][0])
		}); n != 0 {
			t.Errorf("%v: %v allocations", l, n)
		}
	})
}

// Prefetching has no effect that a program can see, on any rows.
func TestPrefetch(t *testing.T) {
	eachLevel(func(cpu.Level) {
		p := New[float32](600)
		for _, n := range []int{0, 1, 15, 600, 5000} {
			a := slices.Repeat([]float32{1}, n)
			p.Prefetch(a, nil)
			if !slices.Equal(a, slices.Repeat([]float32{1}, n)) {
				t.Errorf("a row of %d changed", n)
			}
		}
	})
}
