package layers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// LSSLConfig configures an LSSL layer. The zero value of every field but DModel
// is the default of the LSSL paper.
type LSSLConfig struct {
	DModel int `json:"d_model"`           // features (H)
	DState int `json:"d_state,omitempty"` // state size (N); 0 means 64
	// NSSM is the number of independent state matrices (n_ssm, S), a divisor of
	// DModel; feature h uses matrix h mod NSSM. 0 means 1.
	NSSM     int `json:"n_ssm,omitempty"`
	Channels int `json:"channels,omitempty"` // outputs of the state per feature (M); 0 means 1

	// Measure is the start of A and B: hippo.LegS (or ""), hippo.LegT or
	// hippo.LagT.
	Measure hippo.Measure `json:"measure,omitempty"`
	// Alpha is that of the generalised bilinear transform, in [1/2, 1]: 1/2, which
	// 0 means too, is the bilinear transform, 1 backward Euler.
	Alpha float64 `json:"alpha,omitempty"`

	DtMin       float64       `json:"dt_min,omitempty"`       // smallest initial step size; 0 means 0.001
	DtMax       float64       `json:"dt_max,omitempty"`       // largest initial step size; 0 means 0.1
	DtTransform ssm.Transform `json:"dt_transform,omitempty"` // dt = transform(log_dt); "" means ssm.Exp

	Bidirectional bool `json:"bidirectional,omitempty"` // see S4DConfig
	OffByOne      bool `json:"off_by_one,omitempty"`    // see S4DConfig

	Activation    ops.Activation `json:"activation,omitempty"`     // after the SSM; "" means ops.ActGELU
	Mixing        Mixing         `json:"mixing,omitempty"`         // "" means MixGLU
	Dropout       float64        `json:"dropout,omitempty"`        // after the activation
	UntiedDropout bool           `json:"untied_dropout,omitempty"` // see DropoutConfig.Untied

	// LRA is the learning rate of A and B, LRDt that of dt: 0 means 0.0001 and
	// 0.001, a negative value the optimiser's own. These parameters are never
	// decayed. C, D and the mixing follow the optimiser.
	LRA  float64 `json:"lr_a,omitempty"`
	LRDt float64 `json:"lr_dt,omitempty"`
	// Frozen lists parameters that are not learned: "dt", "A", "B", "C", "D". With
	// dt, A and B (LSSL-fixed), what the kernel needs of them is computed once.
	Frozen []string `json:"frozen,omitempty"`
}

// withDefaults replaces zero values by what they stand for.
func (c LSSLConfig) withDefaults() LSSLConfig {
	def(&c.DState, 64)
	def(&c.NSSM, 1)
	def(&c.Channels, 1)
	def(&c.Measure, hippo.LegS)
	def(&c.Alpha, 0.5)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.DtTransform, ssm.Exp)
	def(&c.Activation, ops.ActGELU)
	def(&c.Mixing, MixGLU)
	def(&c.LRA, 0.0001)
	def(&c.LRDt, 0.001)
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
	case c.NSSM < 1 || c.DModel%c.NSSM != 0:
		return fmt.Errorf("want NSSM a divisor of DModel = %d, got %d", c.DModel, c.NSSM)
	case !slices.Contains(lsslMeasures, c.Measure):
		return fmt.Errorf("want Measure one of %q, got %q", lsslMeasures, c.Measure)
	case !(c.Alpha >= 0.5 && c.Alpha <= 1):
		return fmt.Errorf("want Alpha in [1/2, 1], below which a stable system becomes one that can grow, got %g", c.Alpha)
	}
	if err := errors.Join(
		validateDt(c.DtMin, c.DtMax, c.DtTransform),
		validateRate("LRA", c.LRA),
		validateRate("LRDt", c.LRDt),
	); err != nil {
		return err
	}
	if err := c.validateSize(); err != nil {
		return err
	}
	return validateFrozen(c.Frozen, []string{"dt", "A", "B", "C", "D"})
}

// validateSize checks the sizes of what the kernels are made of.
func (c LSSLConfig) validateSize() error {
	if c.DState > hippo.MaxN {
		return fmt.Errorf("want DState at most %d, got %d", hippo.MaxN, c.DState)
	}
	return size.First(
		c.common().validateOutput("kernel.C (kernels, H, DState)", c.DState),
		size.Tensor("the discretised state matrices (H, DState, DState)", c.DModel, c.DState, c.DState),
	)
}

// features returns DModel and the number of features of the output.
func (c LSSLConfig) features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

func (c LSSLConfig) build(b *builder) (sequenceLayer, error) {
	return buildLSSL(b.child("LSSL", "layer"), c)
}

func (c LSSLConfig) common() common {
	return common{
		dModel: c.DModel, channels: c.Channels, bidirectional: c.Bidirectional, offByOne: c.OffByOne,
		activation: c.Activation, mixing: c.Mixing, dropout: c.Dropout, untiedDropout: c.UntiedDropout,
		frozen: c.Frozen,
	}
}

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
// Parameters, with S = NSSM, CH = Channels (twice that if bidirectional), in the
// order of Params:
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
//	D             (Channels, H)
//	output_linear.weight (2H, Channels*H), output_linear.bias (2H)
type LSSL struct {
	ssmLayer
	cfg LSSLConfig

	logDt, c *G.Node
	a        ssm.Tridiagonal[*G.Node]
}

// NewLSSL makes an LSSL layer on graph g with parameters of type dt (float32 or
// float64).
func NewLSSL(g *G.ExprGraph, dt tensor.Dtype, cfg LSSLConfig, opts ...Option) (*LSSL, error) {
	return buildLSSL(newBuilder(g, dt, "LSSL", "lssl", opts), cfg)
}

func buildLSSL(b *builder, cfg LSSLConfig) (*LSSL, error) {
	if err := cfg.Validate(); err != nil {
		b.fail(err)
		return nil, b.err
	}
	l := &LSSL{cfg: deepcopy.Of(cfg.withDefaults())}
	l.ssmLayer = ssmLayer{common: l.cfg.common(), model: l}
	l.build(b, l.buildKernel)
	var err error
	l.base, err = b.done()
	return l, err
}

func (l *LSSL) buildKernel(b *builder) {
	c, com := l.cfg, l.common
	start, err := hippo.LSSL(c.Measure, c.DState, hippo.MeasureOptions{})
	if err != nil {
		b.fail(err)
		return
	}
	l.logDt = b.param("kernel.log_dt", com.ssmHint("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), c.DModel, 1)
	a, bHint := com.ssmHint("A", c.LRA), com.ssmHint("B", c.LRA)
	part := func(name string, h hint, v []float64) *G.Node {
		return b.param("kernel."+name, h, copies(v), c.NSSM, len(v))
	}
	l.a = ssm.Tridiagonal[*G.Node]{
		Pl: part("pl", a, start.Pl), Dl: part("dl", a, start.Dl), D: part("d", a, start.D), Du: part("du", a, start.Du),
		Pr: part("pr", a, start.Pr), C: part("c", a, start.C), B: part("b", bHint, start.B),
	}
	l.c = b.param("kernel.C", com.hint("C"), normal(1), com.kernels(), c.DModel, c.DState)
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
func (l *LSSL) Config() LSSLConfig { return deepcopy.Of(l.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length or rate.
func (l *LSSL) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*LSSL, error) {
	b, cfg := l.cloneBuilder(g, opts...), l.cfg
	cfg.Frozen = b.frozenInstead(cfg.Frozen)
	return buildLSSL(b, cfg)
}

// size is the shape of the layer's kernels.
func (l *LSSL) size() krylov.Size {
	return krylov.Size{CH: l.common.kernels(), H: l.cfg.DModel, S: l.cfg.NSSM, N: l.cfg.DState}
}

// disc says how the kernel of length seqLen follows from the parameters.
func (l *LSSL) disc(seqLen int) krylov.Config {
	fixed := !slices.ContainsFunc([]string{"dt", "A", "B"}, func(p string) bool { return !slices.Contains(l.cfg.Frozen, p) })
	return krylov.Config{
		Disc: ssm.GBT, Alpha: l.cfg.Alpha, DtTransform: l.cfg.DtTransform, Rate: l.rate,
		Stable: true, Frozen: fixed, L: seqLen,
	}
}

func (l *LSSL) kernels(seqLen int) (*G.Node, error) {
	return krylov.Kernel(l.disc(seqLen), l.logDt, l.a, l.c)
}

func (l *LSSL) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, l.cfg.DModel, l.cfg.DState}
}

func (l *LSSL) stateKernel(x0 *G.Node, seqLen int) (*G.Node, error) {
	return krylov.StateOutput(l.disc(seqLen), l.logDt, l.a, l.c, x0)
}

func (l *LSSL) finalState(u, x0 *G.Node) (*G.Node, error) {
	return krylov.FinalState(l.disc(1), l.logDt, l.a, u, x0)
}
