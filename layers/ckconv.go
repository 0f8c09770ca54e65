package layers

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/param"
)

// CKConvConfig configures a CKConv.
type CKConvConfig struct {
	In     int `json:"in"`               // features of the input
	Out    int `json:"out"`              // features of the output
	Hidden int `json:"hidden,omitempty"` // features inside the network of the kernels; 0 means 32
	// LMax is the length that the positions are for, that of the sequences that are learned
	// from: the kernels are 0 at lags beyond. 0 means 1024.
	LMax int `json:"l_max,omitempty"`
	// Omega0 is the factor of the angles inside the sines; 0 means 30.
	Omega0 float64 `json:"omega_0,omitempty"`
	// SIREN starts the network as the paper intends, and not as the public code does, to
	// which the published Omega0 belong: see NewCKConv.
	SIREN  bool `json:"siren,omitempty"`
	NoBias bool `json:"no_bias,omitempty"` // no parameter bias
}

func (c CKConvConfig) withDefaults() CKConvConfig {
	def(&c.Hidden, 32)
	def(&c.LMax, 1024)
	def(&c.Omega0, 30)
	return c
}

// Validate reports the first field that is out of range.
func (c CKConvConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("CKConvConfig: %w", err)
	}
	return nil
}

func (c CKConvConfig) validate() error {
	if err := size.First(size.Positive("In", c.In), size.Positive("Out", c.Out), size.Positive("Hidden", c.Hidden)); err != nil {
		return err
	}
	switch {
	case c.LMax < 2 || c.LMax > size.MaxLength:
		return fmt.Errorf("want LMax in [2, %d], got %d", size.MaxLength, c.LMax)
	case !(c.Omega0 > 0 && num.Finite(c.Omega0)):
		return fmt.Errorf("want a finite Omega0 > 0, or 0 for the default, got %g", c.Omega0)
	}
	return size.First(
		size.Tensor("kernel_net.8.weight_v (Out*In, Hidden)", c.Out, c.In, c.Hidden),
		size.Tensor("the kernels (Out, In, LMax)", c.Out, c.In, c.LMax),
		size.Tensor("the waves (Hidden, LMax)", c.Hidden, c.LMax))
}

// Features implements MixerConfig.
func (c CKConvConfig) Features() (in, out int) { return c.In, c.Out }

// CKConv is a convolution of all features with continuous kernels as long as the
// sequences: a small network with sines says what a kernel is at a position,
//
//	h      = sin(omega_0 (w_0 t + b_0))                      (Hidden)
//	h      = sin(omega_0 (w_4 h + b_4))                      (Hidden)
//	kernel = w_8 h + b_8                                     (Out*In)
//	y[o,l] = bias[o] + sum_i sum_j kernel[o,i](t_j) x[i,l-j]
//
// where t_j = 1 - 2 j/(LMax-1) is the position of lag j < LMax. A copy at another rate
// (AtRate) reads the same kernels at other positions, rate times as far apart, and
// multiplies them by the rate, as they are sums over time. (The public code takes the rate
// from the length of a sequence, and smooths kernels that it reads at more positions than
// it has learned; that is not done here.)
//
// Parameters have the names of the public code: kernel_net.I.weight_g (outputs) and
// kernel_net.I.weight_v (outputs, inputs), norms and directions of w_I for I = 4 and 8
// (see ops.WeightNorm), kernel_net.0.weight (Hidden, 1), kernel_net.I.bias and bias (Out).
// (The public w_0 has a norm and a direction too, which of one input is a sign that cannot
// be learned: weight is the norm times that.) Its state is the last inputs, as many as
// there are lags but one, and a step takes a product with each of them.
//
// Romero, Kuzina, Bekkers, Tomczak, Hoogendoorn 2022, "CKConv: Continuous Kernel
// Convolution For Sequential Data", arXiv:2102.02611.
type CKConv struct {
	*Base
	cfg    CKConvConfig
	rate   float64
	layers [3]sineLayer // of the network
	bias   *G.Node
}

// sineLayer is a linear map, with weight norm unless norm is nil.
type sineLayer struct {
	in, out    int
	w, norm, b *G.Node
}

// weight adds the weights (out, in) to the graph.
func (s *sineLayer) weight() (*G.Node, error) {
	if s.norm == nil {
		return s.w, nil
	}
	return ops.WeightNorm(s.w, s.norm)
}

// NewCKConv makes a convolution with continuous kernels. In the public code weight norm
// takes the place of the start that the paper intends, so that weights are uniform in
// +-1/sqrt(inputs); with SIREN they are those that are intended, in +-sqrt(6/inputs)/Omega0
// behind the first layer. Either way the biases inside the sines are uniform in +-1, and
// the others 0.
func NewCKConv(g *G.ExprGraph, dt tensor.Dtype, cfg CKConvConfig, opts ...Option) (*CKConv, error) {
	return newLayer[*CKConv](g, dt, cfg, opts)
}

// Build implements Config.
func (c CKConvConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &CKConv{cfg: c, rate: b.Rate()}
	for i, width := range [][2]int{{1, c.Hidden}, {c.Hidden, c.Hidden}, {c.Hidden, c.Out * c.In}} {
		s := sineLayer{in: width[0], out: width[1]}
		name := fmt.Sprintf("kernel_net.%d.", 4*i)
		start, biases := UniformFanIn(s.in), uniform(1)
		if c.SIREN && i > 0 {
			start = uniform(math.Sqrt(6/float64(s.in)) / c.Omega0)
		}
		if i == 2 {
			biases = Zeros
		}
		if i == 0 {
			s.w = b.Param(name+"weight", param.Hint{}, start, s.out, s.in)
		} else if s.w = b.Param(name+"weight_v", param.Hint{}, start, s.out, s.in); s.w != nil {
			s.norm = b.Param(name+"weight_g", param.Hint{}, normsOf(s.w), s.out)
		}
		s.b = b.Param(name+"bias", param.Hint{}, biases, s.out)
		l.layers[i] = s
	}
	if !c.NoBias {
		l.bias = b.Param("bias", param.Hint{}, Zeros, c.Out)
	}
	if c.taps(l.rate) > size.MaxLength {
		b.Fail(fmt.Errorf("want at most %d lags, got LMax %d at rate %g", size.MaxLength, c.LMax, l.rate))
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// taps is the number of lags of a kernel that is read at a rate.
func (c CKConvConfig) taps(rate float64) int {
	return 1 + int(math.Min(math.Floor(float64(c.LMax-1)/rate*(1+1e-12)), size.MaxLength))
}

// reach is the number of inputs before the present one that a step sees.
func (l *CKConv) reach() int { return l.cfg.taps(l.rate) - 1 }

// between is the distance between the positions of two lags.
func (l *CKConv) between() float64 { return 2 / float64(l.cfg.LMax-1) * l.rate }

// Config returns the layer's configuration with its defaults filled in.
func (l *CKConv) Config() CKConvConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *CKConv) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*CKConv, error) {
	return Clone(l, g, opts...)
}

// kernels adds those of the first n lags, (Out, In, n), to the graph, without the factor
// of the rate.
func (l *CKConv) kernels(n int) (*G.Node, error) {
	var h *G.Node
	for i := range l.layers {
		s := &l.layers[i]
		w, err := s.weight()
		if err != nil {
			return nil, err
		}
		if i == 0 {
			h, err = ops.Sinusoids(w, s.b, l.cfg.Omega0, 1, -l.between(), n)
		} else {
			h, err = ops.Linear(h, w, s.b)
		}
		if err == nil && i == 1 {
			h, err = ops.Sine(h, l.cfg.Omega0)
		}
		if err != nil {
			return nil, err
		}
	}
	return ops.Reshape(h, l.cfg.Out, l.cfg.In, n)
}

// Fwd maps x (B, In, L) to (B, Out, L).
func (l *CKConv) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *CKConv) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	k, err := l.kernels(min(l.reach()+1, x.Shape()[2]))
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	y, err := fftconv.Dense(x, k, l.bias, l.rate, lengths)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// check checks the input and its lengths.
func (l *CKConv) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.In, false); err != nil {
		return err
	}
	s := x.Shape()
	if err := l.checkSize("the output (B, Out, L)", tensor.Shape{s[0], l.cfg.Out, s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// isAhead implements convolution.
func (l *CKConv) isAhead() bool { return false }

// StateShapes describes the state of a batch, for FwdState and Recurrence: one tensor x
// (B, In, LMax-1), the last inputs, oldest first; at a rate, as many as there are lags but
// one.
func (l *CKConv) StateShapes(batch int) []StateShape {
	if l.Base == nil || l.reach() == 0 {
		return nil
	}
	return []StateShape{{Name: stateName, Shape: tensor.Shape{batch, l.cfg.In, l.reach()}}}
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the one tensor that
// StateShapes describes, or nil for zeros, and x1 that after the last step. Gradients go
// through both.
func (l *CKConv) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	state, err := l.oneState(x0, l.StateShapes(x.Shape()[0]))
	if err != nil {
		return nil, nil, err
	}
	if y, err = l.fwdFrom(x, state); err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	if l.reach() > 0 {
		last, err := conv1d.FinalState(x, state, l.reach())
		if err != nil {
			return nil, nil, l.wrap("FwdState", err)
		}
		x1 = G.Nodes{l.made(last, x, state)}
	}
	return l.made(y, x, state), x1, nil
}

// fwdFrom adds the output from a state, nil for zeros.
func (l *CKConv) fwdFrom(x, state *G.Node) (*G.Node, error) {
	taps, steps := l.reach()+1, x.Shape()[2]
	if state == nil {
		taps = min(taps, steps)
	}
	k, err := l.kernels(taps)
	if err != nil {
		return nil, err
	}
	y, err := fftconv.Dense(x, k, l.bias, l.rate, nil)
	if err != nil || state == nil {
		return y, err
	}
	before, err := ops.Extend(state, steps)
	if err == nil {
		before, err = fftconv.Dense(before, k, nil, l.rate, nil)
	}
	if err == nil {
		before, err = ops.LastSteps(before, steps)
	}
	if err != nil {
		return nil, err
	}
	return ops.Add(y, before)
}
