package fft

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Single is a transform of real rows of length 2P, each by itself, in P bins: what a Plan
// does to a pair of rows in 2P. A real row a of halves a0 and a1, mod z^2P + 1, is the
// complex signal a0 - i a1 mod z^P + i, and that of exp(-i pi n/(2P)) times as much mod
// z^P - 1. The bins are half of those of the row, and the others their conjugates, so that
// products of bins are convolutions, and with one of them conjugate correlations, of rows
// that wrap around with their sign turned. It is immutable, as a Plan is.
type Single[T num.Float] struct {
	plan   *Plan[T]
	re, im []T // exp(-i pi n/(2P))
}

// NewSingle returns the cheapest transform for convolutions that must not wrap around
// within n samples: 2P >= n.
func NewSingle[T num.Float](n int) *Single[T] { return newSingle(New[T](n)) }

func newSingle[T num.Float](plan *Plan[T]) *Single[T] {
	p := plan.Len()
	s := &Single[T]{plan: plan, re: num.Aligned[T](p), im: num.Aligned[T](p)}
	for j := range p {
		re, im := root(j, 4*p)
		s.re[j], s.im[j] = T(re), T(im)
	}
	return s
}

// Len returns P: half the length of the transform, the number of bins.
func (s *Single[T]) Len() int { return s.plan.n }

// NewPlanes returns count planes of P points, zeroed, laid out to be worked on together.
func (s *Single[T]) NewPlanes(count int) []Planes[T] { return s.plan.NewPlanes(count) }

// Forward sets z to the bins of a row of at most 2P samples; what is missing is zero.
func (s *Single[T]) Forward(z Planes[T], row []T) {
	head := row[:min(len(row), s.plan.n)]
	n := len(head)
	vec.Mul(z.Re[:n], head, s.re[:n])
	vec.Mul(z.Im[:n], head, s.im[:n])
	clear(z.Re[n:])
	clear(z.Im[n:])
	for j, a := range row[n:] {
		z.Re[j] += a * s.im[j]
		z.Im[j] -= a * s.re[j]
	}
	s.plan.Forward(Cyclic, z, z.Re, z.Im)
}

// Inverse writes P times the first len(row) samples, at most 2P, of what has the bins z to
// row. It destroys z.
func (s *Single[T]) Inverse(row []T, z Planes[T]) {
	s.plan.Inverse(Cyclic, z)
	head := row[:min(len(row), s.plan.n)]
	n := len(head)
	vec.Mul(head, z.Re[:n], s.re[:n])
	vec.AddMul(head, z.Im[:n], s.im[:n])
	for j := range row[n:] {
		row[n+j] = z.Re[j]*s.im[j] - z.Im[j]*s.re[j]
	}
}
