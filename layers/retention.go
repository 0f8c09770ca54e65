package layers

import (
	"errors"
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/retention"
	"github.com/gorgonia-s4/s4/param"
)

// RetentionConfig configures a Retention layer.
type RetentionConfig struct {
	DModel int `json:"d_model"`           // features of input, output, queries and keys (E)
	Heads  int `json:"heads"`             // each has DModel/Heads features of keys, an even number unless without positions
	VWidth int `json:"v_width,omitempty"` // features of values and gate (V), which Heads divide; 0 means 2*DModel

	// Chunk is the number of steps that see each other in parallel. 0 means
	// retention.DefaultChunk. What comes out is the same but for rounding.
	Chunk     int                 `json:"chunk,omitempty"`
	Decay     retention.Decay     `json:"decay,omitempty"`     // "" means retention.Arange
	Positions retention.Positions `json:"positions,omitempty"` // "" means retention.RotaryLinspace
	Norm      retention.Norm      `json:"head_norm,omitempty"` // of the output of each head; "" means retention.RMS
	NormEps   float64             `json:"norm_eps,omitempty"`  // 0 means 1e-6, of retention.Group 1e-5
	// UnscaledKeys leaves out the factor (DModel/Heads)^(-1/2) of keys.
	UnscaledKeys bool `json:"unscaled_keys,omitempty"`
	// Scores that are retention.Normalized need all steps before: there is no state, and
	// no Recurrence. "" means retention.Plain.
	Scores retention.Scores `json:"scores,omitempty"`
}

func (c RetentionConfig) withDefaults() RetentionConfig {
	def(&c.VWidth, 2*c.DModel)
	def(&c.Chunk, retention.DefaultChunk)
	def(&c.Decay, retention.Arange)
	def(&c.Positions, retention.RotaryLinspace)
	def(&c.Norm, retention.RMS)
	def(&c.NormEps, c.Norm.Eps())
	def(&c.Scores, retention.Plain)
	return c
}

// Validate reports the first field that is out of range.
func (c RetentionConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("RetentionConfig: %w", err)
	}
	return nil
}

func (c RetentionConfig) validate() error {
	if err := size.First(
		size.Positive("DModel", c.DModel), size.Positive("VWidth", c.VWidth), size.Positive("Heads", c.Heads),
		size.Tensor("q_proj.weight (DModel, DModel)", c.DModel, c.DModel), size.Tensor("v_proj.weight (VWidth, DModel)", c.VWidth, c.DModel),
	); err != nil {
		return err
	}
	return errors.Join(c.op().Validate(c.DModel, c.VWidth), inField("Norm", c.Norm.Validate()), validateEps("NormEps", c.NormEps))
}

// op and gate are the configurations of the ops.
func (c RetentionConfig) op() retention.Config {
	return retention.Config{Heads: c.Heads, Chunk: c.Chunk, Decay: c.Decay, Positions: c.Positions, Scores: c.Scores, ScaleKeys: !c.UnscaledKeys}
}

func (c RetentionConfig) gate() retention.NormConfig {
	return retention.NormConfig{Heads: c.Heads, Norm: c.Norm, Eps: c.NormEps}
}

// Features implements MixerConfig.
func (c RetentionConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Retention is the multi-scale retention of RetNet: linear attention whose weights decay
// from step to step, in each head at a rate of its own, with a norm of the output of each
// head and a gate. With q, k, v and g linear maps of x,
//
//	S_n = gamma S_{n-1} + k_n^T v_n,  o_n = q_n S_n                by head
//	y   = out_proj (silu(g) norm(o))
//
// where positions turn queries and keys. Fwd computes it in chunks, in parallel, and a
// Recurrence step by step: a step costs the same at any position. See package retention.
//
// Its parameters have the names of torchscale's: q_proj.weight and k_proj.weight (E, E),
// v_proj.weight and g_proj.weight (V, E), out_proj.weight (E, V), without biases, and of
// the norm retention.Group group_norm.weight and group_norm.bias (V).
//
// Sun, Dong, Huang, Ma, Xia, Xue, Wang, Wei 2023, "Retentive Network: A Successor to
// Transformer for Large Language Models", arXiv:2307.08621.
type Retention struct {
	*Base
	cfg                  RetentionConfig
	qW, kW, vW, gW, oW   *G.Node
	normWeight, normBias *G.Node // nil but of Group
}

// The gains of the start of torchscale: 2^(-5/2), and 2^-1 of the map to the output.
const (
	retentionGain    = 0.17677669529663687
	retentionGainOut = 0.5
)

// NewRetention makes a retention. The linear maps start uniform by Glorot and Bengio,
// times 2^(-5/2), that to the output times 1/2.
func NewRetention(g *G.ExprGraph, dt tensor.Dtype, cfg RetentionConfig, opts ...Option) (*Retention, error) {
	return newLayer[*Retention](g, dt, cfg, opts)
}

// Build implements Config.
func (c RetentionConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &Retention{cfg: c}
	weight := func(name string, gain float64, out, in int) *G.Node {
		return b.Param(name+".weight", param.Hint{}, scaledBy(gain, XavierUniform(in, out)), out, in)
	}
	l.qW = weight("q_proj", retentionGain, c.DModel, c.DModel)
	l.kW = weight("k_proj", retentionGain, c.DModel, c.DModel)
	l.vW = weight("v_proj", retentionGain, c.VWidth, c.DModel)
	l.gW = weight("g_proj", retentionGain, c.VWidth, c.DModel)
	l.oW = weight("out_proj", retentionGainOut, c.DModel, c.VWidth)
	if c.Norm == retention.Group {
		l.normWeight = b.Param("group_norm.weight", param.Hint{}, Ones, c.VWidth)
		l.normBias = b.Param("group_norm.bias", param.Hint{}, Zeros, c.VWidth)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// scaledBy multiplies what a start draws.
func scaledBy(gain float64, init Init) Init {
	return func(rng *rand.Rand, dst []float64) {
		init(rng, dst)
		for i := range dst {
			dst[i] *= gain
		}
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Retention) Config() RetentionConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Retention) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Retention, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Retention) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *Retention) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.fwdDropped(x, lengths, nil)
}

// fwdDropped is FwdLengths with a dropout, or nil, after it.
func (l *Retention) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y, _, err := l.fwd(x, lengths, nil, false, after)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// check checks the input and its lengths.
func (l *Retention) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	s := x.Shape()
	if err := l.checkSize("the values (B, VWidth, L)", tensor.Shape{s[0], l.cfg.VWidth, s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// fwd adds the layer to the graph, from the state x0 or none, with the state after the
// last step if that is wanted, and a dropout, or nil, after it.
func (l *Retention) fwd(x, lengths *G.Node, x0 G.Nodes, withState bool, after *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	var in [4]*G.Node
	for i, w := range []*G.Node{l.qW, l.kW, l.vW, l.gW} {
		if in[i], err = ops.Linear(x, w, nil, ops.Lengths(lengths)); err != nil {
			return nil, nil, err
		}
	}
	var start *G.Node
	if len(x0) > 0 {
		start = x0[0]
	}
	var o *G.Node
	if withState {
		var end *G.Node
		o, end, err = retention.RetainState(l.cfg.op(), in[0], in[1], in[2], start, lengths)
		x1 = G.Nodes{end}
	} else {
		o, err = retention.Retain(l.cfg.op(), in[0], in[1], in[2], start, lengths)
	}
	if err == nil {
		o, err = retention.Gate(l.cfg.gate(), o, in[3], l.normWeight, l.normBias)
	}
	if err == nil {
		y, err = linearDropped(o, l.oW, nil, lengths, after)
	}
	return y, x1, err
}

// linearDropped is a linear map with a dropout, or nil, after it.
func linearDropped(x, w, b, lengths *G.Node, after *Dropout) (*G.Node, error) {
	opts := []ops.LinearOption{ops.Lengths(lengths)}
	if after.tied() {
		opts = append(opts, ops.DropOutput(after.cfg.P, after.masks))
		after = nil
	}
	y, err := ops.Linear(x, w, b, opts...)
	if err != nil || after == nil {
		return y, err
	}
	return after.Fwd(y)
}

// checkPlain reports a layer that has no state.
func (l *Retention) checkPlain(method string) error {
	if l.Base == nil {
		return l.wrap(method, errNotMade)
	}
	if l.cfg.Scores != retention.Plain {
		return l.errorf(method, "scores that are %q need all steps before: want Scores %q", l.cfg.Scores, retention.Plain)
	}
	return nil
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: S (B, Heads,
// DModel/Heads, VWidth/Heads), whose rows are in the frame of the last step, as package
// retention has it. There is none if Scores are not plain.
func (l *Retention) StateShapes(batch int) []StateShape {
	if l.Base == nil || l.cfg.Scores != retention.Plain {
		return nil
	}
	h := l.cfg.Heads
	return []StateShape{{Name: sumsName, Shape: tensor.Shape{batch, h, l.cfg.DModel / h, l.cfg.VWidth / h}}}
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both. A sequence fed in parts gives
// the output of the whole.
func (l *Retention) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.fwdState(x, x0, nil)
}

// fwdState is FwdState with a dropout, or nil, after it.
func (l *Retention) fwdState(x *G.Node, x0 G.Nodes, after *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkPlain("FwdState"); err != nil {
		return nil, nil, err
	}
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	if y, x1, err = l.fwd(x, nil, x0, true, after); err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	from := append(G.Nodes{x}, x0...)
	l.made(x1[0], from...)
	return l.made(y, from...), x1, nil
}
