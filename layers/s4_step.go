package layers

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState Rank) per
// feature, by the Woodbury identity. Its state is (batch, H, DState/2, 2): re
// and im of each stored pair. It goes on beyond the length that kernel.C is
// tuned to. A bidirectional layer has none.
func (l *S4) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] {
			return &modelStepper[float32]{read: recurrenceOfS4(l, woodburyStep[float32]), batch: batch}
		},
		func() stepper[float64] {
			return &modelStepper[float64]{read: recurrenceOfS4(l, woodburyStep[float64]), batch: batch}
		})
}

// DenseRecurrence is Recurrence by dense matrices: O(DState^2) per feature and
// step, whatever the rank.
func (l *S4) DenseRecurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] {
			return &modelStepper[float32]{read: recurrenceOfS4(l, denseStep[float32]), batch: batch}
		},
		func() stepper[float64] {
			return &modelStepper[float64]{read: recurrenceOfS4(l, denseStep[float64]), batch: batch}
		})
}

func woodburyStep[T num.Float](cfg cauchy.Config, size cauchy.Size, p cauchy.Params[T]) (stateModel[T], error) {
	return cauchy.NewStep(cfg, size, p)
}

func denseStep[T num.Float](cfg cauchy.Config, size cauchy.Size, p cauchy.Params[T]) (stateModel[T], error) {
	return cauchy.NewDenseStep(cfg, size, p)
}

// recurrenceOfS4 returns what reads the recurrence that newStep makes off the
// parameters.
func recurrenceOfS4[T num.Float](l *S4, newStep func(cauchy.Config, cauchy.Size, cauchy.Params[T]) (stateModel[T], error)) func() (stateModel[T], error) {
	return func() (stateModel[T], error) {
		if err := l.checkTuned(); err != nil {
			return nil, err
		}
		if err := checkDecay(l.cfg.ATransform, l.aReal); err != nil {
			return nil, err
		}
		p, err := s4Params[T](l)
		if err != nil {
			return nil, err
		}
		return newStep(l.disc(), l.size(), p)
	}
}
