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
func (l *DSS) Recurrence(batch int) (Recurrence, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return l.newRecurrence(batch,
		func() stepper[float32] { return newDiagonalStepper(&l.ssmLayer, batch, recurrenceOfDSS[float32](l)) },
		func() stepper[float64] { return newDiagonalStepper(&l.ssmLayer, batch, recurrenceOfDSS[float64](l)) })
}

// recurrenceOfDSS returns what reads Ab, Bb (H, N) and W (CH, H, N, 2) off the
// parameters. The output is Re(W x).
func recurrenceOfDSS[T num.Float](l *DSS) func() (ab, bb []complex128, w []T, gain T, err error) {
	return func() (ab, bb []complex128, w []T, gain T, err error) {
		var p vandermonde.DSSParams[T]
		for _, err := range []error{read(&p.LogDt, l.logDt), read(&p.Lambda, l.lambda), read(&p.W, l.w)} {
			if err != nil {
				return nil, nil, nil, 0, err
			}
		}
		size := vandermonde.DSSSize{CH: l.common.kernels(), H: l.cfg.DModel, N: l.cfg.DState, SeparateDt: !l.cfg.TiedDt}
		ab, bb, err = vandermonde.DiscretizeDSS(l.disc(l.window(1)), size, p)
		return ab, bb, p.W, 1, err
	}
}
