package layers

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// LinearConfig configures a Linear layer.
type LinearConfig struct {
	In     int  `json:"in"`                // features of the input
	Out    int  `json:"out"`               // features of the output
	NoBias bool `json:"no_bias,omitempty"` // y = W x instead of W x + b
	// ChannelsLast makes the layer an encoder of channels-last data: the input is
	// (B, L, In), and the output is (B, Out, L).
	ChannelsLast bool `json:"channels_last,omitempty"`
}

// Validate reports the first field that is out of range.
func (c LinearConfig) Validate() error {
	switch {
	case c.In < 1:
		return fmt.Errorf("LinearConfig: want In >= 1, got %d", c.In)
	case c.Out < 1:
		return fmt.Errorf("LinearConfig: want Out >= 1, got %d", c.Out)
	}
	if err := size.First(size.Field("In", c.In), size.Field("Out", c.Out), size.Tensor("weight (Out, In)", c.Out, c.In)); err != nil {
		return fmt.Errorf("LinearConfig: %w", err)
	}
	return nil
}

// Linear is a position-wise linear layer, y = W x + b at every step, with
// parameters weight (Out, In) and bias (Out).
type Linear struct {
	*Base
	cfg  LinearConfig
	w, b *G.Node
}

// NewLinear makes a linear layer. Weight and bias start uniform in
// +-1/sqrt(In).
func NewLinear(g *G.ExprGraph, dt tensor.Dtype, cfg LinearConfig, opts ...Option) (*Linear, error) {
	return newLayer[*Linear](g, dt, cfg, opts)
}

// Build implements Config.
func (c LinearConfig) Build(b *Builder) (Layer, error) {
	l := &Linear{cfg: c}
	l.w = b.Param("weight", param.Hint{}, UniformFanIn(c.In), c.Out, c.In)
	if !c.NoBias {
		l.b = b.Param("bias", param.Hint{}, UniformFanIn(c.In), c.Out)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Features implements MixerConfig.
func (c LinearConfig) Features() (in, out int) { return c.In, c.Out }

// Config returns the layer's configuration.
func (l *Linear) Config() LinearConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Linear) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Linear, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, In, L) to (B, Out, L), or (B, In) to (B, Out); with
// Config.ChannelsLast, (B, L, In) to (B, Out, L).
func (l *Linear) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil, as it must be for x (B, In). A length that is not
// in [0, L] is an error when the graph runs.
func (l *Linear) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if l.cfg.ChannelsLast {
		return l.fwdFeatures(x, lengths)
	}
	if err := l.checkInput(x, l.cfg.In, true); err != nil {
		return nil, err
	}
	out := x.Shape().Clone()
	out[1] = l.cfg.Out
	if err := l.checkSize("the output (B, Out, L)", out); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	y, err := ops.Linear(x, l.w, l.b, ops.Lengths(lengths))
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// StateShapes implements Stateful: there is no state.
func (l *Linear) StateShapes(int) []StateShape { return nil }

// FwdState is Fwd, for a stack whose other mixers go on from a state: neither x0
// nor x1 has a tensor.
func (l *Linear) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if len(x0) > 0 {
		return nil, nil, l.errorf("FwdState", "want no state, got %d tensors", len(x0))
	}
	y, err = l.Fwd(x)
	return y, nil, err
}

func (l *Linear) fwdFeatures(x, lengths *G.Node) (*G.Node, error) {
	if x == nil {
		return nil, l.errorf("Fwd", "want x (B, L, %d), got nil", l.cfg.In)
	}
	s := x.Shape()
	if len(s) != 3 || s[2] != l.cfg.In || slices.Min(s) < 1 {
		return nil, l.errorf("Fwd", "want x (B, L, %d), got %v", l.cfg.In, s)
	}
	if x.Dtype() != l.dt {
		return nil, l.errorf("Fwd", "want x of dtype %v, got %v", l.dt, x.Dtype())
	}
	if err := l.checkGraph("x", x); err != nil {
		return nil, err
	}
	for name, features := range map[string]int{"x (B, In, L)": l.cfg.In, "the output (B, Out, L)": l.cfg.Out} {
		if err := l.checkSize(name, tensor.Shape{s[0], features, s[1]}); err != nil {
			return nil, err
		}
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	y, err := ops.FeatureLinear(x, l.w, l.b, ops.Lengths(lengths))
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}
