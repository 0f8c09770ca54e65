package num

import (
	"math"
	"slices"
	"testing"
	"unsafe"
)

func TestFinite(t *testing.T) {
	for _, x := range []float64{0, -1, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if !Finite(x) || !Finite(float32(math.Copysign(min(math.Abs(x), math.MaxFloat32), x))) {
			t.Errorf("%g is not finite", x)
		}
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if Finite(x) || Finite(float32(x)) {
			t.Errorf("%g is finite", x)
		}
	}
}

func TestComplex(t *testing.T) {
	v := []float32{1, 2, 3, 4}
	if z := Complex(v, 1); z != 3+4i {
		t.Errorf("Complex: got %v", z)
	}
	SetComplex(v, 0, 5-6i)
	SetGrad(v, 1, 7-8i)
	if want := []float32{5, -6, 7, 8}; !slices.Equal(v, want) {
		t.Errorf("got %v, want %v", v, want)
	}
	if g := Derivative(v, 1); g != 7-8i {
		t.Errorf("Derivative: got %v, want what was set", g)
	}
	AddGrad(v, 1, 1+1i)
	if g := Derivative(v, 1); g != 8-7i {
		t.Errorf("AddGrad: got %v", g)
	}
}

func TestCheckLen(t *testing.T) {
	for _, c := range []struct {
		v        []float64
		want     int
		optional bool
		err      string
	}{
		{[]float64{1}, 1, false, ""}, {nil, 3, true, ""}, {nil, 0, false, ""},
		{nil, 3, false, "x: want 3 elements, got 0"}, {[]float64{1}, 2, true, "x: want 2 elements, got 1"},
	} {
		var got string
		if err := CheckLen("x", c.v, c.want, c.optional); err != nil {
			got = err.Error()
		}
		if got != c.err {
			t.Errorf("%v: got error %q, want %q", c, got, c.err)
		}
	}
}

func TestAligned(t *testing.T) {
	for n := 1; n < 50; n++ {
		if v := Aligned[float32](n); len(v) != n || cap(v) != n || uintptr(unsafe.Pointer(&v[0]))%Align != 0 {
			t.Errorf("Aligned(%d): length %d, capacity %d at %p", n, len(v), cap(v), &v[0])
		}
	}
}
