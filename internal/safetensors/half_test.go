package safetensors

import (
	"math"
	"testing"
)

// value returns the number of a binary float with a sign, a number of bits of
// exponent and one of fraction, by the definition of IEEE 754.
func value(bits uint16, exponent, fraction int) float64 {
	e := int(bits>>fraction) & (1<<exponent - 1)
	f := float64(bits & (1<<fraction - 1))
	bias := 1<<(exponent-1) - 1
	sign := 1.0
	if bits>>15 == 1 {
		sign = -1
	}
	switch {
	case e == 1<<exponent-1 && f != 0:
		return math.NaN()
	case e == 1<<exponent-1:
		return math.Inf(int(sign))
	case e == 0:
		return math.Copysign(math.Ldexp(f, 1-bias-fraction), sign)
	}
	return sign * math.Ldexp(1+f/float64(uint(1)<<fraction), e-bias)
}

// Every value of the two half types becomes the same number.
func TestHalfTypesAreExact(t *testing.T) {
	for _, c := range []struct {
		name               string
		convert            func(uint16) float32
		exponent, fraction int
	}{{"F16", Float16, 5, 10}, {"BF16", BFloat16, 8, 7}} {
		for i := range 1 << 16 {
			bits := uint16(i)
			got, want := float64(c.convert(bits)), value(bits, c.exponent, c.fraction)
			same := math.Float64bits(got) == math.Float64bits(want)
			if !same && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Fatalf("%s %#04x: got %v, want %v", c.name, bits, got, want)
			}
		}
	}
	for bits, want := range map[uint16]float32{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 1. / (1 << 24), 0x3555: 0.33325195} {
		if got := Float16(bits); got != want {
			t.Errorf("F16 %#04x: got %v, want %v", bits, got, want)
		}
	}
	if got := BFloat16(0x4049); got != 3.140625 {
		t.Errorf("BF16 0x4049: got %v, want 3.140625", got)
	}
}
