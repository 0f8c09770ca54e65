package train

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/task"
)

// Optimizer updates parameters from their gradients. [AdamW] is one, and
// [FromSolver] makes one of a solver of Gorgonia's.
type Optimizer interface {
	// Update makes one step: it updates the values in place. Each parameter is
	// known by its name; its node changes with the length of the batch. The
	// gradients are finite, and clipped; they may be changed, and are not kept.
	// The learning rates are those that the optimiser has, times factor: a
	// schedule's. An error ends the run; the trainer then takes back what
	// happened to the values, but not to the optimiser's own state.
	Update(ps []Learned, factor float64) error
	// State returns what a run must save to go on as if it had not stopped, and
	// SetState takes that back, all or nothing. A checkpoint of an optimiser
	// whose State is an error that wraps [ErrNotSaved] has the parameters, but no
	// run can be resumed from it.
	State() ([]Tensor, error)
	SetState(ts []Tensor) error
}

// ErrNotSaved says that an optimiser's state cannot be saved.
var ErrNotSaved = errors.New("the optimiser's state cannot be saved")

// Tensor is a named array of an optimiser's state.
type Tensor struct {
	// Name is unique in the state.
	Name string
	// Shape is the dimensions, outermost first.
	Shape []int
	// Data are the elements, row-major: []float32, []float64 or []int64.
	Data any
}

// FromSolver returns an optimiser of a solver of Gorgonia's with the given
// learning rate. Its state cannot be read: a run with it can be saved but not
// resumed, unless it is a gorgonia.VanillaSolver, which has none. A schedule can
// only change the rate of those that gorgonia.WithLearnRate knows.
func FromSolver(s G.Solver, lr float64) Optimizer { return &solver{s: s, lr: lr} }

type solver struct {
	s     G.Solver
	lr    float64
	nodes []G.ValueGrad
}

// Err reports what no run can be made with.
func (o *solver) Err() error {
	switch o.s.(type) {
	case nil:
		return errors.New("train: FromSolver: want a solver, got nil")
	case *G.AdamW:
		return errors.New("train: FromSolver: gorgonia.AdamW never changes a parameter: use train.NewAdamW")
	}
	if !(o.lr > 0) || !finite(o.lr) {
		return fmt.Errorf("train: FromSolver: want a learning rate > 0, got %v", o.lr)
	}
	return nil
}

func (o *solver) Update(ps []Learned, factor float64) error {
	switch o.s.(type) {
	case *G.RMSPropSolver, *G.AdamSolver, *G.VanillaSolver, *G.BarzilaiBorweinSolver, *G.Momentum:
		G.WithLearnRate(o.lr * factor)(o.s)
	default:
		if factor != 1 {
			return fmt.Errorf("%T: want a constant learning rate, for this solver's cannot be changed, got %g of it", o.s, factor)
		}
	}
	o.nodes = o.nodes[:0]
	for _, p := range ps {
		o.nodes = append(o.nodes, solved(p))
	}
	if err := o.s.Step(o.nodes); err != nil {
		return fmt.Errorf("%T: %w", o.s, err)
	}
	return nil
}

func (o *solver) State() ([]Tensor, error) {
	if _, ok := o.s.(*G.VanillaSolver); ok {
		return nil, nil
	}
	return nil, fmt.Errorf("%T: %w", o.s, ErrNotSaved)
}

func (o *solver) SetState(ts []Tensor) error {
	if len(ts) > 0 {
		return fmt.Errorf("%T: want no state, got tensor %q", o.s, ts[0].Name)
	}
	_, err := o.State()
	return err
}

// solved returns a parameter as Gorgonia's solvers take it: its node, unless its
// gradient is a copy.
func solved(p Learned) G.ValueGrad {
	grad, err := p.Node.Grad()
	if err != nil || holds(grad, p.Grad) {
		return p.Node
	}
	return copied{p.Node, p.Grad}
}

// holds says whether the memory of a value is that of an array.
func holds(v G.Value, a task.Array) bool {
	if s, ok := weights.Memory[float32](v); ok {
		return len(a.Float32s) > 0 && &s[0] == &a.Float32s[0]
	}
	s, ok := weights.Memory[float64](v)
	return ok && len(a.Float64s) > 0 && &s[0] == &a.Float64s[0]
}

// copied is a node whose gradient is elsewhere.
type copied struct {
	*G.Node
	grad task.Array
}

// Grad implements gorgonia.ValueGrad.
func (c copied) Grad() (G.Value, error) {
	if c.grad.Float32s != nil {
		return tensor.New(tensor.WithShape(c.grad.Shape...), tensor.WithBacking(c.grad.Float32s)), nil
	}
	return tensor.New(tensor.WithShape(c.grad.Shape...), tensor.WithBacking(c.grad.Float64s)), nil
}
