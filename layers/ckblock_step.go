package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, In) to (batch, Out), in O(LMax) for each pair of features. Its state is
// that of the convolutions, as StateShapes describes it.
func (l *CKBlock) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *CKBlock) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.dt == tensor.Float32:
		return newCKBlockSnapshot[float32](l)
	}
	return newCKBlockSnapshot[float64](l)
}

// ckBlockSnapshot is a block as its steps see it.
type ckBlockSnapshot[T num.Float] struct {
	convsSnapshot[T] // two
	cfg              CKBlockConfig
	norms            [2]*normSnapshot[T]
	shortcut         *ops.LinearWeights[T] // nil: the input itself
}

func newCKBlockSnapshot[T num.Float](l *CKBlock) (Snapshot, error) {
	convs, err := newConvsSnapshot(l.Base, l.convs, newCKConvSnapshot[T])
	if err != nil {
		return nil, err
	}
	s := &ckBlockSnapshot[T]{convsSnapshot: convs, cfg: l.cfg}
	for k, n := range l.norms {
		if s.norms[k], err = newNormSnapshot[T](n); err != nil {
			return nil, err
		}
	}
	if l.shortcut != nil {
		if s.shortcut, err = linearWeights[T](l.shortcut); err != nil {
			return nil, l.wrap("Recurrence", err)
		}
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *ckBlockSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, max(s.cfg.In, s.cfg.Out)); err != nil {
		return nil, err
	}
	convs, err := s.newSessions(batch)
	if err != nil {
		return nil, err
	}
	r := &ckBlockSession[T]{convsSession: convs, s: s, batch: batch, relu: ops.ActivationFunc[T](ops.ActReLU)}
	if s.shortcut != nil {
		r.shortcut = s.shortcut.NewStep()
	}
	return r, nil
}

// ckBlockSession is a batch of sequences in a block.
type ckBlockSession[T num.Float] struct {
	convsSession[T]
	s        *ckBlockSnapshot[T]
	batch    int
	shortcut *ops.LinearStep[T]
	relu     func(dst, x []T)
}

// Regroup implements Regrouper.
func (r *ckBlockSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, func(batch int) { r.batch = batch })
}

// Step implements Session.
func (r *ckBlockSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.s.cfg.In)
	if err != nil {
		return nil, err
	}
	return r.through(x, r.batch, func(c *conv1dSession[T], x []T) error { return c.advance(x) })
}

// Read implements Reader.
func (r *ckBlockSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, r.batch, r.s.cfg.In, max(r.s.cfg.In, r.s.cfg.Out))
	if err != nil {
		return nil, err
	}
	return r.through(x, steps, func(c *conv1dSession[T], x []T) error { return c.scan(x, steps) })
}

// through maps rows x to the output, with what conv leaves in the output of each
// convolution.
func (r *ckBlockSession[T]) through(x []T, rows int, conv func(c *conv1dSession[T], x []T) error) (*tensor.Dense, error) {
	y := x
	for k, c := range r.convs {
		if err := conv(c, y); err != nil {
			return nil, r.l.wrap("Step", err)
		}
		y = c.out.data
		r.s.norms[k].rows(y, y)
		r.relu(y, y)
	}
	if r.shortcut != nil {
		x = r.shortcut.Apply(x, rows)
	}
	vec.Add(y, y, x)
	r.relu(y, y)
	return r.output(), nil
}
