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
	convs, err := newConvsSnapshot(l.Base, l.convs, newConv1DSnapshot[T])
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
	return r.through(x, r.batch, func(c *conv1dSession[T], x []T) error { return c.advance(x) })
}

// Read implements Reader.
func (r *tcnSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, r.batch, r.cfg.In, max(r.cfg.In, r.cfg.Out))
	if err != nil {
		return nil, err
	}
	return r.through(x, steps, func(c *conv1dSession[T], x []T) error { return c.scan(x, steps) })
}

// through maps rows x to the output, with what conv leaves in the output of each
// convolution.
func (r *tcnSession[T]) through(x []T, rows int, conv func(c *conv1dSession[T], x []T) error) (*tensor.Dense, error) {
	for i, shortcut := range r.shortcuts {
		y := x
		for _, c := range r.convs[2*i : 2*i+2] {
			if err := conv(c, y); err != nil {
				return nil, r.l.wrap("Step", err)
			}
			y = c.out.data
			r.act(y, y)
		}
		if shortcut != nil {
			x = shortcut.Apply(x, rows)
		}
		vec.Add(y, y, x)
		r.act(y, y)
		x = y
	}
	return r.output(), nil
}

// advance writes the outputs of a step x (B, In) to r.out.
func (r *conv1dSession[T]) advance(x []T) error {
	r.out.resize(r.batch, r.step.Out)
	return r.step.Advance(r.out.data, x)
}
