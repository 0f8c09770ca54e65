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
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// S4DConfig configures an S4D layer. The zero value of every field but DModel
// is the default of the S4D paper and its reference implementation.
type S4DConfig struct {
	DModel int `json:"d_model"`           // features (H)
	DState int `json:"d_state,omitempty"` // state size (N), even: N/2 conjugate pairs are stored; 0 means 64
	// NSSM is the number of independent state matrices (n_ssm, S), a divisor
	// of the number of features H (DModel, or DModel/Bottleneck); feature h uses
	// matrix h mod NSSM. 0 means H.
	NSSM int `json:"n_ssm,omitempty"`

	Init hippo.Init `json:"init,omitempty"` // start of A and B; "" means hippo.InitLin
	Disc ssm.Disc   `json:"disc,omitempty"` // ssm.ZOH (default) or ssm.Bilinear
	// FixedB sets B = 1 and does not learn it, as the minimal S4D does.
	FixedB bool `json:"fixed_b,omitempty"`

	DtMin       float64       `json:"dt_min,omitempty"`       // smallest initial step size; 0 means 0.001
	DtMax       float64       `json:"dt_max,omitempty"`       // largest initial step size; 0 means 0.1
	Dt          StepSizes     `json:"dt,omitempty"`           // what has a step size; "" means DtPerFeature, else DtPerState
	DtTransform ssm.Transform `json:"dt_transform,omitempty"` // dt = transform(log_dt); "" means ssm.Exp
	ATransform  ssm.Transform `json:"a_transform,omitempty"`  // Re A = -transform(A_real); "" means ssm.Exp

	SSM // channels, directions, gate, activation, mixing, dropout, learning rates, what is frozen
}

// withDefaults replaces zero values by what they stand for.
func (c S4DConfig) withDefaults() S4DConfig {
	def(&c.DState, 64)
	c.SSM = c.SSM.withDefaults().rates(defaultRate)
	def(&c.NSSM, c.common().inner())
	def(&c.Init, hippo.InitLin)
	def(&c.Disc, ssm.ZOH)
	def(&c.Dt, DtPerFeature)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.DtTransform, ssm.Exp)
	def(&c.ATransform, ssm.Exp)
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
	case c.NSSM < 1 || c.common().inner()%c.NSSM != 0:
		return fmt.Errorf("want NSSM a divisor of the number of features H = %d, got %d", c.common().inner(), c.NSSM)
	}
	if err := errors.Join(
		c.Dt.Validate(DtPerFeature, DtPerState),
		validateDt(c.DtMin, c.DtMax, c.DtTransform),
		inField("Init", c.Init.Validate(hippo.DiagInits()...)),
		inField("Disc", c.Disc.Validate(ssm.ZOH, ssm.Bilinear)),
		inField("ATransform", c.ATransform.Validate()),
	); err != nil {
		return err
	}
	return c.validateSize()
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

// Features implements MixerConfig.
func (c S4DConfig) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c S4DConfig) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c S4DConfig) common() common {
	if c.FixedB {
		return common{c.DModel, c.SSM, withoutB}
	}
	return common{c.DModel, c.SSM, ssmParams}
}

// S4D is a layer of diagonal state space models: H independent sequence maps
// with N-dimensional states, x' = A x + B u, y = C x + D u, computed as one
// long convolution, then an activation and a position-wise mixing of the
// features. Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization
// of Diagonal State Space Models", 2022, arXiv:2206.11893.
//
// Parameters of the kernels, among those that [SSM] lists, with S = NSSM, N/2 =
// stored pairs, CH = Channels (twice that if bidirectional):
//
//	kernel.log_dt (H, 1) or (H, N/2)   dt = DtTransform(log_dt)
//	kernel.A_real (S, N/2)             Re A = -ATransform(A_real)
//	kernel.A_imag (S, N/2)             Im A = -A_imag
//	kernel.B      (S, N/2, 2)          re, im; absent with FixedB
//	kernel.C      (CH, H, N/2, 2)      re, im
type S4D struct {
	ssmLayer
	model s4dModel
}

// s4dModel is the state space model of an S4D layer.
type s4dModel struct {
	*Base
	cfg S4DConfig
	at  string // prefix of the names of its parameters

	logDt, aReal, aImag, b, c *G.Node
}

// NewS4D makes an S4D layer on graph g with parameters of type dt (float32 or
// float64).
func NewS4D(g *G.ExprGraph, dt tensor.Dtype, cfg S4DConfig, opts ...Option) (*S4D, error) {
	return newLayer[*S4D](g, dt, cfg, opts)
}

// Build implements Config.
func (c S4DConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &S4D{model: s4dModel{Base: b.base, cfg: c, at: kernelPrefix}}
	var err error
	l.ssmLayer, err = buildSSM(b, c.common(), &l.model)
	return l, err
}

// build makes the parameters.
func (m *s4dModel) build(b *Builder) {
	c, size := m.cfg, m.size()
	if !b.fits(m.at+"C", size.H, size.N, 2) {
		return
	}
	a, bb, err := hippo.DiagInit(c.Init, c.DState, hippo.DiagOptions{Copies: c.NSSM, Seed: b.seed})
	if err != nil {
		b.Fail(err)
		return
	}
	dts := 1
	if c.Dt == DtPerState {
		dts = size.N
	}
	aHint := c.dynamic("A", c.LRA)
	m.logDt = b.Param(m.at+"log_dt", c.dynamic("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), size.H, dts)
	m.aReal = b.Param(m.at+"A_real", aHint, initAReal(b, c.ATransform, a), c.NSSM, size.N)
	m.aImag = b.Param(m.at+"A_imag", aHint, initAImag(a), c.NSSM, size.N)
	if !c.FixedB {
		m.b = b.Param(m.at+"B", c.dynamic("B", c.LRB), initComplex(bb), c.NSSM, size.N, 2)
	}
	m.c = b.Param(m.at+"C", c.hint("C", c.LRC), Normal(math.Sqrt(0.5)), size.CH, size.H, size.N, 2)
}

// Config returns the layer's configuration with its defaults filled in.
func (l *S4D) Config() S4DConfig { return deepcopy.Of(l.model.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length or rate.
func (l *S4D) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*S4D, error) {
	return Clone(l, g, opts...)
}

// size is the shape of the layer's kernels.
func (m *s4dModel) size() vandermonde.Size {
	c := m.cfg
	return vandermonde.Size{CH: c.common().kernels(), H: c.common().inner(), S: c.NSSM, N: c.DState / 2, DtPerState: c.Dt == DtPerState}
}

// disc says how the kernel follows from the parameters.
func (m *s4dModel) disc() vandermonde.Config {
	return vandermonde.Config{Dynamics: ssm.Dynamics{DtTransform: m.cfg.DtTransform, ATransform: m.cfg.ATransform, Rate: m.rate}, Disc: m.cfg.Disc}
}

// nodes returns the parameters of the kernel.
func (m *s4dModel) nodes() vandermonde.Params[*G.Node] {
	return vandermonde.Params[*G.Node]{Dt: m.logDt, AReal: m.aReal, AImag: m.aImag, B: m.b, C: m.c}
}

func (m *s4dModel) kernels(seqLen int) (*G.Node, error) {
	if err := checkDecay(m.cfg.ATransform, m.aReal); err != nil {
		return nil, err
	}
	cfg := m.disc()
	cfg.L = seqLen
	return vandermonde.Kernel(cfg, m.nodes())
}

func (m *s4dModel) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, m.cfg.common().inner(), m.cfg.DState / 2, 2}
}

func (m *s4dModel) stateOutput(x0 *G.Node, seqLen int) (*G.Node, error) {
	cfg := m.disc()
	cfg.L = seqLen
	return vandermonde.StateOutput(cfg, m.nodes(), x0)
}

func (m *s4dModel) finalState(u, x0 *G.Node) (*G.Node, error) {
	return vandermonde.FinalState(m.disc(), m.nodes(), u, x0)
}
