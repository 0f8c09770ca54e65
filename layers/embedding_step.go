package layers

import (
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// token ids (batch), dtype int, to (batch, DModel).
func (l *Embedding) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *Embedding) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newEmbeddingSnapshot[float32](l)
	}
	return newEmbeddingSnapshot[float64](l)
}

// embeddingSnapshot is the table of an embedding, scaled, the row of the padding id
// zero.
type embeddingSnapshot[T num.Float] struct {
	l        *Base
	vocab, h int
	table    []T // (Vocab, H)
}

func newEmbeddingSnapshot[T num.Float](l *Embedding) (Snapshot, error) {
	var w []T
	if err := read(&w, l.w); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	s := &embeddingSnapshot[T]{l.Base, l.cfg.Vocab, l.cfg.DModel, slices.Clone(w)}
	if p := l.cfg.Padding; p != nil {
		clear(s.table[*p*s.h:][:s.h])
	}
	if scale := l.cfg.withDefaults().Scale; scale != 1 {
		vec.Scale(s.table, T(scale), s.table)
	}
	return s, nil
}

// NewSession implements Snapshot.
func (s *embeddingSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.h); err != nil {
		return nil, err
	}
	return &embeddingSession[T]{stateless{s.l}, s, batch, newStepOutput[T](batch, s.h)}, nil
}

// embeddingSession is a batch of sequences of token ids.
type embeddingSession[T num.Float] struct {
	stateless
	s     *embeddingSnapshot[T]
	batch int
	out   stepOutput[T]
}

// Regroup implements Regrouper.
func (r *embeddingSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, r.s.h, r.resize)
}

// Read implements Reader.
func (r *embeddingSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	return r.read(r, r.s.h, u, r.resize)
}

func (r *embeddingSession[T]) resize(batch int) {
	r.batch = batch
	r.out.resize(batch, r.s.h)
}

// Step implements Session.
func (r *embeddingSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	ids, err := stepIDs(r.l, u, r.batch, r.s.vocab)
	if err != nil {
		return nil, err
	}
	for b, id := range ids {
		copy(r.out.data[b*r.s.h:][:r.s.h], r.s.table[id*r.s.h:])
	}
	return r.out.t, nil
}

// stepIDs returns the token ids of a step, in [0, vocab).
func stepIDs(l *Base, u *tensor.Dense, batch, vocab int) ([]int, error) {
	if s := shapeOf(u); len(s) != 1 || s[0] != batch || u.Dtype() != tensor.Int || u.RequiresIterator() {
		return nil, l.errorf("Step", "want token ids (%d), contiguous, of dtype int, got %s", batch, describe(u))
	}
	ids := u.Ints()
	for b, id := range ids {
		if id < 0 || id >= vocab {
			return nil, l.errorf("Step", "ids[%d]: want an id in [0, %d), got %d", b, vocab, id)
		}
	}
	return ids, nil
}

// checkInput implements inputChecker.
func (r *embeddingSession[T]) checkInput(u *tensor.Dense) error { return checkIDs(r.l, u, r.s.vocab) }

// checkIDs reports token ids that a layer does not have.
func checkIDs(l *Base, u *tensor.Dense, vocab int) error {
	batch := 0
	if s := shapeOf(u); len(s) == 1 {
		batch = s[0]
	}
	_, err := stepIDs(l, u, batch, vocab)
	return err
}
