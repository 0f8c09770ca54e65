package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Carry hands the state that a run of a graph leaves over to the next run: for
// a sequence that is read, or learned from, in parts. Gradients end where a part
// begins, which is truncated back-propagation through time.
type Carry struct {
	x0    *tensor.Dense // bound to the node of that name
	state G.Value       // of the last run; nil before the first
}

// NewCarry connects the nodes x0 and state of FwdState: x0, an input without a
// value of its own, is zero in the first run, and after Next what state was in
// the last. The machine that runs the graph is made afterwards. Two layers need
// a carry each.
func NewCarry(x0, state *G.Node) (*Carry, error) {
	switch {
	case x0 == nil || state == nil:
		return nil, errors.New("layers: NewCarry: want nodes x0 and state, got nil")
	case x0.Op() != nil:
		return nil, fmt.Errorf("layers: NewCarry: want an input x0, got the result of %v", x0.Op())
	case x0.Graph() != state.Graph():
		return nil, errors.New("layers: NewCarry: want x0 and state on one graph, got two")
	case !x0.Shape().Eq(state.Shape()) || x0.Dtype() != state.Dtype():
		return nil, fmt.Errorf("layers: NewCarry: want x0 and state of one shape and dtype, got %v of %v and %v of %v", x0.Shape(), x0.Dtype(), state.Shape(), state.Dtype())
	}
	c := &Carry{x0: tensor.New(tensor.Of(x0.Dtype()), tensor.WithShape(x0.Shape()...))}
	if err := G.Let(x0, c.x0); err != nil {
		return nil, fmt.Errorf("layers: NewCarry: %w", err)
	}
	G.Read(state, &c.state)
	return c, nil
}

// Next makes the state after the last run that before the next one.
func (c *Carry) Next() error {
	if c.state == nil {
		return errors.New("layers: Carry: Next: want a run of the graph first, by a machine made after the Carry")
	}
	if err := tensor.Copy(c.x0, c.state.(*tensor.Dense)); err != nil {
		return fmt.Errorf("layers: Carry: Next: %w", err)
	}
	return nil
}

// Reset makes the state before the next run zero, for another sequence.
func (c *Carry) Reset() { c.x0.Zero() }
