package fft

import (
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// passSet is one implementation of the passes. Planes and rows are slices;
// twiddle tables are those twiddles makes for the set's width.
//
// Notation: a level of radix r splits blocks of r*q points into r sets of q
// columns.
type passSet[T num.Float] struct {
	// width is the number W of neighbouring columns a pass works on at once.
	// Every q of a plan is a multiple of it.
	width int

	// load is the first level, radix 4, by Half. It reads rows of length at
	// most P, a into the real and b into the imaginary part, as if zeros
	// followed; b may be nil for a row of zeros. The rows may be the planes
	// themselves.
	load [2]func(z Planes[T], a, b, tw []T)

	// store is the last level, radix 4, by Half. It writes (Cyclic) or adds
	// (Negacyclic) the first len(a) samples to the rows; a nil b is left out.
	// It destroys z.
	store [2]func(a, b []T, z Planes[T], tw []T)

	// down and up are one level on every block of the planes, forward and
	// inverse, by radix: 2, 3, 4 and 5.
	down, up [6]func(z Planes[T], q int, tw []T)

	// The middle passes: on every block of 4*width points, all that is left of
	// the forward transform, something with the spectrum, and that much of the
	// inverse.
	midForward  func(z Planes[T])            // forward only
	midInverse  func(z Planes[T])            // inverse only
	midConvolve func(z, k Planes[T])         // Z *= K
	midBackward func(z, k, u, acc Planes[T]) // acc += conj(U) Z, then Z *= K
}

// midPoints returns the number of points of a middle block.
func (s *passSet[T]) midPoints() int { return 4 * s.width }

var (
	passes32 [cpu.Levels]*passSet[float32]
	passes64 [cpu.Levels]*passSet[float64]
)

// active returns the passes in use for T.
func active[T num.Float]() *passSet[T] {
	l := cpu.Active()
	if s, ok := any(passes32[l]).(*passSet[T]); ok {
		return s
	}
	return any(passes64[l]).(*passSet[T])
}

func init() {
	generic32, generic64 := generic[float32](), generic[float64]()
	for l := range passes32 {
		passes32[l], passes64[l] = generic32, generic64
	}
}
