package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, DModel, DState/2, 2): re and im of each stored pair.
// A bidirectional layer has none.
func (l *S4D) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] { return newS4DStepper[float32](l, batch) },
		func() stepper[float64] { return newS4DStepper[float64](l, batch) })
}

// s4dStepper steps x = dA x + dB u, y = 2 Re(C x). Complex values are pairs.
type s4dStepper[T num.Float] struct {
	l     *S4D
	batch int

	a, b []T // discretised, (H, N/2, 2)
	c    []T // 2 C, conjugated: (CH, H, N/2, 2)
	x    []T // state (B, H, N/2, 2)
}

func newS4DStepper[T num.Float](l *S4D, batch int) *s4dStepper[T] {
	return &s4dStepper[T]{l: l, batch: batch, x: num.Aligned[T](batch * l.cfg.DModel * l.cfg.DState)}
}

func (s *s4dStepper[T]) refresh() error {
	var p vandermonde.Params[T]
	l := s.l
	for _, err := range []error{
		read(&p.Dt, l.logDt), read(&p.AReal, l.aReal), read(&p.AImag, l.aImag), read(&p.B, l.b), read(&p.C, l.c),
	} {
		if err != nil {
			return err
		}
	}
	a, b, err := vandermonde.Discretise(l.disc(), l.size(), p)
	if err != nil {
		return err
	}
	s.a, s.b = interleave[T](a), interleave[T](b)
	s.c = num.Grow(s.c, len(p.C))
	for i := 0; i < len(p.C); i += 2 { // 2 Re(C x) = 2 (Re C Re x - Im C Im x)
		s.c[i], s.c[i+1] = 2*p.C[i], -2*p.C[i+1]
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

func (s *s4dStepper[T]) state() ([]T, tensor.Shape) {
	return s.x, tensor.Shape{s.batch, s.l.cfg.DModel, s.l.cfg.DState / 2, 2}
}

func (s *s4dStepper[T]) step(y, u []T) {
	h, n, ch := s.l.cfg.DModel, s.l.cfg.DState, s.l.cfg.Channels
	for b := range s.batch {
		for i := range h {
			x := s.x[(b*h+i)*n:][:n]
			advance(x, s.a[i*n:][:n], s.b[i*n:][:n], u[b*h+i])
			for k := range ch {
				y[(b*ch+k)*h+i] = dot(s.c[(k*h+i)*n:][:n], x)
			}
		}
	}
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
