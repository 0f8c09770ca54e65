package ops

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// sine is the core of Sine. Its angles, which are large, are in float64.
type sine[T num.Float] struct{ omega float64 }

func (s sine[T]) Forward(out []T, in []graphop.Arg[T]) error {
	par.Blocks(len(out), elementGrain, func(_, lo, hi int) { Sines(out[lo:hi], in[0].F[lo:hi], s.omega) })
	return nil
}

func (s sine[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	x, dx := in[0].F, grad[0]
	par.Blocks(len(dx), elementGrain, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			dx[i] = T(float64(gout[i]) * s.omega * math.Cos(s.omega*float64(x[i])))
		}
	})
	return nil
}

// Sines sets dst to sin(omega x), element by element: what Sine computes. They are of one
// length, or the same.
func Sines[T num.Float](dst, x []T, omega float64) {
	for i, v := range x {
		dst[i] = T(math.Sin(omega * float64(v)))
	}
}

// line is the angles omega (w t + b) over positions t.
type line struct{ omega, first, step float64 }

// at is position j.
func (l line) at(j int) float64 { return l.first + l.step*float64(j) }

// sinusoids is the core of Sinusoids.
type sinusoids[T num.Float] struct{ line }

func (s sinusoids[T]) Forward(out []T, in []graphop.Arg[T]) error {
	w, b := in[0].F, in[1].F
	n := len(out) / len(w)
	par.For(len(w), func(_, h int) {
		for j := range n {
			out[h*n+j] = T(math.Sin(s.omega * (float64(w[h])*s.at(j) + float64(b[h]))))
		}
	})
	return nil
}

func (s sinusoids[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	w, b := in[0].F, in[1].F
	n := len(gout) / len(w)
	par.For(len(w), func(_, h int) {
		var dw, db float64
		for j := range n {
			t := s.at(j)
			d := float64(gout[h*n+j]) * s.omega * math.Cos(s.omega*(float64(w[h])*t+float64(b[h])))
			dw += d * t
			db += d
		}
		grad[0][h], grad[1][h] = T(dw), T(db)
	})
	return nil
}

// SinusoidsAt sets dst (H) to what [Sinusoids] has at a position t.
func SinusoidsAt[T num.Float](dst, w, b []T, omega, t float64) {
	for h := range dst {
		dst[h] = T(math.Sin(omega * (float64(w[h])*t + float64(b[h]))))
	}
}
