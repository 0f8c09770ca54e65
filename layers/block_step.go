package layers

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// Recurrence returns the block as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DModel). Its state is that of the
// mixer inside; a BatchNorm normalises by its running statistics. A block around a
// mixer that cannot step, a bidirectional one for example, has none.
func (l *Block) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a block that has no recurrence.
func (l *Block) checkRecurrent() error { return l.wrap("Recurrence", checkRecurrent(l.mixer)) }

// checkRecurrent reports a mixer that has no recurrence. One of another package is
// asked for a Snapshot.
func checkRecurrent(m Mixer) error {
	s, err := ability[Stepper](m, "step")
	if err != nil {
		return err
	}
	if c, ok := m.(interface{ checkRecurrent() error }); ok {
		return c.checkRecurrent()
	}
	_, err = snapshotOfStepper(s)
	return err
}

// Snapshot implements Stepper.
func (l *Block) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newBlockSnapshot[float32](l)
	}
	return newBlockSnapshot[float64](l)
}

// blockSnapshot is a block as its steps see it.
type blockSnapshot[T num.Float] struct {
	l     *Base
	cfg   BlockConfig
	h     int
	mixer Snapshot
	norm  *normSnapshot[T]
}

func newBlockSnapshot[T num.Float](l *Block) (Snapshot, error) {
	stepper, err := ability[Stepper](l.mixer, "step")
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	s := &blockSnapshot[T]{l: l.Base, cfg: l.cfg, h: l.cfg.DModel()}
	if s.mixer, err = snapshotOfStepper(stepper); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	s.norm, err = newNormSnapshot[T](l.norm)
	return s, err
}

// NewSession implements Snapshot.
func (s *blockSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.h); err != nil {
		return nil, err
	}
	mixer, err := newSession(s.mixer, batch)
	if err != nil {
		return nil, s.l.wrap("Recurrence", err)
	}
	r := &blockSession[T]{Session: mixer, s: s, batch: batch, in: newStepOutput[T](batch, s.h), out: newStepOutput[T](batch, s.h)}
	r.norms = newRowLoop(func(b int) { s.norm.apply(r.dst[b*s.h:][:s.h], r.src[b*s.h:][:s.h]) })
	return r, nil
}

// blockSession is a batch of sequences in a block: that of the mixer, whose state
// it has, with norm and residual around it.
type blockSession[T num.Float] struct {
	Session
	s       *blockSnapshot[T]
	batch   int
	in, out stepOutput[T] // of the mixer, and of the block

	norms    rowLoop
	dst, src []T // of the rows that are normalised
}

// normalise normalises rows x to dst, which may be x.
func (r *blockSession[T]) normalise(dst, x []T) {
	r.dst, r.src = dst, x
	r.norms.run(len(x)/r.s.h, r.s.h)
	r.dst, r.src = nil, nil
}

// Regroup implements Regrouper.
func (r *blockSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.s.l.checkStep(batch, r.s.h); err != nil {
		return nil, err
	}
	mixer, err := regroup(r.Session, r.s.mixer, rows)
	if err != nil {
		return nil, r.s.l.wrap("Regroup", err)
	}
	return func() {
		r.Session, r.batch = mixer(), batch
		r.in.resize(batch, r.s.h)
		r.out.resize(batch, r.s.h)
	}, nil
}

// end implements ending.
func (r *blockSession[T]) end(steps int) error { return endOf(r.Session, steps) }

// Step implements Session.
func (r *blockSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.s.l, u, r.batch, r.s.h)
	if err != nil {
		return nil, err
	}
	return r.around(x, r.batch, r.Session.Step)
}

// Read implements Reader.
func (r *blockSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.s.l, u, r.batch, r.s.h, r.s.h)
	if err != nil {
		return nil, err
	}
	return r.around(x, steps, func(u *tensor.Dense) (*tensor.Dense, error) { return readAll(r.Session, u) })
}

// around is the block around its mixer, for rows x.
func (r *blockSession[T]) around(x []T, rows int, mixer func(u *tensor.Dense) (*tensor.Dense, error)) (*tensor.Dense, error) {
	r.in.resize(rows, r.s.h)
	r.out.resize(rows, r.s.h)
	if r.s.cfg.PreNorm {
		r.normalise(r.in.data, x)
	} else {
		copy(r.in.data, x)
	}
	y, err := mixer(r.in.t)
	if err != nil {
		return nil, err
	}
	v, ok := weights.Memory[T](y)
	if !ok || !y.Shape().Eq(r.in.t.Shape()) {
		return nil, r.s.l.errorf("Step", "want its mixer to return (%d, %d) of dtype %v, contiguous, got %s", rows, r.s.h, r.s.l.dt, describe(y))
	}
	if r.s.cfg.NoResidual {
		copy(r.out.data, v)
	} else {
		vec.Add(r.out.data, x, v)
	}
	if !r.s.cfg.PreNorm {
		r.normalise(r.out.data, r.out.data)
	}
	return r.out.t, nil
}
