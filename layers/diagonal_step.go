package layers

import "github.com/gorgonia-s4/s4/internal/num"

// diagonalStepper steps x = Ab x + Bb u, y = gain Re(C x) for diagonal Ab.
// Complex values are pairs.
type diagonalStepper[T num.Float] struct {
	model func() (ab, bb []complex128, c []T, gain T, err error)

	batch, h, n, ch int // n numbers, n/2 states

	a, b []T // discretised, (H, n)
	c    []T // gain C, conjugated: (CH, H, n)
	x    []T // state (B, H, n)
}

// newDiagonalStepper returns a stepper of the recurrence that model reads off
// the parameters: Ab and Bb (H, N), C (CH, H, N, 2).
func newDiagonalStepper[T num.Float](l *ssmLayer, batch int, model func() (ab, bb []complex128, c []T, gain T, err error)) *diagonalStepper[T] {
	shape := l.model.stateShape(batch)
	return &diagonalStepper[T]{
		model: model,
		batch: batch, h: shape[1], n: shape[2] * shape[3], ch: l.common.channels,
		x: num.Aligned[T](shape.TotalSize()),
	}
}

func (s *diagonalStepper[T]) refresh() error {
	ab, bb, c, gain, err := s.model()
	if err != nil {
		return err
	}
	s.a, s.b = interleave[T](ab), interleave[T](bb)
	s.c = num.Grow(s.c, len(c))
	for i := 0; i < len(c); i += 2 { // Re(C x) = Re C Re x - Im C Im x
		s.c[i], s.c[i+1] = gain*c[i], -gain*c[i+1]
	}
	return nil
}

// interleave returns complex values as re, im.
func interleave[T num.Float](z []complex128) []T {
	v := num.Aligned[T](2 * len(z))
	for i, x := range z {
		v[2*i], v[2*i+1] = T(real(x)), T(imag(x))
	}
	return v
}

func (s *diagonalStepper[T]) state(dst []T) { copy(dst, s.x) }

func (s *diagonalStepper[T]) setState(src []T) { clear(s.x[copy(s.x, src):]) }

func (s *diagonalStepper[T]) step(y, u []T) error {
	h, n, ch := s.h, s.n, s.ch
	for b := range s.batch {
		for i := range h {
			x := s.x[(b*h+i)*n:][:n]
			advance(x, s.a[i*n:][:n], s.b[i*n:][:n], u[b*h+i])
			for k := range ch {
				y[(b*ch+k)*h+i] = dot(s.c[(k*h+i)*n:][:n], x)
			}
		}
	}
	return nil
}

// advance sets x = a x + b u for complex x, a, b.
func advance[T num.Float](x, a, b []T, u T) {
	a, b = a[:len(x)], b[:len(x)]
	for k := 0; k+1 < len(x); k += 2 {
		re, im := x[k], x[k+1]
		x[k] = a[k]*re - a[k+1]*im + b[k]*u
		x[k+1] = a[k]*im + a[k+1]*re + b[k+1]*u
	}
}

// dot returns the sum of products.
func dot[T num.Float](a, b []T) T {
	b = b[:len(a)]
	var s0, s1 T
	for k := 0; k+1 < len(a); k += 2 {
		s0 += a[k] * b[k]
		s1 += a[k+1] * b[k+1]
	}
	return s0 + s1
}
