package layers

import "github.com/gorgonia-s4/s4/internal/num"

// stateModel is a recurrence without skip, with scratch memory for one session,
// whose states have a layout of its own.
type stateModel[T num.Float] interface {
	// Advance replaces the states x by their successors for the input u (B, H)
	// and writes C x (B, CH, H) to y.
	Advance(y, x, u []T) error
	// StateLen returns the length of the states of a batch.
	StateLen(batch int) int
	// Load and Store turn states from and to the layout of
	// stateSpace.stateShape.
	Load(x, src []T) error
	Store(x []T) []T
}

// modelWeights are the weights of a stateModel: a function that returns a model
// that steps by them, with scratch memory of its own.
type modelWeights[T num.Float] func() stateModel[T]

func (w modelWeights[T]) start(batch int) stepper[T] {
	m := w()
	return &modelStepper[T]{model: m, x: num.Aligned[T](m.StateLen(batch))}
}

// modelStepper is the stepper of a stateModel.
type modelStepper[T num.Float] struct {
	model stateModel[T]
	x     []T
}

func (s *modelStepper[T]) step(y, u []T) error { return s.model.Advance(y, s.x, u) }

func (s *modelStepper[T]) state() []T { return s.model.Store(s.x) }

func (s *modelStepper[T]) setState(src []T) error { return s.model.Load(s.x, src) }

func (s *modelStepper[T]) reset() { clear(s.x) }
