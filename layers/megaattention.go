package layers

import (
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/mega"
	"github.com/gorgonia-s4/s4/param"
)

// RelativeBias says how biases of relative positions are parameterised.
type RelativeBias string

// The biases.
const (
	SimpleBias RelativeBias = "simple" // a number for each relative position; also ""
	RotaryBias RelativeBias = "rotary" // a product of two vectors that positions turn, for any length
)

// RelativeBiases lists the biases.
func RelativeBiases() []RelativeBias { return []RelativeBias{SimpleBias, RotaryBias} }

// MegaAttentionConfig configures a MegaAttention layer.
type MegaAttentionConfig struct {
	DModel int `json:"d_model"`           // features of input and output (D)
	DState int `json:"d_state,omitempty"` // averages of each (N); 0 means 16
	ZDim   int `json:"z_dim,omitempty"`   // features of queries and keys (Z); 0 means half of DModel, rounded up to an even number
	VDim   int `json:"v_dim,omitempty"`   // features of values (V); 0 means 2*DModel

	Causal   bool          `json:"causal,omitempty"`   // a step sees itself and those before it, no later one
	Function mega.Function `json:"function,omitempty"` // of scores; "" means mega.Softmax
	// Chunk is the number of steps that attention sees at most: sequences are cut into
	// chunks, between which the averages alone carry what was. 0 means 128, mega.Whole no
	// chunks: then there is no state, and no Recurrence.
	Chunk int          `json:"chunk,omitempty"`
	Bias  RelativeBias `json:"relative_bias,omitempty"` // of relative positions in a chunk; "" means SimpleBias
	LMax  int          `json:"l_max,omitempty"`         // the longest sequence of a SimpleBias without chunks

	Norm       NormKind `json:"norm,omitempty"`       // "" means LayerNorm
	PreNorm    bool     `json:"prenorm,omitempty"`    // normalise before, not after the sum
	NormEps    float64  `json:"norm_eps,omitempty"`   // 0 means 1e-5
	Dropout    float64  `json:"dropout,omitempty"`    // of what is blended with the input
	Truncation int      `json:"truncation,omitempty"` // see EMAConfig
	// InitStd is the deviation of weights, gamma and biases of positions at the start. 0
	// means 0.02.
	InitStd float64 `json:"init_std,omitempty"`
}

// The defaults of Chunk and InitStd.
const (
	megaChunk     = 128
	megaDeviation = 0.02
)

func (c MegaAttentionConfig) withDefaults() MegaAttentionConfig {
	def(&c.DState, 16)
	def(&c.ZDim, (c.DModel+3)/4*2)
	def(&c.VDim, 2*c.DModel)
	def(&c.Function, mega.Softmax)
	def(&c.Chunk, megaChunk)
	def(&c.Bias, SimpleBias)
	def(&c.Norm, LayerNorm)
	def(&c.NormEps, 1e-5)
	def(&c.InitStd, megaDeviation)
	return c
}

// Validate reports the first field that is out of range.
func (c MegaAttentionConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("MegaAttentionConfig: %w", err)
	}
	return nil
}

func (c MegaAttentionConfig) validate() error {
	if err := size.First(
		size.Positive("DModel", c.DModel), size.Positive("DState", c.DState), size.Positive("ZDim", c.ZDim), size.Positive("VDim", c.VDim),
		size.Tensor("v_proj.weight (VDim, DModel)", c.VDim, c.DModel), size.Field("2*DModel + ZDim + VDim", c.base()),
		size.Tensor("mx_proj.weight (2*DModel + ZDim + VDim, DModel)", c.base(), c.DModel),
		c.move().Validate(), c.op().Validate(),
	); err != nil {
		return err
	}
	switch {
	case !slices.Contains(RelativeBiases(), c.Bias):
		return fmt.Errorf("want Bias one of %q, got %q", RelativeBiases(), c.Bias)
	case c.Bias == RotaryBias && c.ZDim%2 != 0:
		return fmt.Errorf("want an even ZDim with Bias %q, got %d", RotaryBias, c.ZDim)
	case c.Bias == SimpleBias && c.Chunk == mega.Whole && c.LMax < 1:
		return fmt.Errorf("want LMax >= 1 with Bias %q and no chunks, got %d", SimpleBias, c.LMax)
	case !(c.InitStd > 0) || !num.Finite(c.InitStd):
		return fmt.Errorf("want InitStd > 0, finite, or 0 for %g, got %g", megaDeviation, c.InitStd)
	case c.LMax < 0 || c.LMax > size.MaxLength:
		return fmt.Errorf("want LMax in [0, %d], got %d", size.MaxLength, c.LMax)
	}
	return errors.Join(c.Norm.Validate(), validateEps("NormEps", c.NormEps), inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()))
}

// base is the number of features of mx_proj.
func (c MegaAttentionConfig) base() int { return 2*c.DModel + c.ZDim + c.VDim }

// move and op configure the average and the attention.
func (c MegaAttentionConfig) move() EMAConfig {
	return EMAConfig{DModel: c.DModel, DState: c.DState, Bidirectional: !c.Causal, Truncation: c.Truncation}
}

func (c MegaAttentionConfig) op() mega.Config {
	return mega.Config{Function: c.Function, Causal: c.Causal, Chunk: c.Chunk}
}

// reach is the number of relative positions of a SimpleBias, M of 2M-1.
func (c MegaAttentionConfig) reach() int {
	if c.Chunk == mega.Whole {
		return c.LMax
	}
	return c.Chunk
}

// Features implements MixerConfig.
func (c MegaAttentionConfig) Features() (in, out int) { return c.DModel, c.DModel }

// hasResidual says that a block has to leave its own out.
func (c MegaAttentionConfig) hasResidual() {}

// MegaAttention is the gated attention of Mega: queries and keys are made of the moving
// average of the input, values of the input, and what the attention returns is mixed with
// the input by a gate. With xn = norm(x) if PreNorm, else x,
//
//	v = silu(v_proj xn),  mx = EMA(xn),  u, (z, r), hx = mx_proj mx
//	h = attention(silu(z), v)                           in chunks, see package mega
//	h = silu(hx + h_proj (h silu(r)))
//	y = x + sigmoid(u) (h - x),  norm(y) without PreNorm
//
// Its parameters have the names of the public implementation: v_proj, mx_proj, h_proj,
// gamma and beta (2, Z), those of the EMA under "move", of the norm under "norm", and
// rel_pos_bias.rel_pos_bias (2M-1), or rel_pos_bias.alpha and .beta (1, Z). It has its own
// residual, so that in a stack it is the mixer of a block with NoResidual, as a rule with
// NoNorm. Causal and in chunks it has steps, whose state is the averages and what queries
// and keys are made of, and values, of the chunk under way.
//
// Ma et al. 2022, "Mega: Moving Average Equipped Gated Attention", arXiv:2209.10655.
type MegaAttention struct {
	*Base
	cfg                 MegaAttentionConfig
	norm                *Norm
	move                *EMA
	drop                *Dropout
	vW, vB              *G.Node
	mxW, mxB            *G.Node
	hW, hB              *G.Node
	gamma, beta         *G.Node
	bias                *G.Node // of SimpleBias
	biasAlpha, biasBeta *G.Node // of RotaryBias
}

// NewMegaAttention makes a gated attention. Weights, gamma and biases of positions start
// normal with deviation InitStd, other biases and beta at 0.
func NewMegaAttention(g *G.ExprGraph, dt tensor.Dtype, cfg MegaAttentionConfig, opts ...Option) (*MegaAttention, error) {
	return newLayer[*MegaAttention](g, dt, cfg, opts)
}

// Build implements Config.
func (c MegaAttentionConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &MegaAttention{cfg: c}
	l.norm, _ = child[*Norm](b, "norm", NormConfig{Kind: c.Norm, DModel: c.DModel, Eps: c.NormEps})
	l.move, _ = child[*EMA](b, "move", c.move())
	l.drop, _ = child[*Dropout](b, "dropout", DropoutConfig{P: c.Dropout})
	linear := func(name string, out, in int) (w, bias *G.Node) {
		return b.Param(name+".weight", param.Hint{}, Normal(c.InitStd), out, in), b.Param(name+".bias", param.Hint{}, Zeros, out)
	}
	l.vW, l.vB = linear("v_proj", c.VDim, c.DModel)
	l.mxW, l.mxB = linear("mx_proj", c.base(), c.DModel)
	l.hW, l.hB = linear("h_proj", c.DModel, c.VDim)
	l.gamma = b.Param("gamma", param.Hint{}, Normal(c.InitStd), 2, c.ZDim)
	l.beta = b.Param("beta", param.Hint{}, Zeros, 2, c.ZDim)
	if c.Bias == RotaryBias {
		l.biasAlpha = b.Param("rel_pos_bias.alpha", param.Hint{}, Normal(c.InitStd), 1, c.ZDim)
		l.biasBeta = b.Param("rel_pos_bias.beta", param.Hint{}, Normal(c.InitStd), 1, c.ZDim)
	} else {
		l.bias = b.Param("rel_pos_bias.rel_pos_bias", param.Hint{}, Normal(c.InitStd), 2*c.reach()-1)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *MegaAttention) Config() MegaAttentionConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *MegaAttention) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*MegaAttention, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L). With a SimpleBias and no chunks L is at
// most LMax.
func (l *MegaAttention) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read and seen, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths is (B)
// of dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *MegaAttention) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y, _, err := l.fwd(x, lengths, nil, false)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// check checks the input and its lengths.
func (l *MegaAttention) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	s := x.Shape()
	if l.cfg.Bias == SimpleBias && l.cfg.Chunk == mega.Whole && s[2] > l.cfg.LMax {
		return l.errorf("Fwd", "want at most LMax = %d steps, got %d", l.cfg.LMax, s[2])
	}
	if err := l.checkSize("the values (B, VDim, L)", tensor.Shape{s[0], l.cfg.VDim, s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// fwd adds the layer to the graph, from the state x0 or none, with the state after the
// last step if that is wanted.
func (l *MegaAttention) fwd(x, lengths *G.Node, x0 G.Nodes, withState bool) (y *G.Node, x1 G.Nodes, err error) {
	xn := x
	if l.cfg.PreNorm {
		if xn, err = l.norm.FwdLengths(x, lengths); err != nil {
			return nil, nil, err
		}
	}
	mx, x1, err := l.average(xn, lengths, x0, withState)
	if err != nil {
		return nil, nil, err
	}
	in, r, err := l.operands(xn, mx, lengths, withState)
	if err != nil {
		return nil, nil, err
	}
	var from *mega.State[*G.Node]
	if len(x0) > 0 {
		from = &mega.State[*G.Node]{Z: x0[1], V: x0[2], Position: x0[3]}
	}
	h, err := mega.Attend(l.cfg.op(), in, from, lengths)
	if err == nil && withState {
		var to mega.State[*G.Node]
		to, err = mega.Cache(l.cfg.op(), in.Z, in.V, from)
		x1 = append(x1, to.Z, to.V, to.Position)
	}
	if err == nil {
		y, err = l.leave(x, mx, h, r, lengths)
	}
	return y, x1, err
}

// average adds the moving average, and its state if that is wanted.
func (l *MegaAttention) average(x, lengths *G.Node, x0 G.Nodes, withState bool) (y *G.Node, x1 G.Nodes, err error) {
	if withState {
		if len(x0) > 0 {
			x0 = x0[:1]
		}
		return l.move.FwdState(x, x0)
	}
	y, err = l.move.FwdLengths(x, lengths)
	return y, nil, err
}

// part adds features [from, from+n) of mx_proj mx.
func (l *MegaAttention) part(mx, lengths *G.Node, from, n int) (*G.Node, error) {
	w, err := graphop.Part("mx_proj.weight", l.mxW, from*l.cfg.DModel, tensor.Shape{n, l.cfg.DModel})
	if err != nil {
		return nil, err
	}
	b, err := graphop.Part("mx_proj.bias", l.mxB, from, tensor.Shape{n})
	if err != nil {
		return nil, err
	}
	return ops.Linear(mx, w, b, ops.Lengths(lengths))
}

// operands adds those of the attention, and the gate r of what it returns. whole says
// that the biases are those of whole chunks, as a state wants.
func (l *MegaAttention) operands(x, mx, lengths *G.Node, whole bool) (in mega.Inputs[*G.Node], r *G.Node, err error) {
	c := l.cfg
	in = mega.Inputs[*G.Node]{Gamma: l.gamma, Beta: l.beta, Bias: l.bias}
	activated := func(y *G.Node, err error) (*G.Node, error) {
		if err != nil {
			return nil, err
		}
		return ops.Activate(ops.ActSiLU, y)
	}
	if in.V, err = activated(ops.Linear(x, l.vW, l.vB, ops.Lengths(lengths))); err != nil {
		return in, nil, err
	}
	if in.Z, err = activated(l.part(mx, lengths, c.DModel, c.ZDim)); err != nil {
		return in, nil, err
	}
	if r, err = activated(l.part(mx, lengths, c.DModel+c.ZDim, c.VDim)); err != nil {
		return in, nil, err
	}
	if c.Bias == RotaryBias {
		reach := x.Shape()[2]
		if c.Chunk != mega.Whole && (whole || reach > c.Chunk) {
			reach = c.Chunk
		}
		in.Bias, err = mega.RotaryBias(l.biasAlpha, l.biasBeta, reach)
	}
	return in, r, err
}

// leave adds what is behind the attention, whose output is h.
func (l *MegaAttention) leave(x, mx, h, r, lengths *G.Node) (*G.Node, error) {
	d := l.cfg.DModel
	h, err := ops.Mul(h, r)
	if err == nil {
		h, err = ops.Linear(h, l.hW, l.hB, ops.Lengths(lengths))
	}
	var hx, u, y *G.Node
	if err == nil {
		hx, err = l.part(mx, lengths, l.cfg.base()-d, d)
	}
	if err == nil {
		h, err = ops.Add(hx, h)
	}
	if err == nil {
		h, err = ops.Activate(ops.ActSiLU, h)
	}
	if err == nil {
		h, err = l.drop.Fwd(h)
	}
	if err == nil {
		u, err = l.part(mx, lengths, 0, d)
	}
	if err == nil {
		y, err = mega.Blend(x, u, h, lengths)
	}
	if err != nil || l.cfg.PreNorm {
		return y, err
	}
	return l.norm.FwdLengths(y, lengths)
}

// checkCausal reports a layer that has no state.
func (l *MegaAttention) checkCausal(method string) error {
	switch {
	case l.Base == nil:
		return l.wrap(method, errNotMade)
	case !l.cfg.Causal:
		return l.errorf(method, "an attention that is not causal needs the future: want Causal true")
	case l.cfg.Chunk == mega.Whole:
		return l.errorf(method, "without chunks the state grows: want Chunk >= 1")
	case l.cfg.Truncation > 0:
		return l.errorf(method, "a truncated kernel is no recurrence: want Truncation 0, got %d", l.cfg.Truncation)
	}
	return nil
}

// sharedName is the name of what queries and keys are made of, in a state.
const sharedName = "shared"

// StateShapes describes the state of a batch, for FwdState and Recurrence: average (B,
// DModel, DState), shared (B, T, ZDim) and v (B, T, VDim), what queries and keys are made
// of and values of the steps of the chunk under way, newest last, T = max(1, Chunk-1), and
// position (B), how many of them count. There is none if the layer is not causal, has no
// chunks, or is truncated.
func (l *MegaAttention) StateShapes(batch int) []StateShape {
	if l.checkCausal("StateShapes") != nil {
		return nil
	}
	t := l.cfg.op().Slots()
	return append(l.move.StateShapes(batch),
		StateShape{Name: sharedName, Shape: tensor.Shape{batch, t, l.cfg.ZDim}}, StateShape{Name: valuesName, Shape: tensor.Shape{batch, t, l.cfg.VDim}},
		StateShape{Name: positionName, Shape: tensor.Shape{batch}})
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both, but not through positions. A
// sequence fed in parts gives the output of the whole.
func (l *MegaAttention) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkCausal("FwdState"); err != nil {
		return nil, nil, err
	}
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	if y, x1, err = l.fwd(x, nil, x0, true); err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	from := append(G.Nodes{x}, x0...)
	for _, n := range x1 {
		l.made(n, from...)
	}
	return l.made(y, from...), x1, nil
}
