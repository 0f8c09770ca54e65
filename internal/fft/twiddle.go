package fft

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// root returns exp(-2 pi i a/n) for 0 <= a < n, from the sine and cosine of an
// angle in [0, pi/4].
func root(a, n int) (re, im float64) {
	sre, sim := 1.0, -1.0
	a *= 4 // so that the quarters of the circle are whole numbers: the angle is (pi/2) a/n
	if a > 2*n {
		a, sim = 4*n-a, 1
	}
	if a > n {
		a, sre = 2*n-a, -1
	}
	swap := 2*a > n
	if swap {
		a = n - a
	}
	s, c := math.Sincos(math.Pi / 2 * float64(a) / float64(n))
	if swap {
		s, c = c, s
	}
	return sre * c, sim * s
}

// twiddles returns the factors of a level of the given radix on blocks of
// radix*q points: for every column j < q and every output s,
//
//	exp(-2 pi i j s / (radix q)),  s = 1 ... radix-1,      or, twisted,
//	exp(-pi i j (1+2s) / (radix q)),  s = 0 ... radix-1.
//
// Columns come in groups of width; a group has, for one s after the other, its
// real parts and then its imaginary parts.
func twiddles[T num.Float](radix, q, width int, twisted bool) []T {
	first, n := 1, radix*q
	turn := func(j, s int) int { return j * s }
	if twisted {
		first, n = 0, 2*radix*q
		turn = func(j, s int) int { return j * (1 + 2*s) }
	}
	tw := num.Aligned[T](2 * (radix - first) * q)
	at := 0
	for j := 0; j < q; j += width {
		for s := first; s < radix; s++ {
			for l := range width {
				re, im := root(turn(j+l, s)%n, n)
				tw[at+l], tw[at+width+l] = T(re), T(im)
			}
			at += 2 * width
		}
	}
	return tw
}

// midTwiddles returns the factors of the levels in a middle block of 4*width
// points: for one level after the other but the last, which needs none, and for
// every output s, what twiddles has in a group; columns repeat where blocks are
// smaller than a vector.
func midTwiddles[T num.Float](width int, radices []int) []T {
	var tw []T
	block := 4 * width
	for _, radix := range radices[:len(radices)-1] {
		q := block / radix
		for s := 1; s < radix; s++ {
			group := make([]T, 2*width)
			for l := range width {
				re, im := root(l%q*s, block)
				group[l], group[width+l] = T(re), T(im)
			}
			tw = append(tw, group...)
		}
		block = q
	}
	aligned := num.Aligned[T](len(tw))
	copy(aligned, tw)
	return aligned
}
