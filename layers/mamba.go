package layers

import (
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
	"github.com/gorgonia-s4/s4/ops/selective"
	"github.com/gorgonia-s4/s4/param"
)

// MambaConfig configures a Mamba layer.
type MambaConfig struct {
	DModel int `json:"d_model"`           // features of input and output (E)
	Expand int `json:"expand,omitempty"`  // the inner layers have Expand*DModel channels (D); 0 means 2
	DState int `json:"d_state,omitempty"` // states of a channel (N); 0 means 16
	Kernel int `json:"kernel,omitempty"`  // taps of the convolution (K); 0 means 4
	DtRank int `json:"dt_rank,omitempty"` // rank of the map to step sizes (R); 0 means DModel/16, rounded up
	// DtMin and DtMax bound the step sizes at the start, whose logarithms are uniform
	// between theirs; 0 means 0.001 and 0.1. None begins below 1e-4.
	DtMin float64 `json:"dt_min,omitempty"`
	DtMax float64 `json:"dt_max,omitempty"`
	// Bias gives the maps into the layer and out of it a bias; NoConvBias takes that of the
	// convolution away.
	Bias       bool `json:"bias,omitempty"`
	NoConvBias bool `json:"no_conv_bias,omitempty"`
}

// The rule for DtRank, and the least step size at the start.
const (
	mambaPerRank = 16
	mambaDtFloor = 1e-4
)

func (c MambaConfig) withDefaults() MambaConfig {
	def(&c.Expand, 2)
	def(&c.DState, 16)
	def(&c.Kernel, 4)
	def(&c.DtRank, (c.DModel+mambaPerRank-1)/mambaPerRank)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	return c
}

// Validate reports the first field that is out of range.
func (c MambaConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("MambaConfig: %w", err)
	}
	return nil
}

func (c MambaConfig) validate() error {
	if err := size.First(
		size.Positive("DModel", c.DModel), size.Positive("Expand", c.Expand), size.Positive("DState", c.DState),
		size.Positive("Kernel", c.Kernel), size.Positive("DtRank", c.DtRank),
	); err != nil {
		return err
	}
	if !(c.DtMin > 0 && c.DtMin <= c.DtMax && num.Finite(c.DtMax)) {
		return fmt.Errorf("want 0 < DtMin <= DtMax, finite, got %g and %g", c.DtMin, c.DtMax)
	}
	return size.First(
		size.Tensor("in_proj (2*Expand*DModel, DModel)", 2, c.Expand, c.DModel, c.DModel),
		size.Tensor("A (Expand*DModel, DState)", c.Expand, c.DModel, c.DState),
		size.Tensor("conv1d (Expand*DModel, Kernel)", c.Expand, c.DModel, c.Kernel),
		size.Tensor("dt_proj (Expand*DModel, DtRank)", c.Expand, c.DModel, c.DtRank),
		size.Field("DtRank + 2*DState", c.DtRank+2*c.DState),
		size.Tensor("x_proj (DtRank + 2*DState, Expand*DModel)", c.DtRank+2*c.DState, c.Expand, c.DModel),
	)
}

// inner is the number of channels, D.
func (c MambaConfig) inner() int { return c.Expand * c.DModel }

// shape is that of the convolution.
func (c MambaConfig) shape() conv1d.Shape {
	d := c.inner()
	return conv1d.Shape{In: d, Out: d, Groups: d, Kernel: c.Kernel, Dilation: 1}
}

// scan is the configuration of the op.
func (c MambaConfig) scan() selective.Config { return selective.Config{Softplus: true, LogA: true} }

// Features implements MixerConfig.
func (c MambaConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Mamba is the block of Mamba, a state space model S6 whose step sizes, B and C depend on
// the input, between a short convolution and a gate. With D = Expand*DModel channels,
// N states of each and R = DtRank,
//
//	x, z     = in_proj u                         (2D, E)
//	x        = silu(conv1d x)                    depthwise, causal, K taps
//	r, B, C  = x_proj x                          (R+2N, D), in this order
//	delta    = softplus(dt_proj r + bias)        (D, R)
//	s_l      = exp(delta A) s_{l-1} + delta B x_l,  A = -exp(A_log)
//	y        = out_proj ((C s_l + D x_l) silu(z))
//
// Parameters have the names, shapes and order of the public implementation: A_log (D, N),
// D (D), in_proj.weight, conv1d.weight (D, 1, K) and conv1d.bias, x_proj.weight,
// dt_proj.weight and dt_proj.bias, out_proj.weight. A_log and D are not decayed. A step
// of the layer as a recurrence costs the same at any position. See package selective for
// how the scan is computed.
//
// Gu, Dao 2023, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
// arXiv:2312.00752, section 3.4.
type Mamba struct {
	*Base
	cfg                    MambaConfig
	logA, skip             *G.Node
	inW, inB               *G.Node
	convW, convB           *G.Node
	xW, dtW, dtB, outW, oB *G.Node
}

// NewMamba makes a Mamba layer. A starts at -1, -2, .. -N in every channel (S4D-real), D
// at 1, the bias of the step sizes so that they are uniform on a logarithmic scale, and
// the other parameters uniform in +-1/sqrt(inputs).
func NewMamba(g *G.ExprGraph, dt tensor.Dtype, cfg MambaConfig, opts ...Option) (*Mamba, error) {
	return newLayer[*Mamba](g, dt, cfg, opts)
}

// Build implements Config.
func (c MambaConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &Mamba{cfg: c}
	d, fixed := c.inner(), param.Hint{WeightDecay: new(float64)}
	l.logA = b.Param("A_log", fixed, logsOfNumbers(c.DState), d, c.DState)
	l.skip = b.Param("D", fixed, Ones, d)
	l.inW = b.Param("in_proj.weight", param.Hint{}, UniformFanIn(c.DModel), 2*d, c.DModel)
	if c.Bias {
		l.inB = b.Param("in_proj.bias", param.Hint{}, UniformFanIn(c.DModel), 2*d)
	}
	l.convW = b.Param("conv1d.weight", param.Hint{}, UniformFanIn(c.Kernel), d, 1, c.Kernel)
	if !c.NoConvBias {
		l.convB = b.Param("conv1d.bias", param.Hint{}, UniformFanIn(c.Kernel), d)
	}
	l.xW = b.Param("x_proj.weight", param.Hint{}, UniformFanIn(d), c.DtRank+2*c.DState, d)
	l.dtW = b.Param("dt_proj.weight", param.Hint{}, UniformFanIn(c.DtRank), d, c.DtRank)
	l.dtB = b.Param("dt_proj.bias", param.Hint{}, c.startSteps, d)
	l.outW = b.Param("out_proj.weight", param.Hint{}, UniformFanIn(d), c.DModel, d)
	if c.Bias {
		l.oB = b.Param("out_proj.bias", param.Hint{}, UniformFanIn(d), c.DModel)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// logsOfNumbers fills rows of n with log 1, log 2, .. log n.
func logsOfNumbers(n int) Init {
	return func(_ *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = math.Log(float64(1 + i%n))
		}
	}
}

// startSteps fills with the inverses by softplus of step sizes whose logarithms are
// uniform.
func (c MambaConfig) startSteps(rng *rand.Rand, dst []float64) {
	lo, hi := math.Log(c.DtMin), math.Log(c.DtMax)
	for i := range dst {
		dt := max(math.Exp(lo+(hi-lo)*rng.Float64()), mambaDtFloor)
		dst[i] = dt + math.Log(-math.Expm1(-dt))
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Mamba) Config() MambaConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Mamba) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Mamba, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Mamba) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *Mamba) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y, _, err := l.fwd(x, lengths, nil, false)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both. A sequence fed in parts gives
// the output of the whole.
func (l *Mamba) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	y, x1, err = l.fwd(x, nil, x0, true)
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	from := append(G.Nodes{x}, x0...)
	for _, n := range x1 {
		l.made(n, from...)
	}
	return l.made(y, from...), x1, nil
}

// check checks the input and its lengths.
func (l *Mamba) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	s := x.Shape()
	if err := l.checkSize("the channels (B, Expand*DModel, L)", tensor.Shape{s[0], l.cfg.inner(), s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// The names of the tensors in the state of a Mamba layer.
const (
	windowName = "window"
	scanName   = "scan"
)

// StateShapes describes the state of a batch, for FwdState and Recurrence: window (B,
// Expand*DModel, Kernel-1), the last inputs of the convolution, oldest first, and scan
// (B, Expand*DModel, DState), the states. There is no window for a kernel of one tap.
func (l *Mamba) StateShapes(batch int) []StateShape {
	if l.Base == nil {
		return nil
	}
	d := l.cfg.inner()
	states := []StateShape{{Name: scanName, Shape: tensor.Shape{batch, d, l.cfg.DState}}}
	if l.cfg.Kernel == 1 {
		return states
	}
	return append([]StateShape{{Name: windowName, Shape: tensor.Shape{batch, d, l.cfg.Kernel - 1}}}, states...)
}

// fwd adds the layer to the graph, from the state x0 or none, with the state after the
// last step if that is wanted.
func (l *Mamba) fwd(x, lengths *G.Node, x0 G.Nodes, withState bool) (y *G.Node, x1 G.Nodes, err error) {
	var window, start *G.Node
	if len(x0) > 0 {
		start = x0[len(x0)-1]
	}
	if len(x0) > 1 {
		window = x0[0]
	}
	xi, z, err := l.enter(x, lengths)
	if err != nil {
		return nil, nil, err
	}
	conv, err := conv1d.Conv(xi, l.convW, l.convB, conv1d.WithGroups(l.cfg.inner()), conv1d.WithLengths(lengths), conv1d.WithState(window))
	if err != nil {
		return nil, nil, err
	}
	in, err := l.operands(conv, z, lengths)
	if err != nil {
		return nil, nil, err
	}
	if !withState {
		y, err = selective.Scan(l.cfg.scan(), in, start, lengths)
	} else {
		x1, err = l.window(xi, window)
		if err == nil {
			var end *G.Node
			y, end, err = selective.ScanState(l.cfg.scan(), in, start, lengths)
			x1 = append(x1, end)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	y, err = ops.Linear(y, l.outW, l.oB, ops.Lengths(lengths))
	return y, x1, err
}

// window adds the state of the convolution after the last step.
func (l *Mamba) window(xi, before *G.Node) (G.Nodes, error) {
	if l.cfg.Kernel == 1 {
		return nil, nil
	}
	last, err := conv1d.FinalState(xi, before, l.cfg.Kernel-1)
	return G.Nodes{last}, err
}

// enter maps the input to the channels and their gates, each (B, D, L).
func (l *Mamba) enter(x, lengths *G.Node) (xi, z *G.Node, err error) {
	d := l.cfg.inner()
	half := func(i int) (*G.Node, error) {
		w, err := graphop.Part("in_proj.weight", l.inW, i*d*l.cfg.DModel, tensor.Shape{d, l.cfg.DModel})
		var b *G.Node
		if err == nil && l.inB != nil {
			b, err = graphop.Part("in_proj.bias", l.inB, i*d, tensor.Shape{d})
		}
		if err != nil {
			return nil, err
		}
		return ops.Linear(x, w, b, ops.Lengths(lengths))
	}
	if xi, err = half(0); err == nil {
		z, err = half(1)
	}
	return xi, z, err
}

// operands adds those of the scan, where conv is what the convolution returns.
func (l *Mamba) operands(conv, z, lengths *G.Node) (in selective.Inputs[*G.Node], err error) {
	r, n := l.cfg.DtRank, l.cfg.DState
	in = selective.Inputs[*G.Node]{A: l.logA, D: l.skip, Z: z, Bias: l.dtB}
	if in.U, err = ops.Activate(ops.ActSiLU, conv); err != nil {
		return in, err
	}
	all, err := ops.Linear(in.U, l.xW, nil, ops.Lengths(lengths))
	if err != nil {
		return in, err
	}
	low, err := ops.Features(all, 0, r)
	if err == nil {
		in.Delta, err = ops.Linear(low, l.dtW, nil, ops.Lengths(lengths))
	}
	if err == nil {
		in.B, err = ops.Features(all, r, n)
	}
	if err == nil {
		in.C, err = ops.Features(all, r+n, n)
	}
	return in, err
}
