package bfloat16

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// nearest is Round by looking: at the bfloat16 below x and at its two neighbours.
func nearest(x float32) uint16 {
	if x != x || math.IsInf(float64(x), 0) {
		return uint16(math.Float32bits(x)>>16) | nan(x)
	}
	at := uint16(math.Float32bits(x) >> 16)
	best := at
	value := func(b uint16) float64 {
		if b&0x7fff == 0x7f80 { // what follows the largest, were there one more exponent
			return math.Copysign(math.Ldexp(1, 128), float64(Float32(b)))
		}
		return float64(Float32(b))
	}
	for _, b := range []uint16{at, at + 1} {
		d, least := math.Abs(value(b)-float64(x)), math.Abs(value(best)-float64(x))
		if d < least || d == least && b&1 == 0 {
			best = b
		}
	}
	return best
}

func nan(x float32) uint16 {
	if x != x {
		return 1 << 6
	}
	return 0
}

// A float32 of every exponent, with fractions around halves of a unit.
func TestRound(t *testing.T) {
	for upper := range uint32(1 << 16) {
		for _, lower := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			x := math.Float32frombits(upper<<16 | lower)
			if got, want := Round(x), nearest(x); got != want {
				t.Fatalf("%g (%08x): want %04x, got %04x", x, upper<<16|lower, want, got)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	t.Run("float32", testSplit[float32])
	t.Run("float64", testSplit[float64])
}

// What is rounded and what is left make the number.
func testSplit[T num.Float](t *testing.T) {
	inf := T(math.Inf(1))
	x := []T{0, 1, -1.0 / 3, 1e-30, 3.14159e20, 1.00390625, inf, -inf, T(math.NaN()), math.MaxFloat32}
	rest := make([]T, len(x))
	for i := range rest {
		rest[i] = T(i) / 1024
	}
	v := make([]T, len(x))
	for i := range v {
		v[i] = x[i] + 0.5*rest[i]
	}
	b, got := make([]byte, Size*len(x)), make([]T, len(x))
	Split(b, rest, 0.5, x)
	Read(got, b)
	for i, w := range v {
		switch lost := math.Abs(float64(rest[i])); {
		case num.Finite(got[i]) && (got[i]+rest[i] != w || lost > math.Abs(float64(w))/256):
			t.Errorf("%g: got %g and rest %g", w, got[i], rest[i])
		case !num.Finite(got[i]) && (num.Finite(w) && w < math.MaxFloat32 || lost != 0):
			t.Errorf("%g: got %g and rest %g", w, got[i], rest[i])
		}
	}
	for i, want := range []T{inf, -inf} {
		if got[6+i] != want {
			t.Errorf("want %g, got %g", want, got[6+i])
		}
	}
	if got[8] == got[8] {
		t.Errorf("want NaN, got %g", got[8])
	}
	sum := []T{1, 2}
	Add(sum, b[:2*Size])
	if want := 2 + T(Float32(binary.LittleEndian.Uint16(b[Size:]))); sum[0] != 1 || sum[1] != want {
		t.Errorf("Add: want 1 and %g, got %g", want, sum)
	}
}

func TestLengths(t *testing.T) {
	x := make([]float32, 3)
	for name, f := range map[string]func(){
		"Split, dst":  func() { Split(make([]byte, 5), x, 1, x) },
		"Split, rest": func() { Split(make([]byte, 6), x[:2], 1, x) },
		"Read":        func() { Read(x, make([]byte, 7)) },
		"Add":         func() { Add(x, make([]byte, 3)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s accepted another length", name)
				}
			}()
			f()
		}()
	}
}
