package fftconv

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// maxDirectTaps is the number of kernel samples up to which the sum over them
// is faster than a transform (measured on the Go code of both).
const maxDirectTaps = 12

// direct is the method for short kernels and short rows: the defining sums.
type direct[T num.Float] struct{ geometry }

// lag returns by how much tap m of a direction delays its input: less than
// zero for the anticausal direction.
func (f *direct[T]) lag(dir, m int) int {
	if dir == 0 {
		return m
	}
	return -m - f.skip
}

// delayed cuts y and u, of equal length, to the samples y[l] and u[l-lag] that
// a tap joins.
func delayed[T num.Float](y, u []T, lag int) (yl, ul []T) {
	if lag >= 0 {
		return y[lag:], u[:len(u)-lag]
	}
	return y[:len(y)+lag], u[-lag:]
}

func (f *direct[T]) forward(a *call[T], h int) {
	for b := range f.B {
		u := row(a.in.U, f.L, f.uRow(b, h))
		for c := range f.CH {
			y := row(a.y, f.L, f.yRow(b, c, h))
			clear(y)
			if a.in.D != nil {
				vec.Axpy(y, a.in.D[f.dAt(c, h)], u)
			}
			for dir := range f.directions {
				k := row(a.in.K, f.LK, f.kRow(dir, c, h))[:f.taps[dir]]
				for m, w := range k {
					yl, ul := delayed(y, u, f.lag(dir, m))
					vec.Axpy(yl, w, ul)
				}
			}
		}
	}
}

func (f *direct[T]) backward(a *call[T], h int) {
	if a.grad.U != nil {
		for b := range f.B {
			f.gradU(a, b, h)
		}
	}
	for c := range f.CH {
		if a.grad.K != nil {
			for dir := range f.directions {
				f.gradK(a, dir, c, h)
			}
		}
		if a.grad.D != nil {
			a.grad.D[f.dAt(c, h)] = correlation(&f.geometry, a, c, h, 0)
		}
	}
}

func (f *direct[T]) gradU(a *call[T], b, h int) {
	du := row(a.grad.U, f.L, f.uRow(b, h))
	clear(du)
	for c := range f.CH {
		g := row(a.y, f.L, f.yRow(b, c, h))
		if a.in.D != nil {
			vec.Axpy(du, a.in.D[f.dAt(c, h)], g)
		}
		for dir := range f.directions {
			k := row(a.in.K, f.LK, f.kRow(dir, c, h))[:f.taps[dir]]
			for m, w := range k {
				gl, dul := delayed(g, du, f.lag(dir, m))
				vec.Axpy(dul, w, gl)
			}
		}
	}
}

func (f *direct[T]) gradK(a *call[T], dir, c, h int) {
	dk := row(a.grad.K, f.LK, f.kRow(dir, c, h))
	clear(dk[f.taps[dir]:])
	for m := range f.taps[dir] {
		dk[m] = correlation(&f.geometry, a, c, h, f.lag(dir, m))
	}
}

// correlation returns the sum over the batch and over l of dy[l] u[l-lag].
func correlation[T num.Float](g *geometry, a *call[T], c, h, lag int) T {
	var s T
	for b := range g.B {
		yl, ul := delayed(row(a.y, g.L, g.yRow(b, c, h)), row(a.in.U, g.L, g.uRow(b, h)), lag)
		s += vec.Dot(yl, ul)
	}
	return s
}
