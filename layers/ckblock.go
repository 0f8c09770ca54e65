package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
)

// CKBlockConfig configures a CKBlock.
type CKBlockConfig struct {
	In  int `json:"in"`  // features of the input
	Out int `json:"out"` // features of the output, and between the convolutions

	// Of the kernels of both convolutions, as in CKConvConfig.
	Hidden int     `json:"hidden,omitempty"`
	LMax   int     `json:"l_max,omitempty"`
	Omega0 float64 `json:"omega_0,omitempty"`
	SIREN  bool    `json:"siren,omitempty"`

	Dropout float64 `json:"dropout,omitempty"` // after each activated convolution
	// UntiedDropout drops every element by itself, as the public code does: see
	// DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`
}

func (c CKBlockConfig) withDefaults() CKBlockConfig {
	conv := c.conv(c.In).withDefaults()
	c.Hidden, c.LMax, c.Omega0 = conv.Hidden, conv.LMax, conv.Omega0
	return c
}

// conv is the convolution of an input of so many features.
func (c CKBlockConfig) conv(in int) CKConvConfig {
	return CKConvConfig{In: in, Out: c.Out, Hidden: c.Hidden, LMax: c.LMax, Omega0: c.Omega0, SIREN: c.SIREN}
}

// Validate reports the first field that is out of range.
func (c CKBlockConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("CKBlockConfig: %w", err)
	}
	return nil
}

func (c CKBlockConfig) validate() error {
	if err := c.conv(c.In).validate(); err != nil {
		return err
	}
	return errors.Join(inField("cconv2", c.conv(c.Out).validate()), size.Tensor("shortcut.weight (Out, In)", c.Out, c.In), inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()))
}

// Features implements MixerConfig.
func (c CKBlockConfig) Features() (in, out int) { return c.In, c.Out }

// hasResidual says that a block has to leave its own out.
func (c CKBlockConfig) hasResidual() {}

// CKBlock is the residual block of the networks of continuous kernels, two CKConvs with
// what is around them,
//
//	u = dropout(relu(norm(conv(x)))), u = dropout(relu(norm(conv(u)))), y = relu(x + u)
//
// where x has been mapped by a linear shortcut if it has not as many features as u. It
// heeds a rate as its convolutions do. norm is a LayerNorm of each step over its features.
// (That of the public code is over the steps too, so that outputs depend on later inputs
// and the block has no step.)
//
// It has a residual connection of its own: a block around it has NoResidual and NoNorm.
//
// Parameters are those of its convolutions, cconv1 and cconv2, its norms, norm1 and norm2,
// and, where the widths differ, shortcut.weight (Out, In) and shortcut.bias (Out).
//
// Romero, Kuzina, Bekkers, Tomczak, Hoogendoorn 2022, "CKConv: Continuous Kernel
// Convolution For Sequential Data", arXiv:2102.02611.
type CKBlock struct {
	*Base
	cfg      CKBlockConfig
	convs    convs[*CKConv] // two
	norms    [2]*Norm
	drops    [2]*Dropout
	shortcut *Linear // nil: the input itself
}

// NewCKBlock makes a block, whose convolutions start as those of NewCKConv.
func NewCKBlock(g *G.ExprGraph, dt tensor.Dtype, cfg CKBlockConfig, opts ...Option) (*CKBlock, error) {
	return newLayer[*CKBlock](g, dt, cfg, opts)
}

// Build implements Config.
func (c CKBlockConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &CKBlock{cfg: c}
	for k, in := range []int{c.In, c.Out} {
		l.convs.add(b, fmt.Sprintf("cconv%d", k+1), c.conv(in))
		l.norms[k], _ = child[*Norm](b, fmt.Sprintf("norm%d", k+1), NormConfig{DModel: c.Out})
		l.drops[k], _ = child[*Dropout](b, fmt.Sprintf("dropout%d", k+1), DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
	}
	if c.In != c.Out {
		l.shortcut = b.linear("shortcut", c.In, c.Out)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *CKBlock) Config() CKBlockConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *CKBlock) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*CKBlock, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, In, L) to (B, Out, L).
func (l *CKBlock) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B)
// of dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *CKBlock) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.convs.fwdLengths(l.Base, l.cfg.In, x, lengths, l.through)
}

// through is the block with convolutions as conv has them.
func (l *CKBlock) through(x, lengths *G.Node, conv func(c *CKConv, u *G.Node) (*G.Node, error)) (y *G.Node, err error) {
	u := x
	for k, c := range l.convs {
		if u, err = conv(c.conv, u); err != nil {
			return nil, err
		}
		if u, err = l.norms[k].FwdLengths(u, lengths); err != nil {
			return nil, err
		}
		if u, err = ops.Activate(ops.ActReLU, u); err != nil {
			return nil, l.wrap("Fwd", err)
		}
		if u, err = l.drops[k].Fwd(u); err != nil {
			return nil, err
		}
	}
	if l.shortcut != nil {
		if x, err = l.shortcut.FwdLengths(x, lengths); err != nil {
			return nil, err
		}
	}
	if y, err = ops.Add(x, u, ops.Lengths(lengths)); err != nil {
		return nil, l.wrap("Fwd", err)
	}
	y, err = ops.Activate(ops.ActReLU, y)
	return y, l.wrap("Fwd", err)
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: those of
// the convolutions, "cconv1.x" and "cconv2.x".
func (l *CKBlock) StateShapes(batch int) []StateShape { return l.convs.stateShapes(batch) }

// FwdState is Fwd for a sequence that goes on from a state: x0 is that of both
// convolutions before the first step of x, as StateShapes describes it, or nil for
// the start of a sequence, and x1 that after the last step.
func (l *CKBlock) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.convs.fwdState(l.Base, l.cfg.In, x, x0, l.through)
}
