package scan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// draw returns n numbers.
func draw[T num.Float](rng *rand.Rand, n int) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = T(0.7 * rng.NormFloat64())
	}
	return v
}

// apply returns what Along and GradA compute at a level: the states, and the gradient.
func apply[T num.Float](t *testing.T, l cpu.Level, d Line, x, a, start, da []T, offset int) (states, grad []T) {
	t.Helper()
	defer cpu.SetActive(cpu.SetActive(l))
	fx, fa, fs, fd := fence.Of(x, offset), fence.Of(a, offset+1), fence.Of(start, offset+2), fence.Of(da, offset+3)
	h := fence.Of(x, offset+4)
	s := fs.V
	if len(s) == 0 {
		s = nil
	}
	Along(d, fx.V, fa.V, s)
	GradA(d, fd.V, h.V, fx.V)
	fx.Check(t, "x")
	fd.Check(t, "da")
	fa.Unchanged(t, "a")
	fs.Unchanged(t, "start")
	h.Unchanged(t, "h")
	return slices.Clone(fx.V), slices.Clone(fd.V)
}

// The passes of every instruction set against those in Go, for every number of
// channels, whole vectors and not, from any place in memory.
func TestPasses(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testPasses[float32](t, 2e-6) })
	t.Run("float64", func(t *testing.T) { testPasses[float64](t, 1e-14) })
}

func testPasses[T num.Float](t *testing.T, tol float64) {
	rng := rand.New(rand.NewPCG(1, 5))
	for p := 1; p <= 40; p++ {
		for i := range 32 {
			d := Line{P: p, Complex: i&1 > 0, Varying: i&2 > 0, Reverse: i&4 > 0, Conj: i&8 > 0}
			rows := []int{0, 1, 2, 7}[rng.IntN(4)]
			w := d.Width()
			x, start := draw[T](rng, rows*w), draw[T](rng, w)
			if i&16 > 0 {
				start = nil
			}
			n := w
			if d.Varying {
				n = rows * w
			}
			a, da := draw[T](rng, n), draw[T](rng, n)
			wantX, wantA := apply(t, cpu.Generic, d, x, a, start, da, 0)
			for l := cpu.Generic + 1; l <= cpu.Detected(); l++ {
				gotX, gotA := apply(t, l, d, x, a, start, da, rng.IntN(8))
				near(t, fmt.Sprintf("%v: %+v: states of %d rows", l, d, rows), gotX, wantX, tol)
				near(t, fmt.Sprintf("%v: %+v: gradient of %d rows", l, d, rows), gotA, wantA, tol)
			}
		}
	}
}

func near[T num.Float](t *testing.T, what string, got, want []T, tol float64) {
	t.Helper()
	for i, w := range want {
		if d := math.Abs(float64(got[i] - w)); !(d <= tol*(10+math.Abs(float64(w)))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], w)
		}
	}
}

// What is not a number stays in its channel.
func TestPassesNotFinite(t *testing.T) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		d := Line{P: 19}
		x, a := draw[float32](rand.New(rand.NewPCG(2, 5)), 5*19), draw[float32](rand.New(rand.NewPCG(3, 5)), 19)
		x[19+7] = float32(math.NaN())
		states, _ := apply(t, l, d, x, a, a, make([]float32, 19), 3)
		for i, v := range states {
			if isNaN := v != v; isNaN != (i%19 == 7 && i >= 19) {
				t.Errorf("%v: channel %d of row %d is %v", l, i%19, i/19, v)
			}
		}
	}
}

// A sequence in two parts is the whole, to the bit: the state before is the last row.
func TestAlongInParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	for i := range 8 {
		d := Line{P: 5, Complex: true, Varying: i&1 > 0, Reverse: i&2 > 0, Conj: i&4 > 0}
		const rows, cut = 9, 4
		w := d.Width()
		x := draw[float64](rng, rows*w)
		a := draw[float64](rng, w)
		parts := [][]float64{a, a}
		if d.Varying {
			a = draw[float64](rng, rows*w)
			parts = [][]float64{a[:cut*w], a[cut*w:]}
		}
		whole := slices.Clone(x)
		Along(d, whole, a, nil)
		first, last := x[:cut*w], x[cut*w:]
		if d.Reverse {
			Along(d, last, parts[1], nil)
			Along(d, first, parts[0], last[:w])
		} else {
			Along(d, first, parts[0], nil)
			Along(d, last, parts[1], first[(cut-1)*w:])
		}
		if !slices.Equal(x, whole) {
			t.Errorf("%+v: the parts are not the whole", d)
		}
	}
}

func TestPanics(t *testing.T) {
	f := func(n int) []float64 { return make([]float64, n) }
	for want, call := range map[string]func(){
		"scan: Along: want P >= 1 and x of rows of 0, got P = 0 and 3 elements": func() { Along(Line{}, f(3), f(0), nil) },
		"scan: Along: want P >= 1 and x of rows of 4, got P = 2 and 6 elements": func() { Along(Line{P: 2, Complex: true}, f(6), f(4), nil) },
		"scan: Along: want a of length 4, got 2":                                func() { Along(Line{P: 2, Varying: true}, f(4), f(2), nil) },
		"scan: Along: want start of length 2, got 1":                            func() { Along(Line{P: 2}, f(4), f(2), f(1)) },
		"scan: GradA: want before of length 4, got 2":                           func() { GradA(Line{P: 2}, f(2), f(4), f(2)) },
		"scan: GradA: want a of length 2, got 4":                                func() { GradA(Line{P: 2}, f(4), f(4), f(4)) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("got panic %v, want %q", got, want)
				}
			}()
			call()
		}()
	}
}

// BenchmarkAlong times 64 steps of 64 complex channels.
func BenchmarkAlong(b *testing.B) {
	for _, varying := range []bool{false, true} {
		d := Line{P: 64, Complex: true, Varying: varying}
		rng := rand.New(rand.NewPCG(5, 5))
		x, n := draw[float32](rng, 64*128), 128
		if varying {
			n *= 64
		}
		a := draw[float32](rng, n)
		for i := range a {
			a[i] /= 4
		}
		for l := cpu.Generic; l <= cpu.Detected(); l++ {
			b.Run(fmt.Sprintf("%v/varying=%t", l, varying), func(b *testing.B) {
				defer cpu.SetActive(cpu.SetActive(l))
				for b.Loop() {
					Along(d, x, a, nil)
				}
			})
		}
	}
}
