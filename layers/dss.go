package layers

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// DSSInit names how Lambda of a DSS layer starts.
type DSSInit string

// The initialisations. The zero value is DSSInitLegS.
const (
	// DSSInitLegS takes the eigenvalues above the real axis of the normal part of
	// HiPPO-LegS of state size 2N: Skew-HiPPO of the paper, hippo_skew_pos_imag
	// of the published code.
	DSSInitLegS DSSInit = "legs"
	// DSSInitRandom draws -e^g + i e^g', g and g' ~ N(0, 1), which every version
	// can express.
	DSSInitRandom DSSInit = "random"
)

// DSSConfig configures a DSS layer. The zero value of every field but DModel is
// the default of the paper and its published code.
type DSSConfig struct {
	DModel int `json:"d_model"`           // features (H)
	DState int `json:"d_state,omitempty"` // states (N), which come without conjugates; 0 means 64

	Version vandermonde.DSSVersion `json:"version,omitempty"` // "" means vandermonde.DSSSoftmax
	Init    DSSInit                `json:"init,omitempty"`    // start of Lambda; "" means DSSInitLegS
	// DetachShift leaves a factor of the gradient out, as the published code
	// does: see vandermonde.DSSConfig.
	DetachShift bool `json:"detach_shift,omitempty"`
	// LMax is the number of steps that a kernel reaches back; 0 means as many as
	// the sequence has. The softmax version, which is normalised over the
	// length of its kernel, is another model at every length without it, and
	// then has no Recurrence and no state.
	LMax int `json:"l_max,omitempty"`

	DtMin float64   `json:"dt_min,omitempty"` // smallest initial step size; 0 means 0.001
	DtMax float64   `json:"dt_max,omitempty"` // largest initial step size; 0 means 0.1
	Dt    StepSizes `json:"dt,omitempty"`     // what has a step size; "" means DtPerPart, else DtPerFeature

	SSM // channels, directions, gate, activation, mixing, dropout, learning rates, what is frozen
}

// withDefaults replaces zero values by what they stand for.
func (c DSSConfig) withDefaults() DSSConfig {
	def(&c.DState, 64)
	c.SSM = c.SSM.withDefaults().rates(defaultRate)
	def(&c.LRC, c.LR)
	def(&c.Version, vandermonde.DSSSoftmax)
	def(&c.Init, DSSInitLegS)
	def(&c.Dt, DtPerPart)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	return c
}

// Validate reports the first field that is out of range, or that contradicts
// another.
func (c DSSConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("DSSConfig: %w", err)
	}
	return nil
}

func (c DSSConfig) validate() error {
	if err := c.common().validate(); err != nil {
		return err
	}
	switch {
	case c.DState < 1:
		return fmt.Errorf("want DState >= 1, got %d", c.DState)
	case c.LMax < 0:
		return fmt.Errorf("want LMax >= 1, or 0 for the length of the sequence, got %d", c.LMax)
	case c.Init != DSSInitLegS && c.Init != DSSInitRandom:
		return fmt.Errorf("want Init %q or %q, got %q", DSSInitLegS, DSSInitRandom, c.Init)
	}
	if err := (vandermonde.DSSConfig{Version: c.Version, L: 1}).Validate(); err != nil {
		return err
	}
	if err := errors.Join(c.Dt.Validate(DtPerPart, DtPerFeature), validateDt(c.DtMin, c.DtMax, ssm.Exp)); err != nil {
		return err
	}
	return c.validateSize()
}

// validateSize checks the sizes of what the kernels are made of.
func (c DSSConfig) validateSize() error {
	if err := size.First(size.Field("DState", c.DState), c.common().validateOutput("kernel.W (kernels, H, 2*DState)", 2*c.DState)); err != nil {
		return err
	}
	if c.LMax > 0 {
		if err := size.First(size.Length("LMax", c.LMax), c.common().validateOutput("the kernels (kernels, H, LMax)", c.LMax)); err != nil {
			return err
		}
	}
	if c.Init == DSSInitLegS && c.DState > hippo.MaxN/2 {
		return fmt.Errorf("want DState at most %d for init %q, which makes a dense matrix of size 2*DState, got %d", hippo.MaxN/2, c.Init, c.DState)
	}
	return nil
}

// Features implements MixerConfig.
func (c DSSConfig) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c DSSConfig) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c DSSConfig) common() common { return common{c.DModel, c.SSM, withoutB} }

// DSS is a layer of diagonal state spaces: H independent sequence maps with
// diagonal state matrices that all features share, computed as one long
// convolution, then an activation and a position-wise mixing of the features.
// Gupta, Gu, Berant, "Diagonal State Spaces are as Effective as Structured
// State Spaces", 2022, arXiv:2203.14343.
//
// Parameters of the kernels, among those that [SSM] lists, with CH = Channels
// (twice that if bidirectional):
//
//	kernel.log_dt (H, 2) or, with DtPerFeature, (H, 1)   dt = ssm.Exp of log_dt, of Re Lambda and Im Lambda
//	kernel.Lambda (N, 2)                           raw, see vandermonde.DSSVersion
//	kernel.W      (CH, H, N, 2)                    re, im
type DSS struct {
	ssmLayer
	model dssModel
}

// dssModel is the state space model of a DSS layer.
type dssModel struct {
	*Base
	cfg DSSConfig

	logDt, lambda, w *G.Node
}

// NewDSS makes a DSS layer on graph g with parameters of type dt (float32 or
// float64).
func NewDSS(g *G.ExprGraph, dt tensor.Dtype, cfg DSSConfig, opts ...Option) (*DSS, error) {
	return newLayer[*DSS](g, dt, cfg, opts)
}

// Build implements Config.
func (c DSSConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &DSS{model: dssModel{Base: b.base, cfg: c}}
	var err error
	l.ssmLayer, err = buildSSM(b, c.common(), &l.model)
	return l, err
}

// build makes the parameters. Lambda is A, and W is C, as B is 1.
func (m *dssModel) build(b *Builder) {
	c, h := m.cfg, m.cfg.common().inner()
	if !b.fits("kernel.W", h, c.DState, 2) {
		return
	}
	cols := 2
	if c.Dt == DtPerFeature {
		cols = 1
	}
	m.logDt = b.Param("kernel.log_dt", c.dynamic("dt", c.LRDt), repeated(cols, initDt(b, ssm.Exp, c.DtMin, c.DtMax)), h, cols)
	m.lambda = b.Param("kernel.Lambda", c.dynamic("A", c.LRA), c.initLambda(b), c.DState, 2)
	m.w = b.Param("kernel.W", c.dynamic("C", c.LRC), Normal(math.Sqrt(0.5)), c.common().kernels(), h, c.DState, 2)
}

// repeated draws rows of n equal values.
func repeated(n int, init func(*rand.Rand, []float64)) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		v := make([]float64, len(dst)/n)
		init(rng, v)
		for i := range dst {
			dst[i] = v[i/n]
		}
	}
}

// initLambda stores the initial Lambda as the raw parameters of the version.
func (c DSSConfig) initLambda(b *Builder) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		lambda, err := c.poles(rng)
		if err != nil {
			b.Fail(err)
			return
		}
		for i, v := range lambda {
			re, im := real(v), imag(v)
			switch c.Version {
			case vandermonde.DSSExp, vandermonde.DSSExpNoScale, vandermonde.DSSExpReIm:
				re = math.Log(-re)
			}
			if c.Version == vandermonde.DSSExpReIm {
				im = math.Log(im)
			}
			dst[2*i], dst[2*i+1] = re, im
		}
	}
}

// poles returns the initial Lambda (N), in the upper left quadrant.
func (c DSSConfig) poles(rng *rand.Rand) ([]complex128, error) {
	lambda := make([]complex128, c.DState)
	if c.Init == DSSInitRandom {
		for i := range lambda {
			lambda[i] = complex(-math.Exp(rng.NormFloat64()), math.Exp(rng.NormFloat64()))
		}
		return lambda, nil
	}
	d, err := hippo.NPLR(hippo.LegS, 2*c.DState, 1, hippo.NPLROptions{})
	if err != nil {
		return nil, err
	}
	for i, v := range d.Lambda {
		lambda[i] = cmplx.Conj(v)
	}
	return lambda, nil
}

// Config returns the layer's configuration with its defaults filled in.
func (l *DSS) Config() DSSConfig { return deepcopy.Of(l.model.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length or rate.
func (l *DSS) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*DSS, error) {
	return Clone(l, g, opts...)
}

// Kernel adds the convolution kernels for sequences of length seqLen to the graph,
// as those of all state space layers do: (CH, H, seqLen), where CH is Channels, or
// twice that if bidirectional. It is what Fwd computes with for that length.
// Beyond LMax, where Fwd takes it to be 0, it is an error.
func (l *DSS) Kernel(seqLen int) (*G.Node, error) { return l.ssmLayer.Kernel(seqLen) }

// StateShapes describes the state of a batch, for FwdState and Recurrence: one
// tensor, but none for a layer that has no state, because it is bidirectional or
// the softmax version without LMax.
func (l *DSS) StateShapes(batch int) []StateShape {
	if l.model.checkRecurrent() != nil {
		return nil
	}
	return l.ssmLayer.StateShapes(batch)
}

// window returns the length of the kernel for sequences of length seqLen.
func (m *dssModel) window(seqLen int) int {
	switch {
	case m.cfg.LMax == 0:
		return seqLen
	case m.cfg.Version == vandermonde.DSSSoftmax:
		return m.cfg.LMax
	}
	return min(seqLen, m.cfg.LMax)
}

// disc says how the kernel of length window follows from the parameters.
func (m *dssModel) disc(window int) vandermonde.DSSConfig {
	return vandermonde.DSSConfig{Version: m.cfg.Version, DetachShift: m.cfg.DetachShift, Rate: m.rate, L: window}
}

// nodes returns the parameters of the kernel.
func (m *dssModel) nodes() vandermonde.DSSParams[*G.Node] {
	return vandermonde.DSSParams[*G.Node]{LogDt: m.logDt, Lambda: m.lambda, W: m.w}
}

func (m *dssModel) kernels(seqLen int) (*G.Node, error) {
	return vandermonde.DSSKernel(m.disc(m.window(seqLen)), m.nodes())
}

func (m *dssModel) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, m.cfg.common().inner(), m.cfg.DState, 2}
}

// checkRecurrent reports why the layer is no recurrence, if it is none.
func (m *dssModel) checkRecurrent() error {
	if m.cfg.Version == vandermonde.DSSSoftmax && m.cfg.LMax == 0 {
		return fmt.Errorf("version %q without LMax is another model at every length, so it has no state: want LMax, or one of the other versions", m.cfg.Version)
	}
	return nil
}

// checkReach reports a sequence that is longer than the kernem.
func (m *dssModel) checkReach(seqLen int) error {
	if err := m.checkRecurrent(); err != nil {
		return err
	}
	if m.cfg.LMax > 0 && seqLen > m.cfg.LMax {
		return fmt.Errorf("want at most LMax = %d steps, beyond which the kernel is cut off and the state is not, got %d", m.cfg.LMax, seqLen)
	}
	return nil
}

func (m *dssModel) stateOutput(x0 *G.Node, seqLen int) (*G.Node, error) {
	return vandermonde.DSSStateOutput(m.disc(m.window(seqLen)), seqLen, m.nodes(), x0)
}

func (m *dssModel) finalState(u, x0 *G.Node) (*G.Node, error) {
	seqLen := u.Shape()[2]
	if err := m.checkReach(seqLen); err != nil {
		return nil, err
	}
	return vandermonde.DSSFinalState(m.disc(m.window(seqLen)), m.nodes(), u, x0)
}
