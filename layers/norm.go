package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// NormKind names a normalisation.
type NormKind string

// The normalisations. The zero value is LayerNorm.
const (
	// LayerNorm normalises each step over its features. Ba, Kiros, Hinton 2016,
	// arXiv:1607.06450.
	LayerNorm NormKind = "layer"
	// RMSNorm divides each step by the root of the mean of the squares of its
	// features, and has no bias. Zhang, Sennrich 2019, arXiv:1910.07467.
	RMSNorm NormKind = "rms"
	// BatchNorm normalises each feature over batch and steps in training, by
	// running statistics in evaluation. Ioffe, Szegedy 2015, arXiv:1502.03167.
	BatchNorm NormKind = "batch"
	// NoNorm does nothing and has no parameters.
	NoNorm NormKind = "none"
)

// NormKinds lists the normalisations.
func NormKinds() []NormKind { return []NormKind{LayerNorm, RMSNorm, BatchNorm, NoNorm} }

// Validate reports a name that is not one of the four. The zero value stands
// for LayerNorm.
func (k NormKind) Validate() error {
	if k == "" || slices.Contains(NormKinds(), k) {
		return nil
	}
	return fmt.Errorf("want norm %q, %q, %q or %q, got %q", LayerNorm, RMSNorm, BatchNorm, NoNorm, string(k))
}

// NormConfig configures a Norm layer.
type NormConfig struct {
	Kind     NormKind `json:"kind,omitempty"`      // "" means LayerNorm
	DModel   int      `json:"d_model"`             // features (H)
	Eps      float64  `json:"eps,omitempty"`       // added to the variance, or the mean of the squares; 0 means 1e-5
	NoAffine bool     `json:"no_affine,omitempty"` // no weight and bias
	Momentum float64  `json:"momentum,omitempty"`  // of the running statistics; 0 means 0.1
}

// Validate reports the first field that is out of range.
func (c NormConfig) Validate() error {
	switch {
	case c.DModel < 1:
		return fmt.Errorf("NormConfig: want DModel >= 1, got %d", c.DModel)
	case !(c.Momentum >= 0 && c.Momentum <= 1):
		return fmt.Errorf("NormConfig: want Momentum in [0, 1], got %g", c.Momentum)
	}
	if err := errors.Join(validateEps("Eps", c.Eps), size.Field("DModel", c.DModel), c.Kind.Validate()); err != nil {
		return fmt.Errorf("NormConfig: %w", err)
	}
	return nil
}

// validateEps reports a field that is nothing to add to a variance.
func validateEps(field string, eps float64) error {
	if !(eps >= 0) || math.IsInf(eps, 1) {
		return fmt.Errorf("want a finite %s >= 0, got %g", field, eps)
	}
	return nil
}

func (c NormConfig) withDefaults() NormConfig {
	def(&c.Kind, LayerNorm)
	def(&c.Eps, 1e-5)
	def(&c.Momentum, 0.1)
	return c
}

// Norm is a normalisation with parameters weight and, unless it is an RMSNorm, bias
// (DModel), and, if it is a BatchNorm, buffers running_mean and running_var (DModel). Every forward
// pass in training writes those, and copies share them: no other copy may run at
// the same time, and what they become depends on the order in which copies run. Those
// of ranks that train together are those of all their rows with SumAcross.
type Norm struct {
	*Base
	cfg          NormConfig
	weight, bias *G.Node // nil with NoAffine; an RMSNorm has no bias
	// Of a BatchNorm.
	stats ops.BatchNormStats
	ranks *ops.Ranks
}

// NewNorm makes a normalisation: weight 1, bias 0, running mean 0, running
// variance 1.
func NewNorm(g *G.ExprGraph, dt tensor.Dtype, cfg NormConfig, opts ...Option) (*Norm, error) {
	return newLayer[*Norm](g, dt, cfg, opts)
}

// Build implements Config.
func (c NormConfig) Build(b *Builder) (Layer, error) {
	l := &Norm{cfg: c.withDefaults()}
	h := c.DModel
	if l.cfg.Kind != NoNorm && !c.NoAffine {
		l.weight = b.Param("weight", param.Hint{}, Ones, h)
		if l.cfg.Kind != RMSNorm {
			l.bias = b.Param("bias", param.Hint{}, Zeros, h)
		}
	}
	if l.cfg.Kind == BatchNorm {
		filled := func(init func(*rand.Rand, []float64)) func() *tensor.Dense {
			return func() *tensor.Dense {
				d := make([]float64, h)
				init(nil, d)
				return dense(b.dt, d, []int{h})
			}
		}
		l.stats.Mean = b.Buffer("running_mean", filled(Zeros), h)
		l.stats.Var = b.Buffer("running_var", filled(Ones), h)
		l.ranks = new(ops.Ranks)
	}
	var err error
	if l.Base, err = b.Done(); err == nil && l.ranks != nil {
		l.Base.ranks = append(l.Base.ranks, l.ranks)
	}
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Norm) Config() NormConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors,
// running statistics included.
func (l *Norm) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Norm, error) {
	return Clone(l, g, opts...)
}

// Fwd normalises x (B, DModel, L) or (B, DModel).
func (l *Norm) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, and enter the
// statistics of a BatchNorm. The output is 0 behind them, and so is the gradient
// of x. lengths is (B) of dtype int, or nil; one that is not in [0, L] is an error
// when the graph runs.
func (l *Norm) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.checkInput(x, l.cfg.DModel, true); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	counted := ops.Lengths(lengths)
	var y *G.Node
	var err error
	switch {
	case l.cfg.Kind == LayerNorm:
		y, err = ops.LayerNorm(x, l.weight, l.bias, l.cfg.Eps, counted)
	case l.cfg.Kind == RMSNorm:
		y, err = ops.RMSNorm(x, l.weight, l.cfg.Eps, counted)
	case l.cfg.Kind == BatchNorm:
		y, err = ops.BatchNorm(x, l.weight, l.bias, &l.stats, ops.Eps(l.cfg.Eps), ops.Momentum(l.cfg.Momentum), ops.OfRanks(l.ranks), counted)
	case lengths != nil:
		y, err = ops.Mask(x, lengths)
	default:
		return x, nil
	}
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// fwdSum is FwdLengths(x + y, lengths).
func (l *Norm) fwdSum(x, y, lengths *G.Node) (*G.Node, error) {
	counted := ops.Lengths(lengths)
	var z *G.Node
	var err error
	switch l.cfg.Kind {
	case LayerNorm:
		z, err = ops.AddLayerNorm(x, y, l.weight, l.bias, l.cfg.Eps, counted)
	case RMSNorm:
		z, err = ops.AddRMSNorm(x, y, l.weight, l.cfg.Eps, counted)
	default:
		z, err = ops.Add(x, y, counted)
	}
	if err != nil || l.cfg.Kind != BatchNorm {
		return l.made(z, x, y, lengths), l.wrap("Fwd", err)
	}
	return l.FwdLengths(z, lengths)
}
