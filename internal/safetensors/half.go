package safetensors

import "math"

// Float16 returns the IEEE 754 binary16 number of these bits: 1 of sign, 5 of
// exponent, biased by 15, and 10 of fraction. Every one is a float32.
func Float16(bits uint16) float32 {
	const (
		fraction = 23 - 10          // places that the fraction moves up
		bias     = (127 - 15) << 23 // what the exponent gains
		special  = (255 - 31) << 23 // what that of infinities and NaNs gains
		unit     = 1. / (1 << 24)   // of the fraction of a subnormal number
	)
	sign, magnitude := uint32(bits&0x8000)<<16, uint32(bits&0x7fff)
	switch {
	case magnitude < 0x0400: // zero or subnormal
		return math.Float32frombits(math.Float32bits(float32(magnitude)*unit) | sign)
	case magnitude >= 0x7c00:
		return math.Float32frombits(magnitude<<fraction + special | sign)
	}
	return math.Float32frombits(magnitude<<fraction + bias | sign)
}

// BFloat16 returns the number whose upper 16 bits, as a float32, these are.
func BFloat16(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }
