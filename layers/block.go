package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops"
)

// BlockConfig configures a Block.
type BlockConfig struct {
	// S4D configures the sequence layer inside. Its DModel is the block's.
	S4D *S4DConfig `json:"s4d,omitempty"`

	Norm    NormKind `json:"norm,omitempty"`    // "" means LayerNorm
	PreNorm bool     `json:"prenorm,omitempty"` // normalise before the layer, not after the sum
	Dropout float64  `json:"dropout,omitempty"` // of the layer's output, before the sum
	// UntiedDropout drops every element by itself: see DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`
}

// DModel returns the number of features of the block.
func (c BlockConfig) DModel() int {
	if c.S4D == nil {
		return 0
	}
	return c.S4D.DModel
}

// Validate reports the first field that is out of range.
func (c BlockConfig) Validate() error {
	if c.S4D == nil {
		return errors.New("BlockConfig: want a sequence layer: S4D")
	}
	if err := c.S4D.Validate(); err != nil {
		return fmt.Errorf("BlockConfig: %w", err)
	}
	if c.S4D.Mixing == MixNone && c.S4D.Channels > 1 {
		return fmt.Errorf("BlockConfig: a residual block keeps DModel = %d features: want Channels 1 or a mixing, got Channels %d with Mixing %q", c.S4D.DModel, c.S4D.Channels, MixNone)
	}
	if err := errors.Join(c.Norm.Validate(), DropoutConfig{P: c.Dropout}.Validate()); err != nil {
		return fmt.Errorf("BlockConfig: %w", err)
	}
	return nil
}

// sequenceLayer is a layer that a Block can hold.
type sequenceLayer interface {
	Layer
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
	Recurrence(batch int) (Recurrence, error)
	fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error)
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
	l := &Block{cfg: cfg}
	layer, err := buildS4D(b.child("S4D", "layer"), *cfg.S4D)
	if err != nil {
		return nil, err
	}
	l.layer = layer
	b.adopt(layer.base)
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
func (l *Block) Config() BlockConfig { return l.cfg }

// CloneTo returns a block on another graph that shares this one's tensors.
func (l *Block) CloneTo(g *G.ExprGraph) (*Block, error) { return buildBlock(l.cloneBuilder(g), l.cfg) }

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Block) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right, of which only the first
// lengths[b] steps of row b count. lengths is (B) of dtype int, or nil.
func (l *Block) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.checkInput(x, l.cfg.DModel(), false); err != nil {
		return nil, err
	}
	y := x
	var err error
	if l.cfg.PreNorm {
		if y, err = l.norm.FwdLengths(y, lengths); err != nil {
			return nil, err
		}
	}
	if y, err = l.layer.fwdDropped(y, lengths, l.drop); err != nil {
		return nil, err
	}
	if !l.cfg.PreNorm {
		return l.norm.fwdSum(x, y, lengths)
	}
	y, err = ops.Add(x, y)
	return y, l.wrap("Fwd", err)
}
