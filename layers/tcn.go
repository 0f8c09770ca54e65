package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
)

// TCNConfig configures a TCN. The zero values of Kernel and Levels are those of the
// paper for sequential MNIST.
type TCNConfig struct {
	In     int `json:"in"`               // features of the input
	Out    int `json:"out"`              // features of the output, and of every level
	Kernel int `json:"kernel,omitempty"` // taps of a kernel; 0 means 7
	Levels int `json:"levels,omitempty"` // residual blocks; 0 means 8
	// DilationBase says how far apart the taps of level i are: DilationBase^i steps. 0
	// means 2.
	DilationBase int `json:"dilation_base,omitempty"`
	// NoWeightNorm learns the kernels themselves, and not their norms and directions:
	// see Conv1DConfig.WeightNorm.
	NoWeightNorm bool `json:"no_weight_norm,omitempty"`

	Activation ops.Activation `json:"activation,omitempty"` // "" means ops.ActReLU
	Dropout    float64        `json:"dropout,omitempty"`    // after each activated convolution
	// UntiedDropout drops every element by itself: see DropoutConfig.Untied. The
	// default is that of the paper.
	UntiedDropout bool `json:"untied_dropout,omitempty"`
}

// maxLevels is the largest number of levels of a TCN, and of layers of a ConvNet or a
// recurrent network.
const maxLevels = 1024

func (c TCNConfig) withDefaults() TCNConfig {
	def(&c.Kernel, 7)
	def(&c.Levels, 8)
	def(&c.DilationBase, 2)
	def(&c.Activation, ops.ActReLU)
	return c
}

// Validate reports the first field that is out of range.
func (c TCNConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("TCNConfig: %w", err)
	}
	return nil
}

func (c TCNConfig) validate() error {
	if err := size.First(
		size.Positive("In", c.In), size.Positive("Out", c.Out), size.Positive("Kernel", c.Kernel),
		size.Positive("Levels", c.Levels), size.Positive("DilationBase", c.DilationBase),
	); err != nil {
		return err
	}
	if c.Levels > maxLevels {
		return fmt.Errorf("want Levels at most %d, got %d", maxLevels, c.Levels)
	}
	if err := size.First(
		size.Tensor("0.conv1.weight (Out, In, Kernel)", c.Out, c.In, c.Kernel),
		size.Tensor("0.conv2.weight (Out, Out, Kernel)", c.Out, c.Out, c.Kernel),
	); err != nil {
		return err
	}
	reach := c.Kernel - 1
	for range c.Levels - 1 {
		if reach > size.MaxLength/c.DilationBase {
			return fmt.Errorf("want (Kernel-1)*DilationBase^(Levels-1) at most %d, got %d*%d^%d", size.MaxLength, c.Kernel-1, c.DilationBase, c.Levels-1)
		}
		reach *= c.DilationBase
	}
	return errors.Join(inField("Activation", c.Activation.Validate()), inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()))
}

// Features implements MixerConfig.
func (c TCNConfig) Features() (in, out int) { return c.In, c.Out }

// hasResidual says that a block has to leave its own out.
func (c TCNConfig) hasResidual() {}

// TCN is a temporal convolutional network: residual blocks of causal convolutions
// whose dilation grows from level to level,
//
//	u = dropout(act(conv(x))), u = dropout(act(conv(u))), y = act(x + u)
//
// where x has been mapped by a linear shortcut if it has not as many features as u.
// An output depends on the last 1 + 2 (Kernel-1) sum_i DilationBase^i inputs. Bai,
// Kolter, Koltun 2018, "An Empirical Evaluation of Generic Convolutional and
// Recurrent Networks for Sequence Modeling", arXiv:1803.01271.
//
// It has residual connections of its own: a block around it has NoResidual and
// NoNorm.
//
// Parameters of level i are those of its convolutions, i.conv1 and i.conv2, and,
// where the widths differ, i.shortcut.weight (Out, In) and i.shortcut.bias (Out).
type TCN struct {
	*Base
	cfg    TCNConfig
	levels []tcnLevel
	convs  convs[*Conv1D]
}

// tcnLevel is a residual block.
type tcnLevel struct {
	convs    [2]*Conv1D
	drops    [2]*Dropout
	shortcut *Linear // nil: the input itself
}

// NewTCN makes a temporal convolutional network, whose convolutions start as those
// of NewConv1D.
func NewTCN(g *G.ExprGraph, dt tensor.Dtype, cfg TCNConfig, opts ...Option) (*TCN, error) {
	return newLayer[*TCN](g, dt, cfg, opts)
}

// Build implements Config.
func (c TCNConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &TCN{cfg: c, levels: make([]tcnLevel, c.Levels)}
	in, dilation := c.In, 1
	for i := range l.levels {
		level := &l.levels[i]
		for k := range level.convs {
			level.convs[k] = l.convs.add(b, fmt.Sprintf("%d.conv%d", i, k+1), Conv1DConfig{In: in, Out: c.Out, Kernel: c.Kernel, Dilation: dilation, WeightNorm: !c.NoWeightNorm})
			level.drops[k], _ = child[*Dropout](b, fmt.Sprintf("%d.dropout%d", i, k+1), DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
			if k == 0 && in != c.Out {
				level.shortcut = b.linear(fmt.Sprintf("%d.shortcut", i), in, c.Out)
			}
			in = c.Out
		}
		dilation *= c.DilationBase
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *TCN) Config() TCNConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *TCN) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*TCN, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, In, L) to (B, Out, L).
func (l *TCN) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B)
// of dtype int, or nil.
func (l *TCN) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.convs.fwdLengths(l.Base, l.cfg.In, x, lengths, l.through)
}

// through is the network with convolutions as conv has them.
func (l *TCN) through(x, lengths *G.Node, conv func(c *Conv1D, u *G.Node) (*G.Node, error)) (*G.Node, error) {
	for _, level := range l.levels {
		u := x
		for k, c := range level.convs {
			var err error
			if u, err = conv(c, u); err != nil {
				return nil, err
			}
			if u, err = ops.Activate(l.cfg.Activation, u); err != nil {
				return nil, l.wrap("Fwd", err)
			}
			if u, err = level.drops[k].Fwd(u); err != nil {
				return nil, err
			}
		}
		if level.shortcut != nil {
			var err error
			if x, err = level.shortcut.FwdLengths(x, lengths); err != nil {
				return nil, err
			}
		}
		y, err := ops.Add(x, u, ops.Lengths(lengths))
		if err != nil {
			return nil, l.wrap("Fwd", err)
		}
		if x, err = ops.Activate(l.cfg.Activation, y); err != nil {
			return nil, l.wrap("Fwd", err)
		}
	}
	return l.maskActivated(x, lengths, l.cfg.Activation)
}

// maskActivated returns y, which an activation made of what is 0 behind the lengths, with
// zeros there.
func (l *Base) maskActivated(y, lengths *G.Node, act ops.Activation) (*G.Node, error) {
	if lengths == nil || act != ops.ActSigmoid { // which makes a half of 0
		return y, nil
	}
	y, err := ops.Mask(y, lengths)
	return y, l.wrap("Fwd", err)
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: those of
// the convolutions, "0.conv1.x" and so on.
func (l *TCN) StateShapes(batch int) []StateShape { return l.convs.stateShapes(batch) }

// FwdState is Fwd for a sequence that goes on from a state: x0 is that of all
// convolutions before the first step of x, as StateShapes describes it, or nil for
// the start of a sequence, and x1 that after the last step.
func (l *TCN) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.convs.fwdState(l.Base, l.cfg.In, x, x0, l.through)
}
