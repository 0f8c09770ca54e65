package param

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Param is a trainable parameter of a layer together with what the layer
// recommends to an optimiser about it.
type Param struct {
	// Name is unique in the model and stable across versions: it is the
	// parameter's key in a checkpoint ("blocks.0.layer.kernel.log_dt").
	Name string
	// Node is the parameter on one graph. The clones of a layer have nodes of
	// their own, bound to tensors of the same memory.
	Node *G.Node
	Hint
}

// Hint is what a layer recommends to an optimiser about a parameter. The zero
// value leaves everything to the optimiser.
type Hint struct {
	// LR is the peak learning rate; nil means the optimiser's own.
	LR *float64
	// WeightDecay is the decoupled weight decay; nil means the optimiser's own.
	WeightDecay *float64
	// Frozen parameters are saved with the model and never updated.
	Frozen bool
}

// Buffer is state of a layer that is saved with the model but not learned:
// running statistics, counters of random number generators.
type Buffer struct {
	// Name is unique among the parameters and buffers of a model: it is the
	// buffer's key in a checkpoint.
	Name string
	// Value is shared by all clones of the layer and updated in place.
	Value *tensor.Dense
}

// Clone returns a parameter of the same node with hints of its own: what LR and
// WeightDecay point to is copied.
func (p Param) Clone() Param {
	p.LR, p.WeightDecay = copied(p.LR), copied(p.WeightDecay)
	return p
}

// copied returns a pointer to a copy, or nil.
func copied(v *float64) *float64 {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}

// Value returns the tensor that holds the parameter. It is an error if the node
// has none: something else was bound to it.
func (p Param) Value() (*tensor.Dense, error) {
	if p.Node == nil {
		return nil, fmt.Errorf("param: parameter %s: want a node, got nil", p.Name)
	}
	t, ok := p.Node.Value().(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("param: parameter %s: want a tensor, its node holds %T", p.Name, p.Node.Value())
	}
	return t, nil
}
