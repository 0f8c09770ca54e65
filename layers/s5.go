package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/mimo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// OutputInit names how the output matrix of S5 starts. The names are those of the public
// implementation.
type OutputInit string

// The starts of the output matrix. The first two are C0 V, V the eigenvectors of the
// blocks and the parts of C0 (H, DState) truncated normal.
const (
	OutputTruncated OutputInit = "trunc_standard_normal" // of deviation 1/sqrt(DState)
	OutputLecun     OutputInit = "lecun_normal"          // of deviation 1/sqrt(DState H)
	OutputNormal    OutputInit = "complex_normal"        // C itself, its parts of deviation 1/sqrt(2)
)

// S5Config configures an S5 layer. The zero value of every field but DModel is the
// default of the public implementation, where that has one.
type S5Config struct {
	DModel int `json:"d_model"`           // features
	DState int `json:"d_state,omitempty"` // state size (N) of all features together; 0 means 64
	Blocks int `json:"blocks,omitempty"`  // blocks of the state matrix at the start (J), of an even number of states each; 0 means 1
	// Full stores all states. By default one of each conjugate pair stands for both, which
	// the start makes them.
	Full bool     `json:"full,omitempty"`
	Disc ssm.Disc `json:"disc,omitempty"` // ssm.ZOH (default) or ssm.Bilinear

	Output OutputInit `json:"output_init,omitempty"` // "" means OutputTruncated
	// Unclipped leaves the real parts of Lambda as they are: one that is not negative is
	// an error then. By default they are at most mimo.ClipRe, so that no state grows.
	Unclipped bool `json:"unclipped,omitempty"`

	DtMin float64 `json:"dt_min,omitempty"` // smallest initial step size; 0 means 0.001
	DtMax float64 `json:"dt_max,omitempty"` // largest initial step size; 0 means 0.1

	// SSM is what is around the model: directions, gate, activation, mixing, dropout,
	// learning rates, what is frozen. Activation "" means ops.ActGELUTanh, and Mixing ""
	// MixHalfGLU1, or MixGLU with Gate or Bottleneck. Channels is 1.
	SSM
}

// withDefaults replaces zero values by what they stand for.
func (c S5Config) withDefaults() S5Config {
	def(&c.DState, 64)
	def(&c.Blocks, 1)
	def(&c.Disc, ssm.ZOH)
	def(&c.Output, OutputTruncated)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.Activation, ops.ActGELUTanh)
	c.SSM = c.SSM.withGate().withDefaults().rates(defaultRate)
	return c
}

// Validate reports the first field that is out of range, or that contradicts another.
func (c S5Config) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("S5Config: %w", err)
	}
	return nil
}

func (c S5Config) validate() error {
	if err := size.First(size.Field("DState", c.DState), size.Field("Blocks", c.Blocks)); err != nil {
		return err
	}
	switch {
	case c.DState < 2 || c.DState%2 != 0:
		return fmt.Errorf("want an even DState >= 2 (conjugate pairs), got %d", c.DState)
	case c.Blocks < 1 || c.DState%c.Blocks != 0 || c.DState/c.Blocks%2 != 0:
		return fmt.Errorf("want Blocks that divide DState = %d into blocks of an even number of states, got %d", c.DState, c.Blocks)
	case c.DState/c.Blocks > hippo.MaxN:
		return fmt.Errorf("want blocks of at most %d states, which a dense matrix makes, got %d", hippo.MaxN, c.DState/c.Blocks)
	case c.Output != OutputTruncated && c.Output != OutputLecun && c.Output != OutputNormal:
		return fmt.Errorf("want Output %q, %q or %q, got %q", OutputTruncated, OutputLecun, OutputNormal, string(c.Output))
	}
	if err := errors.Join(validateDt(c.DtMin, c.DtMax, ssm.Exp), inField("Disc", c.Disc.Validate(ssm.ZOH, ssm.Bilinear))); err != nil {
		return err
	}
	// What the start is drawn from has all states.
	return size.First(c.common().validateMIMO(c.DState), size.Tensor("the start of C (directions, H, DState, 2)", c.common().kernels(), c.common().inner(), c.DState, 2))
}

// Features implements MixerConfig.
func (c S5Config) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c S5Config) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c S5Config) common() common { return common{c.DModel, c.SSM, ssmParams} }

// states is the number of states that are stored.
func (c S5Config) states() int {
	if c.Full {
		return c.DState
	}
	return c.DState / 2
}

// S5 is a layer of one diagonal state space model with as many inputs and outputs as
// features, x' = Lambda x + B u, y = C x + D u, where the other layers have a model for
// each feature. It is computed by its recurrence, as a scan over the steps between two
// products of matrices. Smith, Warrington, Linderman, "Simplified State Space Layers for
// Sequence Modeling", 2022, arXiv:2208.04933.
//
// Lambda starts as the eigenvalues of Blocks equal blocks of the normal part of LegS, and
// B and C as random matrices in their eigenbasis. Every state has a step size of its own.
//
// Parameters of the model, among those that [SSM] lists, with P = DState/2 stored pairs,
// or DState with Full:
//
//	kernel.Lambda_re (P)           Re Lambda, at most mimo.ClipRe in what is computed
//	kernel.Lambda_im (P)
//	kernel.B         (P, H, 2)     re, im
//	kernel.C         (S, H, P, 2)  re, im; S = 2 if bidirectional, else 1
//	kernel.log_step  (P, 1)        dt = e^log_step
//
// of which "A" names Lambda and "dt" log_step in a configuration. Its state is (B, P, 2).
type S5 struct {
	mimoLayer
	poles s5Poles
}

// s5Poles are the poles of an S5 layer.
type s5Poles struct {
	*mimoModel
	cfg             S5Config
	re, im, logStep *G.Node
}

// NewS5 makes an S5 layer on graph g with parameters of type dt (float32 or float64).
func NewS5(g *G.ExprGraph, dt tensor.Dtype, cfg S5Config, opts ...Option) (*S5, error) {
	return newLayer[*S5](g, dt, cfg, opts)
}

// Build implements Config.
func (c S5Config) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &S5{}
	l.model = mimoModel{poleModel: &l.poles, common: c.common(), n: c.states(), pairs: !c.Full}
	l.poles = s5Poles{mimoModel: &l.model, cfg: c}
	return l, buildMIMO(b, &l.mimoLayer)
}

// build makes the parameters.
func (m *s5Poles) build(b *Builder) {
	c, h := m.cfg, m.common.inner()
	if !b.fits("kernel.C", m.common.kernels(), h, c.DState, 2) {
		return
	}
	blocks, err := hippo.NormalBlocks(c.DState, c.Blocks, !c.Full)
	if err != nil {
		b.Fail(err)
		return
	}
	lambda := blocks.Eigenvalues()
	part := func(of func(complex128) float64) Init {
		return func(_ *rand.Rand, dst []float64) {
			for i, v := range lambda {
				dst[i] = of(v)
			}
		}
	}
	re := part(func(z complex128) float64 { return real(z) })
	im := part(func(z complex128) float64 { return imag(z) })
	m.re = b.Param("kernel.Lambda_re", c.dynamic("A", c.LRA), re, m.n)
	m.im = b.Param("kernel.Lambda_im", c.dynamic("A", c.LRA), im, m.n)
	m.b = b.Param("kernel.B", c.dynamic("B", c.LRB), c.initInputs(b, blocks, h), m.n, h, 2)
	m.c = b.Param("kernel.C", c.hint("C", c.LRC), c.initOutputs(b, blocks, h), m.common.kernels(), h, m.n, 2)
	m.logStep = b.Param("kernel.log_step", c.dynamic("dt", c.LRDt), initDt(b, ssm.Exp, c.DtMin, c.DtMax), m.n, 1)
}

// initInputs draws B = V^H B0, the elements of B0 (DState, h) truncated normal of
// deviation 1/sqrt(DState).
func (c S5Config) initInputs(b *Builder, blocks *hippo.Blocks, h int) Init {
	return func(rng *rand.Rand, dst []float64) {
		b0 := make([]float64, c.DState*h)
		TruncatedNormal(1/math.Sqrt(float64(c.DState)))(rng, b0)
		z, err := blocks.Inputs(b0, h)
		if err != nil {
			b.Fail(err)
			return
		}
		initComplex(z)(rng, dst)
	}
}

// initOutputs draws C of each direction.
func (c S5Config) initOutputs(b *Builder, blocks *hippo.Blocks, h int) Init {
	deviation := 1 / math.Sqrt(float64(c.DState))
	switch c.Output {
	case OutputNormal:
		return Normal(math.Sqrt(0.5))
	case OutputLecun:
		deviation /= math.Sqrt(float64(h))
	}
	return func(rng *rand.Rand, dst []float64) {
		n := 2 * h * c.states()
		for ; len(dst) > 0; dst = dst[n:] {
			c0 := make([]float64, 2*h*c.DState)
			TruncatedNormal(deviation)(rng, c0)
			z, err := blocks.Outputs(complexes(c0), h)
			if err != nil {
				b.Fail(err)
				return
			}
			initComplex(z)(rng, dst[:n])
		}
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *S5) Config() S5Config { return deepcopy.Of(l.poles.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for
// evaluation, or for sequences of another rate.
func (l *S5) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*S5, error) { return Clone(l, g, opts...) }

// disc says how the poles follow from the parameters.
func (m *s5Poles) disc() mimo.PolesConfig {
	return mimo.PolesConfig{Disc: m.cfg.Disc, Rate: m.rate, Unclipped: m.cfg.Unclipped}
}

func (m *s5Poles) poles(dt, lengths *G.Node) (*G.Node, error) {
	return mimo.S5Poles(m.disc(), mimo.S5Params[*G.Node]{LambdaRe: m.re, LambdaIm: m.im, LogStep: m.logStep}, dt, lengths)
}

func (m *s5Poles) continuous(p int) (lambda, b complex128, disc ssm.Disc, err error) {
	var r rows
	re, im, raw := r.of(m.re, p, 1), r.of(m.im, p, 1), r.of(m.logStep, p, 1)
	if r.err != nil {
		return 0, 0, "", r.err
	}
	if !m.cfg.Unclipped {
		re[0] = min(re[0], mimo.ClipRe)
	}
	dt, _ := ssm.Exp.Eval(raw[0])
	step := complex(dt*m.rate, 0)
	return step * complex(re[0], im[0]), step, m.cfg.Disc, nil
}

// FwdSteps is FwdLengths for sequences whose steps are not equally far apart: dt (B, L)
// is what multiplies the step sizes of all states at each, as in an irregularly sampled
// series the time since the last sample. It is positive, or an error when the graph runs,
// and what is behind lengths is not read. Gradients go through it.
func (l *S5) FwdSteps(x, dt, lengths *G.Node) (*G.Node, error) {
	around, err := l.atSteps("FwdSteps", x, dt)
	if err != nil {
		return nil, err
	}
	y, err := around.FwdLengths(x, lengths)
	if err != nil {
		return nil, err
	}
	return l.made(y, x, dt, lengths), nil
}

// FwdStepsState is FwdState for sequences whose steps are not equally far apart: see
// FwdSteps.
func (l *S5) FwdStepsState(x, dt *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	around, err := l.atSteps("FwdStepsState", x, dt)
	if err != nil {
		return nil, nil, err
	}
	if y, x1, err = around.FwdState(x, x0); err != nil {
		return nil, nil, err
	}
	return l.made(y, x, dt), x1, nil
}

// atSteps returns the layer at steps dt for the input x, after a check of both.
func (l *S5) atSteps(method string, x, dt *G.Node) (*ssmLayer, error) {
	if err := l.checkInput(x, l.model.common.dModel, false); err != nil {
		return nil, err
	}
	if dt == nil || dt.Dtype() != l.dt {
		return nil, l.errorf(method, "want dt (%d, %d) of dtype %v, got %s", x.Shape()[0], x.Shape()[2], l.dt, describeNode(dt))
	}
	if err := graphop.WantShape("dt", dt, []int{x.Shape()[0], x.Shape()[2]}); err != nil {
		return nil, l.wrap(method, err)
	}
	if err := l.checkGraph("dt", dt); err != nil {
		return nil, err
	}
	around := l.around
	around.scan = irregular{&l.model, dt}
	return &around, nil
}

// describeNode names shape and dtype of a node, for errors.
func describeNode(n *G.Node) string {
	if n == nil {
		return "nil"
	}
	return fmt.Sprintf("%v of dtype %v", n.Shape(), n.Dtype())
}

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, DOut). Its state is (batch, P, 2): re and im of each
// stored state. A bidirectional layer has none.
func (l *S5) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper. Its sessions are IrregularSessions.
func (l *S5) Snapshot() (Snapshot, error) {
	if err := l.around.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOfS5[float32](l)
	}
	return snapshotOfS5[float64](l)
}

// s5Snapshot is an S5 layer as its steps see it.
type s5Snapshot[T num.Float] struct{ Snapshot }

func snapshotOfS5[T num.Float](l *S5) (Snapshot, error) {
	s, err := snapshotOf[T](&l.around, func() (*mimo.S5Step[T], error) {
		m := &l.poles
		var p mimo.S5Params[[]T]
		var prm mimo.Params[[]T]
		if err := size.First(read(&p.LambdaRe, m.re), read(&p.LambdaIm, m.im), read(&p.LogStep, m.logStep), read(&prm.B, m.b), read(&prm.C, m.c)); err != nil {
			return nil, err
		}
		return mimo.NewS5Step(m.op(), m.disc(), m.common.inner(), p, prm)
	})
	return s5Snapshot[T]{s}, err
}

// NewSession implements Snapshot.
func (s s5Snapshot[T]) NewSession(batch int) (Session, error) {
	inner, err := s.Snapshot.NewSession(batch)
	if err != nil {
		return nil, err
	}
	r := &s5Session[T]{ssmSession: inner.(*ssmSession[T])}
	step := r.model.(*mimo.S5Step[T])
	r.advance = func(y, x, u []T) error { return step.AdvanceAt(y, x, u, r.dt) }
	return r, nil
}

// IrregularSession is a Session whose steps may be of any length.
type IrregularSession interface {
	Session
	// StepAfter is Step by steps that for row b are dt[b] times as long, dt (B), each
	// positive: what FwdSteps does for a whole sequence.
	StepAfter(u, dt *tensor.Dense) (*tensor.Dense, error)
}

// s5Session is a batch of sequences in an S5 layer.
type s5Session[T num.Float] struct {
	*ssmSession[T]
	dt      []T // of the step under way
	advance func(y, x, u []T) error
}

// StepAfter implements IrregularSession.
func (r *s5Session[T]) StepAfter(u, dt *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.c.dModel)
	if err != nil {
		return nil, err
	}
	d, ok := weights.Memory[T](dt)
	if s := shapeOf(dt); !ok || len(s) != 1 || s[0] != r.batch {
		return nil, r.l.errorf("StepAfter", "want dt (%d) of dtype %v, contiguous, got %s", r.batch, r.l.dt, describe(dt))
	}
	r.dt = d
	defer func() { r.dt = nil }()
	return r.through(x, r.advance)
}

// StepAfter is Step of a recurrence whose session is an IrregularSession, as that of S5:
// the step is dt (B) times as long. That of another layer is an error.
func (r *Recurrence) StepAfter(u, dt *tensor.Dense) (*tensor.Dense, error) {
	if err := r.follow(); err != nil {
		return nil, err
	}
	s, ok := r.Session.(IrregularSession)
	if !ok {
		return nil, fmt.Errorf("layers: Recurrence: StepAfter: want a layer whose steps may be of any length, as S5, got one with a %T", r.Session)
	}
	return s.StepAfter(u, dt)
}
