package layers

import (
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ema"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/param"
)

// EMAConfig configures an EMA layer.
type EMAConfig struct {
	DModel int `json:"d_model"`           // features (D)
	DState int `json:"d_state,omitempty"` // averages of each (N); 0 means 16
	// Bidirectional adds averages of the future.
	Bidirectional bool `json:"bidirectional,omitempty"`
	// Truncation is the number of lags of the kernels; 0 means all. With it there is no
	// state, and no Recurrence.
	Truncation int `json:"truncation,omitempty"`
}

func (c EMAConfig) withDefaults() EMAConfig {
	def(&c.DState, 16)
	return c
}

// Validate reports the first field that is out of range.
func (c EMAConfig) Validate() error {
	c = c.withDefaults()
	err := size.First(size.Positive("DModel", c.DModel), size.Positive("DState", c.DState))
	if err == nil && (c.Truncation < 0 || c.Truncation > size.MaxLength) {
		err = fmt.Errorf("want Truncation in [0, %d], got %d", size.MaxLength, c.Truncation)
	}
	if err == nil {
		err = size.Tensor("gamma (directions*DModel, DState)", c.directions(), c.DModel, c.DState)
	}
	if err != nil {
		return fmt.Errorf("EMAConfig: %w", err)
	}
	return nil
}

func (c EMAConfig) directions() int {
	if c.Bidirectional {
		return 2
	}
	return 1
}

// Features implements MixerConfig.
func (c EMAConfig) Features() (in, out int) { return c.DModel, c.DModel }

// EMA is the multi-dimensional damped exponential moving average of Mega: of each feature
// N averages of its past, and if bidirectional as many of its future, of which the present
// step is a part of both,
//
//	y = silu(sum of the averages + omega x)
//
// See package ema for the formulas. Fwd is a convolution, Recurrence the same step by
// step. Its parameters have the names and shapes of the public implementation, K = D, or
// 2 D if bidirectional, those of the past first:
//
//	delta, alpha, beta (K, N, 1), gamma (K, N), omega (D)
//
// Ma et al. 2022, "Mega: Moving Average Equipped Gated Attention", arXiv:2209.10655.
type EMA struct {
	*Base
	cfg    EMAConfig
	params ema.Params[*G.Node]
	omega  *G.Node
}

// NewEMA makes a moving average. delta and alpha start normal with deviation 0.2, beta
// at +1, -1, +1, .. with deviation 0.02, gamma and omega normal with deviation 1.
func NewEMA(g *G.ExprGraph, dt tensor.Dtype, cfg EMAConfig, opts ...Option) (*EMA, error) {
	return newLayer[*EMA](g, dt, cfg, opts)
}

// Build implements Config.
func (c EMAConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &EMA{cfg: c}
	k, n := c.directions()*c.DModel, c.DState
	l.params.Delta = b.Param("delta", param.Hint{}, Normal(0.2), k, n, 1)
	l.params.Alpha = b.Param("alpha", param.Hint{}, Normal(0.2), k, n, 1)
	l.params.Beta = b.Param("beta", param.Hint{}, alternating(n, 0.02), k, n, 1)
	l.params.Gamma = b.Param("gamma", param.Hint{}, Normal(1), k, n)
	l.omega = b.Param("omega", param.Hint{}, Normal(1), c.DModel)
	var err error
	l.Base, err = b.Done()
	return l, err
}

// alternating fills rows of n with +1, -1, +1, .. and noise.
func alternating(n int, deviation float64) Init {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = float64(1-2*(i%n%2)) + deviation*rng.NormFloat64()
		}
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *EMA) Config() EMAConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *EMA) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*EMA, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *EMA) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *EMA) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y, err := l.convolve(x, lengths)
	if err == nil {
		y, err = ops.Activate(ops.ActSiLU, y)
	}
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// check checks the input and its lengths.
func (l *EMA) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// convolve adds the sum of the averages and omega x to the graph.
func (l *EMA) convolve(x, lengths *G.Node) (*G.Node, error) {
	taps := x.Shape()[2]
	if l.cfg.Truncation > 0 {
		taps = min(taps, l.cfg.Truncation)
	}
	k, err := ema.Kernel(l.params, taps)
	if err != nil {
		return nil, err
	}
	mode := fftconv.Causal
	if l.cfg.Bidirectional {
		mode = fftconv.Bidirectional
		if k, err = ops.Reshape(k, 2, l.cfg.DModel, taps); err != nil {
			return nil, err
		}
	}
	return fftconv.Conv(x, k, l.omega, fftconv.WithMode(mode), fftconv.WithLengths(lengths))
}

// checkCausal reports a layer that has no state.
func (l *EMA) checkCausal(method string) error {
	switch {
	case l.Base == nil:
		return l.wrap(method, errNotMade)
	case l.cfg.Bidirectional:
		return l.errorf(method, "a bidirectional average needs the future: want Bidirectional false")
	case l.cfg.Truncation > 0:
		return l.errorf(method, "a truncated kernel is no recurrence: want Truncation 0, got %d", l.cfg.Truncation)
	}
	return nil
}

// averageName is the name of the state of an EMA.
const averageName = "average"

// StateShapes describes the state of a batch, for FwdState and Recurrence: average (B,
// DModel, DState). There is none if the layer is bidirectional or truncated.
func (l *EMA) StateShapes(batch int) []StateShape {
	if l.checkCausal("StateShapes") != nil {
		return nil
	}
	return []StateShape{{Name: averageName, Shape: tensor.Shape{batch, l.cfg.DModel, l.cfg.DState}}}
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through both. A sequence fed in parts gives
// the output of the whole.
func (l *EMA) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkCausal("FwdState"); err != nil {
		return nil, nil, err
	}
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	if y, x1, err = l.goOn(x, x0); err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	from := append(G.Nodes{x}, x0...)
	l.made(x1[0], from...)
	return l.made(y, from...), x1, nil
}

// goOn adds the layer from a state, or none, to the graph.
func (l *EMA) goOn(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if y, err = l.convolve(x, nil); err != nil {
		return nil, nil, err
	}
	var start *G.Node
	if len(x0) > 0 {
		start = x0[0]
		before, err := ema.StateOutput(l.params, start, x.Shape()[2])
		if err != nil {
			return nil, nil, err
		}
		if y, err = ops.Add(y, before); err != nil {
			return nil, nil, err
		}
	}
	if y, err = ops.Activate(ops.ActSiLU, y); err != nil {
		return nil, nil, err
	}
	end, err := ema.FinalState(l.params, x, start)
	return y, G.Nodes{end}, err
}
