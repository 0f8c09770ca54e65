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

	// cost is the time of the passes, for the choice of a plan.
	cost costs

	// load is the first level, radix 4, by Half. It reads rows of length at
	// most P, a into the real and b into the imaginary part, as if zeros
	// followed; b may be nil for a row of zeros. The rows may be the planes
	// themselves.
	load [2]func(z Planes[T], a, b, tw []T)

	// store is the last level, radix 4, of the negacyclic half, which is z, and
	// the sum with the cyclic half c, whose last level is an ordinary one. It
	// writes the first len(a) samples to the rows; a nil b is left out. It
	// destroys z.
	store func(a, b []T, c, z Planes[T], tw []T)

	// down and up are one level on every block of the planes, forward and
	// inverse, by radix: 2, 3, 4, 5 and, where its cost is not 0, 8.
	down, up [maxRadix + 1]func(z Planes[T], q int, tw []T)

	// The middle passes: on every block of 4*width points, all that is left of
	// the forward transform, something with the spectrum, and that much of the
	// inverse.
	midForward   func(z Planes[T])            // forward only
	midInverse   func(z Planes[T])            // inverse only
	midConvolve  func(z, k Planes[T])         // Z *= K
	midCorrelate func(z, k Planes[T])         // Z *= conj(K)
	midBackward  func(z, k, u, acc Planes[T]) // acc += conj(U) Z, then Z *= conj(K)
	midProduct   func(z, k, u Planes[T])      // Z = U K, inverse only

	// mulAddConj adds conj(x)*y to dst, planes of any length, point by point.
	mulAddConj func(dst, x, y Planes[T])

	// prefetch brings the beginning of a row into the cache, while other work
	// goes on.
	prefetch func(x []T)
}

// maxRadix is the largest radix of a level.
const maxRadix = 8

// costs is the time of passes in nanoseconds per point, on the machine they
// were measured on: what counts is how they compare.
type costs struct {
	level [maxRadix + 1]float64 // down and up, by radix; 0: there is no such level
	ends  float64               // load, a middle pass, and the last level
}

// midPoints returns the number of points of a middle block.
func (s *passSet[T]) midPoints() int { return 4 * s.width }

// unit is what the size of every plan is a multiple of: a middle block in each
// of the four sets of the first level.
func (s *passSet[T]) unit() int { return 4 * s.midPoints() }

var generic32, generic64 = generic[float32](), generic[float64]()

// sets returns the implementations a plan may be made of at a level.
func sets[T num.Float](l cpu.Level) []*passSet[T] {
	if s, ok := any(sets32[l]).([]*passSet[T]); ok {
		return s
	}
	return any(sets64[l]).([]*passSet[T])
}

// widest returns the widest of the implementations in use.
func widest[T num.Float]() *passSet[T] { return sets[T](cpu.Active())[0] }
