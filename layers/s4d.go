package layers

import (
	"errors"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
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

// Validate reports the first field that is out of range, or that contradicts
// another.
func (c S4DConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("S4DConfig: %w", err)
	}
	return nil
}

func (c S4DConfig) validate() error {
	if err := c.common().validate(); err != nil {
		return err
	}
	switch {
	case c.DState < 2 || c.DState%2 != 0:
		return fmt.Errorf("want an even DState >= 2 (conjugate pairs), got %d", c.DState)
	case c.NSSM < 1 || c.DModel%c.NSSM != 0:
		return fmt.Errorf("want NSSM a divisor of DModel = %d, got %d", c.DModel, c.NSSM)
	}
	if err := errors.Join(
		validateDt(c.DtMin, c.DtMax, c.DtTransform),
		inField("Init", c.Init.Validate(hippo.DiagInits()...)),
		inField("Disc", c.Disc.Validate(ssm.ZOH, ssm.Bilinear)),
		inField("ATransform", c.ATransform.Validate()),
		validateRate("LR", c.LR),
		validateRate("LRDt", c.LRDt),
		validateRate("LRA", c.LRA),
		validateRate("LRB", c.LRB),
	); err != nil {
		return err
	}
	if err := c.validateSize(); err != nil {
		return err
	}
	freezable := []string{"dt", "A", "B", "C", "D"}
	if c.FixedB {
		freezable = []string{"dt", "A", "C", "D"}
	}
	return validateFrozen(c.Frozen, freezable)
}

// validateSize checks the sizes of what the kernels are made of.
func (c S4DConfig) validateSize() error {
	if err := size.First(size.Field("DState", c.DState), c.common().validateOutput("kernel.C (kernels, H, DState)", c.DState)); err != nil {
		return err
	}
	if c.Init == hippo.InitLegS && c.DState > hippo.MaxN {
		return fmt.Errorf("want DState at most %d for init %q, which makes a dense matrix, got %d", hippo.MaxN, c.Init, c.DState)
	}
	return nil
}

// features returns DModel and the number of features of the output.
func (c S4DConfig) features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

func (c S4DConfig) build(b *builder) (sequenceLayer, error) {
	return buildS4D(b.child("S4D", "layer"), c)
}

func (c S4DConfig) common() common {
	return common{
		dModel: c.DModel, channels: c.Channels, bidirectional: c.Bidirectional, offByOne: c.OffByOne,
		activation: c.Activation, mixing: c.Mixing, dropout: c.Dropout, untiedDropout: c.UntiedDropout,
		frozen: c.Frozen,
	}
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
	ssmLayer
	cfg S4DConfig

	logDt, aReal, aImag, b, c *G.Node
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
	l := &S4D{cfg: deepcopy.Of(cfg.withDefaults())}
	l.ssmLayer = ssmLayer{common: l.cfg.common(), model: l}
	l.build(b, l.buildKernel)
	var err error
	l.base, err = b.done()
	return l, err
}

func (l *S4D) buildKernel(b *builder) {
	c, size := l.cfg, l.size()
	n := size.N
	a, bb, err := hippo.DiagInit(c.Init, c.DState, hippo.DiagOptions{Copies: c.NSSM, Seed: b.seed})
	if err != nil {
		b.fail(err)
		return
	}
	dts := 1
	if c.UntiedDt {
		dts = n
	}
	com := l.common
	l.logDt = b.param("kernel.log_dt", com.ssmHint("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), c.DModel, dts)
	l.aReal = b.param("kernel.A_real", com.ssmHint("A", c.LRA), initAReal(b, c.ATransform, a), c.NSSM, n)
	l.aImag = b.param("kernel.A_imag", com.ssmHint("A", c.LRA), initAImag(a), c.NSSM, n)
	if !c.FixedB {
		l.b = b.param("kernel.B", com.ssmHint("B", c.LRB), initComplex(bb), c.NSSM, n, 2)
	}
	l.c = b.param("kernel.C", com.hint("C"), normal(math.Sqrt(0.5)), size.CH, c.DModel, n, 2)
}

// Config returns the layer's configuration with its defaults filled in.
func (l *S4D) Config() S4DConfig { return deepcopy.Of(l.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length or rate.
func (l *S4D) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*S4D, error) {
	b, cfg := l.cloneBuilder(g, opts...), l.cfg
	cfg.Frozen = b.frozenInstead(cfg.Frozen)
	return buildS4D(b, cfg)
}

// size is the shape of the layer's kernels.
func (l *S4D) size() vandermonde.Size {
	c := l.cfg
	return vandermonde.Size{CH: l.common.kernels(), H: c.DModel, S: c.NSSM, N: c.DState / 2, DtPerState: c.UntiedDt}
}

// disc says how the kernel follows from the parameters.
func (l *S4D) disc() vandermonde.Config {
	return vandermonde.Config{Disc: l.cfg.Disc, DtTransform: l.cfg.DtTransform, ATransform: l.cfg.ATransform, Rate: l.rate}
}

func (l *S4D) kernels(seqLen int) (*G.Node, error) {
	if err := checkDecay(l.cfg.ATransform, l.aReal); err != nil {
		return nil, err
	}
	cfg := l.disc()
	cfg.L = seqLen
	return vandermonde.Kernel(cfg, l.logDt, l.aReal, l.aImag, l.b, l.c)
}

func (l *S4D) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, l.cfg.DModel, l.cfg.DState / 2, 2}
}

func (l *S4D) stateKernel(x0 *G.Node, seqLen int) (*G.Node, error) {
	cfg := l.disc()
	cfg.L = seqLen
	return vandermonde.StateKernel(cfg, l.logDt, l.aReal, l.aImag, l.b, l.c, x0)
}

func (l *S4D) finalState(u, x0 *G.Node) (*G.Node, error) {
	return vandermonde.FinalState(l.disc(), l.logDt, l.aReal, l.aImag, l.b, u, x0)
}
