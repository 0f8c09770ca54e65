package layers

import (
	"gorgonia.org/tensor"
)

// Recurrence is a layer as a recurrent network: it consumes a sequence one
// step at a time, without a graph, and returns what Fwd returns for the whole
// sequence in evaluation mode, up to rounding. A step costs the same at any
// position; the state has a fixed size.
//
// The parameters are read when the Recurrence is made. A Recurrence is not
// safe for concurrent use.
type Recurrence interface {
	// Step consumes one step u (B, DModel) and returns the output (B, DOut). The
	// tensor returned is overwritten by the next Step. u is contiguous and of
	// the layer's dtype.
	Step(u *tensor.Dense) (*tensor.Dense, error)
	// State returns a copy of the state.
	State() *tensor.Dense
	// SetState replaces the state by a copy of x, which has the shape and dtype
	// of what State returns.
	SetState(x *tensor.Dense) error
	// Reset sets the state to zero, the start of a sequence.
	Reset()
	// Refresh reads the layer's parameters again, after a training step. The
	// state is kept.
	Refresh() error
}
