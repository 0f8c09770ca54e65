package fft

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// fences makes rows between guards, and remembers them.
type fences[T num.Float] struct {
	rng *rand.Rand
	all []*fence.Buffer[T]
}

// row returns n random elements at the given offset from an aligned place.
func (f *fences[T]) row(n, offset int) []T {
	b := fence.Of(random[T](f.rng, n), offset)
	f.all = append(f.all, b)
	return b.V
}

func (f *fences[T]) planes(n, offset int) Planes[T] {
	return Planes[T]{f.row(n, offset), f.row(n, (offset+1)%16)}
}

func (f *fences[T]) check(t *testing.T, what string) {
	t.Helper()
	for _, b := range f.all {
		b.Check(t, what)
	}
}

func clonePlanes[T num.Float](z Planes[T]) Planes[T] {
	return Planes[T]{slices.Clone(z.Re), slices.Clone(z.Im)}
}

func float64s[T num.Float](xs ...[]T) []float64 {
	var y []float64
	for _, x := range xs {
		for _, v := range x {
			y = append(y, float64(v))
		}
	}
	return y
}

func planesOf64[T num.Float](z Planes[T]) Planes[float64] {
	return Planes[float64]{float64s(z.Re), float64s(z.Im)}
}

// eachSet calls f with every pass set this machine has.
func eachSet[T num.Float](t *testing.T, f func(t *testing.T, set *passSet[T])) {
	for _, set := range sets[T](cpu.Detected()) {
		t.Run(fmt.Sprintf("float%d/W%d", 8*unsafe.Sizeof(T(0)), set.width), func(t *testing.T) { f(t, set) })
	}
}

// Every level of every set against the Go code in float64, at every alignment.
func TestLevelsMatchGo(t *testing.T) {
	eachSet(t, testLevelsMatchGo[float32])
	eachSet(t, testLevelsMatchGo[float64])
}

func testLevelsMatchGo[T num.Float](t *testing.T, set *passSet[T]) {
	rng := rand.New(rand.NewPCG(2, 1))
	for radix := range set.down {
		if set.down[radix] == nil {
			continue
		}
		for offset := range 16 {
			q := set.width * (1 + offset%5)
			blocks := 1 + offset%3
			tw, tw64 := twiddles[T](radix, q, set.width, false), twiddles[float64](radix, q, 1, false)
			for name, down := range map[string]bool{"down": true, "up": false} {
				f := &fences[T]{rng: rng}
				z := f.planes(blocks*radix*q, offset)
				want := planesOf64(z)
				if down {
					set.down[radix](z, q, tw)
					goLevel(want, radix, q, true, tw64)
				} else {
					set.up[radix](z, q, tw)
					goLevel(want, radix, q, false, tw64)
				}
				what := fmt.Sprintf("%s%d, q %d, %d blocks, offset %d", name, radix, q, blocks, offset)
				checkErr(t, what, slices.Concat(z.Re, z.Im), slices.Concat(want.Re, want.Im))
				f.check(t, what)
			}
		}
	}
}

// goLevel is a level of the Go set or, of a radix it lacks, by the definition.
func goLevel(z Planes[float64], radix, q int, down bool, tw []float64) {
	table := generic64.up
	if down {
		table = generic64.down
	}
	if table[radix] != nil {
		table[radix](z, q, tw)
		return
	}
	n := radix * q
	for ; len(z.Re) > 0; z.Re, z.Im = z.Re[n:], z.Im[n:] {
		for j := range q {
			x, y := make([]complex128, radix), make([]complex128, radix)
			for s := range x {
				x[s] = complex(z.Re[s*q+j], z.Im[s*q+j])
				if !down && s > 0 {
					x[s] *= complex(tw[2*((radix-1)*j+s-1)], -tw[2*((radix-1)*j+s-1)+1])
				}
			}
			for s := range y {
				for k, v := range x {
					re, im := root(k*s%radix, radix)
					if !down {
						im = -im
					}
					y[s] += v * complex(re, im)
				}
				if down && s > 0 {
					y[s] *= complex(tw[2*((radix-1)*j+s-1)], tw[2*((radix-1)*j+s-1)+1])
				}
				z.Re[s*q+j], z.Im[s*q+j] = real(y[s]), imag(y[s])
			}
		}
	}
}

// The first and the last level against the Go code in float64: every length of
// rows around a multiple of the columns, alone and in pairs, every alignment.
func TestEndsMatchGo(t *testing.T) {
	eachSet(t, testEndsMatchGo[float32])
	eachSet(t, testEndsMatchGo[float64])
}

func testEndsMatchGo[T num.Float](t *testing.T, set *passSet[T]) {
	rng := rand.New(rand.NewPCG(2, 2))
	for offset := range 16 {
		q := set.width * (1 + offset%3)
		n := 4 * q
		for rows := range n + 1 {
			for _, alone := range []bool{false, true} {
				f := &fences[T]{rng: rng}
				a, b := f.row(rows, offset), f.row(rows, (offset+5)%16)
				a64, b64 := float64s(a), float64s(b)
				if alone {
					b, b64 = nil, nil
				} else if b64 == nil {
					b64 = []float64{} // a row, though of no samples
				}
				what := fmt.Sprintf("rows of %d, q %d, alone %v, offset %d", rows, q, alone, offset)
				for _, h := range halves {
					tw, tw64 := twiddles[T](4, q, set.width, h == Negacyclic), twiddles[float64](4, q, 1, h == Negacyclic)
					z, want := f.planes(n, offset), Planes[float64]{make([]float64, n), make([]float64, n)}
					set.load[h](z, a, b, tw)
					generic64.load[h](want, a64, b64, tw64)
					checkErr(t, "load "+what, slices.Concat(z.Re, z.Im), slices.Concat(want.Re, want.Im))
				}
				if rows > 0 {
					tw, tw64 := twiddles[T](4, q, set.width, true), twiddles[float64](4, q, 1, true)
					c, z := f.planes(n, offset), f.planes(n, (offset+3)%16)
					before := clonePlanes(c)
					generic64.store(a64, b64, planesOf64(c), planesOf64(z), tw64)
					set.store(a, b, c, z, tw)
					checkNear(t, "store "+what, slices.Concat(a, b), slices.Concat(a64, b64), math.Sqrt(8))
					if !slices.Equal(before.Re, c.Re) || !slices.Equal(before.Im, c.Im) {
						t.Fatalf("store %s: changed the cyclic half", what)
					}
				}
				f.check(t, what)
			}
		}
	}
}

// checkNear compares elements whose size is about scale: few of them may be small
// by chance.
func checkNear[T num.Float](t *testing.T, what string, got []T, want []float64, scale float64) {
	t.Helper()
	for i := range want {
		if e := math.Abs(float64(got[i]) - want[i]); !(e <= 10*scale*tol[T]()) {
			t.Fatalf("%s: element %d: got %v, want %v", what, i, got[i], want[i])
		}
	}
}

// A middle block is a DFT of 4W points in some order, and the products are what
// their names say.
func TestMiddlePasses(t *testing.T) {
	eachSet(t, testMiddlePasses[float32])
	eachSet(t, testMiddlePasses[float64])
}

func testMiddlePasses[T num.Float](t *testing.T, set *passSet[T]) {
	rng := rand.New(rand.NewPCG(2, 3))
	n := set.midPoints()
	w := circle(n)
	order := middleOrder(t, set)
	for offset := range 16 {
		blocks := 4 * (1 + offset%3)
		f := &fences[T]{rng: rng}
		plane := func(i int) Planes[T] { return f.planes(blocks*n, (offset+3*i)%16) }
		z, k, u, acc := plane(0), plane(1), plane(2), plane(3)

		x := clonePlanes(z)
		set.midForward(z)
		want := make([]float64, 2*blocks*n)
		for i := range blocks * n {
			block := i / n * n
			want[i], want[blocks*n+i] = dft(x.Re[block:block+n], x.Im[block:block+n], order[i%n], w)
		}
		checkErr(t, "midForward", slices.Concat(z.Re, z.Im), want)

		spectrum := planesOf64(z)
		set.midInverse(z)
		for i := range x.Re {
			want[i], want[blocks*n+i] = float64(n)*float64(x.Re[i]), float64(n)*float64(x.Im[i])
		}
		checkErr(t, "midInverse", slices.Concat(z.Re, z.Im), want)

		k64, u64 := planesOf64(k), planesOf64(u)
		conjK := Planes[float64]{k64.Re, slices.Clone(k64.Im)}
		for i := range conjK.Im {
			conjK.Im[i] = -conjK.Im[i]
		}
		// product returns the inverse of x k: the inverse passes have been checked.
		product := func(x, k Planes[float64]) []float64 {
			y := Planes[T]{make([]T, blocks*n), make([]T, blocks*n)}
			p := Planes[float64]{make([]float64, blocks*n), make([]float64, blocks*n)}
			mulPlanes(p, x, k)
			for i := range p.Re {
				y.Re[i], y.Im[i] = T(p.Re[i]), T(p.Im[i])
			}
			set.midInverse(y)
			return float64s(y.Re, y.Im)
		}
		wantAcc := planesOf64(acc)
		mulAddConjPlanes(wantAcc, u64, spectrum)
		for _, c := range []struct {
			name string
			run  func(z Planes[T])
			want []float64
		}{
			{"midConvolve", func(z Planes[T]) { set.midConvolve(z, k) }, product(spectrum, k64)},
			{"midCorrelate", func(z Planes[T]) { set.midCorrelate(z, k) }, product(spectrum, conjK)},
			{"midBackward", func(z Planes[T]) { set.midBackward(z, k, u, acc) }, product(spectrum, conjK)},
			{"midProduct", func(z Planes[T]) { set.midProduct(z, k, u) }, product(u64, k64)},
		} {
			z := plane(0)
			copy(z.Re, x.Re)
			copy(z.Im, x.Im)
			c.run(z)
			checkErr(t, c.name, slices.Concat(z.Re, z.Im), c.want)
		}
		checkErr(t, "midBackward: acc", slices.Concat(acc.Re, acc.Im), slices.Concat(wantAcc.Re, wantAcc.Im))
		f.check(t, "middle passes")
	}
}

// middleOrder returns which bin each slot of a middle block has: the spectrum of
// an impulse at 1 is exp(-2 pi i bin/n).
func middleOrder[T num.Float](t *testing.T, set *passSet[T]) []int {
	n := set.midPoints()
	z := Planes[T]{make([]T, 4*n), make([]T, 4*n)}
	z.Re[1] = 1
	set.midForward(z)
	order := make([]int, n)
	for i := range order {
		turn := -math.Atan2(float64(z.Im[i]), float64(z.Re[i])) / (2 * math.Pi) * float64(n)
		order[i] = (int(math.Round(turn)) + n) % n
	}
	sorted := slices.Sorted(slices.Values(order))
	for i, v := range sorted {
		if v != i {
			t.Fatalf("bins %v of %d: one is missing", sorted, n)
		}
	}
	return order
}

// resultOf is a convolution, and the gradients of another, by plan p.
func resultOf[T num.Float](p *Plan[T], k, a, b, ga, gb []T) (y, d, dk []T) {
	s := p.NewSpectra(4)
	kernel, u, acc, z := s[0], s[1], s[2], s[3]
	n := len(a)
	y, d, dk = make([]T, 2*n), make([]T, 2*n), make([]T, len(k))
	second := func(x []T) []T {
		if b == nil {
			return nil
		}
		return x[n:]
	}
	for _, h := range halves {
		p.Forward(h, kernel[h], k, nil)
		p.Convolve(h, z[h], a, b, kernel[h])
	}
	p.Store(y[:n], second(y), z)
	for _, h := range halves {
		p.Forward(h, u[h], a, b)
		p.Backward(h, z[h], ga, gb, kernel[h], u[h], acc[h])
		p.Inverse(h, acc[h])
	}
	p.Store(d[:n], second(d), z)
	p.Store(dk, nil, acc)
	return y, d, dk
}

// compareWithGo convolves rows of n samples with a kernel of taps, by the plan in
// use and by that of the Go set in float64.
func compareWithGo[T num.Float](t *testing.T, rng *rand.Rand, n, taps int, alone bool) {
	t.Helper()
	k, a, b, ga, gb := random[T](rng, taps), random[T](rng, n), random[T](rng, n), random[T](rng, n), random[T](rng, n)
	if alone {
		b, gb = nil, nil
	}
	wide := func(x []T) []float64 {
		if x == nil {
			return nil
		}
		return float64s(x)
	}
	p := New[T](n + taps - 1)
	key := cheapest([]*passSet[float64]{generic64}, (n+taps)/2)
	// Both sides leave out the factor 2P; it differs.
	ref := newPlan(key.n, generic64)
	scale := float64(p.Len()) / float64(ref.Len())
	y, d, dk := resultOf(p, k, a, b, ga, gb)
	wy, wd, wdk := resultOf(ref, wide(k), wide(a), wide(b), wide(ga), wide(gb))
	for _, w := range [][]float64{wy, wd, wdk} {
		for i := range w {
			w[i] *= scale
		}
	}
	what := fmt.Sprintf("%v: W=%d P=%d n=%d taps=%d alone=%v", cpu.Active(), p.passes.width, p.Len(), n, taps, alone)
	// Rounding goes with the size of the factors: a row of a few samples may be
	// small by chance.
	for _, x := range []struct {
		name    string
		got     []T
		want    []float64
		factors float64
	}{{"y", y, wy, norm(a, b) * norm(k)}, {"d", d, wd, norm(ga, gb) * norm(k)}, {"dk", dk, wdk, norm(a, b) * norm(ga, gb)}} {
		var diff float64
		for i, w := range x.want {
			diff += (float64(x.got[i]) - w) * (float64(x.got[i]) - w)
		}
		if e := math.Sqrt(diff) / (2 * float64(p.Len()) * x.factors); !(e <= tol[T]()) {
			t.Errorf("%s: %s: error %.3g > %.3g", what, x.name, e, tol[T]())
		}
	}
}

// norm returns the Euclidean norm of the rows together.
func norm[T num.Float](rows ...[]T) float64 {
	var s float64
	for _, x := range rows {
		for _, v := range x {
			s += float64(v) * float64(v)
		}
	}
	return math.Sqrt(s)
}

func TestEveryLengthAtEveryLevel(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 4))
	eachLevel(func(cpu.Level) {
		for n := 1; n <= 600; n++ {
			compareWithGo[float32](t, rng, n, n, n%5 == 0)
			compareWithGo[float64](t, rng, n, 1+rng.IntN(n), n%7 == 0)
		}
		for _, n := range []int{1021, 1999, 3001, 4093, 10007, 16381} {
			compareWithGo[float32](t, rng, n, n, false)
			compareWithGo[float32](t, rng, n, n/3, true)
			compareWithGo[float64](t, rng, n, n, false)
		}
	})
}

// One sample that is not finite leaves none that is: it is not lost, and nothing
// stale shows through.
func TestNotFinite(t *testing.T) {
	eachSet(t, testNotFinite[float32])
	eachSet(t, testNotFinite[float64])
}

func testNotFinite[T num.Float](t *testing.T, set *passSet[T]) {
	rng := rand.New(rand.NewPCG(2, 5))
	p := newPlan(2*set.unit(), set)
	n := p.Len() - 3
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, at := range []int{0, 1, n / 4, n / 2, n - 1} {
			k, a, b := random[T](rng, n), random[T](rng, n), random[T](rng, n)
			a[at] = T(bad)
			y, d, dk := resultOf(p, k, a, b, b, a)
			for _, x := range [][]T{y, d, dk} {
				for i, v := range x {
					if num.Finite(v) {
						t.Fatalf("%v at %d: sample %d is %v", bad, at, i, v)
					}
				}
			}
		}
	}
}

// Which goroutine runs a plan, and what it ran before, leave no trace.
func TestSameBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 6))
	eachLevel(func(l cpu.Level) {
		for _, n := range []int{40, 300, 1024} {
			p := New[float32](2 * n)
			k, a, b := random[float32](rng, n), random[float32](rng, n), random[float32](rng, n)
			y, d, dk := resultOf(p, k, a, b, b, a)
			// Elsewhere in memory.
			move := func(x []float32) []float32 { return append(make([]float32, 3, n+3), x...)[3:] }
			y2, d2, dk2 := resultOf(p, move(k), move(a), move(b), move(b), move(a))
			if !slices.Equal(y, y2) || !slices.Equal(d, d2) || !slices.Equal(dk, dk2) {
				t.Errorf("%v: n=%d: not the same bits at another place in memory", l, n)
			}
		}
	})
}

func FuzzPlan(f *testing.F) {
	f.Add(uint64(1), uint16(300), uint16(300), false, uint8(2))
	f.Add(uint64(2), uint16(1), uint16(7), true, uint8(1))
	f.Add(uint64(3), uint16(1025), uint16(31), true, uint8(2))
	f.Fuzz(func(t *testing.T, seed uint64, n, taps uint16, alone bool, level uint8) {
		old := cpu.SetActive(cpu.Level(level) % (cpu.Detected() + 1))
		defer cpu.SetActive(old)
		rng := rand.New(rand.NewPCG(seed, 7))
		compareWithGo[float32](t, rng, 8+int(n)%3000, 1+int(taps)%3000, alone)
		compareWithGo[float64](t, rng, 8+int(n)%3000, 1+int(taps)%3000, alone)
	})
}
