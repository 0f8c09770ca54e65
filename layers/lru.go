package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/mimo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// LRUConfig configures an LRU layer. The zero value of every field but DModel is the
// default of the paper's code, where that has one.
type LRUConfig struct {
	DModel int `json:"d_model"`           // features
	DState int `json:"d_state,omitempty"` // complex states (N) of all features together; 0 means 64

	// The ring in which the poles start: RMin <= |lambda| <= RMax, uniform in its area,
	// with phases uniform in [0, MaxPhase].
	RMin     float64 `json:"r_min,omitempty"`
	RMax     float64 `json:"r_max,omitempty"`     // 0 means 1
	MaxPhase float64 `json:"max_phase,omitempty"` // 0 means 6.28

	// SSM is what is around the model: directions, gate, activation, mixing, dropout,
	// learning rates, what is frozen. LRA is that of nu_log, theta_log and gamma_log, and
	// LRDt has nothing to set. Activation "" means ops.ActGELUTanh. Channels is 1.
	SSM
}

// lruParams are the parameters that a configuration can name.
var lruParams = []string{"A", "B", "C", "D"}

// withDefaults replaces zero values by what they stand for.
func (c LRUConfig) withDefaults() LRUConfig {
	def(&c.DState, 64)
	def(&c.RMax, 1)
	def(&c.MaxPhase, 6.28)
	def(&c.Activation, ops.ActGELUTanh)
	given := c.LRDt // nothing, as there is no dt
	c.SSM = c.SSM.withDefaults().rates(defaultRate)
	c.LRDt = given
	return c
}

// Validate reports the first field that is out of range, or that contradicts another.
func (c LRUConfig) Validate() error {
	err := c.withDefaults().validate()
	if err == nil && c.LRDt != 0 {
		err = errors.New("the LRU has no dt: want LRDt 0")
	}
	if err != nil {
		return fmt.Errorf("LRUConfig: %w", err)
	}
	return nil
}

func (c LRUConfig) validate() error {
	switch {
	case c.DState < 1:
		return fmt.Errorf("want DState >= 1, got %d", c.DState)
	case !(c.RMin >= 0 && c.RMin < c.RMax && c.RMax <= 1):
		return fmt.Errorf("want 0 <= RMin < RMax <= 1, got RMin = %g, RMax = %g", c.RMin, c.RMax)
	case !(c.MaxPhase > 0 && c.MaxPhase <= 2*math.Pi):
		return fmt.Errorf("want MaxPhase in (0, 2 pi], or 0 for the default, got %g", c.MaxPhase)
	}
	return size.First(size.Field("DState", c.DState), c.common().validateMIMO(c.DState))
}

// Features implements MixerConfig.
func (c LRUConfig) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c LRUConfig) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c LRUConfig) common() common { return common{c.DModel, c.SSM, lruParams} }

// LRU is a linear recurrent unit, one diagonal linear recurrence that all features share:
//
//	s_l = lambda * s_{l-1} + gamma * (B x_l),   y_l = Re(C s_l) + D x_l
//	lambda = exp(-e^nu + i e^theta),            gamma = e^gamma_log
//
// so that |lambda| < 1 whatever is learned. There are no conjugate pairs. Orvieto et al.,
// "Resurrecting Recurrent Neural Networks for Long Sequences", 2023, arXiv:2303.06349.
//
// gamma starts as sqrt(1 - |lambda|^2), with which a state has the variance of what it
// reads. Parameters of the model, among those that [SSM] lists, with N = DState:
//
//	kernel.nu_log    (N)
//	kernel.theta_log (N)
//	kernel.B         (N, H, 2)     re, im
//	kernel.C         (S, H, N, 2)  re, im; S = 2 if bidirectional, else 1
//	kernel.gamma_log (N)
//
// of which "A" names those with an end in log in a configuration. Its state is (B, N, 2).
type LRU struct {
	mimoLayer
	poles lruPoles
}

// lruPoles are the poles of an LRU layer.
type lruPoles struct {
	*mimoModel
	cfg                 LRUConfig
	nu, theta, gammaLog *G.Node
}

// NewLRU makes an LRU layer on graph g with parameters of type dt (float32 or float64).
func NewLRU(g *G.ExprGraph, dt tensor.Dtype, cfg LRUConfig, opts ...Option) (*LRU, error) {
	return newLayer[*LRU](g, dt, cfg, opts)
}

// Build implements Config.
func (c LRUConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &LRU{}
	l.model = mimoModel{poleModel: &l.poles, common: c.common(), n: c.DState}
	l.poles = lruPoles{mimoModel: &l.model, cfg: c}
	return l, buildMIMO(b, &l.mimoLayer)
}

// build makes the parameters.
func (m *lruPoles) build(b *Builder) {
	c, h := m.cfg, m.common.inner()
	var decay []float64 // e^nu of each state
	nu := func(rng *rand.Rand, dst []float64) {
		c.ring(rng, dst)
		for i, v := range dst {
			decay = append(decay, v)
			dst[i] = math.Log(v)
		}
	}
	// As often as the states forget, so much less each adds: 1 - |lambda|^2.
	gamma := func(_ *rand.Rand, dst []float64) {
		for i, v := range decay {
			dst[i] = math.Log(-math.Expm1(-2*v)) / 2
		}
	}
	theta := func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = math.Log(max(c.MaxPhase*rng.Float64(), ssm.Least))
		}
	}
	m.nu = b.Param("kernel.nu_log", c.dynamic("A", c.LRA), nu, m.n)
	m.theta = b.Param("kernel.theta_log", c.dynamic("A", c.LRA), theta, m.n)
	m.b = b.Param("kernel.B", c.dynamic("B", c.LRB), Normal(math.Sqrt(0.5/float64(h))), m.n, h, 2)
	m.c = b.Param("kernel.C", c.hint("C", c.LRC), Normal(math.Sqrt(1/float64(m.n))), m.common.kernels(), h, m.n, 2)
	m.gammaLog = b.Param("kernel.gamma_log", c.dynamic("A", c.LRA), gamma, m.n)
}

// ring draws decay rates -log |lambda| such that lambda is uniform in the area of the
// ring (LRU, lemma 3.2).
func (c LRUConfig) ring(rng *rand.Rand, dst []float64) {
	lo, hi := c.RMin*c.RMin, c.RMax*c.RMax
	for i := range dst {
		square := lo + (1-rng.Float64())*(hi-lo) // in (lo, hi]: never 0
		dst[i] = max(-math.Log(square)/2, ssm.Least)
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *LRU) Config() LRUConfig { return deepcopy.Of(l.poles.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *LRU) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*LRU, error) { return Clone(l, g, opts...) }

// poles adds those of all steps: there is no dt.
func (m *lruPoles) poles(_, _ *G.Node) (*G.Node, error) {
	return mimo.LRUPoles(mimo.LRUParams[*G.Node]{NuLog: m.nu, ThetaLog: m.theta, GammaLog: m.gammaLog})
}

// continuous returns the system that zero-order hold turns into the recurrence.
func (m *lruPoles) continuous(p int) (lambda, b complex128, disc ssm.Disc, err error) {
	var r rows
	nu, theta, gamma := r.of(m.nu, p, 1), r.of(m.theta, p, 1), r.of(m.gammaLog, p, 1)
	if r.err != nil {
		return 0, 0, "", r.err
	}
	decay, _ := ssm.Exp.Eval(nu[0])
	phase, _ := ssm.Exp.Eval(theta[0])
	factor, _ := ssm.Exp.Eval(gamma[0])
	lambda = complex(-decay, phase)
	return lambda, complex(factor, 0) / ssm.ZOHPole(lambda).Phi, ssm.ZOH, nil
}

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, DOut). Its state is (batch, N, 2), re and im. A
// bidirectional layer has none.
func (l *LRU) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *LRU) Snapshot() (Snapshot, error) {
	if err := l.around.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOfMIMO(&l.mimoLayer, func() ([]float32, error) { return lruPoleValues[float32](&l.poles) })
	}
	return snapshotOfMIMO(&l.mimoLayer, func() ([]float64, error) { return lruPoleValues[float64](&l.poles) })
}

// lruPoleValues reads the poles off the parameters.
func lruPoleValues[T num.Float](m *lruPoles) ([]T, error) {
	var p mimo.LRUParams[[]T]
	if err := size.First(read(&p.NuLog, m.nu), read(&p.ThetaLog, m.theta), read(&p.GammaLog, m.gammaLog)); err != nil {
		return nil, err
	}
	return mimo.LRUPoleValues(p)
}
