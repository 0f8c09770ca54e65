package fft

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
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

// sizes are values of P with every radix, repeated and combined.
var sizes = []int{16, 32, 48, 64, 80, 96, 128, 144, 160, 192, 240, 256, 320, 400, 432, 480, 512, 720}

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
	for _, n := range sizes {
		p := newPlan(n, generic[T]())
		z := p.NewPlanes(1)[0]
		w := circle(2 * n)
		for h := Cyclic; h <= Negacyclic; h++ {
			order := bins(t, p, h)
			for _, rows := range []int{1, n / 4, n/2 + 3, n - 1, n, n + 1, 2*n - 3, 2 * n} {
				a, b := random[T](rng, rows), random[T](rng, rows)
				for _, second := range [][]T{b, nil} {
					want := make([]float64, 2*n)
					for i, k := range order {
						want[i], want[n+i] = dft(a, second, k, w)
					}
					p.Forward(h, z, a, second)
					checkErr(t, fmt.Sprintf("P=%d half %d, rows of %d, alone %v", n, h, rows, second == nil), slices.Concat(z.Re, z.Im), want)
				}
			}
		}
	}
}

func TestInverse(t *testing.T) {
	t.Run("float32", testInverse[float32])
	t.Run("float64", testInverse[float64])
}

func testInverse[T num.Float](t *testing.T) {
	const guard = 123
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range append(sizes, 4096, 6000) {
		p := newPlan(n, generic[T]())
		for _, rows := range []int{1, n/4 - 1, n/2 + 3, n - 1, n, n + 1, 2*n - 3, 2 * n} {
			a, b := random[T](rng, rows), random[T](rng, rows)
			wantA, wantB := make([]float64, rows), make([]float64, rows)
			for i := range rows {
				wantA[i], wantB[i] = 2*float64(n)*float64(a[i]), 2*float64(n)*float64(b[i])
			}
			for _, alone := range []bool{false, true} {
				inB := b
				outA, outB := slices.Repeat([]T{guard}, 2*n+1), slices.Repeat([]T{guard}, 2*n+1)
				toA, toB := outA[:rows], outB[:rows]
				if alone {
					inB, toB = nil, nil
				}
				s := p.NewSpectra(1)[0]
				for h := Cyclic; h <= Negacyclic; h++ {
					p.Forward(h, s[h], a, inB)
					p.Inverse(h, toA, toB, s[h])
				}
				what := fmt.Sprintf("P=%d rows of %d alone %v", n, rows, alone)
				checkErr(t, what, toA, wantA)
				if !alone {
					checkErr(t, what, toB, wantB)
				}
				for _, out := range [][]T{outA[rows:], outB[len(toB):]} {
					if i := slices.IndexFunc(out, func(v T) bool { return v != guard }); i >= 0 {
						t.Errorf("%s: wrote %d beyond the end of a row", what, i)
					}
				}
			}
		}
	}
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
	for _, n := range sizes {
		p := newPlan(n, generic[T]())
		z := p.NewPlanes(1)[0]
		s := p.NewSpectra(3)
		k, u, acc := s[0], s[1], s[2]
		rows := 2*n - 5
		row, ua, ub, ga, gb := random[T](rng, rows), random[T](rng, rows), random[T](rng, rows), random[T](rng, rows), random[T](rng, rows)
		scale := func(x []T) []T {
			for i := range x {
				x[i] /= T(2 * n)
			}
			return x
		}
		ya, yb, da, db, dk := make([]T, 2*n), make([]T, 2*n), make([]T, 2*n), make([]T, 2*n), make([]T, 2*n)
		for h := Cyclic; h <= Negacyclic; h++ {
			p.Forward(h, k[h], row, nil)
			p.Forward(h, u[h], ua, ub)
			p.Convolve(h, ya, yb, ua, ub, k[h], z)
			p.Backward(h, da, db, ga, gb, k[h], u[h], acc[h], z)
			p.Backward(h, da, db, ga, gb, k[h], u[h], acc[h], z) // Cyclic overwrites
			if h == Negacyclic {
				p.Backward(Cyclic, da, db, ga, gb, k[Cyclic], u[Cyclic], p.NewPlanes(1)[0], z)
				p.Backward(h, da, db, ga, gb, k[h], u[h], p.NewPlanes(1)[0], z)
			}
			p.Inverse(h, dk, nil, acc[h])
		}
		checkErr(t, fmt.Sprintf("P=%d k*a", n), scale(ya), cyclicSum(row, ua, 2*n, 1))
		checkErr(t, fmt.Sprintf("P=%d k*b", n), scale(yb), cyclicSum(row, ub, 2*n, 1))
		checkErr(t, fmt.Sprintf("P=%d da", n), scale(da), cyclicSum(row, ga, 2*n, 1))
		checkErr(t, fmt.Sprintf("P=%d db", n), scale(db), cyclicSum(row, gb, 2*n, 1))
		want := cyclicSum(ua, ga, 2*n, -1)
		for i, v := range cyclicSum(ub, gb, 2*n, -1) {
			want[i] = 2 * (want[i] + v)
		}
		checkErr(t, fmt.Sprintf("P=%d acc", n), scale(dk), want)
	}
}

func TestPointwiseProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	const n = 9
	planes := func() Planes[float64] { return Planes[float64]{random[float64](rng, n), random[float64](rng, n)} }
	at := func(z Planes[float64], i int) complex128 { return complex(z.Re[i], z.Im[i]) }
	conj := func(c complex128) complex128 { return complex(real(c), -imag(c)) }
	for name, c := range map[string]struct {
		f    func(dst, x, y Planes[float64])
		want func(d, x, y complex128) complex128
	}{
		"Mul":        {Mul[float64], func(_, x, y complex128) complex128 { return x * y }},
		"MulAdd":     {MulAdd[float64], func(d, x, y complex128) complex128 { return d + x*y }},
		"MulAddConj": {MulAddConj[float64], func(d, x, y complex128) complex128 { return d + conj(x)*y }},
	} {
		d, x, y := planes(), planes(), planes()
		want := make([]complex128, n)
		for i := range want {
			want[i] = c.want(at(d, i), at(x, i), at(y, i))
		}
		c.f(d, x, y)
		for i := range want {
			if e := at(d, i) - want[i]; math.Hypot(real(e), imag(e)) > 1e-15*10 {
				t.Errorf("%s: point %d: got %v, want %v", name, i, at(d, i), want[i])
			}
		}
		d.Clear()
		if i := slices.IndexFunc(slices.Concat(d.Re, d.Im), func(v float64) bool { return v != 0 }); i >= 0 {
			t.Errorf("Clear left %d", i)
		}
	}
}

func TestNewPicksAPlanThatIsLongEnoughAndNotTooLong(t *testing.T) {
	for n := 1; n <= 3000; n++ {
		p := New[float32](n)
		if 2*p.Len() < n {
			t.Fatalf("New(%d).Len() = %d: too short", n, p.Len())
		}
		if n >= 256 && 2*p.Len() > n*4/3 {
			t.Errorf("New(%d).Len() = %d: more than a third is added", n, p.Len())
		}
	}
	for _, c := range [][2]int{{1, 16}, {32, 16}, {33, 32}, {2048, 1024}, {2 * 784, 800}, {32768, 16384}, {2 << 20, 1 << 20}} {
		if got := sizeFor((c[0]+1)/2, 16); got != c[1] {
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
	p := New[float32](2 * 480)
	z, y := p.NewPlanes(2), p.NewPlanes(1)[0]
	u := p.NewPlanes(1)[0]
	if n := testing.AllocsPerRun(10, func() {
		p.Forward(Cyclic, z[1], u.Re, nil)
		p.Convolve(Cyclic, y.Re, y.Im, u.Re, u.Im, z[1], z[0])
		p.Convolve(Negacyclic, y.Re, y.Im, u.Re, u.Im, z[1], z[0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
