package dplr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// at runs f at a level.
func at(l cpu.Level, f func()) {
	defer cpu.SetActive(cpu.SetActive(l))
	f()
}

// eachLevel runs a test at every level of this machine, for both types.
func eachLevel(t *testing.T, f32, f64 func(t *testing.T)) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		at(l, func() {
			t.Run(l.String()+"/float32", f32)
			t.Run(l.String()+"/float64", f64)
		})
	}
}

func randomComplex(rng *rand.Rand, n int, size float64) []complex128 {
	z := make([]complex128, n)
	for i := range z {
		z[i] = complex(size*rng.NormFloat64(), size*rng.NormFloat64())
	}
	return z
}

func randomFeature(rng *rand.Rand, s Size) Feature {
	matrix := func(rows int) [][]complex128 {
		m := make([][]complex128, rows)
		for i := range m {
			m[i] = randomComplex(rng, s.N, 0.3)
		}
		return m
	}
	return Feature{
		A: randomComplex(rng, s.N, 0.5), B: randomComplex(rng, s.N, 1),
		E: matrix(s.Rank), Q: matrix(s.Rank), C: matrix(s.Channels), Gain: 1 + rng.Float64(),
	}
}

func random[T num.Float](rng *rand.Rand, n int) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = T(rng.NormFloat64())
	}
	return v
}

// model is a recurrence under test and the parameters it was given.
type model[T num.Float] struct {
	*Recurrence[T]
	features []Feature
}

func newModel[T num.Float](rng *rand.Rand, s Size) model[T] {
	m := model[T]{New[T](s), nil}
	for h := range s.H {
		f := randomFeature(rng, s)
		m.Set(h, f)
		m.features = append(m.features, f)
	}
	return m
}

// naive advances the states x (B, H, N) of complex numbers by the formula and
// returns y (B, Channels, H).
func (m model[T]) naive(x []complex128, u []T) []float64 {
	s := m.size
	batch := len(u) / s.H
	y := make([]float64, batch*s.Channels*s.H)
	inner := func(f Feature, row, x []complex128) float64 {
		var sum complex128
		for i, v := range row {
			sum += v * x[i]
		}
		return f.Gain * real(sum)
	}
	for i, v := range u {
		b, h := i/s.H, i%s.H
		f, x := m.features[h], x[i*s.N:][:s.N]
		phi := make([]float64, s.Rank)
		for r, q := range f.Q {
			phi[r] = inner(f, q, x)
		}
		for n := range x {
			x[n] = f.A[n]*x[n] + f.B[n]*complex(float64(v), 0)
			for r, e := range f.E {
				x[n] -= e[n] * complex(phi[r], 0)
			}
		}
		for ch, c := range f.C {
			y[(b*s.Channels+ch)*s.H+h] = inner(f, c, x)
		}
	}
	return y
}

// sizes are all small ones, and those that end at and around blocks.
func sizes() []Size {
	var all []Size
	for _, h := range []int{1, 3, 7, 8, 9, 16, 17, 40} {
		for _, n := range []int{1, 2, 3, 5, 8, 33} {
			for rank := range 4 {
				all = append(all, Size{h, n, rank, 1 + (h+n+rank)%3})
			}
		}
	}
	return all
}

// eps is the distance of 1 and the next number.
func eps[T num.Float]() float64 {
	if unsafe.Sizeof(T(0)) == 4 {
		return 0x1p-23
	}
	return 0x1p-52
}

func testFormula[T num.Float](t *testing.T) {
	const steps = 3
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range sizes() {
		m := newModel[T](rng, s)
		for batch := range 4 {
			pairs := random[T](rng, batch*s.H*s.N*2)
			want := make([]complex128, len(pairs)/2)
			for i := range want {
				want[i] = complex(float64(pairs[2*i]), float64(pairs[2*i+1]))
			}
			x, y := make([]T, m.StateLen(batch)), make([]T, batch*s.Channels*s.H)
			if err := m.Load(x, pairs); err != nil {
				t.Fatal(err)
			}
			tol := 40 * eps[T]() * float64(s.N*(1+s.Rank))
			for range steps {
				u := random[T](rng, batch*s.H)
				if err := m.Advance(y, x, u); err != nil {
					t.Fatal(err)
				}
				for i, w := range m.naive(want, u) {
					if d := math.Abs(float64(y[i]) - w); !(d <= tol*(1+math.Abs(w))) {
						t.Fatalf("%+v, batch %d: y[%d]: want %g, got %g", s, batch, i, w, y[i])
					}
				}
				got := m.Store(x)
				for i, w := range want {
					if d := math.Hypot(float64(got[2*i])-real(w), float64(got[2*i+1])-imag(w)); !(d <= tol*(1+math.Hypot(real(w), imag(w)))) {
						t.Fatalf("%+v, batch %d: x[%d]: want %g, got (%g, %g)", s, batch, i, w, got[2*i], got[2*i+1])
					}
				}
			}
		}
	}
}

// TestFormula compares steps with the formula in complex128.
func TestFormula(t *testing.T) { eachLevel(t, testFormula[float32], testFormula[float64]) }

func testLoadStore[T num.Float](t *testing.T) {
	for _, s := range sizes() {
		const batch = 3
		r := New[T](s)
		pairs, x := make([]T, batch*s.H*s.N*2), make([]T, r.StateLen(batch))
		for i := range pairs {
			pairs[i] = T(i + 1)
		}
		if err := r.Load(x, pairs); err != nil {
			t.Fatal(err)
		}
		if got := r.Store(x); !slices.Equal(got, pairs) {
			t.Fatalf("%+v: want %v, got %v", s, pairs, got)
		}
	}
}

// TestLoadStore checks that Store undoes Load.
func TestLoadStore(t *testing.T) {
	t.Run("float32", testLoadStore[float32])
	t.Run("float64", testLoadStore[float64])
}

func testLevelsAgree[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range sizes() {
		const batch = 2
		m := newModel[T](rng, s)
		u, x0 := random[T](rng, batch*s.H), random[T](rng, batch*s.H*s.N*2)
		run := func() (y, x []T) {
			y, x = make([]T, batch*s.Channels*s.H), make([]T, m.StateLen(batch))
			if err := m.Load(x, x0); err != nil {
				t.Fatal(err)
			}
			if err := m.Advance(y, x, u); err != nil {
				t.Fatal(err)
			}
			return y, x
		}
		var y2, x2, y512, x512 []T
		at(cpu.AVX2, func() { y2, x2 = run() })
		at(cpu.AVX512, func() { y512, x512 = run() })
		if !slices.Equal(y2, y512) || !slices.Equal(x2, x512) {
			t.Errorf("%+v: the levels differ", s)
		}
	}
}

// TestLevelsAgree checks that AVX2 and AVX-512 give the same bits.
func TestLevelsAgree(t *testing.T) {
	if cpu.Detected() < cpu.AVX512 {
		t.Skip("needs AVX-512")
	}
	t.Run("float32", testLevelsAgree[float32])
	t.Run("float64", testLevelsAgree[float64])
}

func testMemory[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i, s := range sizes() {
		const batch = 2
		m := newModel[T](rng, s)
		offset := i % 16
		uAt := fence.Of(random[T](rng, batch*s.H), offset)
		xAt := fence.Of(make([]T, m.StateLen(batch)), (offset+5)%16)
		yAt := fence.Of(make([]T, batch*s.Channels*s.H), (offset+11)%16)
		u, x, y := uAt.V, xAt.V, yAt.V
		x0 := random[T](rng, batch*s.H*s.N*2)
		if err := m.Load(x, x0); err != nil {
			t.Fatal(err)
		}
		if err := m.Advance(y, x, u); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%+v, offset %d", s, offset)
		uAt.Unchanged(t, what+": u")
		xAt.Check(t, what+": x")
		yAt.Check(t, what+": y")
		yWant, xWant := make([]T, len(y)), make([]T, len(x))
		if err := m.Load(xWant, x0); err != nil {
			t.Fatal(err)
		}
		if err := m.Advance(yWant, xWant, u); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y, yWant) || !slices.Equal(x, xWant) {
			t.Fatalf("%+v, offset %d: the place in memory matters", s, offset)
		}
	}
}

// TestMemory checks that nothing beside a result is read into it or written, and
// that alignment does not matter.
func TestMemory(t *testing.T) { eachLevel(t, testMemory[float32], testMemory[float64]) }

func testSpecial[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, s := range []Size{{9, 3, 0, 2}, {17, 4, 1, 1}, {20, 5, 2, 2}} {
		const batch = 2
		m := newModel[T](rng, s)
		for _, v := range []float64{math.NaN(), math.Inf(1)} {
			for place := range batch * s.H {
				u, x, y := random[T](rng, batch*s.H), make([]T, m.StateLen(batch)), make([]T, batch*s.Channels*s.H)
				u[place] = T(v)
				if err := m.Advance(y, x, u); err != nil {
					t.Fatal(err)
				}
				for i, v := range y {
					reached := i%s.H == place%s.H && i/(s.Channels*s.H) == place/s.H
					if finite := num.Finite(v); finite == reached {
						t.Fatalf("%+v: input %d is %g: output %d is %g", s, place, u[place], i, v)
					}
				}
			}
		}
	}
}

// TestSpecial checks that NaN and infinities reach the outputs of their feature
// and row, and no other.
func TestSpecial(t *testing.T) { eachLevel(t, testSpecial[float32], testSpecial[float64]) }

// TestBatch checks that a row does not depend, bit for bit, on the others: not
// where a step is spread over the workers either.
func TestBatch(t *testing.T) {
	s := Size{H: 40, N: 16, Rank: 1, Channels: 2}
	rng := rand.New(rand.NewPCG(9, 10))
	m := newModel[float32](rng, s)
	batch := parallelLen/m.StateLen(1) + 1
	u, x0 := random[float32](rng, batch*s.H), random[float32](rng, batch*s.H*s.N*2)
	x, y := make([]float32, m.StateLen(batch)), make([]float32, batch*s.Channels*s.H)
	if err := m.Load(x, x0); err != nil {
		t.Fatal(err)
	}
	if err := m.Advance(y, x, u); err != nil {
		t.Fatal(err)
	}
	end := m.Store(x)
	x1, y1 := make([]float32, m.StateLen(1)), make([]float32, s.Channels*s.H)
	for b := range batch {
		row := func(v []float32, n int) []float32 { return v[b*n:][:n] }
		if err := m.Load(x1, row(x0, s.H*s.N*2)); err != nil {
			t.Fatal(err)
		}
		if err := m.Advance(y1, x1, row(u, s.H)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y1, row(y, len(y1))) || !slices.Equal(m.Store(x1), row(end, s.H*s.N*2)) {
			t.Fatalf("row %d of %d differs from the row alone", b, batch)
		}
	}
}

func TestAllocs(t *testing.T) {
	for _, s := range []Size{{9, 3, 2, 2}, {16, 4, 0, 1}} {
		const batch = 3
		r := New[float32](s)
		x, u, y := make([]float32, r.StateLen(batch)), make([]float32, batch*s.H), make([]float32, batch*s.Channels*s.H)
		if got := testing.AllocsPerRun(10, func() {
			if err := r.Advance(y, x, u); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("%+v: a step allocates %v times", s, got)
		}
	}
}

func TestErrors(t *testing.T) {
	r := New[float64](Size{H: 4, N: 3, Channels: 2})
	x, u, y := make([]float64, r.StateLen(2)), make([]float64, 8), make([]float64, 16)
	for _, c := range []struct {
		err  error
		want string
	}{
		{r.Advance(y, x, u[1:]), "u: want (B, 4), got 7 elements"},
		{r.Advance(y[1:], x, u), "y: want (2, 2, 4), got 15 elements"},
		{r.Advance(y, x[1:], u), "x: want StateLen(2) = 96 elements, got 95"},
		{r.Load(x, y), "want states (B, 4, 3, 2), got 16 elements"},
		{r.Load(x[1:], x[:48]), "x: want StateLen(2) = 96 elements, got 95"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("want error %q, got %v", c.want, c.err)
		}
	}
}

// FuzzLevels compares the assembly with portable Go on models of any size.
func FuzzLevels(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(0), uint8(1), uint8(1), uint64(1))
	f.Add(uint8(8), uint8(2), uint8(1), uint8(1), uint8(0), uint64(3))
	f.Add(uint8(37), uint8(33), uint8(2), uint8(3), uint8(4), uint64(2))
	f.Fuzz(func(t *testing.T, h, n, rank, channels, batch uint8, seed uint64) {
		s := Size{1 + int(h)%70, 1 + int(n)%70, int(rank) % 5, 1 + int(channels)%4}
		fuzz[float32](t, s, int(batch)%6, seed)
		fuzz[float64](t, s, int(batch)%6, seed)
	})
}

func fuzz[T num.Float](t *testing.T, s Size, batch int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := newModel[T](rng, s)
	u, x0 := random[T](rng, batch*s.H), random[T](rng, m.StateLen(batch))
	var want [2][]T
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		x, y := slices.Clone(x0), make([]T, batch*s.Channels*s.H)
		at(l, func() {
			if err := m.Advance(y, x, u); err != nil {
				t.Fatal(err)
			}
		})
		if l == cpu.Generic {
			want = [2][]T{y, x}
		}
		for k, got := range [2][]T{y, x} {
			for i, w := range want[k] {
				if d := math.Abs(float64(got[i] - w)); !(d <= 40*eps[T]()*float64(s.N*(1+s.Rank))*(1+math.Abs(float64(w)))) {
					t.Fatalf("%+v, batch %d, %v: result %d at %d: want %g, got %g", s, batch, l, k, i, w, got[i])
				}
			}
		}
	}
}

// BenchmarkAdvance times a step of a diagonal (S4D) and a low-rank (S4)
// recurrence of 128 features and 32 pairs.
func BenchmarkAdvance(b *testing.B) {
	for rank := range 2 {
		for _, batch := range []int{1, 16, 64, 256} {
			for l := cpu.Generic; l <= cpu.Detected(); l++ {
				b.Run(fmt.Sprintf("rank%d/B%d/%v/float32", rank, batch, l), func(b *testing.B) {
					defer cpu.SetActive(cpu.SetActive(l))
					s := Size{H: 128, N: 32, Rank: rank, Channels: 1}
					m := newModel[float32](rand.New(rand.NewPCG(1, 1)), s)
					x, u, y := num.Aligned[float32](m.StateLen(batch)), num.Aligned[float32](batch*s.H), num.Aligned[float32](batch*s.H)
					for b.Loop() {
						if err := m.Advance(y, x, u); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
