package layers

import (
	"errors"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ndconv"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// AxisKernel names the layer whose kernels S4ND has along its axes.
type AxisKernel string

// The kernels along an axis.
const (
	AxisS4D AxisKernel = "s4d" // diagonal
	AxisS4  AxisKernel = "s4"  // diagonal plus low rank
)

// S4NDAxis configures the kernels along an axis of S4ND: the fields are those of S4DConfig
// and S4Config. A zero value is that of all axes, S4NDConfig.S4NDAxis, and there the default
// of the layer whose kernels they are.
type S4NDAxis struct {
	DState      int           `json:"d_state,omitempty"`
	NSSM        int           `json:"n_ssm,omitempty"`
	Init        hippo.Init    `json:"init,omitempty"`
	Disc        ssm.Disc      `json:"disc,omitempty"` // of AxisS4D alone
	DtMin       float64       `json:"dt_min,omitempty"`
	DtMax       float64       `json:"dt_max,omitempty"`
	Dt          StepSizes     `json:"dt,omitempty"`
	DtTransform ssm.Transform `json:"dt_transform,omitempty"`
	ATransform  ssm.Transform `json:"a_transform,omitempty"`

	// BandLimit (alpha) leaves out of the kernels the states that oscillate faster than
	// BandLimit times half the sampling rate of training, dt |Im A| / 2 pi >= BandLimit/2: see
	// ndconv.BandLimit. It is for evaluation at a finer resolution than that of training,
	// where 1 leaves out what training could not tell from slower oscillations, and less a
	// little more. 0: none.
	BandLimit float64 `json:"band_limit,omitempty"`
}

// or returns the configuration with what d has where it has zero values.
func (c S4NDAxis) or(d S4NDAxis) S4NDAxis {
	def(&c.DState, d.DState)
	def(&c.NSSM, d.NSSM)
	def(&c.Init, d.Init)
	def(&c.Disc, d.Disc)
	def(&c.DtMin, d.DtMin)
	def(&c.DtMax, d.DtMax)
	def(&c.Dt, d.Dt)
	def(&c.DtTransform, d.DtTransform)
	def(&c.ATransform, d.ATransform)
	def(&c.BandLimit, d.BandLimit)
	return c
}

// S4NDConfig configures an S4ND layer.
type S4NDConfig struct {
	DModel int `json:"d_model"` // features (H)
	// Shape is the lengths of the axes of an image or a volume, two or three, whose product
	// is the number L of steps of a sequence: rows one behind the other. In a copy for
	// another rate (AtRate) the axes are as much longer, or shorter: at 1/2, twice as long.
	// Empty: two axes, or as many as Axes has, of one length, that L has a root for.
	Shape []int `json:"shape,omitempty"`

	Kernel   AxisKernel `json:"axis_kernel,omitempty"` // "" means AxisS4D; AxisS4 needs Shape
	S4NDAxis            // of all axes

	// Axes has what differs between the axes, an element for each. nil: nothing.
	Axes []S4NDAxis `json:"axes,omitempty"`
	// TwoWay lists the axes, 0 and on, that are bidirectional where the others are not. It
	// is for layers without Bidirectional, with which all of them are.
	TwoWay []int `json:"two_way,omitempty"`
	// TRank is the number of products of kernels whose mean is the kernel of all axes, its
	// tensor rank. 0 means 1.
	TRank int `json:"trank,omitempty"`

	// SSM is what is around the kernels: channels, directions, gate, activation, mixing,
	// dropout, learning rates, what is frozen. Bidirectional, which the paper has for
	// images, is about all axes.
	SSM
}

// withDefaults replaces zero values by what they stand for.
func (c S4NDConfig) withDefaults() S4NDConfig {
	def(&c.Kernel, AxisS4D)
	def(&c.TRank, 1)
	c.SSM = c.SSM.withDefaults().rates(defaultRate)
	c.Shape, c.Axes, c.TwoWay = slices.Clone(c.Shape), slices.Clone(c.Axes), slices.Clone(c.TwoWay)
	c.S4NDAxis = c.S4NDAxis.or(S4NDAxis{DState: 64, NSSM: c.common().inner(), DtMin: 0.001, DtMax: 0.1, Dt: DtPerFeature, DtTransform: ssm.Exp, ATransform: ssm.Exp})
	if c.Kernel == AxisS4D {
		c.S4NDAxis = c.S4NDAxis.or(S4NDAxis{Init: hippo.InitLin, Disc: ssm.ZOH})
	} else {
		c.S4NDAxis = c.S4NDAxis.or(S4NDAxis{Init: hippo.InitLegS})
	}
	return c
}

// Validate reports the first field that is out of range, or that contradicts another.
func (c S4NDConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("S4NDConfig: %w", err)
	}
	return nil
}

func (c S4NDConfig) validate() error {
	com := c.common()
	com.Bidirectional = com.Bidirectional || len(c.TwoWay) > 0
	if err := com.validate(); err != nil {
		return err
	}
	switch n := len(c.Shape); {
	case n > 0 && (n < 2 || n > ndconv.MaxAxes):
		return fmt.Errorf("want Shape of 2 to %d axes, or none, got %v", ndconv.MaxAxes, c.Shape)
	case n > 0 && slices.Min(c.Shape) < 1:
		return fmt.Errorf("want Shape of axes of length 1 or more, got %v", c.Shape)
	case len(c.Axes) > 0 && (c.axes() != len(c.Axes) || len(c.Axes) < 2 || len(c.Axes) > ndconv.MaxAxes):
		return fmt.Errorf("want Axes for each axis, 2 to %d, as many as Shape has, or none, got %d", ndconv.MaxAxes, len(c.Axes))
	case c.TRank < 0:
		return fmt.Errorf("want TRank >= 1, or 0 for 1, got %d", c.TRank)
	case c.Kernel != AxisS4D && c.Kernel != AxisS4:
		return fmt.Errorf("want Kernel %q or %q, got %q", AxisS4D, AxisS4, string(c.Kernel))
	case c.Kernel == AxisS4 && len(c.Shape) == 0:
		return fmt.Errorf("want Shape for Kernel %q, whose parameters are tuned to the lengths of the axes, got none", AxisS4)
	}
	for i, a := range c.TwoWay {
		if a < 0 || a >= c.axes() || slices.Contains(c.TwoWay[:i], a) || c.Bidirectional {
			return fmt.Errorf("want TwoWay to list some of %d axes, each once, without Bidirectional, got %v", c.axes(), c.TwoWay)
		}
	}
	if err := size.First(size.Field("TRank", c.TRank), size.Tensor("Shape", c.Shape...)); err != nil {
		return err
	}
	for a := range c.axes() {
		if err := c.validateAxis(a); err != nil {
			return fmt.Errorf("axis %d: %w", a, err)
		}
	}
	return nil
}

func (c S4NDConfig) validateAxis(a int) error {
	k := c.axis(a)
	switch {
	case !(k.BandLimit >= 0 && k.BandLimit < math.Inf(1)):
		return fmt.Errorf("want BandLimit > 0, or 0 for none, got %g", k.BandLimit)
	case c.Kernel == AxisS4 && k.Disc != "":
		return fmt.Errorf("want no Disc for Kernel %q, which is bilinear, got %q", AxisS4, string(k.Disc))
	case c.Kernel == AxisS4:
		return c.s4(a).validate()
	}
	return c.s4d(a).validate()
}

// axes is the number of axes.
func (c S4NDConfig) axes() int {
	switch {
	case len(c.Shape) > 0:
		return len(c.Shape)
	case len(c.Axes) > 0:
		return len(c.Axes)
	}
	return 2
}

// axis returns the configuration of the kernels along an axis.
func (c S4NDConfig) axis(a int) S4NDAxis {
	if len(c.Axes) == 0 {
		return c.S4NDAxis
	}
	return c.Axes[a].or(c.S4NDAxis)
}

// twoWay says whether an axis is bidirectional.
func (c S4NDConfig) twoWay(a int) bool { return c.Bidirectional || slices.Contains(c.TwoWay, a) }

// around is what the layer whose kernels are those along an axis has around them: nothing,
// and a channel for each term.
func (c S4NDConfig) around(a int) SSM {
	s := c.SSM
	return SSM{
		Channels: s.Channels * c.TRank, Bidirectional: c.twoWay(a), Bottleneck: s.Bottleneck, Mixing: MixNone,
		LR: s.LR, LRDt: s.LRDt, LRA: s.LRA, LRB: s.LRB, LRC: s.LRC, FollowLR: s.FollowLR, Frozen: s.Frozen,
	}
}

// s4d returns the layer whose kernels are those along an axis.
func (c S4NDConfig) s4d(a int) S4DConfig {
	k := c.axis(a)
	return S4DConfig{
		DModel: c.DModel, DState: k.DState, NSSM: k.NSSM, Init: k.Init, Disc: k.Disc, DtMin: k.DtMin, DtMax: k.DtMax,
		Dt: k.Dt, DtTransform: k.DtTransform, ATransform: k.ATransform, SSM: c.around(a),
	}.withDefaults()
}

// s4 is s4d for kernels of S4.
func (c S4NDConfig) s4(a int) S4Config {
	k := c.axis(a)
	return S4Config{
		DModel: c.DModel, DState: k.DState, NSSM: k.NSSM, Init: k.Init, LMax: c.Shape[a], DtMin: k.DtMin, DtMax: k.DtMax,
		Dt: k.Dt, DtTransform: k.DtTransform, ATransform: k.ATransform, SSM: c.around(a),
	}.withDefaults()
}

// Features implements MixerConfig.
func (c S4NDConfig) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c S4NDConfig) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c S4NDConfig) common() common { return common{c.DModel, c.SSM, ssmParams} }

// S4ND is a layer for images and volumes: a convolution whose kernel is the product of one
// kernel for each axis, those of a state space model along it. It reads the rows of an image
// one behind the other, as a sequence, (B, H, L) with L the product of Shape, and so is a
// mixer as the others are. Nguyen et al., "S4ND: Modeling Images and Videos as
// Multidimensional Signals Using State Spaces", 2022, arXiv:2210.06583.
//
// Parameters of the kernels, among those that [SSM] lists, are those of an S4D, or an S4, for
// each axis a, with Channels*TRank channels, of which r Channels + c is that of term r and
// channel c:
//
//	kernel.a.log_dt, .A_real, .A_imag, .P of S4, .B, .C; the buffer .l_kernel of S4
//
// It has no state and no steps, also where all axes are causal: a pixel depends on those
// above it, a whole row before it in the sequence.
//
// Lengths are for images that are there or not, L and 0. Of a row of another length the
// pixels behind it, in the order of the sequence, are taken for 0.
type S4ND struct {
	*Base
	surroundings ssmLayer
	model        s4ndModel
}

// s4ndModel has the kernels of the axes.
type s4ndModel struct {
	*Base
	cfg S4NDConfig
	s4d []s4dModel // by axis, or none
	s4  []s4Model  // by axis, or none
}

// NewS4ND makes an S4ND layer on graph g with parameters of type dt (float32 or float64).
func NewS4ND(g *G.ExprGraph, dt tensor.Dtype, cfg S4NDConfig, opts ...Option) (*S4ND, error) {
	return newLayer[*S4ND](g, dt, cfg, opts)
}

// Build implements Config.
func (c S4NDConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &S4ND{model: s4ndModel{Base: b.base, cfg: c}}
	var err error
	if l.surroundings, err = buildSSM(b, c.common(), &l.model); err != nil {
		return nil, err
	}
	l.Base = l.surroundings.Base
	if b.from == nil {
		err = l.Settle()
	}
	return l, err
}

// build makes the parameters.
func (m *s4ndModel) build(b *Builder) {
	length := b.length // ForLength is about sequences: an axis is as long as Shape says
	b.length = 0
	defer func() { b.length = length }()
	for a := range m.cfg.axes() {
		at := fmt.Sprintf("%s%d.", kernelPrefix, a)
		if b.err != nil {
			return
		}
		if m.cfg.Kernel == AxisS4 {
			m.s4 = append(m.s4, s4Model{Base: b.base, cfg: m.cfg.s4(a), at: at})
			m.s4[a].build(b)
		} else {
			m.s4d = append(m.s4d, s4dModel{Base: b.base, cfg: m.cfg.s4d(a), at: at})
			m.s4d[a].build(b)
		}
	}
}

// Settle makes the layer consistent after values from elsewhere were put into its
// parameters and buffers: see S4.Settle.
func (l *S4ND) Settle() error {
	if l == nil || l.Base == nil {
		return errNotMade
	}
	for a := range l.model.s4 {
		if err := l.model.s4[a].settle(); err != nil {
			return l.wrap("Settle", fmt.Errorf("axis %d: %w", a, err))
		}
	}
	return nil
}

// Config returns the layer's configuration with its defaults filled in.
func (l *S4ND) Config() S4NDConfig { return deepcopy.Of(l.model.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors: for evaluation,
// or for images of another resolution, see S4NDConfig.Shape.
func (l *S4ND) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*S4ND, error) {
	return Clone(l, g, opts...)
}

// DOut returns the number of features of the output: DModel, or with MixNone Channels*H.
func (l *S4ND) DOut() int { return l.surroundings.DOut() }

// Fwd maps x (B, DModel, L) to (B, DOut, L).
func (l *S4ND) Fwd(x *G.Node) (*G.Node, error) { return l.surroundings.Fwd(x) }

// FwdLengths is Fwd for images that are not whole: only the first lengths[b] steps of row b
// are read, in x and in the gradient of the output. The output is 0 behind them, and so is
// the gradient of x. lengths is (B) of dtype int, or nil. A length that is not in [0, L] is
// an error when the graph runs.
func (l *S4ND) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.surroundings.FwdLengths(x, lengths)
}

// fwdDropped implements dropping.
func (l *S4ND) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	return l.surroundings.fwdDropped(x, lengths, after)
}

// errImages says why there are no steps.
var errImages = errors.New("the layer reads images, whose axes are no steps of a sequence: it has no state")

// FwdState returns an error.
func (l *S4ND) FwdState(*G.Node, G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.fwdState(nil, nil, nil)
}

// fwdState implements dropping.
func (l *S4ND) fwdState(*G.Node, G.Nodes, *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	if l.Base == nil {
		return nil, nil, l.wrap("FwdState", errNotMade)
	}
	return nil, nil, l.wrap("FwdState", errImages)
}

// StateShapes returns none: the layer has no state.
func (l *S4ND) StateShapes(int) []StateShape { return nil }

// Recurrence returns an error.
func (l *S4ND) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot returns an error.
func (l *S4ND) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	return nil, l.wrap("Recurrence", errImages)
}

func (m *s4ndModel) stateShape(int) tensor.Shape { return nil }

func (m *s4ndModel) outputState(_, _, _ *G.Node) (y, x1 *G.Node, err error) {
	return nil, nil, errImages
}

// output is the convolution of the images u (B, H, L).
func (m *s4ndModel) output(u, d, lengths *G.Node) (*G.Node, error) {
	shape, err := m.shape(u.Shape()[2])
	if err != nil {
		return nil, err
	}
	cfg := ndconv.Config{Shape: shape, Rank: m.cfg.TRank}
	var kernels []*G.Node
	for a, n := range shape {
		k, err := m.kernels(a, n)
		if err != nil {
			return nil, fmt.Errorf("axis %d: %w", a, err)
		}
		kernels = append(kernels, k)
		cfg.Modes = append(cfg.Modes, m.mode(a))
	}
	return ndconv.Conv(cfg, u, kernels, d, ndconv.WithLengths(lengths))
}

// shape returns the lengths of the axes of images of l pixels.
func (m *s4ndModel) shape(l int) ([]int, error) {
	n := m.cfg.axes()
	if len(m.cfg.Shape) == 0 {
		side := int(math.Round(math.Pow(float64(l), 1/float64(n))))
		shape := slices.Repeat([]int{side}, n)
		if tensor.Shape(shape).TotalSize() != l {
			return nil, fmt.Errorf("want %d axes of one length, as Shape says nothing else, got L = %d, which is no power %[1]d of a length", n, l)
		}
		return shape, nil
	}
	shape := make([]int, n)
	for a, n := range m.cfg.Shape {
		shape[a] = steps(math.RoundToEven(float64(n) / m.rate))
	}
	if err := size.Tensor("Shape", shape...); err != nil {
		return nil, err
	}
	if want := tensor.Shape(shape).TotalSize(); want != l {
		return nil, fmt.Errorf("want L = %d, the pixels of Shape %v (at rate %g %v), got %d", want, m.cfg.Shape, m.rate, shape, l)
	}
	return shape, nil
}

// mode is that of the convolution along an axis.
func (m *s4ndModel) mode(a int) fftconv.Mode {
	switch {
	case !m.cfg.twoWay(a):
		return fftconv.Causal
	case m.cfg.OffByOne:
		return fftconv.BidirectionalReference
	}
	return fftconv.Bidirectional
}

// kernels adds the kernels of n samples along an axis to the graph.
func (m *s4ndModel) kernels(a, n int) (*G.Node, error) {
	if m.cfg.Kernel == AxisS4 {
		k := m.s4[a]
		if err := k.cfg.common().checkSize(1, n); err != nil {
			return nil, err
		}
		var err error
		if k.c, err = m.below(a, k.c, k.logDt, k.aImag); err != nil {
			return nil, err
		}
		return k.kernels(n)
	}
	k := m.s4d[a]
	if err := k.cfg.common().checkSize(1, n); err != nil {
		return nil, err
	}
	var err error
	if k.c, err = m.below(a, k.c, k.logDt, k.aImag); err != nil {
		return nil, err
	}
	return k.kernels(n)
}

// below adds the output matrix c of the states along an axis that are below its band limit.
func (m *s4ndModel) below(a int, c, logDt, aImag *G.Node) (*G.Node, error) {
	k := m.cfg.axis(a)
	if k.BandLimit == 0 {
		return c, nil
	}
	return ndconv.BandLimit(ndconv.Band{Limit: k.BandLimit, DtTransform: k.DtTransform}, c, logDt, aImag)
}
