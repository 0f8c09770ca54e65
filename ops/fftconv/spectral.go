package fftconv

import (
	"github.com/gorgonia-s4/s4/internal/fft"
	"github.com/gorgonia-s4/s4/internal/num"
)

// spectral is the method for long kernels: products of spectra.
//
// Its transforms have length n = 2P and are made of two halves, which are worked
// on one after the other. A kernel of both directions is one periodic sequence
// of length n, with the anticausal samples at negative lags.
type spectral[T num.Float] struct {
	geometry
	fft *fft.Plan[T]
	n   int

	// Of the feature at hand:
	k   []fft.Spectrum[T] // (CH) kernels and d, over n; conjugated in backward
	acc []fft.Spectrum[T] // (CH) correlations of dy and u, summed over the batch
	row []T               // (n) kernels of both directions, or their gradients
	// Of the pair of rows and the half at hand:
	z, u, sum fft.Planes[T] // scratch; bins of u; bins of the gradient of u
}

func newSpectral[T num.Float](g geometry) *spectral[T] {
	plan := fft.New[T](g.L + g.reach())
	z := plan.NewPlanes(2)
	s := &spectral[T]{geometry: g, fft: plan, n: 2 * plan.Len(), k: plan.NewSpectra(g.CH), z: z[0], u: z[1]}
	if g.directions == 2 {
		s.row = num.Aligned[T](s.n)
	}
	return s
}

// halves of a transform, in the order fft.Plan.Inverse wants.
var halves = [2]fft.Half{fft.Cyclic, fft.Negacyclic}

func (s *spectral[T]) forward(a *call[T], h int) {
	s.kernels(a, h, 1)
	for b := 0; b < s.B; b += 2 {
		ua, ub := s.pairU(a.in.U, b, h)
		for _, half := range halves {
			if s.CH == 1 {
				ya, yb := s.pairY(a.y, b, 0, h)
				s.fft.Convolve(half, ya, yb, ua, ub, s.k[0][half], s.z)
				continue
			}
			s.fft.Forward(half, s.u, ua, ub)
			for c := range s.CH {
				ya, yb := s.pairY(a.y, b, c, h)
				fft.Mul(s.z, s.u, s.k[c][half])
				s.fft.Inverse(half, ya, yb, s.z)
			}
		}
	}
}

func (s *spectral[T]) backward(a *call[T], h int) {
	if s.acc == nil { // a plan that only runs forward has no use for it
		s.acc, s.sum = s.fft.NewSpectra(s.CH), s.fft.NewPlanes(1)[0]
	}
	toU, toK := a.grad.U != nil, a.grad.K != nil
	if toU {
		s.kernels(a, h, -1)
	}
	for c := range s.acc {
		s.acc[c][fft.Cyclic].Clear()
		s.acc[c][fft.Negacyclic].Clear()
	}
	for b := 0; b < s.B && (toU || toK); b += 2 {
		for _, half := range halves {
			s.backwardPair(a, b, h, half)
		}
	}
	for c := range s.CH {
		if toK {
			s.gradK(a, c, h)
		} else if a.grad.D != nil {
			a.grad.D[s.dAt(c, h)] = correlation(&s.geometry, a, c, h, 0)
		}
	}
}

// backwardPair does one half of the rows b and b+1: it adds to acc and to the
// gradient of u what is asked for.
func (s *spectral[T]) backwardPair(a *call[T], b, h int, half fft.Half) {
	ua, ub := s.pairU(a.in.U, b, h)
	da, db := s.pairU(a.grad.U, b, h)
	toU, toK := a.grad.U != nil, a.grad.K != nil
	if toK {
		s.fft.Forward(half, s.u, ua, ub)
	}
	if s.CH == 1 && toU {
		ga, gb := s.pairY(a.y, b, 0, h)
		if toK {
			s.fft.Backward(half, da, db, ga, gb, s.k[0][half], s.u, s.acc[0][half], s.z)
		} else {
			s.fft.Convolve(half, da, db, ga, gb, s.k[0][half], s.z)
		}
		return
	}
	s.sum.Clear()
	for c := range s.CH {
		ga, gb := s.pairY(a.y, b, c, h)
		s.fft.Forward(half, s.z, ga, gb)
		if toK {
			fft.MulAddConj(s.acc[c][half], s.u, s.z)
		}
		if toU {
			fft.MulAdd(s.sum, s.z, s.k[c][half])
		}
	}
	if toU {
		s.fft.Inverse(half, da, db, s.sum)
	}
}

// pairU returns rows b and b+1 of an array like u; the second is nil where
// there is none.
func (s *spectral[T]) pairU(x []T, b, h int) (first, second []T) {
	first = row(x, s.L, s.uRow(b, h))
	if b+1 < s.B {
		second = row(x, s.L, s.uRow(b+1, h))
	}
	return first, second
}

// pairY is pairU for an array like y.
func (s *spectral[T]) pairY(x []T, b, c, h int) (first, second []T) {
	first = row(x, s.L, s.yRow(b, c, h))
	if b+1 < s.B {
		second = row(x, s.L, s.yRow(b+1, c, h))
	}
	return first, second
}

// kernels sets k to the spectra of the kernels of feature h with d at lag zero,
// divided by n; with sign -1, to their conjugates, the spectra of the kernels
// reversed in time.
func (s *spectral[T]) kernels(a *call[T], h int, sign T) {
	scale := 1 / T(s.n)
	for c := range s.CH {
		var d T // the spectrum of a sample at lag zero is constant
		if a.in.D != nil {
			d = a.in.D[s.dAt(c, h)]
		}
		k := s.kernel(a, c, h)
		for _, half := range halves {
			z := s.k[c][half]
			s.fft.Forward(half, z, k, nil)
			im := z.Im[:len(z.Re)]
			for i, re := range z.Re {
				z.Re[i] = scale * (re + d)
				im[i] *= sign * scale
			}
		}
	}
}

// kernel returns the samples of a kernel that have an effect, and the
// anticausal ones, if there are any, at n minus their lag.
func (s *spectral[T]) kernel(a *call[T], c, h int) []T {
	k := row(a.in.K, s.LK, s.kRow(0, c, h))[:s.taps[0]]
	if s.directions == 1 {
		return k
	}
	clear(s.row[copy(s.row, k):])
	for m, w := range row(a.in.K, s.LK, s.kRow(1, c, h))[:s.taps[1]] {
		s.row[s.anticausal(m)] += w
	}
	return s.row
}

// anticausal returns where sample m of an anticausal kernel is in a periodic
// sequence of length n.
func (s *spectral[T]) anticausal(m int) int { return (s.n - m - s.skip) % s.n }

// gradK turns acc of channel c into the gradients of the kernels and of d.
func (s *spectral[T]) gradK(a *call[T], c, h int) {
	r := s.row
	if s.directions == 1 {
		r = row(a.grad.K, s.LK, s.kRow(0, c, h))[:s.taps[0]]
	}
	for _, half := range halves {
		s.fft.Inverse(half, r, nil, s.acc[c][half])
	}
	scale := 1 / T(s.n)
	if a.grad.D != nil {
		a.grad.D[s.dAt(c, h)] = scale * r[0]
	}
	for dir := range s.directions {
		dk := row(a.grad.K, s.LK, s.kRow(dir, c, h))
		clear(dk[s.taps[dir]:])
		for m := range dk[:s.taps[dir]] {
			at := m
			if dir == 1 {
				at = s.anticausal(m)
			}
			dk[m] = scale * r[at]
		}
	}
}
