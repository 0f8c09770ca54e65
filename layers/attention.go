package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/param"
)

// AttentionConfig configures an Attention layer.
type AttentionConfig struct {
	DModel int `json:"d_model"` // features of input and output
	Heads  int `json:"heads"`   // each has Inner/Heads features
	// Inner is the number of features of all queries, of all keys and of all values.
	// 0 means DModel.
	Inner int `json:"inner,omitempty"`

	Form   attention.Form `json:"form,omitempty"`   // "" means attention.Softmax
	Causal bool           `json:"causal,omitempty"` // a step sees itself and those before it, no later one
	// Window is the number of steps that a step sees, itself included, of a causal
	// layer with softmax. 0 means all.
	Window int `json:"window,omitempty"`

	// Rotary says which features of queries and keys are turned by an angle that is
	// proportional to the position. "" means none.
	Rotary attention.Rotary `json:"rotary,omitempty"`
	Theta  float64          `json:"theta,omitempty"` // the base of the angles; 0 means 10000

	Dropout float64 `json:"dropout,omitempty"` // of the weights of the softmax
	NoBias  bool    `json:"no_bias,omitempty"` // linear maps without in_proj_bias and out_proj.bias
}

// Validate reports the first field that is out of range.
func (c AttentionConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("AttentionConfig: %w", err)
	}
	return nil
}

func (c AttentionConfig) validate() error {
	switch {
	case c.DModel < 1:
		return fmt.Errorf("want DModel >= 1, got %d", c.DModel)
	case c.Inner < 1:
		return fmt.Errorf("want Inner >= 1, or 0 for DModel, got %d", c.Inner)
	}
	if err := size.First(
		size.Field("DModel", c.DModel), size.Field("Inner", c.Inner),
		size.Tensor("in_proj_weight (3*Inner, DModel)", 3, c.Inner, c.DModel),
	); err != nil {
		return err
	}
	if c.Theta > 0 && c.Rotary == attention.NoRotary {
		return fmt.Errorf("want Rotary with Theta %g, the base of its angles, got none", c.Theta)
	}
	return c.op().Validate(c.Inner)
}

// op is the configuration of the op, but for its masks.
func (c AttentionConfig) op() attention.Config {
	return attention.Config{Heads: c.Heads, Form: c.Form, Causal: c.Causal, Window: c.Window, Rotary: c.Rotary, Theta: c.Theta, Dropout: c.Dropout}
}

// op is the configuration of the op.
func (l *Attention) op() attention.Config {
	c := l.cfg.op()
	if c.Dropout > 0 {
		c.Masks = l.drop.masks
	}
	return c
}

func (c AttentionConfig) withDefaults() AttentionConfig {
	def(&c.Inner, c.DModel)
	def(&c.Form, attention.Softmax)
	if c.Rotary != attention.NoRotary {
		def(&c.Theta, attention.DefaultTheta)
	}
	return c
}

// Features implements MixerConfig.
func (c AttentionConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Attention is multi-head self-attention: x is mapped to queries, keys and values,
// each head compares its queries with its keys and sums the values by the weights
// that come of it, and the outputs of all heads together are mapped to y. Vaswani
// et al. 2017, arXiv:1706.03762; the linear form: Katharopoulos et al. 2020,
// arXiv:2006.16236; rotary positions: Su et al. 2021, arXiv:2104.09864. No matrix of
// all pairs of steps is in memory, neither forward nor backward.
//
// Its parameters are in_proj_weight (3*Inner, DModel) with the rows of the queries
// first, then those of keys and values, in_proj_bias (3*Inner), out_proj.weight
// (DModel, Inner) and out_proj.bias (DModel): names, order and start are those of
// torch.nn.MultiheadAttention.
type Attention struct {
	*Base
	cfg        AttentionConfig
	inW, inB   *G.Node
	outW, outB *G.Node
	drop       *Dropout // of the weights
}

// NewAttention makes a self-attention. in_proj_weight starts uniform by Glorot and
// Bengio, out_proj.weight uniform in +-1/sqrt(Inner), biases at 0.
func NewAttention(g *G.ExprGraph, dt tensor.Dtype, cfg AttentionConfig, opts ...Option) (*Attention, error) {
	return newLayer[*Attention](g, dt, cfg, opts)
}

// Build implements Config.
func (c AttentionConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &Attention{cfg: c}
	l.inW = b.Param("in_proj_weight", param.Hint{}, XavierUniform(c.DModel, 3*c.Inner), 3*c.Inner, c.DModel)
	if !c.NoBias {
		l.inB = b.Param("in_proj_bias", param.Hint{}, Zeros, 3*c.Inner)
	}
	l.outW = b.Param("out_proj.weight", param.Hint{}, UniformFanIn(c.Inner), c.DModel, c.Inner)
	if !c.NoBias {
		l.outB = b.Param("out_proj.bias", param.Hint{}, Zeros, c.DModel)
	}
	l.drop, _ = child[*Dropout](b, "dropout", DropoutConfig{P: c.Dropout, Untied: true})
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Attention) Config() AttentionConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Attention) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Attention, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Attention) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read and seen, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil. A length that is not in [0, L] is an error when the
// graph runs.
func (l *Attention) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.fwdDropped(x, lengths, nil)
}

// fwdDropped is FwdLengths with a dropout, or nil, after it.
func (l *Attention) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	qkv, err := l.project(x, lengths)
	if err != nil {
		return nil, err
	}
	y, err := attention.Attend(qkv, l.op(), attention.Lengths(lengths))
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	if y, err = l.output(y, lengths, after); err != nil {
		return nil, err
	}
	return l.made(y, x, lengths), nil
}

// project checks the input and maps it to queries, keys and values, (B, 3*Inner, L).
func (l *Attention) project(x, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return nil, err
	}
	s := x.Shape()
	if err := l.checkSize("queries, keys and values (B, 3*Inner, L)", tensor.Shape{s[0], 3 * l.cfg.Inner, s[2]}); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	qkv, err := ops.Linear(x, l.inW, l.inB, ops.Lengths(lengths))
	return qkv, l.wrap("Fwd", err)
}

// output maps what the heads return, (B, Inner, L), to (B, DModel, L), with a
// dropout, or nil, after it.
func (l *Attention) output(y, lengths *G.Node, after *Dropout) (*G.Node, error) {
	y, err := linearDropped(y, l.outW, l.outB, lengths, after)
	return y, l.wrap("Fwd", err)
}

// checkCausal reports a layer that has no state.
func (l *Attention) checkCausal(method string) error {
	if l.Base == nil {
		return l.wrap(method, errNotMade)
	}
	if !l.cfg.Causal {
		return l.errorf(method, "an attention that is not causal needs the future: want Causal true")
	}
	return nil
}

// hasPosition says whether the state has positions.
func (c AttentionConfig) hasPosition() bool {
	return c.Form != attention.Linear || c.Rotary != attention.NoRotary
}

// The names of the tensors in the state of an attention and of positions.
const (
	keysName, valuesName  = "k", "v" // of the softmax
	sumsName, keySumsName = "S", "z" // of the linear form
	positionName          = "position"
)

// StateShapes describes the state of a batch, hd = Inner/Heads; there is none if the
// layer is not causal:
//
//	softmax   k and v (B, Heads, T, hd), the keys, rotated, and values of the steps
//	          before, newest last; position (B), the number of steps seen
//	linear    S (B, Heads, hd, hd), z (B, Heads, hd), and with Rotary position (B)
//
// The last min(position, T) of the T slots of k and v count. They grow with the
// steps, but with a Window T is max(1, Window-1).
func (l *Attention) StateShapes(batch int) []StateShape {
	if l.Base == nil || !l.cfg.Causal {
		return nil
	}
	h, hd := l.cfg.Heads, l.cfg.Inner/l.cfg.Heads
	var shapes []StateShape
	switch {
	case l.cfg.Form == attention.Linear:
		shapes = []StateShape{{Name: sumsName, Shape: tensor.Shape{batch, h, hd, hd}}, {Name: keySumsName, Shape: tensor.Shape{batch, h, hd}}}
	case l.cfg.Window > 0:
		slots := max(1, l.cfg.Window-1)
		shapes = []StateShape{{Name: keysName, Shape: tensor.Shape{batch, h, slots, hd}}, {Name: valuesName, Shape: tensor.Shape{batch, h, slots, hd}}}
	default:
		shapes = []StateShape{{keysName, tensor.Shape{batch, h, 1, hd}, 2}, {valuesName, tensor.Shape{batch, h, 1, hd}, 2}}
	}
	if l.cfg.hasPosition() {
		shapes = append(shapes, StateShape{Name: positionName, Shape: tensor.Shape{batch}})
	}
	return shapes
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both, but not through positions.
// A sequence fed in parts gives the output of the whole. A layer that is not causal
// has no state.
func (l *Attention) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.fwdState(x, x0, nil)
}

// fwdState is FwdState with a dropout, or nil, after it.
func (l *Attention) fwdState(x *G.Node, x0 G.Nodes, after *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkCausal("FwdState"); err != nil {
		return nil, nil, err
	}
	qkv, err := l.project(x, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	y, x1, err = attention.AttendState(qkv, x0, l.op())
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	if y, err = l.output(y, nil, after); err != nil {
		return nil, nil, err
	}
	from := append(G.Nodes{x}, x0...)
	for _, n := range x1 {
		l.made(n, from...)
	}
	return l.made(y, from...), x1, nil
}
