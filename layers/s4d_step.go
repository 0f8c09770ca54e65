package layers

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, DModel, DState/2, 2): re and im of each stored pair.
// A bidirectional layer has none.
func (l *S4D) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch,
		func() stepper[float32] { return newDiagonalStepper(&l.ssmLayer, batch, recurrenceOfS4D[float32](l)) },
		func() stepper[float64] { return newDiagonalStepper(&l.ssmLayer, batch, recurrenceOfS4D[float64](l)) })
}

// recurrenceOfS4D returns what reads Ab, Bb (H, N) and C (CH, H, N, 2) off the
// parameters. The output is 2 Re(C x).
func recurrenceOfS4D[T num.Float](l *S4D) func() (ab, bb []complex128, c []T, gain T, err error) {
	return func() (ab, bb []complex128, c []T, gain T, err error) {
		var p vandermonde.Params[T]
		for _, err := range []error{
			checkDecay(l.cfg.ATransform, l.aReal),
			read(&p.Dt, l.logDt), read(&p.AReal, l.aReal), read(&p.AImag, l.aImag), read(&p.B, l.b), read(&p.C, l.c),
		} {
			if err != nil {
				return nil, nil, nil, 0, err
			}
		}
		ab, bb, err = vandermonde.Discretize(l.disc(), l.size(), p)
		return ab, bb, p.C, 2, err
	}
}
