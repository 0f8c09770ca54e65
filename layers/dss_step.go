package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, H, DState, 2), re and im. With LMax, it returns what Fwd
// does for the first LMax steps: the recurrence does not forget where the kernel
// ends. A bidirectional layer has none, nor has the softmax version without LMax.
//
// In the softmax version, states with Re Lambda > 0 grow from step to step, and
// their rounding errors with them: after LMax steps up to about 2 LMax machine
// epsilons, where other layers are off by a few. Those that grow over LMax by
// more than e^80 (float64: e^700) are out of the range of the state and left
// out: see vandermonde.DiscretizeDSS. The same holds of FwdState.
func (l *DSS) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *DSS) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOf[float32](&l.ssmLayer, func() (*vandermonde.Step[float32], error) { return stepOfDSS[float32](&l.model) })
	}
	return snapshotOf[float64](&l.ssmLayer, func() (*vandermonde.Step[float64], error) { return stepOfDSS[float64](&l.model) })
}

// checkRecurrent reports a layer that has no recurrence.
func (l *DSS) checkRecurrent() error {
	if err := l.ssmLayer.checkRecurrent(); err != nil {
		return err
	}
	return l.wrap("Recurrence", l.model.checkRecurrent())
}

// stepOfDSS reads the recurrence off the parameters.
func stepOfDSS[T num.Float](m *dssModel) (*vandermonde.Step[T], error) {
	var p vandermonde.DSSParams[[]T]
	for _, err := range []error{read(&p.LogDt, m.logDt), read(&p.Lambda, m.lambda), read(&p.W, m.w)} {
		if err != nil {
			return nil, err
		}
	}
	c := m.cfg.common()
	size := vandermonde.DSSSize{CH: c.kernels(), H: c.inner(), N: m.cfg.DState, SeparateDt: m.cfg.Dt == DtPerPart}
	return vandermonde.NewDSSStep(m.disc(m.window(1)), size, p)
}
