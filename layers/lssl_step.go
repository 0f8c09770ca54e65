package layers

import (
	"slices"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/krylov"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState^2) per feature.
// Its state is (batch, DModel, DState). A bidirectional layer has none.
func (l *LSSL) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] { return newLSSLStepper[float32](l, batch) },
		func() stepper[float64] { return newLSSLStepper[float64](l, batch) })
}

// lsslStepper steps x = Ab x + Bb u, y = C x for dense Ab.
type lsslStepper[T num.Float] struct {
	l     *LSSL
	batch int

	a, b []T // discretised, (H, N, N) and (H, N)
	c    []T // (CH, H, N)
	x    []T // state (B, H, N)
	old  []T // (N)
}

func newLSSLStepper[T num.Float](l *LSSL, batch int) *lsslStepper[T] {
	return &lsslStepper[T]{
		l: l, batch: batch,
		x: num.Aligned[T](l.stateShape(batch).TotalSize()), old: num.Aligned[T](l.cfg.DState),
	}
}

func (s *lsslStepper[T]) refresh() error {
	l := s.l
	p := krylov.Params[T]{}
	for _, err := range []error{
		read(&p.Dt, l.logDt), read(&p.C, l.c),
		read(&p.A.Pl, l.a.Pl), read(&p.A.Dl, l.a.Dl), read(&p.A.D, l.a.D), read(&p.A.Du, l.a.Du),
		read(&p.A.Pr, l.a.Pr), read(&p.A.C, l.a.C), read(&p.A.B, l.a.B),
	} {
		if err != nil {
			return err
		}
	}
	a, b, err := krylov.Discretize(l.disc(1), l.size(), p)
	if err != nil {
		return err
	}
	s.a, s.b, s.c = rounded[T](a), rounded[T](b), p.C
	return nil
}

// rounded returns v in another float type.
func rounded[T num.Float](v []float64) []T {
	w := num.Aligned[T](len(v))
	for i, x := range v {
		w[i] = T(x)
	}
	return w
}

func (s *lsslStepper[T]) state() []T { return slices.Clone(s.x) }

func (s *lsslStepper[T]) setState(src []T) error {
	copy(s.x, src)
	return nil
}

func (s *lsslStepper[T]) reset() { clear(s.x) }

func (s *lsslStepper[T]) step(y, u []T) error {
	h, n, ch := s.l.cfg.DModel, s.l.cfg.DState, s.l.cfg.Channels
	for b := range s.batch {
		for i := range h {
			x := s.x[(b*h+i)*n:][:n]
			copy(s.old, x)
			for j := range x {
				x[j] = vec.Dot(s.a[(i*n+j)*n:][:n], s.old)
			}
			vec.Axpy(x, u[b*h+i], s.b[i*n:][:n])
			for k := range ch {
				y[(b*ch+k)*h+i] = vec.Dot(s.c[(k*h+i)*n:][:n], x)
			}
		}
	}
	return nil
}
