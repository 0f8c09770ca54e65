package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/retention"
)

// RetNetConfig configures a RetNet layer. Its zero values are the defaults of
// torchscale, but for widths, which are those of the paper, and no dropout.
type RetNetConfig struct {
	DModel int `json:"d_model"`           // features of input and output
	Heads  int `json:"heads"`             // see RetentionConfig, as all down to Positions
	VWidth int `json:"v_width,omitempty"` // 0 means 2*DModel

	Chunk     int                 `json:"chunk,omitempty"`
	Decay     retention.Decay     `json:"decay,omitempty"`
	Positions retention.Positions `json:"positions,omitempty"`
	// HeadNorm is that of the output of each head: RetentionConfig.Norm.
	HeadNorm     retention.Norm `json:"head_norm,omitempty"`
	UnscaledKeys bool           `json:"unscaled_keys,omitempty"`

	FF         int            `json:"ff,omitempty"`         // width of the gated feed-forward network; 0 means 2*DModel
	Activation ops.Activation `json:"activation,omitempty"` // in it; "" means ops.ActGELU

	NormEps float64 `json:"norm_eps,omitempty"` // of the norms in front; 0 means 1e-6

	Dropout       float64 `json:"dropout,omitempty"`        // of both outputs, before the sums
	FFDropout     float64 `json:"ff_dropout,omitempty"`     // inside the feed-forward network
	UntiedDropout bool    `json:"untied_dropout,omitempty"` // see DropoutConfig.Untied
}

func (c RetNetConfig) withDefaults() RetNetConfig {
	r := c.retention().withDefaults()
	c.VWidth, c.Chunk, c.Decay, c.Positions, c.HeadNorm = r.VWidth, r.Chunk, r.Decay, r.Positions, r.Norm
	def(&c.FF, 2*c.DModel)
	def(&c.Activation, ops.ActGELU)
	def(&c.NormEps, 1e-6)
	return c
}

// retention and feedForward configure the parts.
func (c RetNetConfig) retention() RetentionConfig {
	return RetentionConfig{
		DModel: c.DModel, Heads: c.Heads, VWidth: c.VWidth, Chunk: c.Chunk, Decay: c.Decay, Positions: c.Positions,
		Norm: c.HeadNorm, UnscaledKeys: c.UnscaledKeys,
	}
}

func (c RetNetConfig) feedForward() FeedForwardConfig {
	return FeedForwardConfig{
		DModel: c.DModel, FF: c.FF, Activation: c.Activation, Gate: true,
		Dropout: c.FFDropout, UntiedDropout: c.UntiedDropout, NoBias: true,
	}
}

// block puts a part into a residual block.
func (c RetNetConfig) block(m MixerConfig) BlockConfig {
	return BlockConfig{Mixer: m, Norm: RMSNorm, PreNorm: true, NormEps: c.NormEps, Dropout: c.Dropout, UntiedDropout: c.UntiedDropout}
}

// Validate reports the first field that is out of range.
func (c RetNetConfig) Validate() error {
	c = c.withDefaults()
	if err := size.First(
		c.retention().Validate(), c.feedForward().Validate(), validateEps("NormEps", c.NormEps),
		inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()),
	); err != nil {
		return fmt.Errorf("RetNetConfig: %w", err)
	}
	return nil
}

// Features implements MixerConfig.
func (c RetNetConfig) Features() (in, out int) { return c.DModel, c.DModel }

// hasResidual says that a block has to leave its own out.
func (c RetNetConfig) hasResidual() {}

// RetNet is the layer of a Retentive Network, retention and a gated feed-forward network
// (FF), each behind an RMSNorm and with its residual:
//
//	x = x + dropout(retention(norm(x))),  y = x + dropout(FF(norm(x)))
//
// Sun et al. 2023, arXiv:2307.08621. It is causal: a language model that learns in
// parallel, and of which a step costs the same at any position.
//
// It is two blocks: its parameters are those of a Retention under "retention.layer" and
// of a FeedForward under "feedforward.layer", and of the norms under "retention.norm" and
// "feedforward.norm". It has its own residuals, so that in a stack it is the mixer of a
// block with NoResidual, as a rule with NoNorm, and the stack has an RMSNorm behind the
// last layer, StackConfig.Norm.
type RetNet struct {
	*Base
	cfg                    RetNetConfig
	retention, feedForward *Block
}

// NewRetNet makes a RetNet layer.
func NewRetNet(g *G.ExprGraph, dt tensor.Dtype, cfg RetNetConfig, opts ...Option) (*RetNet, error) {
	return newLayer[*RetNet](g, dt, cfg, opts)
}

// Build implements Config.
func (c RetNetConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &RetNet{cfg: c}
	l.retention, _ = child[*Block](b, "retention", c.block(c.retention()))
	l.feedForward, _ = child[*Block](b, "feedforward", c.block(c.feedForward()))
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *RetNet) Config() RetNetConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *RetNet) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*RetNet, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *RetNet) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *RetNet) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	y, err := l.retention.FwdLengths(x, lengths)
	if err == nil {
		y, err = l.feedForward.FwdLengths(y, lengths)
	}
	return l.made(y, x, lengths), err
}

// StateShapes describes the state of a batch: that of the retention, see Retention.
func (l *RetNet) StateShapes(batch int) []StateShape {
	if l.Base == nil {
		return nil
	}
	return l.retention.StateShapes(batch)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both. A sequence fed in parts gives
// the output of the whole.
func (l *RetNet) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if l.Base == nil {
		return nil, nil, l.wrap("FwdState", errNotMade)
	}
	if y, x1, err = l.retention.FwdState(x, x0); err != nil {
		return nil, nil, err
	}
	if y, err = l.feedForward.Fwd(y); err != nil {
		return nil, nil, err
	}
	return l.made(y, append(G.Nodes{x}, x0...)...), x1, nil
}

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel).
func (l *RetNet) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *RetNet) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.dt == tensor.Float32:
		return newBlocksSnapshot[float32](l.Base, l.retention, l.feedForward, l.StateShapes)
	}
	return newBlocksSnapshot[float64](l.Base, l.retention, l.feedForward, l.StateShapes)
}

// newBlocksSnapshot is that of a layer of two blocks, of which the second has no state.
func newBlocksSnapshot[T num.Float](l *Base, first, second Stepper, state func(batch int) []StateShape) (Snapshot, error) {
	s := &transformerSnapshot[T]{l: l, state: state}
	var err error
	if s.attention, err = first.Snapshot(); err != nil {
		return nil, err
	}
	s.feedForward, err = second.Snapshot()
	return s, err
}
