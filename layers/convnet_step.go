package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DModel). Its state is that of the
// convolutions, as StateShapes describes it; a BatchNorm normalises by its running
// statistics. A network with Same has none.
func (l *ConvNet) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *ConvNet) checkRecurrent() error { return l.convs.checkCausal(l.Base, "Recurrence") }

// Snapshot implements Stepper.
func (l *ConvNet) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newConvNetSnapshot[float32](l)
	}
	return newConvNetSnapshot[float64](l)
}

// convNetSnapshot is a convolutional network as its steps see it.
type convNetSnapshot[T num.Float] struct {
	convsSnapshot[T]
	cfg   ConvNetConfig
	norms []*normSnapshot[T]
}

func newConvNetSnapshot[T num.Float](l *ConvNet) (Snapshot, error) {
	convs, err := newConvsSnapshot(l.Base, l.convs, newConv1DSnapshot[T])
	if err != nil {
		return nil, err
	}
	s := &convNetSnapshot[T]{convsSnapshot: convs, cfg: l.cfg}
	for _, n := range l.norms {
		norm, err := newNormSnapshot[T](n)
		if err != nil {
			return nil, err
		}
		s.norms = append(s.norms, norm)
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *convNetSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.cfg.DModel); err != nil {
		return nil, err
	}
	convs, err := s.newSessions(batch)
	if err != nil {
		return nil, err
	}
	return &convNetSession[T]{convs, s, batch, ops.ActivationFunc[T](s.cfg.Activation)}, nil
}

// convNetSession is a batch of sequences in a convolutional network.
type convNetSession[T num.Float] struct {
	convsSession[T]
	s     *convNetSnapshot[T]
	batch int
	act   func(dst, x []T)
}

// Regroup implements Regrouper.
func (r *convNetSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, func(batch int) { r.batch = batch })
}

// Step implements Session.
func (r *convNetSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.s.cfg.DModel)
	if err != nil {
		return nil, err
	}
	return r.through(x, func(c *conv1dSession[T], x []T) error { return c.advance(x) })
}

// Read implements Reader.
func (r *convNetSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, r.batch, r.s.cfg.DModel, r.s.cfg.DModel)
	if err != nil {
		return nil, err
	}
	return r.through(x, func(c *conv1dSession[T], x []T) error { return c.scan(x, steps) })
}

// through maps rows x to the output, with what conv leaves in the output of each
// convolution.
func (r *convNetSession[T]) through(x []T, conv func(c *conv1dSession[T], x []T) error) (*tensor.Dense, error) {
	for i, c := range r.convs {
		if err := conv(c, x); err != nil {
			return nil, r.l.wrap("Step", err)
		}
		y := c.out.data
		if r.s.cfg.Norm != NoNorm {
			r.s.norms[i].rows(y, y)
		}
		r.act(y, y)
		x = y
	}
	return r.output(), nil
}
