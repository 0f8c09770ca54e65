package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, H, DState/2, 2): re and im of each stored pair. A
// bidirectional layer has none.
func (l *S4D) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *S4D) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOf[float32](&l.ssmLayer, func() (*vandermonde.Step[float32], error) { return stepOfS4D[float32](&l.model) })
	}
	return snapshotOf[float64](&l.ssmLayer, func() (*vandermonde.Step[float64], error) { return stepOfS4D[float64](&l.model) })
}

// stepOfS4D reads the recurrence off the parameters.
func stepOfS4D[T num.Float](m *s4dModel) (*vandermonde.Step[T], error) {
	var p vandermonde.Params[[]T]
	for _, err := range []error{
		checkDecay(m.cfg.ATransform, m.aReal),
		read(&p.Dt, m.logDt), read(&p.AReal, m.aReal), read(&p.AImag, m.aImag), read(&p.B, m.b), read(&p.C, m.c),
	} {
		if err != nil {
			return nil, err
		}
	}
	return vandermonde.NewStep(m.disc(), m.size(), p)
}
