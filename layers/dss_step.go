package layers

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, DModel, DState, 2), re and im. With LMax, it returns
// what Fwd does for the first LMax steps: the recurrence does not forget where
// the kernel ends. A bidirectional layer has none, nor has the softmax version
// without LMax.
//
// In the softmax version, states with Re Lambda > 0 grow from step to step, and
// their rounding errors with them: after LMax steps up to about 2 LMax machine
// epsilons, where other layers are off by a few. Those that grow over LMax by
// more than e^80 (float64: e^700) are out of the range of the state and left
// out: see vandermonde.DiscretizeDSS. The same holds of FwdState.
func (l *DSS) Recurrence(batch int) (Recurrence, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return l.newRecurrence(batch, recurrenceOfDSS[float32](l), recurrenceOfDSS[float64](l))
}

// recurrenceOfDSS returns what reads the weights off the parameters. The output is
// Re(W x).
func recurrenceOfDSS[T num.Float](l *DSS) func() (stateWeights[T], error) {
	return func() (stateWeights[T], error) {
		var p vandermonde.DSSParams[T]
		for _, err := range []error{read(&p.LogDt, l.logDt), read(&p.Lambda, l.lambda), read(&p.W, l.w)} {
			if err != nil {
				return nil, err
			}
		}
		size := vandermonde.DSSSize{CH: l.common.kernels(), H: l.cfg.DModel, N: l.cfg.DState, SeparateDt: !l.cfg.TiedDt}
		ab, bb, err := vandermonde.DiscretizeDSS(l.disc(l.window(1)), size, p)
		if err != nil {
			return nil, err
		}
		return diagonalWeights(&l.ssmLayer, ab, bb, p.W, 1), nil
	}
}
