// Package num holds what every numeric package here shares: the type
// constraint of the generic code and aligned memory.
package num

import "unsafe"

// Float is the element type of a numeric core: every core in this module is
// written once and instantiated for both.
type Float interface{ float32 | float64 }

// Align is the alignment, in bytes, of the memory Aligned returns: one cache
// line, and the widest vector register in use.
const Align = 64

// Aligned returns a zeroed slice of n elements whose first element lies on an
// Align-byte boundary.
func Aligned[T Float](n int) []T {
	if n == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(T(0)))
	pad := Align / size
	b := make([]T, n+pad)
	off := 0
	if r := int(uintptr(unsafe.Pointer(&b[0])) % Align); r != 0 {
		off = (Align - r) / size
	}
	return b[off : off+n : off+n]
}

// Grow returns s with length n, reusing its memory where it is large enough.
// The contents are unspecified.
func Grow[T Float](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return Aligned[T](n)
}
