package retention

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// turn holds, for positions from 0 on, the turns of the features of a head (dk), rows of
// which are one step after the other.
type turn[T num.Float] struct {
	dk, n    int
	cos, sin []T // (pairs, n), with the factor of the position
	pairs    int
	scale    T // of features that are in no pair
}

// newTurn returns the turns of n positions, with factors zeta^(sign n) times scale.
func newTurn[T num.Float](of []turning, dk, n int, sign, scale float64) turn[T] {
	t := turn[T]{dk: dk, n: n, pairs: len(of), scale: T(scale)}
	t.cos, t.sin = num.Aligned[T](len(of)*n), num.Aligned[T](len(of)*n)
	for i, p := range of {
		for j := range n {
			s, c := math.Sincos(float64(j) * p.theta)
			f := scale * math.Pow(p.zeta, sign*float64(j))
			t.cos[i*n+j], t.sin[i*n+j] = T(f*c), T(f*s)
		}
	}
	return t
}

// apply sets y (dk, n), rows spaced by ldy, to x turned as positions from on. They may
// be the same.
func (t *turn[T]) apply(y []T, ldy int, x []T, ldx, from, n int) {
	t.each(y, ldy, x, ldx, from, n, vec.Rotate[T])
}

// back is the transpose of apply: what it does to gradients.
func (t *turn[T]) back(y []T, ldy int, x []T, ldx, from, n int) {
	t.each(y, ldy, x, ldx, from, n, func(ya, yb, a, b, cos, sin []T) { vec.Rotate(yb, ya, b, a, cos, sin) })
}

func (t *turn[T]) each(y []T, ldy int, x []T, ldx, from, n int, rotate func(ya, yb, a, b, cos, sin []T)) {
	for i := range t.pairs {
		a, b := 2*i, 2*i+1
		rotate(y[a*ldy:][:n], y[b*ldy:][:n], x[a*ldx:][:n], x[b*ldx:][:n], t.cos[i*t.n+from:][:n], t.sin[i*t.n+from:][:n])
	}
	for f := 2 * t.pairs; f < t.dk; f++ {
		vec.Scale(y[f*ldy:][:n], t.scale, x[f*ldx:][:n])
	}
}

// frame turns the rows of states (dk, dv) by a number of steps: M^n of the package
// comment.
type frame[T num.Float] struct {
	dv       int
	cos, sin []T // by pair
}

func newFrame[T num.Float](of []turning, dv, steps int) frame[T] {
	f := frame[T]{dv: dv, cos: make([]T, len(of)), sin: make([]T, len(of))}
	for i, p := range of {
		s, c := math.Sincos(float64(steps) * p.theta)
		z := math.Pow(p.zeta, float64(steps))
		f.cos[i], f.sin[i] = T(z*c), T(z*s)
	}
	return f
}

// apply turns a state.
func (f *frame[T]) apply(s []T) { f.each(s, 1) }

// back is the transpose of apply.
func (f *frame[T]) back(s []T) { f.each(s, -1) }

func (f *frame[T]) each(s []T, sign T) {
	for i, c := range f.cos {
		vec.RotateBy(s[2*i*f.dv:][:f.dv], s[(2*i+1)*f.dv:][:f.dv], c, -sign*f.sin[i])
	}
}

// powers returns gamma^0, gamma^1, .. gamma^(n-1).
func powers[T num.Float](gamma float64, n int) []T {
	p := num.Aligned[T](n)
	for i := range p {
		p[i] = T(math.Pow(gamma, float64(i)))
	}
	return p
}
