// Package bfloat16 rounds numbers to 16 bits and keeps what is lost.
//
// A bfloat16 is the upper half of a float32: its sign, its 8 bits of exponent and 7
// of its 23 bits of fraction. Here they are pairs of bytes, the lower one first.
//
// Every function runs on the calling goroutine. There is one implementation in portable
// Go and, for float32 on x86-64, one for AVX2 and one for AVX-512, on arm64 one for
// NEON, chosen at run time by package cpu. They give the same bits.
package bfloat16

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Size is that of a number in bytes.
const Size = 2

// Round returns the bfloat16 that is nearest to x, of two the even one. What is
// larger than the largest by half a unit or more is an infinity; NaN is NaN.
func Round(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 1<<6 // quiet: its fraction may have been in the lower half
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Float32 returns the value of b.
func Float32(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// Split rounds v = x + keep*rest, element by element, to dst, and sets rest to v
// minus that, without an error of its own; to 0 where that is not finite. A float64
// is first rounded to float32. No two of the slices overlap. It panics unless rest has
// the length of x and dst Size times that.
func Split[T num.Float](dst []byte, rest []T, keep T, x []T) {
	want("Split", "rest", len(x), len(rest))
	want("Split", "dst", Size*len(x), len(dst))
	blocks, n := whole(len(x))
	active[T]().split(dst, rest, x, keep, blocks)
	splitGeneric(dst[Size*n:], rest[n:], keep, x[n:])
}

// Read sets dst to the numbers in src. It panics unless src has Size bytes for each.
func Read[T num.Float](dst []T, src []byte) {
	want("Read", "src", Size*len(dst), len(src))
	blocks, n := whole(len(dst))
	active[T]().read(dst, src, blocks)
	readGeneric(dst[n:], src[Size*n:])
}

// Add adds the numbers in src to dst. It panics unless src has Size bytes for each.
func Add[T num.Float](dst []T, src []byte) {
	want("Add", "src", Size*len(dst), len(src))
	blocks, n := whole(len(dst))
	active[T]().add(dst, src, blocks)
	addGeneric(dst[n:], src[Size*n:])
}

// want panics unless an operand has the length n.
func want(fn, operand string, n, got int) {
	if n != got {
		panic(fmt.Sprintf("bfloat16: %s: want %s of length %d, got %d", fn, operand, n, got))
	}
}
