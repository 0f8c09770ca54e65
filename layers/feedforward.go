package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
)

// FeedForwardConfig configures a FeedForward layer. The zero value of every field
// but DModel is the default.
type FeedForwardConfig struct {
	DModel int `json:"d_model"`      // features of input and output (E)
	FF     int `json:"ff,omitempty"` // features in between; 0 means 4 DModel

	Activation ops.Activation `json:"activation,omitempty"` // "" means ops.ActGELU
	// Gate makes linear1 give 2*FF features: the first FF, activated, are
	// multiplied by the others. Shazeer 2020, "GLU Variants Improve Transformer",
	// arXiv:2002.05202, calls it GEGLU with Activation ops.ActGELU, SwiGLU with
	// ops.ActSiLU, GLU with ops.ActSigmoid, ReGLU with ops.ActReLU and Bilinear
	// with ops.ActIdentity, and has no biases.
	Gate bool `json:"gate,omitempty"`

	Dropout float64 `json:"dropout,omitempty"` // of the features in between
	// UntiedDropout drops every element by itself: see DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`

	NoBias bool `json:"no_bias,omitempty"` // neither linear map has a bias
}

// withDefaults replaces zero values by what they stand for.
func (c FeedForwardConfig) withDefaults() FeedForwardConfig {
	def(&c.FF, 4*c.DModel)
	def(&c.Activation, ops.ActGELU)
	return c
}

// Validate reports the first field that is out of range.
func (c FeedForwardConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("FeedForwardConfig: %w", err)
	}
	return nil
}

func (c FeedForwardConfig) validate() error {
	switch {
	case c.DModel < 1:
		return fmt.Errorf("want DModel >= 1, got %d", c.DModel)
	case c.FF < 1 && size.Field("DModel", c.DModel) == nil:
		return fmt.Errorf("want FF >= 1, or 0 for 4*DModel, got %d", c.FF)
	}
	if err := size.First(size.Field("DModel", c.DModel), size.Field("FF", c.FF), size.Tensor("linear1.weight "+c.form(), c.inner(), c.DModel)); err != nil {
		return err
	}
	return errors.Join(inField("Activation", c.Activation.Validate()), inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()))
}

// inner returns the number of features that linear1 gives.
func (c FeedForwardConfig) inner() int {
	if c.Gate {
		return 2 * c.FF
	}
	return c.FF
}

// form is the shape of the weight of linear1, in words.
func (c FeedForwardConfig) form() string {
	if c.Gate {
		return "(2*FF, DModel)"
	}
	return "(FF, DModel)"
}

// FeedForward is a position-wise network of two linear maps, the other half of a
// Transformer layer:
//
//	y = linear2(dropout(act(linear1(x))))
//	y = linear2(dropout(act(a) * b))       with Gate, where a, b = linear1(x)
//
// Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762. Its
// parameters, with E = DModel, are named as in torch.nn.TransformerEncoderLayer:
//
//	linear1.weight (FF, E), .bias (FF)   with Gate (2*FF, E), (2*FF): a, then b
//	linear2.weight (E, FF), .bias (E)
type FeedForward struct {
	*Base
	cfg              FeedForwardConfig
	linear1, linear2 *Linear
	drop             *Dropout
}

// NewFeedForward makes a feed-forward layer. Weights and biases start uniform in
// +-1/sqrt(features of the input of their linear map).
func NewFeedForward(g *G.ExprGraph, dt tensor.Dtype, cfg FeedForwardConfig, opts ...Option) (*FeedForward, error) {
	return newLayer[*FeedForward](g, dt, cfg, opts)
}

// Build implements Config.
func (c FeedForwardConfig) Build(b *Builder) (Layer, error) {
	l := &FeedForward{cfg: c.withDefaults()}
	c = l.cfg
	l.linear1, _ = child[*Linear](b, "linear1", LinearConfig{In: c.DModel, Out: c.inner(), NoBias: c.NoBias})
	l.drop, _ = child[*Dropout](b, "dropout", DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
	l.linear2, _ = child[*Linear](b, "linear2", LinearConfig{In: c.FF, Out: c.DModel, NoBias: c.NoBias})
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Features implements MixerConfig.
func (c FeedForwardConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Config returns the layer's configuration, with defaults filled in.
func (l *FeedForward) Config() FeedForwardConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *FeedForward) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*FeedForward, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *FeedForward) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil. A length that is not in [0, L] is an error when
// the graph runs.
func (l *FeedForward) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.fwdDropped(x, lengths, nil)
}

// StateShapes implements Stateful: there is no state.
func (l *FeedForward) StateShapes(int) []StateShape { return nil }

// FwdState is Fwd, for a stack whose other mixers go on from a state: neither x0
// nor x1 has a tensor.
func (l *FeedForward) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.fwdState(x, x0, nil)
}

// fwdState is FwdState with a dropout, or nil, after it.
func (l *FeedForward) fwdState(x *G.Node, x0 G.Nodes, after *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	if len(x0) > 0 {
		return nil, nil, l.errorf("FwdState", "want no state, got %d tensors", len(x0))
	}
	y, err = l.fwdDropped(x, nil, after)
	return y, nil, err
}

// fwdDropped is FwdLengths with a dropout, or nil, after it. All is one op, but for
// an untied dropout after it.
func (l *FeedForward) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return nil, err
	}
	s := x.Shape()
	if err := l.checkSize("the features in between (B, FF, L)", tensor.Shape{s[0], l.cfg.inner(), s[2]}); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	y, err := l.network(x, lengths, after)
	return l.made(y, x, lengths), err
}

// network is fwdDropped of an input that has been checked.
func (l *FeedForward) network(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	act, drop := ops.Activated, ops.DropInput
	if l.cfg.Gate {
		act = ops.Gated
	}
	if l.cfg.UntiedDropout {
		drop = ops.DropInputElements
	}
	opts := []ops.LinearOption{ops.Lengths(lengths), act(l.cfg.Activation), drop(l.cfg.Dropout, l.drop.masks)}
	if after.tied() {
		opts = append(opts, ops.DropOutput(after.cfg.P, after.masks))
		after = nil
	}
	w := ops.FeedForwardWeights{W1: l.linear1.w, B1: l.linear1.b, W2: l.linear2.w, B2: l.linear2.b}
	y, err := ops.FeedForward(x, w, opts...)
	if err != nil || after == nil {
		return y, l.wrap("Fwd", err)
	}
	return after.Fwd(y)
}
