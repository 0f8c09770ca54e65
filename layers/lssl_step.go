package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/krylov"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState^2) per feature.
// Its state is (batch, H, DState). A bidirectional layer has none.
func (l *LSSL) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *LSSL) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOf[float32](&l.ssmLayer, func() (*krylov.Step[float32], error) { return stepOfLSSL[float32](&l.model) })
	}
	return snapshotOf[float64](&l.ssmLayer, func() (*krylov.Step[float64], error) { return stepOfLSSL[float64](&l.model) })
}

// stepOfLSSL reads the recurrence off the parameters.
func stepOfLSSL[T num.Float](m *lsslModel) (*krylov.Step[T], error) {
	var p krylov.Params[[]T]
	for _, err := range []error{
		read(&p.Dt, m.logDt), read(&p.C, m.c),
		read(&p.A.Pl, m.a.Pl), read(&p.A.Dl, m.a.Dl), read(&p.A.D, m.a.D), read(&p.A.Du, m.a.Du),
		read(&p.A.Pr, m.a.Pr), read(&p.A.C, m.a.C), read(&p.A.B, m.a.B),
	} {
		if err != nil {
			return nil, err
		}
	}
	return krylov.NewStep(m.disc(1), m.size(), p)
}
