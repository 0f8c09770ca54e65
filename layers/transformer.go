package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// TransformerConfig configures a Transformer layer. Its zero values are the defaults
// of torch.nn.TransformerEncoderLayer, but for activation GELU, width FF of 4*DModel
// and no dropout. The paper has ops.ActReLU, FF of 4*DModel, and Dropout 0.1 with
// UntiedDropout.
type TransformerConfig struct {
	DModel int `json:"d_model"`         // features of input and output
	Heads  int `json:"heads"`           // see AttentionConfig, as all down to Theta
	Inner  int `json:"inner,omitempty"` // 0 means DModel

	Form   attention.Form   `json:"form,omitempty"`
	Causal bool             `json:"causal,omitempty"`
	Window int              `json:"window,omitempty"`
	Rotary attention.Rotary `json:"rotary,omitempty"`
	Theta  float64          `json:"theta,omitempty"`

	// Positions are added to the input, in the first layer of a stack as a rule. ""
	// means NoPositions. MaxLen is the number of learned ones.
	Positions Positions `json:"positions,omitempty"`
	MaxLen    int       `json:"max_len,omitempty"`

	FF         int            `json:"ff,omitempty"`         // width of the feed-forward network; 0 means 4*DModel
	Activation ops.Activation `json:"activation,omitempty"` // in it; "" means ops.ActGELU
	Gate       bool           `json:"gate,omitempty"`       // see FeedForwardConfig

	PreNorm bool    `json:"prenorm,omitempty"`  // normalise before attention and feed-forward network, not after the sums
	NormEps float64 `json:"norm_eps,omitempty"` // added to the variance; 0 means 1e-5

	Dropout          float64 `json:"dropout,omitempty"`           // of both outputs, before the sums
	AttentionDropout float64 `json:"attention_dropout,omitempty"` // of the weights of the softmax
	FFDropout        float64 `json:"ff_dropout,omitempty"`        // inside the feed-forward network
	// UntiedDropout drops every element by itself, as the published Transformers do:
	// see DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`

	NoBias          bool `json:"no_bias,omitempty"`           // linear maps without bias
	NoAttentionBias bool `json:"no_attention_bias,omitempty"` // those of the attention alone
}

func (c TransformerConfig) withDefaults() TransformerConfig {
	a, f := c.attention().withDefaults(), c.feedForward().withDefaults()
	c.Inner, c.Form, c.Theta = a.Inner, a.Form, a.Theta
	c.FF, c.Activation = f.FF, f.Activation
	def(&c.Positions, NoPositions)
	def(&c.NormEps, 1e-5)
	return c
}

// attention, feedForward and position configure the parts.
func (c TransformerConfig) attention() AttentionConfig {
	return AttentionConfig{
		DModel: c.DModel, Heads: c.Heads, Inner: c.Inner, Form: c.Form, Causal: c.Causal, Window: c.Window,
		Rotary: c.Rotary, Theta: c.Theta, Dropout: c.AttentionDropout, NoBias: c.NoBias || c.NoAttentionBias,
	}
}

func (c TransformerConfig) feedForward() FeedForwardConfig {
	return FeedForwardConfig{
		DModel: c.DModel, FF: c.FF, Activation: c.Activation, Gate: c.Gate,
		Dropout: c.FFDropout, UntiedDropout: c.UntiedDropout, NoBias: c.NoBias,
	}
}

func (c TransformerConfig) position() PositionConfig {
	return PositionConfig{DModel: c.DModel, Positions: c.Positions, MaxLen: c.MaxLen}
}

// block puts a part into a residual block.
func (c TransformerConfig) block(m MixerConfig) BlockConfig {
	return BlockConfig{Mixer: m, PreNorm: c.PreNorm, NormEps: c.NormEps, Dropout: c.Dropout, UntiedDropout: c.UntiedDropout}
}

// Validate reports the first field that is out of range.
func (c TransformerConfig) Validate() error {
	c = c.withDefaults()
	errs := []error{
		c.attention().Validate(), c.feedForward().Validate(), validateEps("NormEps", c.NormEps),
		inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()),
	}
	switch {
	case c.Positions != NoPositions:
		errs = append(errs, c.position().Validate())
	case c.MaxLen != 0:
		errs = append(errs, fmt.Errorf("MaxLen is the number of learned positions: want Positions %q with MaxLen %d, got %q", LearnedPositions, c.MaxLen, c.Positions))
	}
	if err := size.First(errs...); err != nil {
		return fmt.Errorf("TransformerConfig: %w", err)
	}
	return nil
}

// Features implements MixerConfig.
func (c TransformerConfig) Features() (in, out int) { return c.DModel, c.DModel }

// hasResidual says that a block has to leave its own out.
func (c TransformerConfig) hasResidual() {}

// Transformer is the encoder layer of a Transformer, self-attention (SA) and a
// feed-forward network (FF), each with its residual:
//
//	x = x + dropout(SA(norm(x))),  y = x + dropout(FF(norm(x)))    with PreNorm
//	x = norm(x + dropout(SA(x))),  y = norm(x + dropout(FF(x)))    without
//
// behind positions added to the input if there are any. Causal, it is the decoder
// layer of a language model. Vaswani et al. 2017, "Attention Is All You Need",
// arXiv:1706.03762.
//
// It is two blocks: its parameters are those of an Attention under "self_attn.layer"
// and of a FeedForward under "feedforward.layer", of the norms under
// "self_attn.norm" and "feedforward.norm", and of learned positions
// "positions.weight". torch.nn.TransformerEncoderLayer has them under "self_attn", under
// no name, and under "norm1" and "norm2": see Rename of param.Loader.
//
// It has its own residuals, so that in a stack it is the mixer of a block with
// NoResidual, as a rule with NoNorm:
//
//	BlockConfig{Mixer: TransformerConfig{DModel: 64, Heads: 4}, Norm: NoNorm, NoResidual: true}
//
// With PreNorm the stack has a norm behind the last layer, StackConfig.Norm.
type Transformer struct {
	*Base
	cfg                    TransformerConfig
	positions              *Position // nil without
	attention, feedForward *Block
}

// NewTransformer makes a Transformer layer.
func NewTransformer(g *G.ExprGraph, dt tensor.Dtype, cfg TransformerConfig, opts ...Option) (*Transformer, error) {
	return newLayer[*Transformer](g, dt, cfg, opts)
}

// Build implements Config.
func (c TransformerConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &Transformer{cfg: c}
	if c.Positions != NoPositions {
		l.positions, _ = child[*Position](b, "positions", c.position())
	}
	l.attention, _ = child[*Block](b, "self_attn", c.block(c.attention()))
	l.feedForward, _ = child[*Block](b, "feedforward", c.block(c.feedForward()))
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Transformer) Config() TransformerConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Transformer) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Transformer, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L). With learned positions L is at most
// MaxLen.
func (l *Transformer) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil. A length that is not in [0, L] is an error when
// the graph runs.
func (l *Transformer) FwdLengths(x, lengths *G.Node) (y *G.Node, err error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	y = x
	if l.positions != nil {
		if y, err = l.positions.FwdLengths(y, lengths); err != nil {
			return nil, err
		}
	}
	if y, err = l.attention.FwdLengths(y, lengths); err != nil {
		return nil, err
	}
	y, err = l.feedForward.FwdLengths(y, lengths)
	return l.made(y, x, lengths), err
}

// checkCausal reports a layer that has no state.
func (l *Transformer) checkCausal(method string) error {
	if l.Base == nil {
		return l.wrap(method, errNotMade)
	}
	if !l.cfg.Causal {
		return l.errorf(method, "a Transformer that is not causal needs the future: want Causal true")
	}
	return nil
}

// StateShapes describes the state of a batch: that of the attention, see Attention,
// and with Positions position (B), if that is not in it already. There is none if the
// layer is not causal.
func (l *Transformer) StateShapes(batch int) []StateShape {
	if l.Base == nil || !l.cfg.Causal {
		return nil
	}
	shapes := l.attention.StateShapes(batch)
	if l.ownPosition() {
		shapes = append(shapes, StateShape{Name: positionName, Shape: tensor.Shape{batch}})
	}
	return shapes
}

// ownPosition says whether the state has positions behind that of the attention.
func (l *Transformer) ownPosition() bool {
	a := AttentionConfig{Form: l.cfg.Form, Rotary: l.cfg.Rotary}
	return l.positions != nil && !a.hasPosition()
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both, but not through positions.
// A sequence fed in parts gives the output of the whole. A layer that is not causal
// has no state.
func (l *Transformer) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkCausal("FwdState"); err != nil {
		return nil, nil, err
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	y = x
	var start *G.Node
	if len(x0) > 0 {
		start = x0[len(x0)-1] // a position, if there are positions
	}
	if l.positions != nil {
		if y, err = l.positions.fwdFrom(x, start); err != nil {
			return nil, nil, err
		}
	}
	from := x0 // of the attention
	if l.ownPosition() && len(x0) > 0 {
		from = x0[:len(x0)-1]
	}
	if y, x1, err = l.attention.FwdState(y, from); err != nil {
		return nil, nil, err
	}
	if y, err = l.feedForward.Fwd(y); err != nil {
		return nil, nil, err
	}
	if l.ownPosition() {
		next, err := attention.NextPosition(x, start)
		if err != nil {
			return nil, nil, l.wrap("FwdState", err)
		}
		x1 = append(x1, l.made(next, x, start))
	}
	return l.made(y, append(G.Nodes{x}, x0...)...), x1, nil
}
