package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState Rank) per
// feature, by the Woodbury identity. Its state is (batch, H, DState/2, 2): re
// and im of each stored pair. It goes on beyond the length that kernel.C is
// tuned to. A bidirectional layer has none.
func (l *S4) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *S4) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOf[float32](&l.ssmLayer, func() (*cauchy.Step[float32], error) {
			return stepOfS4(&l.model, cauchy.NewStep[float32])
		})
	}
	return snapshotOf[float64](&l.ssmLayer, func() (*cauchy.Step[float64], error) {
		return stepOfS4(&l.model, cauchy.NewStep[float64])
	})
}

// Dense returns the layer as a Stepper by dense matrices: O(DState^2) per feature
// and step, whatever the rank.
func (l *S4) Dense() Stepper { return denseS4{l} }

// denseS4 is an S4 layer that steps by dense matrices.
type denseS4 struct{ *S4 }

// Snapshot implements Stepper.
func (d denseS4) Snapshot() (Snapshot, error) {
	l := d.S4
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOf[float32](&l.ssmLayer, func() (*cauchy.DenseStep[float32], error) {
			return stepOfS4(&l.model, cauchy.NewDenseStep[float32])
		})
	}
	return snapshotOf[float64](&l.ssmLayer, func() (*cauchy.DenseStep[float64], error) {
		return stepOfS4(&l.model, cauchy.NewDenseStep[float64])
	})
}

// stepOfS4 reads the recurrence that newStep makes off the parameters.
func stepOfS4[T num.Float, S any](m *s4Model, newStep func(cauchy.Config, cauchy.Size, cauchy.Params[[]T]) (S, error)) (S, error) {
	var none S
	if err := m.checkTuned(); err != nil {
		return none, err
	}
	if err := checkDecay(m.cfg.ATransform, m.aReal); err != nil {
		return none, err
	}
	p, err := s4Params[T](m)
	if err != nil {
		return none, err
	}
	return newStep(m.disc(), m.size(), p)
}
