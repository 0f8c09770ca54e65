package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/adaptive"
)

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// token ids (batch), dtype int, to (batch, DModel).
func (l *AdaptiveEmbedding) Recurrence(batch int) (*Recurrence, error) {
	return NewRecurrence(l, batch)
}

// Snapshot implements Stepper.
func (l *AdaptiveEmbedding) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newAdaptiveEmbeddingSnapshot[float32](l)
	}
	return newAdaptiveEmbeddingSnapshot[float64](l)
}

// adaptiveEmbeddingSnapshot is an adaptive embedding as its steps see it.
type adaptiveEmbeddingSnapshot[T num.Float] struct {
	l        *Base
	vocab, h int
	w        *adaptive.TableWeights[T]
}

func newAdaptiveEmbeddingSnapshot[T num.Float](l *AdaptiveEmbedding) (Snapshot, error) {
	w, err := adaptive.NewTableWeights(l.table, l.cfg.DModel, valuesOf[T])
	return &adaptiveEmbeddingSnapshot[T]{l.Base, l.cfg.Vocab, l.cfg.DModel, w}, l.wrap("Recurrence", err)
}

// valuesOf returns the values of a parameter.
func valuesOf[T num.Float](n *G.Node) ([]T, error) {
	var v []T
	err := read(&v, n)
	return v, err
}

// NewSession implements Snapshot.
func (s *adaptiveEmbeddingSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, s.h); err != nil {
		return nil, err
	}
	return &adaptiveEmbeddingSession[T]{stateless{s.l}, s, batch, s.w.NewStep(), newStepOutput[T](batch, s.h)}, nil
}

// adaptiveEmbeddingSession is a batch of sequences of token ids.
type adaptiveEmbeddingSession[T num.Float] struct {
	stateless
	s     *adaptiveEmbeddingSnapshot[T]
	batch int
	step  *adaptive.TableStep[T]
	out   stepOutput[T]
}

// Regroup implements Regrouper.
func (r *adaptiveEmbeddingSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, r.s.h, r.resize)
}

// Read implements Reader.
func (r *adaptiveEmbeddingSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	return r.read(r, r.s.h, u, r.resize)
}

// checkInput implements inputChecker.
func (r *adaptiveEmbeddingSession[T]) checkInput(u *tensor.Dense) error {
	return checkIDs(r.l, u, r.s.vocab)
}

func (r *adaptiveEmbeddingSession[T]) resize(batch int) {
	r.batch = batch
	r.out.resize(batch, r.s.h)
}

// Step implements Session.
func (r *adaptiveEmbeddingSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	ids, err := stepIDs(r.l, u, r.batch, r.s.vocab)
	if err != nil {
		return nil, err
	}
	r.step.Apply(r.out.data, ids)
	return r.out.t, nil
}

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// (batch, DModel) to the logarithms of the probabilities of all tokens, (batch, Vocab).
func (l *AdaptiveSoftmax) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *AdaptiveSoftmax) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newAdaptiveSoftmaxSnapshot[float32](l)
	}
	return newAdaptiveSoftmaxSnapshot[float64](l)
}

// adaptiveSoftmaxSnapshot is an adaptive softmax as its steps see it.
type adaptiveSoftmaxSnapshot[T num.Float] struct {
	l        *Base
	h, vocab int
	w        *adaptive.Weights[T]
}

func newAdaptiveSoftmaxSnapshot[T num.Float](l *AdaptiveSoftmax) (Snapshot, error) {
	w, err := adaptive.NewWeights(l.of, l.cfg.DModel, valuesOf[T])
	return &adaptiveSoftmaxSnapshot[T]{l.Base, l.cfg.DModel, l.cfg.Vocab, w}, l.wrap("Recurrence", err)
}

// NewSession implements Snapshot.
func (s *adaptiveSoftmaxSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.l.checkStep(batch, max(s.h, s.vocab)); err != nil {
		return nil, err
	}
	return &adaptiveSoftmaxSession[T]{stateless{s.l}, s, batch, s.w.NewStep(), newStepOutput[T](batch, s.vocab)}, nil
}

// adaptiveSoftmaxSession is a batch of hidden vectors.
type adaptiveSoftmaxSession[T num.Float] struct {
	stateless
	s     *adaptiveSoftmaxSnapshot[T]
	batch int
	step  *adaptive.Step[T]
	out   stepOutput[T]
}

// Regroup implements Regrouper.
func (r *adaptiveSoftmaxSession[T]) Regroup(rows Rows) (do func(), err error) {
	return r.regroup(rows, max(r.s.h, r.s.vocab), r.resize)
}

// Read implements Reader.
func (r *adaptiveSoftmaxSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	return r.read(r, max(r.s.h, r.s.vocab), u, r.resize)
}

func (r *adaptiveSoftmaxSession[T]) resize(batch int) {
	r.batch = batch
	r.out.resize(batch, r.s.vocab)
}

// Step implements Session.
func (r *adaptiveSoftmaxSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.s.h)
	if err != nil {
		return nil, err
	}
	r.step.Apply(r.out.data, x, r.batch)
	return r.out.t, nil
}
