package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/hippornn"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/param"
)

// HiPPORNNConfig configures a HiPPORNN.
type HiPPORNNConfig struct {
	DModel int `json:"d_model"`          // features of the input (I)
	Hidden int `json:"hidden,omitempty"` // features of the state, and of the output (H); 0 means DModel
	// MemorySize is the number of signals that are remembered (M), 0 means 1, and
	// MemoryOrder that of the coefficients of each (N), 0 means Hidden.
	MemorySize  int `json:"memory_size,omitempty"`
	MemoryOrder int `json:"memory_order,omitempty"`
	// Measure is what the memory is of: hippo.LegS, the default, all of the past evenly;
	// hippo.LegT or hippo.LMU, a window of the past.
	Measure hippo.Measure `json:"measure,omitempty"`
	// Step is, but for LegS, the length of a step in windows; 0 means 0.01. Disc is the
	// rule of discretisation, ssm.ZOH or ssm.Bilinear; "" means ssm.ZOH, and for LegS,
	// which has no other, ssm.Bilinear.
	Step float64  `json:"step,omitempty"`
	Disc ssm.Disc `json:"disc,omitempty"`
	// UpdateOrder is what a step updates first: hippornn.Code, the default, the memory;
	// hippornn.Paper, the state.
	UpdateOrder hippornn.Order `json:"update_order,omitempty"`
	NoGate      bool           `json:"no_gate,omitempty"` // the state is c
	NoBias      bool           `json:"no_bias,omitempty"` // no biases
	// MemoryToSignal lets what is written depend on the memory (W_um), and HiddenToHidden
	// lets the state enter c and g (W_hh). They are of the order hippornn.Code.
	MemoryToSignal bool `json:"memory_to_signal,omitempty"`
	HiddenToHidden bool `json:"hidden_to_hidden,omitempty"`
	// LMU is the cell of the Legendre memory unit: measure hippo.LMU, no gate, no biases,
	// MemoryToSignal and HiddenToHidden, and parameters that start as its own.
	LMU bool `json:"lmu,omitempty"`
}

func (c HiPPORNNConfig) withDefaults() HiPPORNNConfig {
	if c.LMU {
		def(&c.Measure, hippo.LMU)
		c.NoGate, c.NoBias, c.MemoryToSignal, c.HiddenToHidden = true, true, true, true
	}
	def(&c.Hidden, c.DModel)
	def(&c.MemorySize, 1)
	def(&c.MemoryOrder, c.Hidden)
	def(&c.Measure, hippo.LegS)
	def(&c.UpdateOrder, hippornn.Code)
	if c.Measure == hippo.LegS {
		def(&c.Disc, ssm.Bilinear)
		return c
	}
	def(&c.Disc, ssm.ZOH)
	def(&c.Step, 0.01)
	return c
}

// Validate reports the first field that is out of range, or that contradicts another.
func (c HiPPORNNConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("HiPPORNNConfig: %w", err)
	}
	return nil
}

func (c HiPPORNNConfig) validate() error {
	if err := size.First(
		size.Positive("DModel", c.DModel), size.Positive("Hidden", c.Hidden),
		size.Positive("MemorySize", c.MemorySize), size.Positive("MemoryOrder", c.MemoryOrder),
		inField("UpdateOrder", c.UpdateOrder.Validate()),
	); err != nil {
		return err
	}
	switch {
	case c.MemoryOrder > hippo.MaxN:
		return fmt.Errorf("want MemoryOrder at most %d, got %d", hippo.MaxN, c.MemoryOrder)
	case c.Measure != hippo.LegS && c.Measure != hippo.LegT && c.Measure != hippo.LMU:
		return fmt.Errorf("want Measure %q, %q or %q, got %q", hippo.LegS, hippo.LegT, hippo.LMU, string(c.Measure))
	case c.LMU && (c.Measure != hippo.LMU || c.UpdateOrder != hippornn.Code):
		return fmt.Errorf("want Measure %q and UpdateOrder %q with LMU, got %q and %q", hippo.LMU, hippornn.Code, string(c.Measure), string(c.UpdateOrder))
	case c.Measure == hippo.LegS && (c.Step != 0 || c.Disc != ssm.Bilinear):
		return fmt.Errorf("want Step 0 and Disc %q with Measure %q, whose steps follow from the time, got %g and %q", ssm.Bilinear, hippo.LegS, c.Step, string(c.Disc))
	case c.Measure != hippo.LegS && !(c.Step > 0 && num.Finite(c.Step)):
		return fmt.Errorf("want a finite Step > 0, or 0 for the default, got %g", c.Step)
	case c.UpdateOrder == hippornn.Paper && (c.MemoryToSignal || c.HiddenToHidden):
		return fmt.Errorf("want MemoryToSignal and HiddenToHidden false with UpdateOrder %q", hippornn.Paper)
	}
	return size.First(
		inField("Disc", c.Disc.Validate(ssm.ZOH, ssm.Bilinear)),
		size.Tensor("the memory (MemorySize, MemoryOrder)", c.MemorySize, c.MemoryOrder),
		size.Tensor("the weights of the memory (2*Hidden, MemorySize, MemoryOrder)", 2, c.Hidden, c.MemorySize, c.MemoryOrder),
		size.Tensor("the weights of the state (2*Hidden, Hidden)", 2, c.Hidden, c.Hidden),
		size.Tensor("the weights of the input (2*Hidden, DModel)", 2, c.Hidden, c.DModel))
}

// Features implements MixerConfig.
func (c HiPPORNNConfig) Features() (in, out int) { return c.DModel, c.withDefaults().Hidden }

// op is the configuration of the op.
func (c HiPPORNNConfig) op() (hippornn.Config, error) {
	cfg := hippornn.Config{Order: c.UpdateOrder, N: c.MemoryOrder}
	if c.Measure == hippo.LegS {
		return cfg, nil
	}
	a, b, err := hippo.Transition(c.Measure, c.MemoryOrder, hippo.MeasureOptions{})
	if err != nil {
		return cfg, err
	}
	step := c.Step
	if c.Measure == hippo.LegT { // whose window there is 2
		step *= 2
	}
	ab, bb, err := hippo.Discretize(a, b, step, c.Disc, 0)
	if err != nil {
		return cfg, err
	}
	cfg.A, cfg.B = ab.RawMatrix().Data, bb
	return cfg, nil
}

// HiPPORNN is a recurrent network with a HiPPO memory: beside a gated state h it has the
// coefficients m of the past of signals f that it chooses to remember. Package hippornn
// has the formulas, of both orders. LegS remembers all of the past however long it is, at
// steps 1/t that follow from the time t, and is as good for a sequence that is read faster
// or slower, or at any times (FwdSteps); LegT and LMU remember a window.
//
// Parameters have the names of the public code: in the order hippornn.Code W_uxh.weight
// (M, I+H), W_um (M, N), W_hxm.weight (H, I+MN), W_hh.weight (H, H) and W_gxm.W_g.weight
// (H, I+MN), or (H, I+MN+H) with HiddenToHidden; in the order hippornn.Paper W_h.weight
// and W_g.weight (H, I+MN+H) and W_f.weight (M, H). W_uxh, W_hxm, W_gxm.W_g, W_h, W_g and
// W_f have a bias each.
//
// Its state is h (B, H), m (B, M, N) and, of LegS, position (B): the time of the next step
// if it comes at 1 from the last, which without FwdSteps is the number of steps seen.
//
// Gu, Dao, Ermon, Rudra, Re 2020, "HiPPO: Recurrent Memory with Optimal Polynomial
// Projections", arXiv:2008.07669; Voelker, Kajic, Eliasmith 2019, "Legendre Memory Units".
type HiPPORNN struct {
	*Base
	cfg    HiPPORNNConfig
	op     hippornn.Config
	params hippornn.Params[*G.Node]
}

// NewHiPPORNN makes a recurrent network with a HiPPO memory. Parameters start as those of
// the public code: what is written Kaiming uniform, c Xavier normal, of inputs, memory and
// state each by itself, g Kaiming normal, W_um at 0, and biases uniform in
// +-1/sqrt(inputs).
func NewHiPPORNN(g *G.ExprGraph, dt tensor.Dtype, cfg HiPPORNNConfig, opts ...Option) (*HiPPORNN, error) {
	return newLayer[*HiPPORNN](g, dt, cfg, opts)
}

// Build implements Config.
func (c HiPPORNNConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &HiPPORNN{cfg: c}
	if c.Measure != hippo.LegS && !b.fits("A", c.MemoryOrder, c.MemoryOrder) { // which is computed first
		return nil, b.err
	}
	var err error
	if l.op, err = c.op(); err != nil {
		return nil, err
	}
	mem := c.MemorySize * c.MemoryOrder
	linear := func(name string, init Init, out, in int) (weight, bias *G.Node) {
		weight = b.Param(name+".weight", param.Hint{}, init, out, in)
		if !c.NoBias {
			bias = b.Param(name+".bias", param.Hint{}, UniformFanIn(in), out)
		}
		return weight, bias
	}
	p := &l.params
	if c.UpdateOrder == hippornn.Paper {
		cols := c.DModel + mem + c.Hidden
		p.Hidden, p.HiddenBias = linear("W_h", c.xavier(c.DModel, mem, c.Hidden), c.Hidden, cols)
		if !c.NoGate {
			p.Gate, p.GateBias = linear("W_g", kaimingNormal(cols), c.Hidden, cols)
		}
		p.Write, p.WriteBias = linear("W_f", kaimingUniform(c.Hidden), c.MemorySize, c.Hidden)
	} else {
		c.buildCode(b, p, linear)
	}
	l.Base, err = b.Done()
	return l, err
}

// buildCode makes the parameters of the order hippornn.Code.
func (c HiPPORNNConfig) buildCode(b *Builder, p *hippornn.Params[*G.Node], linear func(name string, init Init, out, in int) (weight, bias *G.Node)) {
	mem := c.MemorySize * c.MemoryOrder
	write, see, hidden := kaimingUniform(c.DModel+c.Hidden), c.xavier(c.DModel, mem), c.xavier(c.Hidden)
	if c.LMU {
		write, see, hidden = columns(part{c.DModel, Ones}, part{c.Hidden, Zeros}), columns(part{c.DModel, Zeros}, part{mem, c.xavier(mem)}), Zeros
	}
	p.Write, p.WriteBias = linear("W_uxh", write, c.MemorySize, c.DModel+c.Hidden)
	if c.MemoryToSignal {
		p.WriteMemory = b.Param("W_um", param.Hint{}, Zeros, c.MemorySize, c.MemoryOrder)
	}
	cols := c.DModel + mem
	p.Hidden, p.HiddenBias = linear("W_hxm", see, c.Hidden, cols)
	if c.HiddenToHidden {
		p.HiddenHidden = b.Param("W_hh.weight", param.Hint{}, hidden, c.Hidden, c.Hidden)
		cols += c.Hidden
	}
	if !c.NoGate {
		p.Gate, p.GateBias = linear("W_gxm.W_g", kaimingNormal(cols), c.Hidden, cols)
	}
}

// xavier draws the columns of a weight of c in parts, each as if it were alone: from N(0,
// 2/(fanIn+fanOut)). Glorot, Bengio 2010.
func (c HiPPORNNConfig) xavier(widths ...int) Init {
	parts := make([]part, len(widths))
	for i, n := range widths {
		parts[i] = part{n, Normal(math.Sqrt(2 / float64(n+c.Hidden)))}
	}
	return columns(parts...)
}

// kaimingUniform draws from U(-a, a) with a = sqrt(3/fanIn), and kaimingNormal from N(0,
// 1/fanIn), both for a layer without an activation. He et al. 2015, arXiv:1502.01852.
func kaimingUniform(fanIn int) Init {
	return func(rng *rand.Rand, dst []float64) {
		UniformFanIn(fanIn)(rng, dst)
		for i := range dst {
			dst[i] *= math.Sqrt(3)
		}
	}
}

func kaimingNormal(fanIn int) Init { return Normal(1 / math.Sqrt(float64(fanIn))) }

// part is how some columns of a matrix start.
type part struct {
	width int
	init  Init
}

// columns fills a matrix whose columns start in parts, side by side, row by row.
func columns(parts ...part) Init {
	return func(rng *rand.Rand, dst []float64) {
		for len(dst) > 0 {
			for _, p := range parts {
				p.init(rng, dst[:p.width])
				dst = dst[p.width:]
			}
		}
	}
}

// Config returns the layer's configuration with its defaults filled in.
func (l *HiPPORNN) Config() HiPPORNNConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *HiPPORNN) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*HiPPORNN, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, Hidden, L).
func (l *HiPPORNN) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *HiPPORNN) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.sequence("Fwd", x, nil, lengths)
}

// FwdSteps is FwdLengths, of LegS alone, for sequences whose steps are not equally far
// apart: dt (B, L) is the time of each since the last, in the units in which it is 1
// otherwise. It is positive, or an error when the graph runs; that of the first step of a
// sequence, whose time is 0, is not heeded, and what is behind lengths is not read. No
// gradient goes to it. Only ratios of times matter, so that any unit will do in which a step
// is about 1: the position in a state is a time plus 1, and has no digits for steps that are
// far less, of float32 those below 1e-4 or so.
func (l *HiPPORNN) FwdSteps(x, dt, lengths *G.Node) (*G.Node, error) {
	if err := l.checkSteps("FwdSteps", x, dt); err != nil {
		return nil, err
	}
	return l.sequence("FwdSteps", x, dt, lengths)
}

// sequence is FwdSteps with steps that may be nil.
func (l *HiPPORNN) sequence(method string, x, dt, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y, err := hippornn.Sequence(l.op, x, l.params, hippornn.State[*G.Node]{}, dt, lengths)
	return l.made(y, x, dt, lengths), l.wrap(method, err)
}

// check checks the input and its lengths.
func (l *HiPPORNN) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	s := x.Shape()
	if err := l.checkSize("the output (B, Hidden, L)", tensor.Shape{s[0], l.cfg.Hidden, s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// errNoTime is that of a memory without a time.
var errNoTime = errors.New("steps that are not equally far apart are those of Measure legs alone")

// checkSteps checks the steps dt of an input.
func (l *HiPPORNN) checkSteps(method string, x, dt *G.Node) error {
	if err := l.check(x, nil); err != nil {
		return err
	}
	if l.cfg.Measure != hippo.LegS {
		return l.wrap(method, errNoTime)
	}
	if dt == nil || dt.Dtype() != l.dt {
		return l.errorf(method, "want dt (%d, %d) of dtype %v, got %s", x.Shape()[0], x.Shape()[2], l.dt, describeNode(dt))
	}
	if err := graphop.WantShape("dt", dt, []int{x.Shape()[0], x.Shape()[2]}); err != nil {
		return l.wrap(method, err)
	}
	return l.checkGraph("dt", dt)
}

// The names of the tensors in the state of a HiPPORNN.
const (
	hiddenName = "h"
	memoryName = "m"
)

// StateShapes describes the state of a batch, for FwdState and Recurrence: h (B, Hidden),
// m (B, MemorySize, MemoryOrder) and, of LegS, position (B).
func (l *HiPPORNN) StateShapes(batch int) []StateShape {
	if l.Base == nil {
		return nil
	}
	c := l.cfg
	shapes := []StateShape{{Name: hiddenName, Shape: tensor.Shape{batch, c.Hidden}}, {Name: memoryName, Shape: tensor.Shape{batch, c.MemorySize, c.MemoryOrder}}}
	if c.Measure == hippo.LegS {
		shapes = append(shapes, StateShape{Name: positionName, Shape: tensor.Shape{batch}})
	}
	return shapes
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before the
// first step of x, nil for the start, and x1 that after the last one, both as StateShapes
// describes them. Gradients go through both, but for the position. A sequence fed in
// parts gives the output of the whole.
func (l *HiPPORNN) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.sequenceState("FwdState", x, nil, x0)
}

// FwdStepsState is FwdState for sequences whose steps are not equally far apart: see
// FwdSteps.
func (l *HiPPORNN) FwdStepsState(x, dt *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkSteps("FwdStepsState", x, dt); err != nil {
		return nil, nil, err
	}
	return l.sequenceState("FwdStepsState", x, dt, x0)
}

// sequenceState is FwdStepsState with steps that may be nil.
func (l *HiPPORNN) sequenceState(method string, x, dt *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart(method, x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	var start hippornn.State[*G.Node]
	for i, to := range []**G.Node{&start.H, &start.M, &start.Position}[:len(x0)] {
		*to = x0[i]
	}
	y, end, err := hippornn.SequenceState(l.op, x, l.params, start, dt, nil)
	if err != nil {
		return nil, nil, l.wrap(method, err)
	}
	from := append(G.Nodes{x, dt}, x0...)
	x1 = G.Nodes{l.made(end.H, from...), l.made(end.M, from...)}
	if l.cfg.Measure == hippo.LegS {
		next, err := hippornn.NextPosition(x, start.Position, dt)
		if err != nil {
			return nil, nil, l.wrap(method, err)
		}
		x1 = append(x1, l.made(next, from...))
	}
	return l.made(y, from...), x1, nil
}
