package fftconv

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// maxDirectTaps is the number of kernel samples up to which the sum over them
// is faster than a transform (BenchmarkMethod; much the same at every level).
const maxDirectTaps = 12

// direct is the method for short kernels and short rows: the defining sums. A
// task is a feature.
type direct[T num.Float] struct {
	geometry
	call                *call[T] // in progress
	forwards, backwards func(worker, h int)
}

func newDirect[T num.Float](g geometry) *direct[T] {
	f := &direct[T]{geometry: g}
	f.forwards, f.backwards = f.forwardTask, f.backwardTask
	return f
}

func (f *direct[T]) forward(a *call[T]) {
	f.call = a
	par.For(f.H, f.forwards)
	f.call = nil
}

func (f *direct[T]) backward(a *call[T]) {
	f.call = a
	par.For(f.H, f.backwards)
	f.call = nil
}

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
	lag = max(min(lag, len(y)), -len(y))
	if lag >= 0 {
		return y[lag:], u[:len(u)-lag]
	}
	return y[:len(y)+lag], u[-lag:]
}

func (f *direct[T]) forwardTask(_, h int) {
	for b := range f.B {
		for c := range f.CH {
			y := row(f.call.y, f.L, f.yRow(b, c, h))
			n := f.call.length(b, f.L)
			clear(y[n:])
			f.convolve(y[:n], b, c, h)
		}
	}
}

// u returns the samples of a row of u that count.
func (f *direct[T]) u(b, h int) []T {
	return row(f.call.in.U, f.L, f.uRow(b, h))[:f.call.length(b, f.L)]
}

// convolve sets y to the output, of the samples that count.
func (f *direct[T]) convolve(y []T, b, c, h int) {
	in := &f.call.in
	u := f.u(b, h)
	clear(y)
	if in.D != nil {
		vec.Axpy(y, in.D[f.dAt(c, h)], u)
	}
	for dir := range f.directions {
		k := row(in.K, f.LK, f.kRow(dir, c, h))[:f.taps[dir]]
		for m, w := range k {
			yl, ul := delayed(y, u, f.lag(dir, m))
			vec.Axpy(yl, w, ul)
		}
	}
}

func (f *direct[T]) backwardTask(_, h int) {
	grad := &f.call.grad
	if grad.U != nil {
		for b := range f.B {
			f.gradU(b, h)
		}
	}
	for c := range f.CH {
		if grad.K != nil {
			for dir := range f.directions {
				f.gradK(dir, c, h)
			}
		}
		if grad.D != nil {
			grad.D[f.dAt(c, h)] = f.correlation(c, h, 0)
		}
	}
}

// dy returns the samples of a row of the gradient of y that count.
func (f *direct[T]) dy(b, c, h int) []T {
	return row(f.call.y, f.L, f.yRow(b, c, h))[:f.call.length(b, f.L)]
}

// gradU writes a row of the gradient of u.
func (f *direct[T]) gradU(b, h int) {
	in := &f.call.in
	du := row(f.call.grad.U, f.L, f.uRow(b, h))
	clear(du)
	du = du[:f.call.length(b, f.L)]
	for c := range f.CH {
		g := f.dy(b, c, h)
		if in.D != nil {
			vec.Axpy(du, in.D[f.dAt(c, h)], g)
		}
		for dir := range f.directions {
			k := row(in.K, f.LK, f.kRow(dir, c, h))[:f.taps[dir]]
			for m, w := range k {
				gl, dul := delayed(g, du, f.lag(dir, m))
				vec.Axpy(dul, w, gl)
			}
		}
	}
}

func (f *direct[T]) gradK(dir, c, h int) {
	dk := row(f.call.grad.K, f.LK, f.kRow(dir, c, h))
	clear(dk[f.taps[dir]:])
	for m := range f.taps[dir] {
		dk[m] = f.correlation(c, h, f.lag(dir, m))
	}
}

// correlation returns the sum over the batch and over l of dy[l] u[l-lag].
func (f *direct[T]) correlation(c, h, lag int) T {
	var s T
	for b := range f.B {
		yl, ul := delayed(f.dy(b, c, h), f.u(b, h), lag)
		s += vec.Dot(yl, ul)
	}
	return s
}
