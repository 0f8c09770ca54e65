package layers

import "github.com/gorgonia-s4/s4/internal/num"

// stateModel is a recurrence without skip, whose states have a layout of its
// own.
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

// modelStepper is the stepper of a stateModel.
type modelStepper[T num.Float] struct {
	read  func() (stateModel[T], error) // from the parameters
	model stateModel[T]
	batch int
	x     []T
}

func (s *modelStepper[T]) refresh() error {
	m, err := s.read()
	if err != nil {
		return err
	}
	s.model = m
	if s.x == nil {
		s.x = num.Aligned[T](m.StateLen(s.batch))
	}
	return nil
}

func (s *modelStepper[T]) step(y, u []T) error { return s.model.Advance(y, s.x, u) }

func (s *modelStepper[T]) state() []T { return s.model.Store(s.x) }

func (s *modelStepper[T]) setState(src []T) error { return s.model.Load(s.x, src) }

func (s *modelStepper[T]) reset() { clear(s.x) }
