package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, In) to (batch, Out). Its state is that of the
// convolutions, as StateShapes describes it.
func (l *TCN) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *TCN) checkRecurrent() error { return l.convs.checkCausal(l.Base, "Recurrence") }

// Snapshot implements Stepper.
func (l *TCN) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newTCNSnapshot[float32](l)
	}
	return newTCNSnapshot[float64](l)
}

// tcnSnapshot is a temporal convolutional network as its steps see it.
type tcnSnapshot[T num.Float] struct {
	convsSnapshot[T] // two convolutions of each level
	cfg              TCNConfig
	shortcuts        []*ops.LinearWeights[T]
}

func newTCNSnapshot[T num.Float](l *TCN) (Snapshot, error) {
	convs, err := newConvsSnapshot[T](l.Base, l.convs)
	if err != nil {
		return nil, err
	}
	s := &tcnSnapshot[T]{convs, l.cfg, make([]*ops.LinearWeights[T], l.cfg.Levels)}
	for i, level := range l.levels {
		if level.shortcut == nil {
			continue
		}
		if s.shortcuts[i], err = linearWeights[T](level.shortcut); err != nil {
			return nil, l.wrap("Recurrence", err)
		}
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *tcnSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, max(s.cfg.In, s.cfg.Out)); err != nil {
		return nil, err
	}
	convs, err := s.newSessions(batch)
	if err != nil {
		return nil, err
	}
	r := &tcnSession[T]{convs, s.cfg, batch, make([]*ops.LinearStep[T], s.cfg.Levels), ops.ActivationFunc[T](s.cfg.Activation)}
	for i, w := range s.shortcuts {
		if w != nil {
			r.shortcuts[i] = w.NewStep()
		}
	}
	return r, nil
}

// tcnSession is a batch of sequences in a temporal convolutional network.
type tcnSession[T num.Float] struct {
	convsSession[T]
	cfg       TCNConfig
	batch     int
	shortcuts []*ops.LinearStep[T]
	act       func(dst, x []T)
}

// Regroup implements Regrouper.
func (r *tcnSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, func(batch int) { r.batch = batch })
}

// Step implements Session.
func (r *tcnSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.cfg.In)
	if err != nil {
		return nil, err
	}
	for i, shortcut := range r.shortcuts {
		y := r.convs[2*i+1].advance(r.act, r.convs[2*i].advance(r.act, x))
		if shortcut != nil {
			x = shortcut.Apply(x, r.batch)
		}
		vec.Add(y, y, x)
		r.act(y, y)
		x = y
	}
	return r.output(), nil
}

// advance returns the activated output for the inputs x.
func (r *conv1dSession[T]) advance(act func(dst, x []T), x []T) []T {
	y := r.out.data
	_ = r.step.Advance(y, x) // which have the lengths of the layer
	act(y, y)
	return y
}
