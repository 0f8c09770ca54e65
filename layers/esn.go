package layers

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/rnn"
)

// ESNConfig configures an ESN.
type ESNConfig struct {
	DModel int `json:"d_model"` // features of input and output
	// Reservoir is the number of features of the state (R), at most 4096; 0 means 4 DModel.
	Reservoir int `json:"reservoir,omitempty"`
	// SpectralRadius is the largest modulus of an eigenvalue of the weights of the state;
	// 0 means 0.9. Below 1 what was long ago is forgotten.
	SpectralRadius float64 `json:"spectral_radius,omitempty"`
	// Density is the probability that one of these weights is not 0, in (0, 1]; 0 means
	// 0.1.
	Density float64 `json:"density,omitempty"`
	// Leak is the part of a state that is new at each step, in (0, 1]; 0 means 1.
	Leak float64 `json:"leak,omitempty"`
	// InputScale bounds the weights of the input and the biases; 0 means 1.
	InputScale float64 `json:"input_scale,omitempty"`
}

// maxReservoir bounds the matrix whose eigenvalues are computed.
const maxReservoir = 1 << 12

func (c ESNConfig) withDefaults() ESNConfig {
	def(&c.Reservoir, 4*c.DModel)
	def(&c.SpectralRadius, 0.9)
	def(&c.Density, 0.1)
	def(&c.Leak, 1)
	def(&c.InputScale, 1)
	return c
}

// Validate reports the first field that is out of range.
func (c ESNConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("ESNConfig: %w", err)
	}
	return nil
}

func (c ESNConfig) validate() error {
	if err := size.First(size.Positive("DModel", c.DModel), size.Positive("Reservoir", c.Reservoir)); err != nil {
		return err
	}
	switch {
	case c.Reservoir > maxReservoir:
		return fmt.Errorf("want Reservoir at most %d, got %d", maxReservoir, c.Reservoir)
	case !(c.SpectralRadius > 0 && num.Finite(c.SpectralRadius)):
		return fmt.Errorf("want a finite SpectralRadius > 0, or 0 for the default, got %g", c.SpectralRadius)
	case !(c.Density > 0 && c.Density <= 1):
		return fmt.Errorf("want Density in (0, 1], or 0 for the default, got %g", c.Density)
	case !(c.Leak > 0 && c.Leak <= 1):
		return fmt.Errorf("want Leak in (0, 1], or 0 for 1, got %g", c.Leak)
	case !(c.InputScale > 0 && num.Finite(c.InputScale)):
		return fmt.Errorf("want a finite InputScale > 0, or 0 for the default, got %g", c.InputScale)
	}
	return size.Tensor("weight_ih (Reservoir, DModel)", c.Reservoir, c.DModel)
}

// Features implements MixerConfig.
func (c ESNConfig) Features() (in, out int) { return c.DModel, c.DModel }

// ESN is an echo state network: a recurrent network without gates, the reservoir, whose
// weights are drawn and then stay as they are, and a linear map of its state, which is all
// that is learned:
//
//	h' = (1 - Leak) h + Leak tanh(weight_ih x + weight_hh h + bias_ih)
//	y  = readout.weight h' + readout.bias
//
// weight_ih (R, DModel), weight_hh (R, R) and bias_ih (R) are buffers: saved with the
// model, not learned, and not decayed. Gradients go through them to what is in front. It
// is what dynamics that are not learned can do.
//
// Jaeger 2001, "The echo state approach to analysing and training recurrent neural
// networks"; Lukosevicius 2012, "A Practical Guide to Applying Echo State Networks".
type ESN struct {
	*Base
	cfg       ESNConfig
	reservoir rnn.Params[*G.Node]
	readout   *Linear
}

// NewESN makes an echo state network. weight_ih and bias_ih are uniform in +-InputScale,
// and so is the part of weight_hh that is not 0 before it is scaled to its spectral radius.
func NewESN(g *G.ExprGraph, dt tensor.Dtype, cfg ESNConfig, opts ...Option) (*ESN, error) {
	return newLayer[*ESN](g, dt, cfg, opts)
}

// Build implements Config.
func (c ESNConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &ESN{cfg: c}
	r := c.Reservoir
	if !b.fits("weight_hh", r, r) { // whose eigenvalues are computed first
		return nil, b.err
	}
	l.reservoir.WeightIH = b.fixed("weight_ih", uniform(c.InputScale), r, c.DModel)
	l.reservoir.WeightHH = b.fixed("weight_hh", c.echo, r, r)
	l.reservoir.BiasIH = b.fixed("bias_ih", uniform(c.InputScale), r)
	l.readout = b.linear("readout", r, c.DModel)
	var err error
	l.Base, err = b.Done()
	return l, err
}

// fixed adds a buffer that init fills, of the layer's float type, and returns it as a node:
// weights that are not learned. Each copy has a header of its own over the same numbers,
// since machines set the engine of their nodes. After an error it returns nil.
func (b *Builder) fixed(name string, init Init, shape ...int) *G.Node {
	full := b.path + "." + name
	if b.ready() && b.nodes.has(full) {
		b.Fail(fmt.Errorf("the graph already has a node named %q: give the layer another name with WithName", full))
	}
	t := b.Buffer(name, func() *tensor.Dense { return b.drawn(full, init, shape) }, shape...)
	if t == nil {
		return nil
	}
	if t.Dtype() != b.dt {
		b.Fail(fmt.Errorf("%s: want dtype %v, got %v", full, b.dt, t.Dtype()))
		return nil
	}
	return G.NewTensor(b.g, b.dt, len(shape), G.WithShape(shape...), G.WithName(full), G.WithValue(weights.Share(t)))
}

// echo draws weights of which Density are not 0, and scales them to the spectral radius. A
// matrix without one, as it is nilpotent, gets an eigenvalue on its diagonal.
func (c ESNConfig) echo(rng *rand.Rand, dst []float64) {
	for i := range dst {
		v := 2*rng.Float64() - 1
		if rng.Float64() >= c.Density {
			v = 0
		}
		dst[i] = v
	}
	radius := spectralRadius(dst, c.Reservoir)
	if radius < 1e-3 {
		dst[0] = 1
		radius = spectralRadius(dst, c.Reservoir)
	}
	for i := range dst {
		dst[i] *= c.SpectralRadius / radius
	}
}

// spectralRadius is the largest modulus of an eigenvalue of a matrix (n, n), NaN if they
// were not found.
func spectralRadius(a []float64, n int) float64 {
	var e mat.Eigen
	if !e.Factorize(mat.NewDense(n, n, append([]float64(nil), a...)), mat.EigenNone) {
		return math.NaN()
	}
	var radius float64
	for _, z := range e.Values(nil) {
		radius = max(radius, cmplx.Abs(z))
	}
	return radius
}

// Config returns the layer's configuration with its defaults filled in.
func (l *ESN) Config() ESNConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *ESN) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*ESN, error) { return Clone(l, g, opts...) }

// op is the configuration of the op.
func (l *ESN) op() rnn.Config { return rnn.Config{Cell: rnn.Tanh, Leak: l.cfg.Leak} }

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *ESN) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *ESN) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	h, err := rnn.Sequence(l.op(), x, []rnn.Params[*G.Node]{l.reservoir}, rnn.State[*G.Node]{}, lengths)
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	y, err := l.readout.FwdLengths(l.made(h, x, lengths), lengths)
	if err != nil {
		return nil, err
	}
	return l.made(y, x, lengths), nil
}

// check checks the input and its lengths.
func (l *ESN) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	s := x.Shape()
	if err := l.checkSize("the states (B, Reservoir, L)", tensor.Shape{s[0], l.cfg.Reservoir, s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: h (B,
// Reservoir).
func (l *ESN) StateShapes(batch int) []StateShape {
	if l.Base == nil {
		return nil
	}
	return []StateShape{{Name: hiddenName, Shape: tensor.Shape{batch, l.cfg.Reservoir}}}
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the one tensor that
// StateShapes describes, before the first step of x, or nil for zero, and x1 that after
// the last one. Gradients go through both.
func (l *ESN) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	batch := x.Shape()[0]
	start, err := l.oneState(x0, l.StateShapes(batch))
	if err != nil {
		return nil, nil, err
	}
	var from rnn.State[*G.Node]
	if start != nil { // one layer of one direction
		if from.H, err = ops.Reshape(start, batch, 1, l.cfg.Reservoir); err != nil {
			return nil, nil, l.wrap("FwdState", err)
		}
	}
	h, end, err := rnn.SequenceState(l.op(), x, []rnn.Params[*G.Node]{l.reservoir}, from, nil)
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	last, err := ops.Reshape(end.H, batch, l.cfg.Reservoir)
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	if y, err = l.readout.Fwd(l.made(h, x, start)); err != nil {
		return nil, nil, err
	}
	return l.made(y, x, start), G.Nodes{l.made(last, x, start)}, nil
}
