package layers

import (
	"errors"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// S4Config configures an S4 layer. The zero value of every field but DModel is
// the default of the S4 paper and its reference implementation.
type S4Config struct {
	DModel int `json:"d_model"`           // features of input and output
	DState int `json:"d_state,omitempty"` // state size (N), even: N/2 conjugate pairs are stored; 0 means 64
	// Rank is the number of low-rank corrections (R); 0 means the least that Init
	// needs, 1 or, for hippo.InitLegT, 2. Rows of P beyond those start as zero and
	// stay there: A depends on their squares, so that their gradient is zero too.
	// They are of use only with values from elsewhere, such as a checkpoint.
	Rank int `json:"rank,omitempty"`
	// NSSM is the number of independent state matrices (n_ssm, S), a divisor of
	// the number of features H; feature h uses matrix h mod NSSM. 0 means H.
	NSSM int `json:"n_ssm,omitempty"`
	// LMax is the number of steps that kernel.C is tuned to: the longest sequence
	// that the layer takes at once. 0 means 1024. A kernel costs as much as one of
	// LMax steps, however short the sequence: it should be the length of the
	// longest. Longer ones go in parts, see FwdState, or through a copy, see
	// ForLength.
	LMax int `json:"l_max,omitempty"`

	Init hippo.Init `json:"init,omitempty"` // start of A, P and B; "" means hippo.InitLegS

	DtMin       float64       `json:"dt_min,omitempty"`       // smallest initial step size; 0 means 0.001
	DtMax       float64       `json:"dt_max,omitempty"`       // largest initial step size; 0 means 0.1
	Dt          StepSizes     `json:"dt,omitempty"`           // what has a step size; "" means DtPerFeature, else DtPerState
	DtTransform ssm.Transform `json:"dt_transform,omitempty"` // dt = transform(log_dt); "" means ssm.Exp
	ATransform  ssm.Transform `json:"a_transform,omitempty"`  // Re A = -transform(A_real); "" means ssm.Exp

	SSM // channels, directions, gate, activation, mixing, dropout, learning rates, what is frozen
}

// withDefaults replaces zero values by what they stand for.
func (c S4Config) withDefaults() S4Config {
	def(&c.DState, 64)
	c.SSM = c.SSM.withDefaults().rates(defaultRate)
	def(&c.NSSM, c.common().inner())
	def(&c.Init, hippo.InitLegS)
	def(&c.Rank, leastRank(c.Init))
	def(&c.LMax, defaultLMax)
	def(&c.Dt, DtPerFeature)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.DtTransform, ssm.Exp)
	def(&c.ATransform, ssm.Exp)
	return c
}

// defaultLMax is what LMax 0 means: the images of the Long Range Arena have as many
// pixels.
const defaultLMax = 1024

// leastRank is the least rank in which an initialisation can be written.
func leastRank(init hippo.Init) int {
	if init == hippo.InitLegT {
		return 2
	}
	return 1
}

// Validate reports the first field that is out of range, or that contradicts
// another.
func (c S4Config) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("S4Config: %w", err)
	}
	return nil
}

func (c S4Config) validate() error {
	com := c.common()
	if err := com.validate(); err != nil {
		return err
	}
	switch {
	case c.DState < 2 || c.DState%2 != 0:
		return fmt.Errorf("want an even DState >= 2 (conjugate pairs), got %d", c.DState)
	case c.LMax < 0:
		return fmt.Errorf("want LMax >= 1, or 0 for %d, got %d", defaultLMax, c.LMax)
	case slices.Contains(hippo.DiagInits(), c.Init) && !slices.Contains(hippo.DPLRInits(), c.Init):
		return fmt.Errorf("init %q is diagonal, which needs no low-rank part: want an S4D layer, or one of %v", c.Init, hippo.DPLRInits())
	case c.Rank < leastRank(c.Init):
		return fmt.Errorf("want Rank >= %d for init %q, whose state matrix is normal but for a part of that rank, got %d", leastRank(c.Init), c.Init, c.Rank)
	case c.NSSM < 1 || com.inner()%c.NSSM != 0:
		return fmt.Errorf("want NSSM a divisor of the number of features H = %d, got %d", com.inner(), c.NSSM)
	}
	if err := errors.Join(
		c.Dt.Validate(DtPerFeature, DtPerState),
		validateDt(c.DtMin, c.DtMax, c.DtTransform),
		inField("Init", c.Init.Validate(hippo.DPLRInits()...)),
		inField("ATransform", c.ATransform.Validate()),
	); err != nil {
		return err
	}
	return c.validateSize()
}

// validateSize checks the sizes of what the kernels are made of.
func (c S4Config) validateSize() error {
	if c.DState > hippo.MaxN {
		return fmt.Errorf("want DState at most %d, got %d", hippo.MaxN, c.DState)
	}
	if err := size.Field("Rank", c.Rank); err != nil {
		return err
	}
	return size.First(
		size.Length("LMax", c.LMax),
		c.common().validateOutput("kernel.C (kernels, H, DState)", c.DState),
		size.Tensor("kernel.P (Rank, NSSM, DState)", c.Rank, c.NSSM, c.DState),
		size.Tensor("the state matrices (NSSM, DState, DState)", c.NSSM, c.DState, c.DState),
	)
}

// Features implements MixerConfig.
func (c S4Config) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c S4Config) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c S4Config) common() common { return common{c.DModel, c.SSM, ssmParams} }

// S4 is a layer of structured state space models: H independent sequence maps
// with N-dimensional states, x' = A x + B u, y = C x + D u, whose state
// matrices are diagonal plus low rank, discretised by the bilinear transform
// and computed as one long convolution, then an activation and a position-wise
// mixing of the features. Gu, Goel, Ré, "Efficiently Modeling Long Sequences
// with Structured State Spaces", 2022, arXiv:2111.00396.
//
// Parameters of the kernels, among those that [SSM] lists, with S = NSSM, N/2 =
// stored pairs, R = Rank, CH = Channels (twice that if bidirectional):
//
//	kernel.log_dt (H, 1)              dt = DtTransform(log_dt); (H, N/2) with DtPerState
//	kernel.A_real (S, N/2)            Re Lambda = -ATransform(A_real)
//	kernel.A_imag (S, N/2)            Im Lambda = -A_imag
//	kernel.P      (R, S, N/2, 2)      re, im; A = Lambda - sum_r P_r P_r^H
//	kernel.B      (S, N/2, 2)         re, im
//	kernel.C      (CH, H, N/2, 2)     re, im of C~ = C (I - Ab^l)
//
// and the buffer kernel.l_kernel (1): the length l that kernel.C is tuned to. It
// is LMax when the layer is made, and nothing but loading changes it. Whoever
// replaces kernel.C has to replace kernel.l_kernel with it; graphs that exist
// follow at their next run. Files of the reference implementation may have an
// l_kernel of 0 and C itself in kernel.C: loading a model tunes that to LMax, see
// Settle.
type S4 struct {
	ssmLayer
	model s4Model
}

// s4Model is the state space model of an S4 layer.
type s4Model struct {
	*Base
	cfg S4Config
	at  string // prefix of the names of its parameters

	logDt, aReal, aImag, p, b, c *G.Node
	lKernel                      *tensor.Dense // (1) int64
}

// NewS4 makes an S4 layer on graph g with parameters of type dt (float32 or
// float64).
func NewS4(g *G.ExprGraph, dt tensor.Dtype, cfg S4Config, opts ...Option) (*S4, error) {
	return newLayer[*S4](g, dt, cfg, opts)
}

// Build implements Config.
func (c S4Config) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &S4{model: s4Model{Base: b.base, cfg: c, at: kernelPrefix}}
	var err error
	if l.ssmLayer, err = buildSSM(b, c.common(), &l.model); err != nil {
		return nil, err
	}
	if b.from == nil {
		err = l.Settle()
	}
	return l, err
}

// Settle makes the layer consistent after values from elsewhere were put into its
// parameters and buffers, as loading a model does: where kernel.l_kernel is 0,
// which says that kernel.C is C itself, it tunes kernel.C to LMax. It returns an
// error, and changes nothing, if kernel.l_kernel is no length or C cannot be
// tuned.
func (l *S4) Settle() error {
	if l == nil || l.Base == nil {
		return errNotMade
	}
	return l.wrap("Settle", l.model.settle())
}

// settle is Settle of a model.
func (m *s4Model) settle() error {
	if m.tuned() == 0 {
		return m.tune(m.cfg.LMax)
	}
	return m.checkTuned()
}

// steps returns a number of steps as an int. Above size.MaxLength they are all
// too many.
func steps(n float64) int { return int(min(n, size.MaxLength+1)) }

// checkTuned checks the value of the buffer kernel.l_kernel, which others may
// have set.
func (m *s4Model) checkTuned() error { return checkTuned(m.tuned()) }

func checkTuned(n int) error {
	if n < 1 || n > size.MaxLength {
		return fmt.Errorf("buffer kernel.l_kernel, the length that kernel.C is tuned to: want one in [1, %d], got %d (0 says that kernel.C is C itself, which Settle tunes)", size.MaxLength, n)
	}
	return nil
}

// build makes the parameters.
func (m *s4Model) build(b *Builder) {
	c, size := m.cfg, m.size()
	if !b.fits(m.at+"C", size.H, size.N, 2) {
		return
	}
	models, err := hippo.DPLRInit(c.Init, c.DState, c.Rank, hippo.DPLROptions{Copies: c.NSSM, Seed: b.seed})
	if err != nil {
		b.Fail(err)
		return
	}
	if b.from != nil && b.length > 0 {
		b.lengthen(m)
	}
	a, p, bb := stack(models, c.Rank)
	aHint := c.dynamic("A", c.LRA)
	m.logDt = b.Param(m.at+"log_dt", c.dynamic("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), size.H, m.dtCols())
	m.aReal = b.Param(m.at+"A_real", aHint, initAReal(b, c.ATransform, a), size.S, size.N)
	m.aImag = b.Param(m.at+"A_imag", aHint, initAImag(a), size.S, size.N)
	m.p = b.Param(m.at+"P", aHint, initComplex(p), size.R, size.S, size.N, 2)
	m.b = b.Param(m.at+"B", c.dynamic("B", c.LRB), initComplex(bb), size.S, size.N, 2)
	m.c = b.Param(m.at+"C", c.hint("C", c.LRC), Normal(math.Sqrt(0.5)), size.CH, size.H, size.N, 2)
	m.lKernel = b.Buffer(m.at+"l_kernel", func() *tensor.Dense { return lengthTensor(0) }, 1)
}

// lengthTensor is the value of a buffer that holds a length.
func lengthTensor(l int) *tensor.Dense {
	return tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{int64(l)}))
}

// stack returns the parameters of S models: Lambda (S, N), P (R, S, N) and B
// (S, N).
func stack(models []*hippo.DPLR, rank int) (a, p, b []complex128) {
	for _, m := range models {
		a, b = append(a, m.Lambda...), append(b, m.B...)
	}
	for r := range rank {
		for _, m := range models {
			p = append(p, m.P[r]...)
		}
	}
	return a, p, b
}

// Config returns the layer's configuration with its defaults filled in.
func (l *S4) Config() S4Config { return deepcopy.Of(l.model.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors, but
// see ForLength: for evaluation, or for sequences of another length or rate.
func (l *S4) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*S4, error) {
	return Clone(l, g, opts...)
}

// size is the shape of the layer's kernels.
func (m *s4Model) size() cauchy.Size {
	c := m.cfg
	return cauchy.Size{CH: m.cfg.common().kernels(), H: m.cfg.common().inner(), S: c.NSSM, N: c.DState / 2, R: c.Rank, DtPerState: c.Dt == DtPerState}
}

// dtCols is the number of step sizes of a feature.
func (m *s4Model) dtCols() int {
	if m.cfg.Dt == DtPerState {
		return m.cfg.DState / 2
	}
	return 1
}

// disc says how the kernel follows from the parameters, but for its length.
func (m *s4Model) disc() cauchy.Config {
	return cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: m.cfg.DtTransform, ATransform: m.cfg.ATransform, Rate: m.rate}, LKernel: m.tuned()}
}

// tuned returns the length that kernel.C is tuned to; 0 where it is C.
func (m *s4Model) tuned() int { return int(m.lKernel.Data().([]int64)[0]) }

// tune turns kernel.C from C to C~ for length n.
func (m *s4Model) tune(n int) error {
	err := size.Length("the number of steps that kernel.C is tuned to", n)
	if err != nil {
		return err
	}
	if m.dt == tensor.Float32 {
		err = tuneC[float32](m, n)
	} else {
		err = tuneC[float64](m, n)
	}
	if err == nil {
		m.lKernel.Data().([]int64)[0] = int64(n)
	}
	return err
}

func tuneC[T num.Float](m *s4Model, n int) error {
	p, err := s4Params[T](m)
	if err != nil {
		return err
	}
	cfg := m.disc()
	cfg.Rate = 1
	return cauchy.TuneC(p.C, cfg, m.size(), p, n)
}

// s4Params returns the values of the parameters of the kernel.
func s4Params[T num.Float](m *s4Model) (p cauchy.Params[[]T], err error) {
	for _, err := range []error{
		read(&p.Dt, m.logDt), read(&p.AReal, m.aReal), read(&p.AImag, m.aImag),
		read(&p.P, m.p), read(&p.B, m.b), read(&p.C, m.c),
	} {
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// lengthen gives the copy l a kernel.C of its own where that of the original is
// not tuned to as many steps as the copy is for.
func (b *Builder) lengthen(m *s4Model) {
	if b.err != nil {
		return
	}
	name := func(s string) string { return b.path + "." + m.at + s }
	lKernel := b.from[name("l_kernel")]
	from := int(lKernel.Data().([]int64)[0])
	want := steps(math.Ceil(float64(b.length) * b.rate))
	if err := errors.Join(checkTuned(from), size.Length("ForLength times AtRate", want)); err != nil {
		b.Fail(err)
		return
	}
	if from >= want {
		return
	}
	c, n := b.from[name("C")].Clone().(*tensor.Dense), from
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: m.cfg.DtTransform, ATransform: m.cfg.ATransform}}
	var err error
	if b.dt == tensor.Float32 {
		n, err = doubleC[float32](b.from, name, c, cfg, m.size(), from, want)
	} else {
		n, err = doubleC[float64](b.from, name, c, cfg, m.size(), from, want)
	}
	if err != nil {
		b.Fail(fmt.Errorf("ForLength: %w", err))
		return
	}
	b.from[name("C")], b.from[name("l_kernel")] = c, lengthTensor(n)
}

// doubleC doubles the length that the values of c are tuned to, n, until it is
// at least want, and returns it. The other parameters are tensors by name.
func doubleC[T num.Float](ts map[string]*tensor.Dense, name func(string) string, c *tensor.Dense, cfg cauchy.Config, size cauchy.Size, n, want int) (int, error) {
	var p cauchy.Params[[]T]
	for key, dst := range map[string]*[]T{"log_dt": &p.Dt, "A_real": &p.AReal, "A_imag": &p.AImag, "P": &p.P, "B": &p.B} {
		d, ok := weights.Memory[T](ts[name(key)])
		if !ok {
			return 0, fmt.Errorf("parameter %s: want a contiguous row-major tensor of dtype %T", name(key), *new(T))
		}
		*dst = d
	}
	p.C = c.Data().([]T)
	for ; n < want; n *= 2 {
		if err := cauchy.RetuneC(p.C, cfg, size, p, n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// reach reports a length beyond what kernel.C is tuned to.
func (m *s4Model) reach(seqLen int) error {
	if err := m.checkTuned(); err != nil {
		return err
	}
	longest := steps(math.RoundToEven(float64(m.tuned()) / m.rate))
	if longest > size.MaxLength {
		return fmt.Errorf("AtRate: want a rate at which kernel.C, tuned to %d steps at rate 1, has at most %d steps, got %g", m.tuned(), size.MaxLength, m.rate)
	}
	if err := m.cfg.common().checkSize(1, longest); err != nil {
		return err
	}
	if seqLen > longest {
		return fmt.Errorf("want at most %d steps, what kernel.C is tuned to, got %d: for more, set LMax, feed the sequence in parts with FwdState, or make a copy with CloneTo and the option ForLength(%[2]d)", longest, seqLen)
	}
	return nil
}

// nodes returns the parameters of the kernel.
func (m *s4Model) nodes() cauchy.Params[*G.Node] {
	return cauchy.Params[*G.Node]{Dt: m.logDt, AReal: m.aReal, AImag: m.aImag, P: m.p, B: m.b, C: m.c}
}

func (m *s4Model) kernels(seqLen int) (*G.Node, error) {
	if err := m.reach(seqLen); err != nil {
		return nil, err
	}
	if err := checkDecay(m.cfg.ATransform, m.aReal); err != nil {
		return nil, err
	}
	cfg := m.disc()
	cfg.L = seqLen
	return cauchy.Kernel(cfg, m.nodes(), cauchy.TunedTo(m.lKernel))
}

func (m *s4Model) stateShape(batch int) tensor.Shape {
	s := m.size()
	return tensor.Shape{batch, s.H, s.N, 2}
}

func (m *s4Model) stateOutput(x0 *G.Node, seqLen int) (*G.Node, error) {
	cfg := m.disc()
	cfg.L = seqLen
	return cauchy.StateOutput(cfg, m.nodes(), x0, cauchy.TunedTo(m.lKernel))
}

func (m *s4Model) finalState(u, x0 *G.Node) (*G.Node, error) {
	return cauchy.FinalState(m.disc(), m.nodes(), u, x0)
}
