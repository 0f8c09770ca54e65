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
	"github.com/gorgonia-s4/s4/ops"
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
	NSSM     int `json:"n_ssm,omitempty"`
	Channels int `json:"channels,omitempty"` // kernels per feature; 0 means 1
	// LMax is the number of steps that kernel.C is tuned to: the longest sequence
	// that the layer takes at once. 0 means 1024. A kernel costs as much as one of
	// LMax steps, however short the sequence: it should be the length of the
	// longest. Longer ones go in parts, see FwdState, or through a copy, see
	// ForLength.
	LMax int `json:"l_max,omitempty"`

	Init hippo.Init `json:"init,omitempty"` // start of A, P and B; "" means hippo.InitLegS

	DtMin       float64       `json:"dt_min,omitempty"`       // smallest initial step size; 0 means 0.001
	DtMax       float64       `json:"dt_max,omitempty"`       // largest initial step size; 0 means 0.1
	UntiedDt    bool          `json:"untied_dt,omitempty"`    // a step size for each state of a feature, not one
	DtTransform ssm.Transform `json:"dt_transform,omitempty"` // dt = transform(log_dt); "" means ssm.Exp
	ATransform  ssm.Transform `json:"a_transform,omitempty"`  // Re A = -transform(A_real); "" means ssm.Exp

	Bidirectional bool `json:"bidirectional,omitempty"` // see S4DConfig
	OffByOne      bool `json:"off_by_one,omitempty"`    // see S4DConfig

	// Bottleneck divides the number of features that the state space model has,
	// H = DModel/Bottleneck, by a linear map before it. 0 means none.
	Bottleneck int `json:"bottleneck,omitempty"`
	// Gate multiplies what comes out of the state space model, mapped to
	// Gate*DModel features, by as many gates that the input opens: the gated
	// state spaces of Mehta et al. 2022, arXiv:2206.13947, have Gate 4 and
	// Bottleneck 4. 0 means none.
	Gate           int            `json:"gate,omitempty"`
	GateActivation ops.Activation `json:"gate_activation,omitempty"` // of the gates; "" means ops.ActGELU
	MultActivation ops.Activation `json:"mult_activation,omitempty"` // of the product; "" means ops.ActIdentity

	Activation    ops.Activation `json:"activation,omitempty"`     // after the SSM; "" means ops.ActGELU
	Mixing        Mixing         `json:"mixing,omitempty"`         // "" means MixGLU
	Dropout       float64        `json:"dropout,omitempty"`        // before the mixing
	UntiedDropout bool           `json:"untied_dropout,omitempty"` // see DropoutConfig.Untied

	// LR is the learning rate of dt, A, P and B: 0 means 0.001, the reference's
	// default for state space parameters; a negative value means the optimiser's
	// own. LRDt, LRA (for A and P) and LRB override it. These parameters are
	// never decayed. C, D and the linear maps follow the optimiser.
	LR   float64 `json:"lr,omitempty"`
	LRDt float64 `json:"lr_dt,omitempty"`
	LRA  float64 `json:"lr_a,omitempty"`
	LRB  float64 `json:"lr_b,omitempty"`
	// Frozen lists parameters that are not learned: "dt", "A", "P", "B", "C",
	// "D".
	Frozen []string `json:"frozen,omitempty"`
}

// withDefaults replaces zero values by what they stand for.
func (c S4Config) withDefaults() S4Config {
	def(&c.DState, 64)
	def(&c.Channels, 1)
	def(&c.NSSM, c.common().inner())
	def(&c.Init, hippo.InitLegS)
	def(&c.Rank, leastRank(c.Init))
	def(&c.LMax, defaultLMax)
	def(&c.DtMin, 0.001)
	def(&c.DtMax, 0.1)
	def(&c.DtTransform, ssm.Exp)
	def(&c.ATransform, ssm.Exp)
	if c.Gate > 0 {
		def(&c.GateActivation, ops.ActGELU)
		def(&c.MultActivation, ops.ActIdentity)
	}
	def(&c.Activation, ops.ActGELU)
	def(&c.Mixing, MixGLU)
	def(&c.LR, 0.001)
	def(&c.LRDt, c.LR)
	def(&c.LRA, c.LR)
	def(&c.LRB, c.LR)
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
		validateDt(c.DtMin, c.DtMax, c.DtTransform),
		inField("Init", c.Init.Validate(hippo.DPLRInits()...)),
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
	return validateFrozen(c.Frozen, []string{"dt", "A", "P", "B", "C", "D"})
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

// features returns DModel and the number of features of the output.
func (c S4Config) features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

func (c S4Config) build(b *builder) (sequenceLayer, error) { return buildS4(b.child("S4", "layer"), c) }

func (c S4Config) common() common {
	return common{
		dModel: c.DModel, channels: c.Channels, bidirectional: c.Bidirectional, offByOne: c.OffByOne,
		gate: c.Gate, bottleneck: c.Bottleneck, gateActivation: c.GateActivation, multActivation: c.MultActivation,
		activation: c.Activation, mixing: c.Mixing, dropout: c.Dropout, untiedDropout: c.UntiedDropout,
		frozen: c.Frozen,
	}
}

// S4 is a layer of structured state space models: H independent sequence maps
// with N-dimensional states, x' = A x + B u, y = C x + D u, whose state
// matrices are diagonal plus low rank, discretised by the bilinear transform
// and computed as one long convolution, then an activation and a position-wise
// mixing of the features. Gu, Goel, Ré, "Efficiently Modeling Long Sequences
// with Structured State Spaces", 2022, arXiv:2111.00396.
//
// Parameters, with H = DModel, or DModel/Bottleneck, S = NSSM, N/2 = stored
// pairs, R = Rank, CH = Channels (twice that if bidirectional), in the order of
// Params:
//
//	input_linear.weight (H, DModel), .bias                 with Bottleneck
//	input_gate.weight   (Gate*DModel, DModel), .bias       with Gate
//	output_gate.weight  (Gate*DModel, Channels*H), .bias   with Gate
//	kernel.log_dt (H, 1)              dt = DtTransform(log_dt); (H, N/2) with UntiedDt
//	kernel.A_real (S, N/2)            Re Lambda = -ATransform(A_real)
//	kernel.A_imag (S, N/2)            Im Lambda = -A_imag
//	kernel.P      (R, S, N/2, 2)      re, im; A = Lambda - sum_r P_r P_r^H
//	kernel.B      (S, N/2, 2)         re, im
//	kernel.C      (CH, H, N/2, 2)     re, im of C~ = C (I - Ab^l)
//	D             (Channels, H)
//	output_linear.weight (2 DModel, ...), .bias
//
// and the buffer kernel.l_kernel (1): the length l that kernel.C is tuned to. It
// is LMax when the layer is made, and nothing but loading changes it. Whoever
// replaces kernel.C has to replace kernel.l_kernel with it; graphs that exist
// follow at their next run. Files of the reference implementation may have an
// l_kernel of 0 and C itself in kernel.C: loading a model tunes that to LMax, see
// Settle.
type S4 struct {
	ssmLayer
	cfg S4Config

	logDt, aReal, aImag, p, b, c *G.Node
	lKernel                      *tensor.Dense // (1) int64
}

// NewS4 makes an S4 layer on graph g with parameters of type dt (float32 or
// float64).
func NewS4(g *G.ExprGraph, dt tensor.Dtype, cfg S4Config, opts ...Option) (*S4, error) {
	return buildS4(newBuilder(g, dt, "S4", "s4", opts), cfg)
}

func buildS4(b *builder, cfg S4Config) (*S4, error) {
	if err := cfg.Validate(); err != nil {
		b.fail(err)
		return nil, b.err
	}
	l := &S4{cfg: deepcopy.Of(cfg.withDefaults())}
	l.ssmLayer = ssmLayer{common: l.cfg.common(), model: l}
	l.build(b, l.buildKernel)
	var err error
	if l.base, err = b.done(); err != nil {
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
	if l == nil || l.base == nil {
		return errNotMade
	}
	if l.tuned() == 0 {
		return l.wrap("Settle", l.tune(l.cfg.LMax))
	}
	return l.wrap("Settle", l.checkTuned())
}

// steps returns a number of steps as an int. Above size.MaxLength they are all
// too many.
func steps(n float64) int { return int(min(n, size.MaxLength+1)) }

// checkTuned checks the value of the buffer kernel.l_kernel, which others may
// have set.
func (l *S4) checkTuned() error { return checkTuned(l.tuned()) }

func checkTuned(n int) error {
	if n < 1 || n > size.MaxLength {
		return fmt.Errorf("buffer kernel.l_kernel, the length that kernel.C is tuned to: want one in [1, %d], got %d (0 says that kernel.C is C itself, which Settle tunes)", size.MaxLength, n)
	}
	return nil
}

func (l *S4) buildKernel(b *builder) {
	c, com, size := l.cfg, l.common, l.size()
	models, err := hippo.DPLRInit(c.Init, c.DState, c.Rank, hippo.DPLROptions{Copies: c.NSSM})
	if err != nil {
		b.fail(err)
		return
	}
	if b.from != nil && b.length > 0 {
		b.lengthen(l)
	}
	a, p, bb := stack(models, c.Rank)
	aHint := com.ssmHint("A", c.LRA)
	l.logDt = b.param("kernel.log_dt", com.ssmHint("dt", c.LRDt), initDt(b, c.DtTransform, c.DtMin, c.DtMax), size.H, l.dtCols())
	l.aReal = b.param("kernel.A_real", aHint, initAReal(b, c.ATransform, a), size.S, size.N)
	l.aImag = b.param("kernel.A_imag", aHint, initAImag(a), size.S, size.N)
	l.p = b.param("kernel.P", com.ssmHint("P", c.LRA), initComplex(p), size.R, size.S, size.N, 2)
	l.b = b.param("kernel.B", com.ssmHint("B", c.LRB), initComplex(bb), size.S, size.N, 2)
	l.c = b.param("kernel.C", com.hint("C"), normal(math.Sqrt(0.5)), size.CH, size.H, size.N, 2)
	l.lKernel = b.buffer("kernel.l_kernel", func() *tensor.Dense { return lengthTensor(0) }, 1)
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
func (l *S4) Config() S4Config { return deepcopy.Of(l.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors, but
// see ForLength: for evaluation, or for sequences of another length or rate.
func (l *S4) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*S4, error) {
	b, cfg := l.cloneBuilder(g, opts...), l.cfg
	cfg.Frozen = b.frozenInstead(cfg.Frozen)
	return buildS4(b, cfg)
}

// size is the shape of the layer's kernels.
func (l *S4) size() cauchy.Size {
	c := l.cfg
	return cauchy.Size{CH: l.common.kernels(), H: l.common.inner(), S: c.NSSM, N: c.DState / 2, R: c.Rank, DtPerState: c.UntiedDt}
}

// dtCols is the number of step sizes of a feature.
func (l *S4) dtCols() int {
	if l.cfg.UntiedDt {
		return l.cfg.DState / 2
	}
	return 1
}

// disc says how the kernel follows from the parameters, but for its length.
func (l *S4) disc() cauchy.Config {
	return cauchy.Config{DtTransform: l.cfg.DtTransform, ATransform: l.cfg.ATransform, Rate: l.rate, LKernel: l.tuned()}
}

// tuned returns the length that kernel.C is tuned to; 0 where it is C.
func (l *S4) tuned() int { return int(l.lKernel.Data().([]int64)[0]) }

// tune turns kernel.C from C to C~ for length n.
func (l *S4) tune(n int) error {
	err := size.Length("the number of steps that kernel.C is tuned to", n)
	if err != nil {
		return err
	}
	if l.dt == tensor.Float32 {
		err = tuneC[float32](l, n)
	} else {
		err = tuneC[float64](l, n)
	}
	if err == nil {
		l.lKernel.Data().([]int64)[0] = int64(n)
	}
	return err
}

func tuneC[T num.Float](l *S4, n int) error {
	p, err := s4Params[T](l)
	if err != nil {
		return err
	}
	cfg := l.disc()
	cfg.Rate = 1
	return cauchy.SetupC(p.C, cfg, l.size(), p, n)
}

// s4Params returns the values of the parameters of the kernel.
func s4Params[T num.Float](l *S4) (p cauchy.Params[T], err error) {
	for _, err := range []error{
		read(&p.Dt, l.logDt), read(&p.AReal, l.aReal), read(&p.AImag, l.aImag),
		read(&p.P, l.p), read(&p.B, l.b), read(&p.C, l.c),
	} {
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// lengthen gives the copy l a kernel.C of its own where that of the original is
// not tuned to as many steps as the copy is for.
func (b *builder) lengthen(l *S4) {
	if b.err != nil {
		return
	}
	name := func(s string) string { return b.path + ".kernel." + s }
	lKernel := b.from[name("l_kernel")]
	from := int(lKernel.Data().([]int64)[0])
	want := steps(math.Ceil(float64(b.length) * b.rate))
	if err := errors.Join(checkTuned(from), size.Length("ForLength times AtRate", want)); err != nil {
		b.fail(err)
		return
	}
	if from >= want {
		return
	}
	c, n := b.from[name("C")].Clone().(*tensor.Dense), from
	cfg := cauchy.Config{DtTransform: l.cfg.DtTransform, ATransform: l.cfg.ATransform}
	var err error
	if b.dt == tensor.Float32 {
		n, err = doubleC[float32](b.from, name, c, cfg, l.size(), from, want)
	} else {
		n, err = doubleC[float64](b.from, name, c, cfg, l.size(), from, want)
	}
	if err != nil {
		b.fail(fmt.Errorf("ForLength: %w", err))
		return
	}
	b.from[name("C")], b.from[name("l_kernel")] = c, lengthTensor(n)
}

// doubleC doubles the length that the values of c are tuned to, n, until it is
// at least want, and returns it. The other parameters are tensors by name.
func doubleC[T num.Float](ts map[string]*tensor.Dense, name func(string) string, c *tensor.Dense, cfg cauchy.Config, size cauchy.Size, n, want int) (int, error) {
	var p cauchy.Params[T]
	for key, dst := range map[string]*[]T{"log_dt": &p.Dt, "A_real": &p.AReal, "A_imag": &p.AImag, "P": &p.P, "B": &p.B} {
		d, ok := weights.Memory[T](ts[name(key)])
		if !ok {
			return 0, fmt.Errorf("parameter %s: want a contiguous row-major tensor of dtype %T", name(key), *new(T))
		}
		*dst = d
	}
	p.C = c.Data().([]T)
	for ; n < want; n *= 2 {
		if err := cauchy.Double(p.C, cfg, size, p, n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// reach reports a length beyond what kernel.C is tuned to.
func (l *S4) reach(seqLen int) error {
	if err := l.checkTuned(); err != nil {
		return err
	}
	longest := steps(math.RoundToEven(float64(l.tuned()) / l.rate))
	if longest > size.MaxLength {
		return fmt.Errorf("AtRate: want a rate at which kernel.C, tuned to %d steps at rate 1, has at most %d steps, got %g", l.tuned(), size.MaxLength, l.rate)
	}
	if err := l.common.checkSize(1, longest); err != nil {
		return err
	}
	if seqLen > longest {
		return fmt.Errorf("want at most %d steps, what kernel.C is tuned to, got %d: for more, set LMax, feed the sequence in parts with FwdState, or make a copy with CloneTo and the option ForLength(%[2]d)", longest, seqLen)
	}
	return nil
}

func (l *S4) kernels(seqLen int) (*G.Node, error) {
	if err := l.reach(seqLen); err != nil {
		return nil, err
	}
	if err := checkDecay(l.cfg.ATransform, l.aReal); err != nil {
		return nil, err
	}
	cfg := l.disc()
	cfg.L = seqLen
	return cauchy.Kernel(cfg, l.logDt, l.aReal, l.aImag, l.p, l.b, l.c, cauchy.TunedTo(l.lKernel))
}

func (l *S4) stateShape(batch int) tensor.Shape {
	s := l.size()
	return tensor.Shape{batch, s.H, s.N, 2}
}

func (l *S4) stateKernel(x0 *G.Node, seqLen int) (*G.Node, error) {
	cfg := l.disc()
	cfg.L = seqLen
	return cauchy.StateOutput(cfg, l.logDt, l.aReal, l.aImag, l.p, l.c, x0, cauchy.TunedTo(l.lKernel))
}

func (l *S4) finalState(u, x0 *G.Node) (*G.Node, error) {
	return cauchy.FinalState(l.disc(), l.logDt, l.aReal, l.aImag, l.p, l.b, u, x0)
}
