package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
	"github.com/gorgonia-s4/s4/param"
)

// Conv1DConfig configures a Conv1D layer. It is causal unless it has Same.
type Conv1DConfig struct {
	In       int `json:"in"`                 // features of the input
	Out      int `json:"out"`                // features of the output
	Kernel   int `json:"kernel"`             // taps of a kernel (K)
	Dilation int `json:"dilation,omitempty"` // steps from one tap to the next; 0 means 1
	Groups   int `json:"groups,omitempty"`   // the features are cut into as many; 0 means 1, and In is a depthwise convolution
	// Stride is the number of steps of the input to each of the output; 0 means 1. A
	// block keeps the length of a sequence, and takes 1 only.
	Stride int `json:"stride,omitempty"`
	// Same lets the kernel look ahead as far as back, with as many zeros on both sides
	// of a sequence as keep its length: (Kernel-1)*Dilation is even then, and the
	// layer has neither state nor Recurrence.
	Same   bool `json:"same,omitempty"`
	NoBias bool `json:"no_bias,omitempty"` // no parameter bias
	// WeightNorm learns direction and norm of the kernels of each output: see
	// ops.WeightNorm.
	WeightNorm bool `json:"weight_norm,omitempty"`
}

func (c Conv1DConfig) withDefaults() Conv1DConfig {
	def(&c.Dilation, 1)
	def(&c.Groups, 1)
	def(&c.Stride, 1)
	return c
}

// Validate reports the first field that is out of range.
func (c Conv1DConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("Conv1DConfig: %w", err)
	}
	return nil
}

func (c Conv1DConfig) validate() error {
	if err := size.First(
		size.Positive("In", c.In), size.Positive("Out", c.Out), size.Positive("Kernel", c.Kernel),
		size.Positive("Dilation", c.Dilation), size.Positive("Groups", c.Groups), size.Positive("Stride", c.Stride),
	); err != nil {
		return err
	}
	if c.In%c.Groups != 0 || c.Out%c.Groups != 0 {
		return fmt.Errorf("want Groups a divisor of In = %d and of Out = %d, got %d", c.In, c.Out, c.Groups)
	}
	if err := size.Tensor("weight (Out, In/Groups, Kernel)", c.Out, c.In/c.Groups, c.Kernel); err != nil {
		return err
	}
	if c.Kernel-1 > size.MaxLength/c.Dilation {
		return fmt.Errorf("want (Kernel-1)*Dilation at most %d, got %d*%d", size.MaxLength, c.Kernel-1, c.Dilation)
	}
	if c.Same && c.reach()%2 != 0 {
		return fmt.Errorf("want (Kernel-1)*Dilation even with Same, an odd Kernel as a rule, got %d*%d", c.Kernel-1, c.Dilation)
	}
	return nil
}

// reach is the number of steps from the first tap to the last.
func (c Conv1DConfig) reach() int { return (c.Kernel - 1) * c.Dilation }

// Features implements MixerConfig.
func (c Conv1DConfig) Features() (in, out int) { return c.In, c.Out }

// checkLength reports a layer that does not keep the length of a sequence.
func (c Conv1DConfig) checkLength() error {
	if c.Stride > 1 {
		return fmt.Errorf("want Stride 1, got a mixer with %d", c.Stride)
	}
	return nil
}

// Conv1D is a convolution with short kernels, with parameters weight (Out,
// In/Groups, Kernel) and bias (Out): package conv1d has the formula. With WeightNorm
// it has weight_g (Out), the norms, and weight_v (Out, In/Groups, Kernel), the
// directions, in the place of weight.
type Conv1D struct {
	*Base
	cfg  Conv1DConfig
	w, b *G.Node
	norm *G.Node // of w, nil without WeightNorm
}

// NewConv1D makes a convolution. Weight and bias start uniform in
// +-1/sqrt(In/Groups*Kernel).
func NewConv1D(g *G.ExprGraph, dt tensor.Dtype, cfg Conv1DConfig, opts ...Option) (*Conv1D, error) {
	return newLayer[*Conv1D](g, dt, cfg, opts)
}

// Build implements Config.
func (c Conv1DConfig) Build(b *Builder) (Layer, error) {
	l := &Conv1D{cfg: c.withDefaults()}
	perGroup := c.In / l.cfg.Groups
	start := UniformFanIn(perGroup * c.Kernel)
	if c.WeightNorm {
		l.w = b.Param("weight_v", param.Hint{}, start, c.Out, perGroup, c.Kernel)
		l.norm = b.Param("weight_g", param.Hint{}, normsOf(l.w), c.Out)
	} else {
		l.w = b.Param("weight", param.Hint{}, start, c.Out, perGroup, c.Kernel)
	}
	if !c.NoBias {
		l.b = b.Param("bias", param.Hint{}, start, c.Out)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// normsOf fills with the norms of the rows of a parameter.
func normsOf(n *G.Node) Init {
	return func(_ *rand.Rand, dst []float64) {
		switch v := n.Value().Data().(type) {
		case []float32:
			rowNorms(dst, v)
		case []float64:
			rowNorms(dst, v)
		}
	}
}

func rowNorms[T num.Float](dst []float64, v []T) {
	m := len(v) / len(dst)
	for i := range dst {
		dst[i] = math.Sqrt(vec.SumSq64(v[i*m : (i+1)*m]))
	}
}

// weight adds the kernels to the graph.
func (l *Conv1D) weight() (*G.Node, error) {
	if l.norm == nil {
		return l.w, nil
	}
	return ops.WeightNorm(l.w, l.norm)
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Conv1D) Config() Conv1DConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Conv1D) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Conv1D, error) {
	return Clone(l, g, opts...)
}

// OutputLength returns the number of steps of the output for n of the input:
// ceil(n/Stride).
func (l *Conv1D) OutputLength(n int) (int, error) {
	if l.Base == nil {
		return 0, l.wrap("OutputLength", errNotMade)
	}
	m, err := conv1d.OutputLength(n, l.cfg.Kernel, l.options()...)
	return m, l.wrap("OutputLength", err)
}

// options returns those of the op.
func (l *Conv1D) options() []conv1d.Option {
	c := l.cfg
	opts := []conv1d.Option{conv1d.WithDilation(c.Dilation), conv1d.WithGroups(c.Groups), conv1d.WithStride(c.Stride)}
	if c.Same {
		opts = append(opts, conv1d.WithPadding(c.reach()/2))
	}
	return opts
}

// Fwd maps x (B, In, L) to (B, Out, OutputLength(L)).
func (l *Conv1D) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and, OutputLength of them, in the gradient of the
// output, whatever stands behind them. The output is 0 there, and so is the
// gradient of x. lengths is (B) of dtype int, or nil. A length that is not in [0,
// L] is an error when the graph runs.
func (l *Conv1D) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.checkInput(x, l.cfg.In, false); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	w, err := l.weight()
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	y, err := conv1d.Conv(x, w, l.b, append(l.options(), conv1d.WithLengths(lengths))...)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the one tensor
// that StateShapes describes, the last (Kernel-1)*Dilation inputs before x, oldest
// first, or nil for zeros, and x1 that after the last step. A kernel of one tap has
// no state, and a layer with Same or a stride cannot go on.
func (l *Conv1D) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkInput(x, l.cfg.In, false); err != nil {
		return nil, nil, err
	}
	if err := l.checkCausal("FwdState"); err != nil {
		return nil, nil, err
	}
	state, err := l.oneState(x0, l.StateShapes(x.Shape()[0]))
	if err != nil {
		return nil, nil, err
	}
	w, err := l.weight()
	if err == nil {
		y, err = conv1d.Conv(x, w, l.b, append(l.options(), conv1d.WithState(state))...)
	}
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	if l.cfg.reach() > 0 {
		last, err := conv1d.FinalState(x, state, l.cfg.reach())
		if err != nil {
			return nil, nil, l.wrap("FwdState", err)
		}
		x1 = G.Nodes{l.made(last, x, state)}
	}
	return l.made(y, x, state), x1, nil
}

// errAhead is that of a convolution that looks ahead.
var errAhead = errors.New("a convolution with Same reads the future: want Same false")

// isAhead implements convolution.
func (l *Conv1D) isAhead() bool { return l.cfg.Same }

// checkCausal reports a layer that cannot go on from a state.
func (l *Conv1D) checkCausal(method string) error {
	switch {
	case l.Base == nil:
		return l.wrap(method, errNotMade)
	case l.cfg.Same:
		return l.wrap(method, errAhead)
	case l.cfg.Stride != 1:
		return l.errorf(method, "a convolution with a stride has no output at some steps: want Stride 1, got %d", l.cfg.Stride)
	}
	return nil
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: one
// tensor x (B, In, (Kernel-1)*Dilation), but none for a kernel of one tap, or for a
// layer that cannot go on.
func (l *Conv1D) StateShapes(batch int) []StateShape {
	if l.Base == nil || l.cfg.Same || l.cfg.Stride != 1 || l.cfg.reach() == 0 {
		return nil
	}
	return []StateShape{{Name: stateName, Shape: tensor.Shape{batch, l.cfg.In, l.cfg.reach()}}}
}
