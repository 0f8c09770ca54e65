package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/ops"
)

// BlockConfig configures a Block.
type BlockConfig struct {
	// One of these configures the sequence layer inside. Its DModel is the
	// block's.
	S4   *S4Config   `json:"s4,omitempty"`
	S4D  *S4DConfig  `json:"s4d,omitempty"`
	DSS  *DSSConfig  `json:"dss,omitempty"`
	LSSL *LSSLConfig `json:"lssl,omitempty"`

	Norm    NormKind `json:"norm,omitempty"`    // "" means LayerNorm
	PreNorm bool     `json:"prenorm,omitempty"` // normalise before the layer, not after the sum
	Dropout float64  `json:"dropout,omitempty"` // of the layer's output, before the sum
	// UntiedDropout drops every element by itself: see DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`
}

// sequenceConfig is the configuration of a layer that a Block can hold.
type sequenceConfig interface {
	Validate() error
	// features returns the number of features of input and output.
	features() (in, out int)
	// build makes the layer inside the builder's, under the name "layer".
	build(b *builder) (sequenceLayer, error)
}

// sequence returns the configuration of the layer inside. It is an error
// unless there is exactly one.
func (c BlockConfig) sequence() (sequenceConfig, error) {
	var found []sequenceConfig
	if c.S4 != nil {
		found = append(found, *c.S4)
	}
	if c.S4D != nil {
		found = append(found, *c.S4D)
	}
	if c.DSS != nil {
		found = append(found, *c.DSS)
	}
	if c.LSSL != nil {
		found = append(found, *c.LSSL)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("BlockConfig: want one sequence layer, S4, S4D, DSS or LSSL, got %d", len(found))
	}
	return found[0], nil
}

// DModel returns the number of features of the block, 0 if it has no one
// sequence layer.
func (c BlockConfig) DModel() int {
	s, err := c.sequence()
	if err != nil {
		return 0
	}
	in, _ := s.features()
	return in
}

// Validate reports the first field that is out of range.
func (c BlockConfig) Validate() error {
	s, err := c.sequence()
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("BlockConfig: %w", err)
	}
	if in, out := s.features(); in != out {
		return fmt.Errorf("BlockConfig: a residual block keeps its %d features: want Channels 1 or a mixing, got a layer with %d features of output", in, out)
	}
	if err := errors.Join(c.Norm.Validate(), DropoutConfig{P: c.Dropout}.Validate()); err != nil {
		return fmt.Errorf("BlockConfig: %w", err)
	}
	return nil
}

// sequenceLayer is a layer that a Block can hold.
type sequenceLayer interface {
	StateSpaceLayer
	fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error)
	fwdState(x, x0 *G.Node, after *Dropout) (y, state *G.Node, err error)
	inner() *base
}

// Block is a residual block, the unit that S4 models stack:
//
//	x + dropout(layer(norm(x)))    with PreNorm
//	norm(x + dropout(layer(x)))    without
//
// where layer is a state space model with activation and mixing. Its
// parameters are those of the layer under "layer" and of the norm under "norm".
type Block struct {
	*base
	cfg   BlockConfig
	layer sequenceLayer
	norm  *Norm
	drop  *Dropout
}

// NewBlock makes a residual block.
func NewBlock(g *G.ExprGraph, dt tensor.Dtype, cfg BlockConfig, opts ...Option) (*Block, error) {
	return buildBlock(newBuilder(g, dt, "Block", "block", opts), cfg)
}

func buildBlock(b *builder, cfg BlockConfig) (*Block, error) {
	if err := cfg.Validate(); err != nil {
		b.fail(err)
		return nil, b.err
	}
	seq, err := cfg.sequence()
	if err != nil {
		b.fail(err)
		return nil, b.err
	}
	l := &Block{cfg: deepcopy.Of(cfg)}
	if l.layer, err = seq.build(b); err != nil {
		return nil, err
	}
	b.adopt(l.layer.inner())
	if l.norm, err = buildNorm(b.child("Norm", "norm"), NormConfig{Kind: cfg.Norm, DModel: cfg.DModel()}); err != nil {
		return nil, err
	}
	b.adopt(l.norm.base)
	drop, err := buildDropout(b.child("Dropout", "dropout"), DropoutConfig{P: cfg.Dropout, Untied: cfg.UntiedDropout})
	if err != nil {
		return nil, err
	}
	l.drop = drop
	b.adopt(drop.base)
	l.base, err = b.done()
	return l, err
}

// Config returns the block's configuration.
func (l *Block) Config() BlockConfig { return deepcopy.Of(l.cfg) }

// Layer returns the state space layer inside.
func (l *Block) Layer() StateSpaceLayer { return l.layer }

// CloneTo returns a block on another graph that shares this one's tensors.
func (l *Block) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Block, error) {
	b := l.cloneBuilder(g, opts...)
	return buildBlock(b, b.frozenInside(l.cfg))
}

// frozenInside returns the configuration of a copy, given that of the original.
func (b *builder) frozenInside(c BlockConfig) BlockConfig {
	switch {
	case c.S4 != nil:
		s := *c.S4
		s.Frozen = b.frozenInstead(s.Frozen)
		c.S4 = &s
	case c.S4D != nil:
		s := *c.S4D
		s.Frozen = b.frozenInstead(s.Frozen)
		c.S4D = &s
	case c.DSS != nil:
		s := *c.DSS
		s.Frozen = b.frozenInstead(s.Frozen)
		c.DSS = &s
	case c.LSSL != nil:
		s := *c.LSSL
		s.Frozen = b.frozenInstead(s.Frozen)
		c.LSSL = &s
	}
	return c
}

// Settle makes the block consistent after values from elsewhere were put into its
// parameters and buffers: see S4.
func (l *Block) Settle() error {
	if s, ok := l.layer.(interface{ Settle() error }); ok {
		return s.Settle()
	}
	return nil
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Block) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil.
func (l *Block) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.around(x, lengths, func(u *G.Node) (*G.Node, error) { return l.layer.fwdDropped(u, lengths, l.drop) })
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state of
// the layer inside before the first step of x, nil for zero, and the state
// returned is that after the last one, both of the shape that StateShape
// returns. A Carry hands it over from one run to the next.
func (l *Block) FwdState(x, x0 *G.Node) (y, state *G.Node, err error) {
	y, err = l.around(x, nil, func(u *G.Node) (y *G.Node, err error) {
		y, state, err = l.layer.fwdState(u, x0, l.drop)
		return y, err
	})
	return y, state, err
}

// StateShape returns the shape of the state of a batch, nil if the layer inside has
// no state.
func (l *Block) StateShape(batch int) tensor.Shape {
	if l.layer == nil {
		return nil
	}
	return l.layer.StateShape(batch)
}

// around is the block around its layer, which includes the dropout.
func (l *Block) around(x, lengths *G.Node, layer func(u *G.Node) (*G.Node, error)) (*G.Node, error) {
	if err := l.checkInput(x, l.cfg.DModel(), false); err != nil {
		return nil, err
	}
	y := x
	var err error
	if l.cfg.PreNorm && l.cfg.Norm != NoNorm {
		if y, err = l.norm.FwdLengths(y, lengths); err != nil {
			return nil, err
		}
	}
	if y, err = layer(y); err != nil {
		return nil, err
	}
	if !l.cfg.PreNorm {
		y, err = l.norm.fwdSum(x, y, lengths)
		return l.made(y, x, lengths), err
	}
	y, err = ops.Add(x, y, ops.Lengths(lengths))
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}
