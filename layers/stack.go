package layers

import (
	"fmt"
	"slices"
	"strconv"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// StackConfig configures a Stack.
type StackConfig struct {
	// Blocks are the blocks in order. They may differ in everything but DModel.
	Blocks []BlockConfig `json:"blocks"`
	// Repeat is how often the blocks come one after the other; 0 means once.
	Repeat int `json:"repeat,omitempty"`
	// Norm is the normalisation after the last block. "" means that of the last
	// block if it has PreNorm, and otherwise none.
	Norm NormKind `json:"norm,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. A field that no stack, block or mixer
// has is an error.
func (c *StackConfig) UnmarshalJSON(text []byte) error {
	type fields StackConfig // without its methods
	return strictjson.Decode(text, (*fields)(c))
}

// MaxBlocks is the largest number of blocks of a Stack.
const MaxBlocks = 4096

// DModel returns the number of features of the stack, 0 without blocks.
func (c StackConfig) DModel() int {
	if len(c.Blocks) == 0 {
		return 0
	}
	return c.Blocks[0].DModel()
}

// Len returns the number of blocks, repeated ones included.
func (c StackConfig) Len() int { return len(c.Blocks) * max(c.Repeat, 1) }

// Validate reports the first field that is out of range.
func (c StackConfig) Validate() error {
	switch n := len(c.Blocks); {
	case n == 0:
		return fmt.Errorf("StackConfig: want at least one of Blocks, got none")
	case c.Repeat < 0 || n > MaxBlocks || c.Repeat > MaxBlocks/n:
		return fmt.Errorf("StackConfig: want Repeat >= 0 and at most %d blocks in all, got %d blocks and Repeat %d", MaxBlocks, n, c.Repeat)
	}
	for i, b := range c.Blocks {
		if err := b.Validate(); err != nil && len(c.Blocks) == 1 {
			return fmt.Errorf("StackConfig: %w", err)
		} else if err != nil {
			return fmt.Errorf("StackConfig: Blocks[%d]: %w", i, err)
		}
		if b.DModel() != c.DModel() {
			return fmt.Errorf("StackConfig: Blocks[%d]: want the DModel of Blocks[0], %d, got %d", i, c.DModel(), b.DModel())
		}
	}
	if err := c.Norm.Validate(); err != nil {
		return fmt.Errorf("StackConfig: Norm: %w", err)
	}
	return nil
}

// norm returns the normalisation after the last block.
func (c StackConfig) norm() NormKind {
	last := c.Blocks[len(c.Blocks)-1]
	switch {
	case c.Norm != "":
		return c.Norm
	case last.PreNorm:
		return last.Norm
	}
	return NoNorm
}

// Stack is blocks in a row, what models are made of:
//
//	norm(block(...block(x)))
//
// The blocks are named by their number, "stack.0", and the norm after them
// "stack.norm".
type Stack struct {
	*Base
	cfg    StackConfig
	blocks []*Block
	norm   *Norm
}

// NewStack makes a stack.
func NewStack(g *G.ExprGraph, dt tensor.Dtype, cfg StackConfig, opts ...Option) (*Stack, error) {
	return newLayer[*Stack](g, dt, cfg, opts)
}

// Build implements Config.
func (c StackConfig) Build(b *Builder) (Layer, error) {
	c.Blocks = slices.Clone(c.Blocks)
	l := &Stack{}
	for i := range c.Len() {
		block, err := child[*Block](b, strconv.Itoa(i), c.Blocks[i%len(c.Blocks)])
		if err != nil {
			return nil, err
		}
		l.blocks = append(l.blocks, block)
		c.Blocks[i%len(c.Blocks)] = block.Config()
	}
	l.cfg, b.base.cfg = c, c
	l.norm, _ = child[*Norm](b, "norm", NormConfig{Kind: c.norm(), DModel: c.DModel()})
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the stack's configuration.
func (l *Stack) Config() StackConfig { return deepcopy.Of(l.cfg) }

// Blocks returns the blocks in order.
func (l *Stack) Blocks() []*Block { return slices.Clone(l.blocks) }

// Norm returns the normalisation after the last block.
func (l *Stack) Norm() *Norm { return l.norm }

// CloneTo returns a stack on another graph that shares this one's tensors.
func (l *Stack) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Stack, error) {
	return Clone(l, g, opts...)
}

// Settle makes the stack consistent after values from elsewhere were put into its
// parameters and buffers: see S4. It returns the first error, with the blocks
// before it settled.
func (l *Stack) Settle() error {
	for _, b := range l.blocks {
		if err := b.Settle(); err != nil {
			return err
		}
	}
	return nil
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Stack) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read. lengths is (B) of dtype int, or nil.
func (l *Stack) FwdLengths(x, lengths *G.Node) (y *G.Node, err error) {
	y, _, err = l.FwdAll(x, lengths)
	return y, err
}

// FwdAll is FwdLengths that returns what each block returns, too: the residual stream
// (B, DModel, L) behind it, before the norm behind the last.
func (l *Stack) FwdAll(x, lengths *G.Node) (y *G.Node, blocks G.Nodes, err error) {
	if l.Base == nil {
		return nil, nil, l.wrap("Fwd", errNotMade)
	}
	y = x
	for _, b := range l.blocks {
		if y, err = b.FwdLengths(y, lengths); err != nil {
			return nil, nil, err
		}
		blocks = append(blocks, y)
	}
	if l.cfg.norm() != NoNorm { // else it would mask what has been
		if y, err = l.norm.FwdLengths(y, lengths); err != nil {
			return nil, nil, err
		}
	}
	return l.made(y, x, lengths), blocks, nil
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state of all
// blocks before the first step of x, nil for zero, and x1 that after the last one,
// both as StateShapes describes them. Every mixer has to be Stateful.
func (l *Stack) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if l.Base == nil {
		return nil, nil, l.wrap("FwdState", errNotMade)
	}
	if want := len(l.StateShapes(1)); len(x0) != 0 && len(x0) != want {
		return nil, nil, l.errorf("FwdState", "want a state of %d tensors, or none for zero, got %d", want, len(x0))
	}
	y = x
	inputs := append(G.Nodes{x}, x0...)
	for _, b := range l.blocks {
		var from, to G.Nodes
		if len(x0) > 0 {
			n := len(b.StateShapes(1))
			from, x0 = x0[:n], x0[n:]
		}
		if y, to, err = b.FwdState(y, from); err != nil {
			return nil, nil, err
		}
		x1 = append(x1, to...)
	}
	if y, err = l.norm.Fwd(y); err != nil {
		return nil, nil, err
	}
	return l.made(y, inputs...), x1, nil
}

// StateShapes describes the state of a batch: those of the blocks in order, their
// names behind the number of the block.
func (l *Stack) StateShapes(batch int) []StateShape {
	var all []StateShape
	for i, b := range l.blocks {
		for _, s := range b.StateShapes(batch) {
			all = append(all, StateShape{fmt.Sprintf("%d.%s", i, s.Name), s.Shape, s.Grows})
		}
	}
	return all
}
