package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/mega"
)

// MegaConfig configures a Mega layer. All but FF and FFDropout are fields of
// MegaAttentionConfig.
type MegaConfig struct {
	DModel int `json:"d_model"`
	DState int `json:"d_state,omitempty"`
	ZDim   int `json:"z_dim,omitempty"`
	VDim   int `json:"v_dim,omitempty"`

	Causal   bool          `json:"causal,omitempty"`
	Function mega.Function `json:"function,omitempty"`
	Chunk    int           `json:"chunk,omitempty"`
	Bias     RelativeBias  `json:"relative_bias,omitempty"`
	LMax     int           `json:"l_max,omitempty"`

	FF int `json:"ff,omitempty"` // width of the feed-forward network; 0 means 2*DModel

	Norm       NormKind `json:"norm,omitempty"` // of both parts
	PreNorm    bool     `json:"prenorm,omitempty"`
	NormEps    float64  `json:"norm_eps,omitempty"`
	Dropout    float64  `json:"dropout,omitempty"`    // of both outputs
	FFDropout  float64  `json:"ff_dropout,omitempty"` // inside the feed-forward network
	Truncation int      `json:"truncation,omitempty"`
	InitStd    float64  `json:"init_std,omitempty"` // of the attention
}

func (c MegaConfig) withDefaults() MegaConfig {
	a := c.attention().withDefaults()
	c.DState, c.ZDim, c.VDim, c.Function, c.Chunk, c.Bias, c.Norm, c.NormEps, c.InitStd = a.DState, a.ZDim, a.VDim, a.Function, a.Chunk, a.Bias, a.Norm, a.NormEps, a.InitStd
	def(&c.FF, 2*c.DModel)
	return c
}

// attention and feedForward configure the parts.
func (c MegaConfig) attention() MegaAttentionConfig {
	return MegaAttentionConfig{
		DModel: c.DModel, DState: c.DState, ZDim: c.ZDim, VDim: c.VDim, Causal: c.Causal, Function: c.Function, Chunk: c.Chunk, Bias: c.Bias,
		LMax: c.LMax, Norm: c.Norm, PreNorm: c.PreNorm, NormEps: c.NormEps, Dropout: c.Dropout, Truncation: c.Truncation, InitStd: c.InitStd,
	}
}

func (c MegaConfig) feedForward() BlockConfig {
	return BlockConfig{
		Mixer: FeedForwardConfig{DModel: c.DModel, FF: c.FF, Activation: ops.ActSiLU, Dropout: c.FFDropout},
		Norm:  c.Norm, NormEps: c.NormEps, PreNorm: c.PreNorm, Dropout: c.Dropout,
	}
}

// Validate reports the first field that is out of range.
func (c MegaConfig) Validate() error {
	c = c.withDefaults()
	if err := size.First(c.attention().Validate(), c.feedForward().Validate()); err != nil {
		return fmt.Errorf("MegaConfig: %w", err)
	}
	return nil
}

// Features implements MixerConfig.
func (c MegaConfig) Features() (in, out int) { return c.DModel, c.DModel }

// hasResidual says that a block has to leave its own out.
func (c MegaConfig) hasResidual() {}

// Mega is the layer of Mega: a MegaAttention and a feed-forward network with silu, each
// with its norm and its residual. Its parameters are those of a MegaAttention under
// "attention", of a FeedForward under "feedforward.layer" and of its norm under
// "feedforward.norm". Causal and in chunks it has steps: see MegaAttention.
//
// It has its own residuals, so that in a stack it is the mixer of a block with
// NoResidual, as a rule with NoNorm; with PreNorm the stack has a norm behind the last
// layer, StackConfig.Norm.
//
// Ma et al. 2022, "Mega: Moving Average Equipped Gated Attention", arXiv:2209.10655.
type Mega struct {
	*Base
	cfg         MegaConfig
	attention   *MegaAttention
	feedForward *Block
}

// NewMega makes a Mega layer.
func NewMega(g *G.ExprGraph, dt tensor.Dtype, cfg MegaConfig, opts ...Option) (*Mega, error) {
	return newLayer[*Mega](g, dt, cfg, opts)
}

// Build implements Config.
func (c MegaConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &Mega{cfg: c}
	l.attention, _ = child[*MegaAttention](b, "attention", c.attention())
	l.feedForward, _ = child[*Block](b, "feedforward", c.feedForward())
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Mega) Config() MegaConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Mega) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Mega, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L). With a SimpleBias and no chunks L is at
// most LMax.
func (l *Mega) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read and seen, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths is (B)
// of dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *Mega) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	y, err := l.attention.FwdLengths(x, lengths)
	if err == nil {
		y, err = l.feedForward.FwdLengths(y, lengths)
	}
	return l.made(y, x, lengths), err
}

// StateShapes describes the state of a batch: see MegaAttention.
func (l *Mega) StateShapes(batch int) []StateShape {
	if l.Base == nil {
		return nil
	}
	return l.attention.StateShapes(batch)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both, but not through positions. A
// sequence fed in parts gives the output of the whole.
func (l *Mega) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if l.Base == nil {
		return nil, nil, l.wrap("FwdState", errNotMade)
	}
	if y, x1, err = l.attention.FwdState(x, x0); err != nil {
		return nil, nil, err
	}
	if y, err = l.feedForward.Fwd(y); err != nil {
		return nil, nil, err
	}
	return l.made(y, append(G.Nodes{x}, x0...)...), x1, nil
}

// Recurrence returns the layer as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). See MegaAttention.Recurrence.
func (l *Mega) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// checkRecurrent reports a layer that has no recurrence.
func (l *Mega) checkRecurrent() error {
	if l.Base == nil {
		return l.wrap("Recurrence", errNotMade)
	}
	return l.attention.checkRecurrent()
}

// Snapshot implements Stepper.
func (l *Mega) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return newBlocksSnapshot[float32](l.Base, l.attention, l.feedForward, l.StateShapes)
	}
	return newBlocksSnapshot[float64](l.Base, l.attention, l.feedForward, l.StateShapes)
}
