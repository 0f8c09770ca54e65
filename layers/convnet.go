package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
)

// ConvNetConfig configures a ConvNet. It is causal unless it has Same.
type ConvNetConfig struct {
	DModel int `json:"d_model"`          // features
	Depth  int `json:"depth,omitempty"`  // convolutions in a row; 0 means 2
	Kernel int `json:"kernel,omitempty"` // taps of a kernel; 0 means 3
	// Same lets the kernels look ahead as far as back: see Conv1DConfig.
	Same bool `json:"same,omitempty"`

	Norm       NormKind       `json:"norm,omitempty"`       // after each convolution; "" means LayerNorm
	Activation ops.Activation `json:"activation,omitempty"` // after that; "" means ops.ActReLU
	Dropout    float64        `json:"dropout,omitempty"`    // after that
	// UntiedDropout drops every element by itself: see DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`
}

func (c ConvNetConfig) withDefaults() ConvNetConfig {
	def(&c.Depth, 2)
	def(&c.Kernel, 3)
	def(&c.Norm, LayerNorm)
	def(&c.Activation, ops.ActReLU)
	return c
}

// Validate reports the first field that is out of range.
func (c ConvNetConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("ConvNetConfig: %w", err)
	}
	return nil
}

func (c ConvNetConfig) validate() error {
	if err := size.First(
		size.Positive("DModel", c.DModel), size.Positive("Depth", c.Depth), size.Positive("Kernel", c.Kernel),
	); err != nil {
		return err
	}
	switch {
	case c.Depth > maxLevels:
		return fmt.Errorf("want Depth at most %d, got %d", maxLevels, c.Depth)
	case c.Same && c.Kernel%2 == 0:
		return fmt.Errorf("want an odd Kernel with Same, got %d", c.Kernel)
	}
	if err := size.Tensor("0.conv.weight (DModel, DModel, Kernel)", c.DModel, c.DModel, c.Kernel); err != nil {
		return err
	}
	return errors.Join(c.Norm.Validate(), inField("Activation", c.Activation.Validate()), inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()))
}

// Features implements MixerConfig.
func (c ConvNetConfig) Features() (in, out int) { return c.DModel, c.DModel }

// ConvNet is a small convolutional network, a baseline that keeps length and width:
// Depth times
//
//	dropout(act(norm(conv(x))))
//
// An output of a causal one depends on the last 1 + Depth (Kernel-1) inputs.
//
// Parameters of layer i are i.conv.weight (DModel, DModel, Kernel), i.conv.bias
// (DModel) and those of the normalisation, i.norm.
type ConvNet struct {
	*Base
	cfg   ConvNetConfig
	convs convs[*Conv1D]
	norms []*Norm
	drops []*Dropout
}

// NewConvNet makes a convolutional network, whose convolutions start as those of
// NewConv1D.
func NewConvNet(g *G.ExprGraph, dt tensor.Dtype, cfg ConvNetConfig, opts ...Option) (*ConvNet, error) {
	return newLayer[*ConvNet](g, dt, cfg, opts)
}

// Build implements Config.
func (c ConvNetConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &ConvNet{cfg: c}
	for i := range c.Depth {
		l.convs.add(b, fmt.Sprintf("%d.conv", i), Conv1DConfig{In: c.DModel, Out: c.DModel, Kernel: c.Kernel, Same: c.Same})
		norm, _ := child[*Norm](b, fmt.Sprintf("%d.norm", i), NormConfig{Kind: c.Norm, DModel: c.DModel})
		drop, _ := child[*Dropout](b, fmt.Sprintf("%d.dropout", i), DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
		l.norms, l.drops = append(l.norms, norm), append(l.drops, drop)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *ConvNet) Config() ConvNetConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors, running
// statistics included.
func (l *ConvNet) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*ConvNet, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *ConvNet) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B)
// of dtype int, or nil.
func (l *ConvNet) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.convs.fwdLengths(l.Base, l.cfg.DModel, x, lengths, l.through)
}

// through is the network with convolutions as conv has them.
func (l *ConvNet) through(x, lengths *G.Node, conv func(c *Conv1D, u *G.Node) (*G.Node, error)) (y *G.Node, err error) {
	y = x
	for i, c := range l.convs {
		if y, err = conv(c.conv, y); err != nil {
			return nil, err
		}
		if l.cfg.Norm != NoNorm { // else it would mask what is 0 already
			if y, err = l.norms[i].FwdLengths(y, lengths); err != nil {
				return nil, err
			}
		}
		if y, err = ops.Activate(l.cfg.Activation, y); err != nil {
			return nil, l.wrap("Fwd", err)
		}
		if y, err = l.drops[i].Fwd(y); err != nil {
			return nil, err
		}
	}
	return l.maskActivated(y, lengths, l.cfg.Activation)
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: those of
// the convolutions, "0.conv.x" and so on, but none with Same.
func (l *ConvNet) StateShapes(batch int) []StateShape { return l.convs.stateShapes(batch) }

// FwdState is Fwd for a sequence that goes on from a state: x0 is that of all
// convolutions before the first step of x, as StateShapes describes it, or nil for
// the start of a sequence, and x1 that after the last step. A network with Same
// cannot go on.
func (l *ConvNet) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.convs.fwdState(l.Base, l.cfg.DModel, x, x0, l.through)
}
