package rnn

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/size"
)

// Cell names what a recurrent network computes at a step. See the package comment
// for the formulas.
type Cell string

// The cells.
const (
	LSTM Cell = "lstm" // long short-term memory: four gates, two states
	GRU  Cell = "gru"  // gated recurrent unit: three gates
	Tanh Cell = "tanh" // no gates, the hyperbolic tangent
	ReLU Cell = "relu" // no gates, max(v, 0)
)

// Validate returns an error unless the cell is one of those here.
func (c Cell) Validate() error {
	switch c {
	case LSTM, GRU, Tanh, ReLU:
		return nil
	}
	return fmt.Errorf("want a cell, %q, %q, %q or %q, got %q", LSTM, GRU, Tanh, ReLU, string(c))
}

// Gates returns the number of rows of the weights for each hidden feature: 4 for
// LSTM, 3 for GRU, else 1.
func (c Cell) Gates() int {
	switch c {
	case LSTM:
		return 4
	case GRU:
		return 3
	}
	return 1
}

// HasC reports whether the cell has the second state c: LSTM has.
func (c Cell) HasC() bool { return c == LSTM }

// Direction names the order in which a recurrence takes the steps.
type Direction string

// The directions. The zero value is Forward.
const (
	Forward  Direction = "forward"  // from the first step
	Backward Direction = "backward" // from the last step of a row that counts
	Both     Direction = "both"     // two recurrences, one each, whose outputs are one behind the other
)

// Validate returns an error unless the direction is one of those here or empty.
func (d Direction) Validate() error {
	switch d {
	case "", Forward, Backward, Both:
		return nil
	}
	return fmt.Errorf("want a direction, %q, %q or %q, got %q", Forward, Backward, Both, string(d))
}

// count is the number of recurrences.
func (d Direction) count() int {
	if d == Both {
		return 2
	}
	return 1
}

// Config says what a recurrence computes.
type Config struct {
	Cell      Cell
	Direction Direction
	// Leak is, of Tanh alone, the part of a state that is new: h' = (1-Leak) h + Leak
	// tanh(..). It is in (0, 1], and 0 means 1.
	Leak float64
	// Slot is where its states are in tensors of those of several layers and
	// directions: see [State].
	Slot int
}

// Validate returns an error that names the first field out of range.
func (c Config) Validate() error {
	if err := c.Cell.Validate(); err != nil {
		return err
	}
	if err := checkLeak(c.Cell, c.Leak); err != nil {
		return err
	}
	if c.Slot < 0 {
		return fmt.Errorf("want Slot >= 0, got %d", c.Slot)
	}
	return size.First(size.Field("Slot", c.Slot), c.Direction.Validate())
}

// checkLeak returns an error unless the leak is one of the cell.
func checkLeak(c Cell, leak float64) error {
	switch {
	case leak != 0 && c != Tanh:
		return fmt.Errorf("want Leak 0 with cell %q, got %g", c, leak)
	case !(leak >= 0 && leak <= 1):
		return fmt.Errorf("want Leak in (0, 1], or 0 for 1, got %g", leak)
	}
	return nil
}

// Params are the parameters of a recurrence of H features over inputs of I, in the
// order and under the names of torch.nn: V is *gorgonia.Node or a slice. G is
// Cell.Gates: rows [0, H) of each are those of the first gate.
type Params[V any] struct {
	WeightIH V // (G*H, I)
	WeightHH V // (G*H, H)
	BiasIH   V // (G*H), or nil for none
	BiasHH   V // (G*H), or nil for none
}

// State is the state of recurrences: H (B, S, H), and C (B, S, H) where Cell.HasC, S
// of them side by side. One that is nil is zero.
type State[V any] struct{ H, C V }

// sizes are the sizes of a recurrence over a batch.
type sizes struct {
	B int // rows
	I int // features of the input
	H int // features of the state, and of the output
	L int // steps
}

// validate returns an error that names the first size out of range, or the first of
// the tensors that a recurrence of the cell computes with.
func (s sizes) validate(c Cell) error {
	if err := size.First(size.Positive("B", s.B), size.Positive("I", s.I), size.Positive("H", s.H), size.Positive("L", s.L)); err != nil {
		return err
	}
	w := layoutOf(c, 1).width
	return size.First(
		size.Tensor("the input weights (gates*H, I)", c.Gates(), s.H, s.I),
		size.Tensor("the recurrent weights (gates*H, H)", c.Gates(), s.H, s.H),
		size.Tensor("the gates (B, L, gates*H)", s.B, s.L, w, s.H),
		size.Tensor("the inputs (B, I, L)", s.B, s.I, s.L))
}
