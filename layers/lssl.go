package layers

import (
	"fmt"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/param"
)

// LSSLConfig configures an LSSL layer. The zero value of every field but DModel
// is the default of the LSSL paper.
type LSSLConfig struct {
	DModel int `json:"d_model"`           // features (H)
	DState int `json:"d_state,omitempty"` // state size (N); 0 means 64
	// NSSM is the number of independent state matrices (n_ssm, S), a divisor of
	// the number of features H (DModel, or DModel/Bottleneck); feature h uses
	// matrix h mod NSSM. 0 means 1.
	NSSM int `json:"n_ssm,omitempty"`

	// Init is the measure that A and B start from: hippo.LegS (or ""), hippo.LegT
	// or hippo.LagT.
	Init hippo.Measure `json:"init,omitempty"`
	// Alpha is that of the generalised bilinear transform, in [1/2, 1]: 1/2, which
	// 0 means too, is the bilinear transform, 1 backward Euler.
	Alpha float64 `json:"alpha,omitempty"`

	DtMin       float64       `json:"dt_min,omitempty"`       // smallest initial step size; 0 means 0.001
	DtMax       float64       `json:"dt_max,omitempty"`       // largest initial step size; 0 means 0.1
	DtTransform ssm.Transform `json:"dt_transform,omitempty"` // dt = transform(log_dt); "" means ssm.Exp

	SSM // channels, directions, gate, activation, mixing, dropout, learning rates, what is frozen
}

// withDefaults replaces zero values by what they stand for.
func (c LSSLConfig) withDefaults() LSSLConfig {
	def(&c.DState, 64)
	def(&c.NSSM, 1)
	c.SSM = c.SSM.withDefaults().rates(0.0001)
	def(&c.Init, hippo.LegS)
	def(&c.Alpha, 0.5)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.DtTransform, ssm.Exp)
	return c
}

// lsslMeasures are the measures that the paper gives in trainable form.
var lsslMeasures = []hippo.Measure{hippo.LegS, hippo.LegT, hippo.LagT}

// Validate reports the first field that is out of range, or that contradicts
// another.
func (c LSSLConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("LSSLConfig: %w", err)
	}
	return nil
}

func (c LSSLConfig) validate() error {
	if err := c.common().validate(); err != nil {
		return err
	}
	switch {
	case c.DState < 2:
		return fmt.Errorf("want DState >= 2, for a tridiagonal matrix, got %d", c.DState)
	case c.NSSM < 1 || c.common().inner()%c.NSSM != 0:
		return fmt.Errorf("want NSSM a divisor of the number of features H = %d, got %d", c.common().inner(), c.NSSM)
	case !slices.Contains(lsslMeasures, c.Init):
		return fmt.Errorf("want Init one of %q, got %q", lsslMeasures, c.Init)
	case !(c.Alpha >= 0.5 && c.Alpha <= 1):
		return fmt.Errorf("want Alpha in [1/2, 1], below which a stable system becomes one that can grow, got %g", c.Alpha)
	}
	if err := validateDt(c.DtMin, c.DtMax, c.DtTransform); err != nil {
		return err
	}
	return c.validateSize()
}

// validateSize checks the sizes of what the kernels are made of.
func (c LSSLConfig) validateSize() error {
	if c.DState > hippo.MaxN {
		return fmt.Errorf("want DState at most %d, got %d", hippo.MaxN, c.DState)
	}
	return size.First(
		c.common().validateOutput("kernel.C (kernels, H, DState)", c.DState),
		size.Tensor("the discretised state matrices (H, DState, DState)", c.common().inner(), c.DState, c.DState),
	)
}

// Features implements MixerConfig.
func (c LSSLConfig) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c LSSLConfig) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c LSSLConfig) common() common { return common{c.DModel, c.SSM, ssmParams} }

// LSSL is a linear state space layer: H independent sequence maps with
// N-dimensional states, x' = -A x + B u, y = C x + D u, with a dense state
// matrix of O(N) parameters, discretised by the generalised bilinear transform
// and computed as one long convolution, then an activation and a position-wise
// mixing of the features. Gu, Johnson, Goel, Saab, Dao, Rudra, Ré, "Combining
// Recurrent, Convolutional, and Continuous-time Models with Linear State-Space
// Layers", 2021, arXiv:2110.13985.
//
// Whatever values the parameters take in training, the state does not grow: see
// krylov.Config.Stable.
//
// Parameters of the kernels, among those that [SSM] lists, with S = NSSM, CH =
// Channels (twice that if bidirectional):
//
//	kernel.log_dt (H, 1)         dt = DtTransform(log_dt)
//	kernel.pl     (S, N)         A = diag(pl) (T^-1 + diag(c)) diag(pr)
//	kernel.dl     (S, N-1)       T, below the diagonal,
//	kernel.d      (S, N)         on it
//	kernel.du     (S, N-1)       and above it
//	kernel.pr     (S, N)
//	kernel.c      (S, N)
//	kernel.b      (S, N)         B = diag(pl) b
//	kernel.C      (CH, H, N)
type LSSL struct {
	ssmLayer
	model lsslModel
}

// lsslModel is the state space model of an LSSL layer.
type lsslModel struct {
	*Base
	cfg LSSLConfig

	logDt, c *G.Node
	a        ssm.Tridiagonal[*G.Node]
}

// NewLSSL makes an LSSL layer on graph g with parameters of type dt (float32 or
// float64).
func NewLSSL(g *G.ExprGraph, dt tensor.Dtype, cfg LSSLConfig, opts ...Option) (*LSSL, error) {
	return newLayer[*LSSL](g, dt, cfg, opts)
}

// Build implements Config.
func (c LSSLConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &LSSL{model: lsslModel{Base: b.base, cfg: c}}
	var err error
	l.ssmLayer, err = buildSSM(b, c.common(), &l.model)
	return l, err
}

// build makes the parameters.
func (m *lsslModel) build(b *Builder) {
	c, com := m.cfg, m.cfg.common()
	if !b.fits("kernel.C", com.inner(), c.DState) {
		return
	}
	start, err := hippo.LSSL(c.Init, c.DState, hippo.MeasureOptions{})
	if err != nil {
		b.Fail(err)
		return
	}
	m.logDt = b.Param("kernel.log_dt", c.dynamic("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), com.inner(), 1)
	aHint := c.dynamic("A", c.LRA)
	part := func(name string, h param.Hint, v []float64) *G.Node {
		return b.Param("kernel."+name, h, copies(v), c.NSSM, len(v))
	}
	m.a = ssm.Tridiagonal[*G.Node]{
		Pl: part("pl", aHint, start.Pl), Dl: part("dl", aHint, start.Dl), D: part("d", aHint, start.D), Du: part("du", aHint, start.Du),
		Pr: part("pr", aHint, start.Pr), C: part("c", aHint, start.C), B: part("b", c.dynamic("B", c.LRB), start.B),
	}
	m.c = b.Param("kernel.C", c.hint("C", c.LRC), Normal(1), com.kernels(), com.inner(), c.DState)
}

// copies repeats v.
func copies(v []float64) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = v[i%len(v)]
		}
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *LSSL) Config() LSSLConfig { return deepcopy.Of(l.model.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length or rate.
func (l *LSSL) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*LSSL, error) {
	return Clone(l, g, opts...)
}

// size is the shape of the layer's kernels.
func (m *lsslModel) size() krylov.Size {
	return krylov.Size{CH: m.cfg.common().kernels(), H: m.cfg.common().inner(), S: m.cfg.NSSM, N: m.cfg.DState}
}

// disc says how the kernel of length seqLen follows from the parameters.
func (m *lsslModel) disc(seqLen int) krylov.Config {
	fixed := !slices.ContainsFunc([]string{"dt", "A", "B"}, func(p string) bool { return !slices.Contains(m.cfg.Frozen, p) })
	return krylov.Config{
		Disc: ssm.GBT, Alpha: m.cfg.Alpha, DtTransform: m.cfg.DtTransform, Rate: m.rate,
		Stable: true, Frozen: fixed, L: seqLen,
	}
}

// nodes returns the parameters of the kernel.
func (m *lsslModel) nodes() krylov.Params[*G.Node] {
	return krylov.Params[*G.Node]{Dt: m.logDt, A: m.a, C: m.c}
}

func (m *lsslModel) kernels(seqLen int) (*G.Node, error) {
	return krylov.Kernel(m.disc(seqLen), m.nodes())
}

func (m *lsslModel) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, m.cfg.common().inner(), m.cfg.DState}
}

func (m *lsslModel) stateOutput(x0 *G.Node, seqLen int) (*G.Node, error) {
	return krylov.StateOutput(m.disc(seqLen), m.nodes(), x0)
}

func (m *lsslModel) finalState(u, x0 *G.Node) (*G.Node, error) {
	return krylov.FinalState(m.disc(1), m.nodes(), u, x0)
}
