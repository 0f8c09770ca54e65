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
		recurrenceOfS4(l, woodburyWeights[float32]), recurrenceOfS4(l, woodburyWeights[float64]))
}

// DenseRecurrence is Recurrence by dense matrices: O(DState^2) per feature and
// step, whatever the rank.
func (l *S4) DenseRecurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		recurrenceOfS4(l, denseWeights[float32]), recurrenceOfS4(l, denseWeights[float64]))
}

func woodburyWeights[T num.Float](cfg cauchy.Config, size cauchy.Size, p cauchy.Params[T]) (modelWeights[T], error) {
	w, err := cauchy.NewStepWeights(cfg, size, p)
	return func() stateModel[T] { return w.Step() }, err
}

func denseWeights[T num.Float](cfg cauchy.Config, size cauchy.Size, p cauchy.Params[T]) (modelWeights[T], error) {
	w, err := cauchy.NewDenseWeights(cfg, size, p)
	return func() stateModel[T] { return w.Step() }, err
}

// recurrenceOfS4 returns what reads the weights that newWeights makes off the
// parameters.
func recurrenceOfS4[T num.Float](l *S4, newWeights func(cauchy.Config, cauchy.Size, cauchy.Params[T]) (modelWeights[T], error)) func() (stateWeights[T], error) {
	return func() (stateWeights[T], error) {
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
		return newWeights(l.disc(), l.size(), p)
	}
}
