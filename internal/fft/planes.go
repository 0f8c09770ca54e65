package fft

import (
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Planes is a complex signal or spectrum of P points, real and imaginary parts
// apart.
type Planes[T num.Float] struct{ Re, Im []T }

// Spectrum has the bins of both halves of a transform of length 2P, in the
// order of the plan that made them.
type Spectrum[T num.Float] [2]Planes[T]

// stagger is the distance, in bytes, by which planes of one work space are
// moved against each other: planes of 4 KiB and its multiples would otherwise
// meet in the same sets of the first-level cache.
const stagger = 1024

// newPlanes returns count zeroed pairs of planes of n points.
func newPlanes[T num.Float](n, count int) []Planes[T] {
	pad := stagger / int(unsafe.Sizeof(T(0)))
	stride := (n+pad-1)/pad*pad + pad
	mem := num.Aligned[T](2 * count * stride)
	cut := func(i int) []T { return mem[i*stride:][:n:n] }
	z := make([]Planes[T], count)
	for i := range z {
		z[i] = Planes[T]{Re: cut(2 * i), Im: cut(2*i + 1)}
	}
	return z
}

// Clear sets every point to zero.
func (z Planes[T]) Clear() {
	clear(z.Re)
	clear(z.Im)
}

// MulAddConj adds conj(x)*y to dst, point by point.
func MulAddConj[T num.Float](dst, x, y Planes[T]) { widest[T]().mulAddConj(dst, x, y) }
