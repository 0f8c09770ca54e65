package layers

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// untunedLength is what kernel.C is tuned to by a recurrence that comes before
// the first sequence.
const untunedLength = 1024

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState Rank) per
// feature, by the Woodbury identity. Its state is (batch, H, DState/2, 2): re
// and im of each stored pair. It goes on beyond the length that kernel.C is
// tuned to. A bidirectional layer has none.
func (l *S4) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] { return newS4Stepper(l, batch, woodburyStep[float32]) },
		func() stepper[float64] { return newS4Stepper(l, batch, woodburyStep[float64]) })
}

// DenseRecurrence is Recurrence by dense matrices: O(DState^2) per feature and
// step, whatever the rank.
func (l *S4) DenseRecurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] { return newS4Stepper(l, batch, denseStep[float32]) },
		func() stepper[float64] { return newS4Stepper(l, batch, denseStep[float64]) })
}

// dplrStep is a recurrence of package cauchy.
type dplrStep[T num.Float] interface {
	Advance(y, x, u []T) error
}

func woodburyStep[T num.Float](cfg cauchy.Config, size cauchy.Size, p cauchy.Params[T]) (dplrStep[T], error) {
	return cauchy.NewStep(cfg, size, p)
}

func denseStep[T num.Float](cfg cauchy.Config, size cauchy.Size, p cauchy.Params[T]) (dplrStep[T], error) {
	return cauchy.NewDenseStep(cfg, size, p)
}

// s4Stepper steps a diagonal plus low-rank model.
type s4Stepper[T num.Float] struct {
	l       *S4
	newStep func(cauchy.Config, cauchy.Size, cauchy.Params[T]) (dplrStep[T], error)
	model   dplrStep[T]
	n       int // stored pairs
	x       []T // (B, H, 2, n): the real parts of a feature, then the imaginary ones
}

func newS4Stepper[T num.Float](l *S4, batch int, newStep func(cauchy.Config, cauchy.Size, cauchy.Params[T]) (dplrStep[T], error)) *s4Stepper[T] {
	return &s4Stepper[T]{l: l, newStep: newStep, n: l.size().N, x: num.Aligned[T](l.stateShape(batch).TotalSize())}
}

func (s *s4Stepper[T]) refresh() error {
	if s.l.tuned() == 0 {
		if err := s.l.tune(max(s.l.cfg.LMax, untunedLength)); err != nil {
			return err
		}
	}
	if err := checkDecay(s.l.cfg.ATransform, s.l.aReal); err != nil {
		return err
	}
	p, err := s4Params[T](s.l)
	if err != nil {
		return err
	}
	s.model, err = s.newStep(s.l.disc(), s.l.size(), p)
	return err
}

func (s *s4Stepper[T]) step(y, u []T) error { return s.model.Advance(y, s.x, u) }

func (s *s4Stepper[T]) state(dst []T) {
	for lo := 0; lo < len(s.x); lo += 2 * s.n {
		for i := range s.n {
			dst[lo+2*i], dst[lo+2*i+1] = s.x[lo+i], s.x[lo+s.n+i]
		}
	}
}

func (s *s4Stepper[T]) setState(src []T) {
	if src == nil {
		clear(s.x)
		return
	}
	for lo := 0; lo < len(s.x); lo += 2 * s.n {
		for i := range s.n {
			s.x[lo+i], s.x[lo+s.n+i] = src[lo+2*i], src[lo+2*i+1]
		}
	}
}
