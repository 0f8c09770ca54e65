package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Mixing names what mixes the features after the state space model.
type Mixing string

// The mixings. The zero value is MixGLU.
const (
	MixGLU    Mixing = "glu"    // linear to 2 DModel, then a gated linear unit
	MixLinear Mixing = "linear" // linear to DModel
	MixNone   Mixing = "none"   // nothing: the output has Channels*DModel features
)

// S4DConfig configures an S4D layer. The zero value of every field but DModel
// is the default of the S4D paper and its reference implementation.
type S4DConfig struct {
	DModel int `json:"d_model"`           // features (H)
	DState int `json:"d_state,omitempty"` // state size (N), even: N/2 conjugate pairs are stored; 0 means 64
	// NSSM is the number of independent state matrices (n_ssm, S), a divisor
	// of DModel; feature h uses matrix h mod NSSM. 0 means DModel.
	NSSM     int `json:"n_ssm,omitempty"`
	Channels int `json:"channels,omitempty"` // kernels per feature; 0 means 1

	Init hippo.Init `json:"init,omitempty"` // start of A and B; "" means hippo.InitLin
	Disc ssm.Disc   `json:"disc,omitempty"` // ssm.ZOH (default) or ssm.Bilinear
	// FixedB sets B = 1 and does not learn it, as the minimal S4D does.
	FixedB bool `json:"fixed_b,omitempty"`

	DtMin       float64       `json:"dt_min,omitempty"`       // smallest initial step size; 0 means 0.001
	DtMax       float64       `json:"dt_max,omitempty"`       // largest initial step size; 0 means 0.1
	UntiedDt    bool          `json:"untied_dt,omitempty"`    // a step size for each state of a feature, not one
	DtTransform ssm.Transform `json:"dt_transform,omitempty"` // dt = transform(log_dt); "" means ssm.Exp
	ATransform  ssm.Transform `json:"a_transform,omitempty"`  // Re A = -transform(A_real); "" means ssm.Exp

	// Bidirectional adds a second kernel over the future of each step: the
	// layer then has no Recurrence.
	Bidirectional bool `json:"bidirectional,omitempty"`
	// OffByOne lets the second kernel start one step ahead, as the reference
	// implementation does; by default both kernels see the present step.
	OffByOne bool `json:"off_by_one,omitempty"`

	Activation    ops.Activation `json:"activation,omitempty"`     // after the SSM; "" means ops.ActGELU
	Mixing        Mixing         `json:"mixing,omitempty"`         // "" means MixGLU
	Dropout       float64        `json:"dropout,omitempty"`        // after the activation
	UntiedDropout bool           `json:"untied_dropout,omitempty"` // see DropoutConfig.Untied

	// LR is the learning rate of dt, A and B: 0 means 0.001, the reference's
	// default for state space parameters; a negative value means the
	// optimiser's own. LRDt, LRA and LRB override it for one parameter each.
	// These parameters are never decayed. C, D and the mixing follow the
	// optimiser.
	LR   float64 `json:"lr,omitempty"`
	LRDt float64 `json:"lr_dt,omitempty"`
	LRA  float64 `json:"lr_a,omitempty"`
	LRB  float64 `json:"lr_b,omitempty"`
	// Frozen lists parameters that are not learned: "dt", "A", "B", "C", "D".
	Frozen []string `json:"frozen,omitempty"`
}

// withDefaults replaces zero values by what they stand for.
func (c S4DConfig) withDefaults() S4DConfig {
	def(&c.DState, 64)
	def(&c.NSSM, c.DModel)
	def(&c.Channels, 1)
	def(&c.Init, hippo.InitLin)
	def(&c.Disc, ssm.ZOH)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.DtTransform, ssm.Exp)
	def(&c.ATransform, ssm.Exp)
	def(&c.Activation, ops.ActGELU)
	def(&c.Mixing, MixGLU)
	def(&c.LR, 0.001)
	def(&c.LRDt, c.LR)
	def(&c.LRA, c.LR)
	def(&c.LRB, c.LR)
	return c
}

// def sets a zero value to its default.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports the first field that is out of range, or that contradicts
// another.
func (c S4DConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("S4DConfig: %w", err)
	}
	return nil
}

func (c S4DConfig) validate() error {
	switch {
	case c.DModel < 1:
		return fmt.Errorf("want DModel >= 1, got %d", c.DModel)
	case c.DState < 2 || c.DState%2 != 0:
		return fmt.Errorf("want an even DState >= 2 (conjugate pairs), got %d", c.DState)
	case c.NSSM < 1 || c.DModel%c.NSSM != 0:
		return fmt.Errorf("want NSSM a divisor of DModel = %d, got %d", c.DModel, c.NSSM)
	case c.Channels < 1:
		return fmt.Errorf("want Channels >= 1, got %d", c.Channels)
	case !(c.DtMin > 0 && c.DtMin <= c.DtMax && c.DtMax < math.Inf(1)):
		return fmt.Errorf("want 0 < DtMin <= DtMax, got DtMin = %g, DtMax = %g", c.DtMin, c.DtMax)
	case c.OffByOne && !c.Bidirectional:
		return errors.New("OffByOne is about the second kernel of a bidirectional layer: want Bidirectional too")
	case c.Mixing != MixGLU && c.Mixing != MixLinear && c.Mixing != MixNone:
		return fmt.Errorf("want Mixing %q, %q or %q, got %q", MixGLU, MixLinear, MixNone, c.Mixing)
	}
	if err := errors.Join(
		c.Init.Validate(hippo.DiagInits()...),
		c.Disc.Validate(ssm.ZOH, ssm.Bilinear),
		c.DtTransform.Validate(ssm.Exp, ssm.Softplus),
		c.ATransform.Validate(),
		c.Activation.Validate(),
		DropoutConfig{P: c.Dropout}.Validate(),
	); err != nil {
		return err
	}
	return validateFrozen(c.Frozen, s4dFreezable(c.FixedB))
}

func s4dFreezable(fixedB bool) []string {
	if fixedB {
		return []string{"dt", "A", "C", "D"}
	}
	return []string{"dt", "A", "B", "C", "D"}
}

// validateFrozen reports a name that is not a parameter.
func validateFrozen(frozen, allowed []string) error {
	for _, f := range frozen {
		if !slices.Contains(allowed, f) {
			return fmt.Errorf("Frozen: want one of %s, got %q", strings.Join(allowed, ", "), f)
		}
	}
	return nil
}

// S4D is a layer of diagonal state space models: H independent sequence maps
// with N-dimensional states, x' = A x + B u, y = C x + D u, computed as one
// long convolution, then an activation and a position-wise mixing of the
// features. Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization
// of Diagonal State Space Models", 2022, arXiv:2206.11893.
//
// Parameters, with S = NSSM, N/2 = stored pairs, CH = Channels (twice that if
// bidirectional), in the order of Params:
//
//	kernel.log_dt (H, 1) or (H, N/2)   dt = DtTransform(log_dt)
//	kernel.A_real (S, N/2)             Re A = -ATransform(A_real)
//	kernel.A_imag (S, N/2)             Im A = -A_imag
//	kernel.B      (S, N/2, 2)          re, im; absent with FixedB
//	kernel.C      (CH, H, N/2, 2)      re, im
//	D             (Channels, H)
//	output_linear.weight (2H, Channels*H), output_linear.bias (2H)
type S4D struct {
	*base
	cfg  S4DConfig
	disc vandermonde.Config

	logDt, aReal, aImag, b, c, d *G.Node

	drop *Dropout
	mix  *Linear // nil without mixing
}

// NewS4D makes an S4D layer on graph g with parameters of type dt (float32 or
// float64).
func NewS4D(g *G.ExprGraph, dt tensor.Dtype, cfg S4DConfig, opts ...Option) (*S4D, error) {
	return buildS4D(newBuilder(g, dt, "S4D", "s4d", opts), cfg)
}

func buildS4D(b *builder, cfg S4DConfig) (*S4D, error) {
	if err := cfg.Validate(); err != nil {
		b.fail(err)
		return nil, b.err
	}
	l := &S4D{cfg: cfg.withDefaults()}
	l.buildKernel(b)
	l.buildMixing(b)
	var err error
	l.base, err = b.done()
	return l, err
}

func (l *S4D) buildKernel(b *builder) {
	c := l.cfg
	n, ch := c.DState/2, c.Channels
	dts := 1
	if c.UntiedDt {
		dts = n
	}
	kernels := ch
	if c.Bidirectional {
		kernels *= 2
	}
	a, bb, err := hippo.DiagInit(c.Init, c.DState, hippo.DiagOptions{Copies: c.NSSM, Seed: b.seed})
	if err != nil {
		b.fail(err)
		return
	}
	h := func(name string, lr float64) hint { return c.ssmHint(name, lr) }
	l.logDt = b.param("kernel.log_dt", h("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), c.DModel, dts)
	l.aReal = b.param("kernel.A_real", h("A", c.LRA), initAReal(b, c.ATransform, a), c.NSSM, n)
	l.aImag = b.param("kernel.A_imag", h("A", c.LRA), func(_ *rand.Rand, dst []float64) {
		for i, v := range a {
			dst[i] = -imag(v)
		}
	}, c.NSSM, n)
	if !c.FixedB {
		l.b = b.param("kernel.B", h("B", c.LRB), func(_ *rand.Rand, dst []float64) {
			for i, v := range bb {
				dst[2*i], dst[2*i+1] = real(v), imag(v)
			}
		}, c.NSSM, n, 2)
	}
	l.c = b.param("kernel.C", hint{frozen: slices.Contains(c.Frozen, "C")}, normal(math.Sqrt(0.5)), kernels, c.DModel, n, 2)
	l.d = b.param("D", hint{frozen: slices.Contains(c.Frozen, "D")}, normal(1), ch, c.DModel)
	l.disc = vandermonde.Config{Disc: c.Disc, DtTransform: c.DtTransform, ATransform: c.ATransform}
}

// ssmHint is the hint for a parameter of the state space model: a learning
// rate of its own, no decay.
func (c S4DConfig) ssmHint(name string, lr float64) hint {
	zero := 0.0
	h := hint{decay: &zero, frozen: slices.Contains(c.Frozen, name)}
	if lr > 0 {
		h.lr = &lr
	}
	return h
}

// initDt draws step sizes log-uniformly from [lo, hi].
func initDt(b *builder, t ssm.Transform, lo, hi float64) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dt := math.Exp(math.Log(lo) + rng.Float64()*(math.Log(hi)-math.Log(lo)))
			raw, err := t.Inverse(dt)
			if err != nil {
				b.fail(fmt.Errorf("step size: %w", err))
			}
			dst[i] = raw
		}
	}
}

// minDecay is the smallest decay rate -Re A that initialisation gives a state,
// as in the reference: transforms cannot reach 0.
const minDecay = 1e-4

// initAReal stores the real parts of A through the transform.
func initAReal(b *builder, t ssm.Transform, a []complex128) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range a {
			raw, err := t.Inverse(max(-real(v), minDecay))
			if err != nil {
				b.fail(fmt.Errorf("real part of A: %w", err))
			}
			dst[i] = raw
		}
	}
}

func (l *S4D) buildMixing(b *builder) {
	c := l.cfg
	drop, err := buildDropout(b.child("Dropout", "dropout"), DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
	if err != nil {
		b.err = err
		return
	}
	b.adopt(drop.base)
	l.drop = drop
	out := c.DModel
	switch c.Mixing {
	case MixNone:
		return
	case MixGLU:
		out *= 2
	}
	mix, err := buildLinear(b.child("Linear", "output_linear"), LinearConfig{In: c.Channels * c.DModel, Out: out})
	if err != nil {
		b.err = err
		return
	}
	b.adopt(mix.base)
	l.mix = mix
}

// Config returns the layer's configuration with its defaults filled in.
func (l *S4D) Config() S4DConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length.
func (l *S4D) CloneTo(g *G.ExprGraph) (*S4D, error) { return buildS4D(l.cloneBuilder(g), l.cfg) }

// DOut returns the number of features of the output: DModel, or
// Channels*DModel with MixNone.
func (l *S4D) DOut() int {
	if l.cfg.Mixing == MixNone {
		return l.cfg.Channels * l.cfg.DModel
	}
	return l.cfg.DModel
}

// Kernel adds the convolution kernels for sequences of length seqLen to the
// graph: (CH, H, seqLen), where CH is Channels, or twice that if bidirectional.
func (l *S4D) Kernel(seqLen int) (*G.Node, error) {
	cfg := l.disc
	cfg.L = seqLen
	k, err := vandermonde.Kernel(cfg, l.logDt, l.aReal, l.aImag, l.b, l.c)
	return k, l.wrap("Kernel", err)
}

// Fwd maps x (B, DModel, L) to (B, DOut, L).
func (l *S4D) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first
// lengths[b] steps of row b are read, so that padding does not leak into a
// bidirectional layer. lengths is (B) of dtype int, or nil. The output at
// padded steps is unspecified.
func (l *S4D) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return nil, err
	}
	y, err := l.conv(x, lengths)
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	if y, err = ops.Activate(l.cfg.Activation, y); err != nil {
		return nil, l.wrap("Fwd", err)
	}
	if y, err = l.drop.Fwd(y); err != nil {
		return nil, err
	}
	switch l.cfg.Mixing {
	case MixGLU:
		y, err = ops.LinearGLU(y, l.mix.w, l.mix.b)
	case MixLinear:
		y, err = ops.Linear(y, l.mix.w, l.mix.b)
	}
	return y, l.wrap("Fwd", err)
}

// conv is the state space model alone: y = K * x + D x, (B, Channels*H, L).
func (l *S4D) conv(x, lengths *G.Node) (*G.Node, error) {
	k, err := l.Kernel(x.Shape()[2])
	if err != nil {
		return nil, err
	}
	mode := fftconv.Causal
	if l.cfg.Bidirectional {
		if lengths != nil { // a causal kernel cannot see the padding on the right
			if x, err = ops.Mask(x, lengths); err != nil {
				return nil, err
			}
		}
		mode = fftconv.Bidirectional
		if l.cfg.OffByOne {
			mode = fftconv.BidirectionalReference
		}
	}
	return fftconv.Conv(x, k, l.d, fftconv.WithMode(mode))
}
