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
	"github.com/gorgonia-s4/s4/ops"
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
	DModel   int `json:"d_model"`            // features (H)
	DState   int `json:"d_state,omitempty"`  // states (N), which come without conjugates; 0 means 64
	Channels int `json:"channels,omitempty"` // kernels per feature; 0 means 1

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

	DtMin  float64 `json:"dt_min,omitempty"`  // smallest initial step size; 0 means 0.001
	DtMax  float64 `json:"dt_max,omitempty"`  // largest initial step size; 0 means 0.1
	TiedDt bool    `json:"tied_dt,omitempty"` // one step size for Re Lambda and Im Lambda, not one each

	Bidirectional bool `json:"bidirectional,omitempty"` // see S4DConfig
	OffByOne      bool `json:"off_by_one,omitempty"`    // see S4DConfig

	Activation    ops.Activation `json:"activation,omitempty"`     // after the SSM; "" means ops.ActGELU
	Mixing        Mixing         `json:"mixing,omitempty"`         // "" means MixGLU
	Dropout       float64        `json:"dropout,omitempty"`        // after the activation
	UntiedDropout bool           `json:"untied_dropout,omitempty"` // see DropoutConfig.Untied

	// LR is the learning rate of dt, Lambda and W: 0 means 0.001, a negative
	// value the optimiser's own. LRDt, LRLambda and LRW override it for one
	// parameter each. These parameters are never decayed. D and the mixing
	// follow the optimiser.
	LR       float64 `json:"lr,omitempty"`
	LRDt     float64 `json:"lr_dt,omitempty"`
	LRLambda float64 `json:"lr_lambda,omitempty"`
	LRW      float64 `json:"lr_w,omitempty"`
	// Frozen lists parameters that are not learned: "dt", "Lambda", "W", "D".
	Frozen []string `json:"frozen,omitempty"`
}

// withDefaults replaces zero values by what they stand for.
func (c DSSConfig) withDefaults() DSSConfig {
	def(&c.DState, 64)
	def(&c.Channels, 1)
	def(&c.Version, vandermonde.DSSSoftmax)
	def(&c.Init, DSSInitLegS)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.Activation, ops.ActGELU)
	def(&c.Mixing, MixGLU)
	def(&c.LR, 0.001)
	def(&c.LRDt, c.LR)
	def(&c.LRLambda, c.LR)
	def(&c.LRW, c.LR)
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
	if err := errors.Join(
		validateDt(c.DtMin, c.DtMax, ssm.Exp),
		validateRate("LR", c.LR),
		validateRate("LRDt", c.LRDt),
		validateRate("LRLambda", c.LRLambda),
		validateRate("LRW", c.LRW),
	); err != nil {
		return err
	}
	if err := c.validateSize(); err != nil {
		return err
	}
	return validateFrozen(c.Frozen, []string{"dt", "Lambda", "W", "D"})
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

// features returns DModel and the number of features of the output.
func (c DSSConfig) features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

func (c DSSConfig) build(b *builder) (sequenceLayer, error) {
	return buildDSS(b.child("DSS", "layer"), c)
}

func (c DSSConfig) common() common {
	return common{
		dModel: c.DModel, channels: c.Channels, bidirectional: c.Bidirectional, offByOne: c.OffByOne,
		activation: c.Activation, mixing: c.Mixing, dropout: c.Dropout, untiedDropout: c.UntiedDropout,
		frozen: c.Frozen,
	}
}

// DSS is a layer of diagonal state spaces: H independent sequence maps with
// diagonal state matrices that all features share, computed as one long
// convolution, then an activation and a position-wise mixing of the features.
// Gupta, Gu, Berant, "Diagonal State Spaces are as Effective as Structured
// State Spaces", 2022, arXiv:2203.14343.
//
// Parameters, with CH = Channels (twice that if bidirectional), in the order of
// Params:
//
//	kernel.log_dt (H, 2) or, with TiedDt, (H, 1)   dt = ssm.Exp of log_dt, of Re Lambda and Im Lambda
//	kernel.Lambda (N, 2)                           raw, see vandermonde.DSSVersion
//	kernel.W      (CH, H, N, 2)                    re, im
//	D             (Channels, H)
//	output_linear.weight (2H, Channels*H), output_linear.bias (2H)
type DSS struct {
	ssmLayer
	cfg DSSConfig

	logDt, lambda, w *G.Node
}

// NewDSS makes a DSS layer on graph g with parameters of type dt (float32 or
// float64).
func NewDSS(g *G.ExprGraph, dt tensor.Dtype, cfg DSSConfig, opts ...Option) (*DSS, error) {
	return buildDSS(newBuilder(g, dt, "DSS", "dss", opts), cfg)
}

func buildDSS(b *builder, cfg DSSConfig) (*DSS, error) {
	if err := cfg.Validate(); err != nil {
		b.fail(err)
		return nil, b.err
	}
	l := &DSS{cfg: deepcopy.Of(cfg.withDefaults())}
	l.ssmLayer = ssmLayer{common: l.cfg.common(), model: l}
	l.build(b, l.buildKernel)
	var err error
	l.base, err = b.done()
	return l, err
}

func (l *DSS) buildKernel(b *builder) {
	c, com := l.cfg, l.common
	cols := 2
	if c.TiedDt {
		cols = 1
	}
	l.logDt = b.param("kernel.log_dt", com.ssmHint("dt", c.LRDt), repeated(cols, initDt(b, ssm.Exp, c.DtMin, c.DtMax)), c.DModel, cols)
	l.lambda = b.param("kernel.Lambda", com.ssmHint("Lambda", c.LRLambda), c.initLambda(b), c.DState, 2)
	l.w = b.param("kernel.W", com.ssmHint("W", c.LRW), normal(math.Sqrt(0.5)), com.kernels(), c.DModel, c.DState, 2)
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
func (c DSSConfig) initLambda(b *builder) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		lambda, err := c.poles(rng)
		if err != nil {
			b.fail(err)
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
func (l *DSS) Config() DSSConfig { return deepcopy.Of(l.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another length or rate.
func (l *DSS) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*DSS, error) {
	b, cfg := l.cloneBuilder(g, opts...), l.cfg
	cfg.Frozen = b.frozenInstead(cfg.Frozen)
	return buildDSS(b, cfg)
}

// Kernel adds the convolution kernels for sequences of length seqLen to the graph,
// as those of all state space layers do: (CH, H, seqLen), where CH is Channels, or
// twice that if bidirectional. It is what Fwd computes with for that length.
// Beyond LMax, where Fwd takes it to be 0, it is an error.
func (l *DSS) Kernel(seqLen int) (*G.Node, error) { return l.ssmLayer.Kernel(seqLen) }

// StateShape returns the shape of the state of a batch, for FwdState and
// Recurrence: nil for a layer that has none, because it is bidirectional or the
// softmax version without LMax.
func (l *DSS) StateShape(batch int) tensor.Shape {
	if l.checkRecurrent() != nil {
		return nil
	}
	return l.ssmLayer.StateShape(batch)
}

// window returns the length of the kernel for sequences of length seqLen.
func (l *DSS) window(seqLen int) int {
	switch {
	case l.cfg.LMax == 0:
		return seqLen
	case l.cfg.Version == vandermonde.DSSSoftmax:
		return l.cfg.LMax
	}
	return min(seqLen, l.cfg.LMax)
}

// disc says how the kernel of length window follows from the parameters.
func (l *DSS) disc(window int) vandermonde.DSSConfig {
	return vandermonde.DSSConfig{Version: l.cfg.Version, DetachShift: l.cfg.DetachShift, Rate: l.rate, L: window}
}

func (l *DSS) kernels(seqLen int) (*G.Node, error) {
	return vandermonde.DSSKernel(l.disc(l.window(seqLen)), l.logDt, l.lambda, l.w)
}

func (l *DSS) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, l.cfg.DModel, l.cfg.DState, 2}
}

// checkRecurrent reports why the layer is no recurrence, if it is none.
func (l *DSS) checkRecurrent() error {
	if l.cfg.Version == vandermonde.DSSSoftmax && l.cfg.LMax == 0 {
		return fmt.Errorf("version %q without LMax is another model at every length, so it has no state: want LMax, or one of the other versions", l.cfg.Version)
	}
	return nil
}

// checkReach reports a sequence that is longer than the kernel.
func (l *DSS) checkReach(seqLen int) error {
	if err := l.checkRecurrent(); err != nil {
		return err
	}
	if l.cfg.LMax > 0 && seqLen > l.cfg.LMax {
		return fmt.Errorf("want at most LMax = %d steps, beyond which the kernel is cut off and the state is not, got %d", l.cfg.LMax, seqLen)
	}
	return nil
}

func (l *DSS) stateKernel(x0 *G.Node, seqLen int) (*G.Node, error) {
	return vandermonde.DSSStateKernel(l.disc(l.window(seqLen)), seqLen, l.logDt, l.lambda, l.w, x0)
}

func (l *DSS) finalState(u, x0 *G.Node) (*G.Node, error) {
	seqLen := u.Shape()[2]
	if err := l.checkReach(seqLen); err != nil {
		return nil, err
	}
	return vandermonde.DSSFinalState(l.disc(l.window(seqLen)), l.logDt, l.lambda, u, x0)
}
