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
	x0 []*tensor.Dense // bound to the nodes of that name
	x1 []G.Value       // of the last run; nil before the first
}

// NewCarry connects the states x0 and x1 of FwdState: the nodes of x0, inputs
// without a value of their own, are zero in the first run, and after Next what
// those of x1 were in the last. The machine that runs the graph is made
// afterwards. Two layers need a carry each.
func NewCarry(x0, x1 G.Nodes) (*Carry, error) {
	if len(x0) == 0 || len(x0) != len(x1) {
		return nil, fmt.Errorf("layers: NewCarry: want states x0 and x1 of as many tensors, got %d and %d", len(x0), len(x1))
	}
	c := &Carry{x1: make([]G.Value, len(x1))}
	for i, n := range x0 {
		if err := checkCarry(n, x1[i]); err != nil {
			return nil, fmt.Errorf("layers: NewCarry: %w", err)
		}
		c.x0 = append(c.x0, tensor.New(tensor.Of(n.Dtype()), tensor.WithShape(n.Shape()...)))
		if err := G.Let(n, c.x0[i]); err != nil {
			return nil, fmt.Errorf("layers: NewCarry: %w", err)
		}
		G.Read(x1[i], &c.x1[i])
	}
	return c, nil
}

// checkCarry checks a tensor of a state before and after.
func checkCarry(x0, x1 *G.Node) error {
	switch {
	case x0 == nil || x1 == nil:
		return errors.New("want nodes x0 and x1, got nil")
	case x0.Op() != nil:
		return fmt.Errorf("want an input x0, got the result of %v", x0.Op())
	case x0.Graph() != x1.Graph():
		return errors.New("want x0 and x1 on one graph, got two")
	case !x0.Shape().Eq(x1.Shape()) || x0.Dtype() != x1.Dtype():
		return fmt.Errorf("want x0 and x1 of one shape and dtype, got %v of %v and %v of %v", x0.Shape(), x0.Dtype(), x1.Shape(), x1.Dtype())
	}
	return nil
}

// Next makes the state after the last run that before the next one.
func (c *Carry) Next() error {
	for i, v := range c.x1 {
		if v == nil {
			return errors.New("layers: Carry: Next: want a run of the graph first, by a machine made after the Carry")
		}
		if err := tensor.Copy(c.x0[i], v.(*tensor.Dense)); err != nil {
			return fmt.Errorf("layers: Carry: Next: %w", err)
		}
	}
	return nil
}

// Reset makes the state before the next run zero, for another sequence.
func (c *Carry) Reset() {
	for _, t := range c.x0 {
		t.Zero()
	}
}
