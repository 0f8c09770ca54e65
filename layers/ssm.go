package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Mixing names what mixes the features after the state space model.
type Mixing string

// The mixings. The zero value is MixGLU.
const (
	MixGLU    Mixing = "glu"    // linear to 2 DModel, then a gated linear unit
	MixLinear Mixing = "linear" // linear to DModel
	MixNone   Mixing = "none"   // nothing: the output has Channels*H features, see DOut

	// The gates of S5, which a linear map of the activated features opens, DModel to
	// DModel: of those features, and of the features before the activation.
	MixHalfGLU1 Mixing = "half_glu1"
	MixHalfGLU2 Mixing = "half_glu2"
)

// mixings lists the mixings.
var mixings = []Mixing{MixGLU, MixLinear, MixNone, MixHalfGLU1, MixHalfGLU2}

// half says whether the mixing is a gate of S5.
func (m Mixing) half() bool { return m == MixHalfGLU1 || m == MixHalfGLU2 }

// common is what all state space layers are around their models: what their
// configurations share, the number of features, and the names of the parameters
// that configurations speak of.
type common struct {
	dModel int
	SSM
	params []string
}

func (c common) validate() error {
	switch {
	case c.dModel < 1:
		return fmt.Errorf("want DModel >= 1, got %d", c.dModel)
	case c.Channels < 1:
		return fmt.Errorf("want Channels >= 1, got %d", c.Channels)
	case c.OffByOne && !c.Bidirectional:
		return errors.New("OffByOne is about the second kernel of a bidirectional layer: want Bidirectional too")
	case !slices.Contains(mixings, c.Mixing):
		return fmt.Errorf("want Mixing %q, %q, %q, %q or %q, got %q", MixGLU, MixLinear, MixNone, MixHalfGLU1, MixHalfGLU2, c.Mixing)
	case c.Mixing.half() && (c.Channels > 1 || c.Bottleneck > 0):
		return fmt.Errorf("Mixing %q keeps the features: want Channels 1 and no Bottleneck, got %d and %d", c.Mixing, c.Channels, c.Bottleneck)
	}
	if err := size.First(size.Field("DModel", c.dModel), size.Field("Channels", c.Channels), size.Field("Gate", c.Gate)); err != nil {
		return err
	}
	if err := c.validateGate(); err != nil {
		return err
	}
	if err := c.validateSize(); err != nil {
		return err
	}
	return errors.Join(inField("Activation", c.Activation.Validate()), inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()), c.validateRates())
}

func (c common) validateGate() error {
	switch {
	case c.Bottleneck < 0 || c.Bottleneck > 0 && c.dModel%c.Bottleneck != 0:
		return fmt.Errorf("want Bottleneck a divisor of DModel = %d, or 0 for none, got %d", c.dModel, c.Bottleneck)
	case c.Gate < 0:
		return fmt.Errorf("want Gate >= 1, or 0 for none, got %d", c.Gate)
	case c.Gate > 0 && (c.Mixing == MixNone || c.Mixing.half()):
		return fmt.Errorf("a gated layer maps its Gate*DModel features back to DModel: want Mixing %q or %q, got %q", MixGLU, MixLinear, c.Mixing)
	case c.Gate == 0 && (c.GateActivation != "" || c.MultActivation != ""):
		return errors.New("GateActivation and MultActivation are about a gate: want Gate >= 1 too")
	case c.Gate == 0:
		return nil
	}
	return errors.Join(inField("GateActivation", c.GateActivation.Validate()), inField("MultActivation", c.MultActivation.Validate()))
}

// validateSize checks the sizes of all parameters but those of the kernels.
func (c common) validateSize() error {
	h := c.inner()
	if err := size.Tensor("D (Channels, H)", c.Channels, h); err != nil {
		return err
	}
	if c.Bottleneck > 0 {
		if err := size.Tensor("input_linear.weight (H, DModel)", h, c.dModel); err != nil {
			return err
		}
	}
	if c.Gate > 0 {
		if err := size.First(
			size.Tensor("input_gate.weight (Gate*DModel, DModel)", c.Gate, c.dModel, c.dModel),
			size.Tensor("output_gate.weight (Gate*DModel, Channels*H)", c.Gate, c.dModel, c.Channels, h),
		); err != nil {
			return err
		}
	}
	switch c.Mixing {
	case MixGLU:
		return size.Tensor("output_linear.weight (2*DModel, features)", 2, c.dModel, c.mixed())
	case MixLinear, MixHalfGLU1, MixHalfGLU2:
		return size.Tensor("output_linear.weight (DModel, features)", c.dModel, c.mixed())
	}
	return nil
}

// validateOutput checks the size of the parameter, kernel.C as a rule, that maps
// the states to kernels: n numbers for each. No parameter of the dynamics is
// larger but S4's P.
func (c common) validateOutput(name string, n int) error {
	return size.Tensor(name, c.kernels(), c.inner(), n)
}

// checkSize checks the sizes of the kernels and of what Fwd computes for inputs
// (batch, DModel, seqLen).
func (c common) checkSize(batch, seqLen int) error {
	h := c.inner()
	if err := size.First(
		size.Tensor("the kernels (kernels, H, L)", c.kernels(), h, seqLen),
		size.Tensor("the output of the state space model (B, Channels*H, L)", batch, c.Channels, h, seqLen),
		size.Tensor("the output (B, DOut, L)", batch, c.dOut(), seqLen),
	); err != nil || c.Gate == 0 {
		return err
	}
	return size.Tensor("the gates (B, Gate*DModel, L)", batch, c.Gate, c.dModel, seqLen)
}

// kernels is the number of kernels of each feature.
func (c common) kernels() int {
	if c.Bidirectional {
		return 2 * c.Channels
	}
	return c.Channels
}

// inner is the number of features of the state space model itself (H).
func (c common) inner() int {
	if c.Bottleneck > 0 {
		return c.dModel / c.Bottleneck
	}
	return c.dModel
}

// mixed is the number of features that the mixing reads.
func (c common) mixed() int {
	if c.Gate > 0 {
		return c.Gate * c.dModel
	}
	return c.Channels * c.inner()
}

// dOut is the number of features of the output.
func (c common) dOut() int {
	if c.Mixing == MixNone {
		return c.mixed()
	}
	return c.dModel
}

// def sets a zero value to its default.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// inField names the field of a configuration that an error is about.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

// validateDt checks the range of the initial step sizes, which the transform of
// their parameter must reach.
func validateDt(lo, hi float64, t ssm.Transform) error {
	if !(lo > 0 && lo <= hi && hi < math.Inf(1)) {
		return fmt.Errorf("want 0 < DtMin <= DtMax, got DtMin = %g, DtMax = %g", lo, hi)
	}
	if err := t.Validate(ssm.Exp, ssm.Softplus); err != nil {
		return inField("DtTransform", err)
	}
	_, errLo := t.Inverse(lo)
	_, errHi := t.Inverse(hi)
	return errors.Join(inField("DtMin", errLo), inField("DtMax", errHi))
}

// initDt draws step sizes log-uniformly from [lo, hi].
func initDt(b *Builder, t ssm.Transform, lo, hi float64) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dt := math.Exp(math.Log(lo) + rng.Float64()*(math.Log(hi)-math.Log(lo)))
			dt = min(max(dt, lo), hi) // rounding
			raw, err := t.Inverse(dt)
			if err != nil {
				b.Fail(fmt.Errorf("step size: %w", err))
			}
			dst[i] = raw
		}
	}
}

// minDecay is the smallest decay rate -Re A that initialisation gives a state,
// as in the reference: transforms cannot reach 0.
const minDecay = 1e-4

// initAReal stores the real parts of A through the transform. That of ReLU,
// whose derivative is 0 at its floor, starts at least a floor above it, where
// the reference starts what decays as slowly as minDecay: a state could not
// learn its decay otherwise.
func initAReal(b *Builder, t ssm.Transform, a []complex128) func(*rand.Rand, []float64) {
	least := minDecay
	if t == ssm.ReLU {
		least = max(least, 2*ssm.ReLUFloor)
	}
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range a {
			raw, err := t.Inverse(max(-real(v), least))
			if err != nil {
				b.Fail(fmt.Errorf("real part of A: %w", err))
			}
			dst[i] = raw
		}
	}
}

// initAImag stores the imaginary parts of A, Im A = -A_imag.
func initAImag(a []complex128) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range a {
			dst[i] = -imag(v)
		}
	}
}

// checkDecay reports a state matrix that is not stable: a positive real part
// of A, which only the transform None lets a checkpoint or the optimiser bring
// about.
func checkDecay(t ssm.Transform, aReal *G.Node) error {
	if t != ssm.None {
		return nil
	}
	switch v := aReal.Value().Data().(type) {
	case []float32:
		return checkDecayRates(aReal.Name(), v)
	case []float64:
		return checkDecayRates(aReal.Name(), v)
	}
	return nil
}

func checkDecayRates[T num.Float](name string, rates []T) error {
	for i, v := range rates {
		if !(v >= 0) {
			return fmt.Errorf("parameter %s: want decay rates -Re A >= 0, as the transform %q does not make them so, got %g at element %d", name, ssm.None, v, i)
		}
	}
	return nil
}

// initComplex stores complex values as re, im.
func initComplex(z []complex128) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range z {
			dst[2*i], dst[2*i+1] = real(v), imag(v)
		}
	}
}

// kernelPrefix begins the names of the parameters of a model.
const kernelPrefix = "kernel."

// stateSpace is the state space model of a layer: what differs between the
// layers. H is the number of its features.
type stateSpace interface {
	// build makes the parameters.
	build(b *Builder)
	// kernels adds the kernels for sequences of a given length to the graph,
	// (kernels, H, seqLen) or longer, or shorter where the rest is 0.
	kernels(seqLen int) (*G.Node, error)
	// stateShape is the shape of the states of a batch, (batch, H, ...).
	stateShape(batch int) tensor.Shape
	// stateOutput adds what the state x0 contributes to the output, (B,
	// Channels*H, seqLen).
	stateOutput(x0 *G.Node, seqLen int) (*G.Node, error)
	// finalState adds the state after u (B, H, L) from x0, which may be nil for
	// zero.
	finalState(u, x0 *G.Node) (*G.Node, error)
	// system returns a kernel of a feature as a linear system, but for D.
	system(kernel, feature int) (*System, error)
}

// scanned is what a layer has in the place of a state space model that is a convolution
// along the steps: one that maps the features together, by the recurrence, or the convolution
// of images. Its output has the skip d.
type scanned interface {
	// build makes the parameters.
	build(b *Builder)
	// stateShape is the shape of the states of a batch, (batch, ...).
	stateShape(batch int) tensor.Shape
	// output adds the output for u (B, H, L), of which lengths count, or all if that is nil.
	output(u, d, lengths *G.Node) (*G.Node, error)
	// outputState is output from the state x0, which may be nil for zero, with the state
	// after u.
	outputState(u, d, x0 *G.Node) (y, x1 *G.Node, err error)
}

// ssmLayer is what all state space layers are around their models:
//
//	y = K * x + D x, activation, dropout, mixing
//
// With a bottleneck, x is a linear map of the input to fewer features; with a
// gate, a linear map of the activated y is multiplied by an activated linear
// map of the input.
type ssmLayer struct {
	*Base
	common common
	model  stateSpace // nil if there is scan
	scan   scanned
	d      *G.Node
	drop   *Dropout
	mix    *Linear // nil without mixing

	inputLinear           *Linear // nil without a bottleneck
	inputGate, outputGate *Linear // nil without a gate
}

// buildSSM makes the layer around a model.
func buildSSM(b *Builder, c common, model interface{ build(b *Builder) }) (ssmLayer, error) {
	l := ssmLayer{common: c}
	l.model, _ = model.(stateSpace)
	l.scan, _ = model.(scanned)
	gated := c.Gate * c.dModel
	if c.Bottleneck > 0 {
		l.inputLinear = b.linear("input_linear", c.dModel, c.inner())
	}
	if c.Gate > 0 {
		l.inputGate = b.linear("input_gate", c.dModel, gated)
		l.outputGate = b.linear("output_gate", c.Channels*c.inner(), gated)
	}
	if b.err == nil {
		model.build(b)
	}
	l.d = b.Param("D", c.hint("D", 0), Normal(1), c.Channels, c.inner())
	l.drop, _ = child[*Dropout](b, "dropout", DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
	switch c.Mixing {
	case MixGLU:
		l.mix = b.linear("output_linear", c.mixed(), 2*c.dModel)
	case MixLinear, MixHalfGLU1, MixHalfGLU2:
		l.mix = b.linear("output_linear", c.mixed(), c.dModel)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// linear makes a linear layer inside. An error sticks to the builder.
func (b *Builder) linear(name string, in, out int) *Linear {
	l, _ := child[*Linear](b, name, LinearConfig{In: in, Out: out})
	return l
}

// DOut returns the number of features of the output: DModel, or with MixNone
// Channels*H, where H is the number of features of the state space model.
func (l *ssmLayer) DOut() int { return l.common.dOut() }

// Kernel adds the convolution kernels for sequences of length seqLen to the
// graph: (CH, H, seqLen), where CH is Channels, or twice that if bidirectional.
// It is what Fwd computes with for that length. A length that the layer is not
// made for is an error.
func (l *ssmLayer) Kernel(seqLen int) (*G.Node, error) {
	k, err := l.kernel(seqLen)
	if err != nil {
		return nil, l.wrap("Kernel", err)
	}
	return l.made(k), nil
}

// kernel is Kernel without the name of the layer in its errors.
func (l *ssmLayer) kernel(seqLen int) (*G.Node, error) {
	if l.Base == nil {
		return nil, errNotMade
	}
	if err := size.Length("seqLen", seqLen); err != nil {
		return nil, err
	}
	if err := l.common.checkSize(1, seqLen); err != nil {
		return nil, err
	}
	k, err := l.model.kernels(seqLen)
	if err != nil {
		return nil, err
	}
	switch n := k.Shape()[2]; {
	case n < seqLen:
		return nil, fmt.Errorf("want at most %d steps, beyond which the kernel is 0, got %d", n, seqLen)
	case n > seqLen:
		return ops.FirstSteps(k, seqLen)
	}
	return k, nil
}

// Fwd maps x (B, DModel, L) to (B, DOut, L).
func (l *ssmLayer) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil. A length that is not in [0, L] is an error when
// the graph runs.
func (l *ssmLayer) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.fwdDropped(x, lengths, nil)
}

// fwdDropped is FwdLengths with a dropout, or nil, after it.
func (l *ssmLayer) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	if err := l.checkInput(x, l.common.dModel, false); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	u, err := l.squeeze(x, lengths)
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	y, err := l.output(u, lengths)
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	if y, err = l.mixFeatures(y, x, lengths, after); err != nil {
		return nil, err
	}
	return l.made(y, x, lengths), nil
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state
// before the first step of x, nil for zero, and x1 that after the last one. Both
// are the one tensor that StateShapes describes, and gradients go through them. A
// sequence fed in parts gives the output of the whole; a Carry hands the state over
// from one run to the next. A bidirectional layer has no state.
func (l *ssmLayer) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.fwdState(x, x0, nil)
}

// fwdState is FwdState with a dropout, or nil, after it.
func (l *ssmLayer) fwdState(x *G.Node, start G.Nodes, after *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkInput(x, l.common.dModel, false); err != nil {
		return nil, nil, err
	}
	x0, err := l.checkState(x, start)
	if err != nil {
		return nil, nil, err
	}
	var state *G.Node
	u, err := l.squeeze(x, nil)
	if err == nil {
		y, state, err = l.outputState(u, x0)
	}
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	if y, err = l.mixFeatures(y, x, nil, after); err != nil {
		return nil, nil, err
	}
	return l.made(y, x, x0), G.Nodes{l.made(state, x, x0)}, nil
}

// outputState is the state space model alone, from a state: its output and the state
// after u.
func (l *ssmLayer) outputState(u, x0 *G.Node) (y, x1 *G.Node, err error) {
	if l.scan != nil {
		return l.scan.outputState(u, l.d, x0)
	}
	if y, err = l.conv(u, nil); err != nil {
		return nil, nil, err
	}
	if x1, err = l.model.finalState(u, x0); err == nil && x0 != nil {
		y, err = l.addState(y, x0)
	}
	return y, x1, err
}

// addState adds to the output y what the state x0 contributes.
func (l *ssmLayer) addState(y, x0 *G.Node) (*G.Node, error) {
	k, err := l.model.stateOutput(x0, y.Shape()[2])
	if err != nil {
		return nil, err
	}
	return ops.Add(y, k)
}

// checkState returns the tensor of the initial state x0 for the input x, nil for
// zero.
func (l *ssmLayer) checkState(x *G.Node, x0 G.Nodes) (*G.Node, error) {
	if l.common.Bidirectional {
		return nil, l.errorf("FwdState", "a bidirectional layer has no state, its output depends on the future: want Bidirectional false")
	}
	return l.oneState(x0, l.StateShapes(x.Shape()[0]))
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: one
// tensor, but none for a bidirectional layer.
func (l *ssmLayer) StateShapes(batch int) []StateShape {
	if l.Base == nil || l.common.Bidirectional {
		return nil
	}
	return []StateShape{{Name: stateName, Shape: l.stateShape()(batch)}}
}

// stateShape returns the shape of the states of a batch.
func (l *ssmLayer) stateShape() func(batch int) tensor.Shape {
	if l.scan != nil {
		return l.scan.stateShape
	}
	return l.model.stateShape
}

// squeeze maps the input x to that of the state space model.
func (l *ssmLayer) squeeze(x, lengths *G.Node) (*G.Node, error) {
	if l.inputLinear == nil {
		return x, nil
	}
	return ops.Linear(x, l.inputLinear.w, l.inputLinear.b, ops.Lengths(lengths))
}

// output is the state space model alone, (B, Channels*H, L).
func (l *ssmLayer) output(u, lengths *G.Node) (*G.Node, error) {
	if l.scan != nil {
		return l.scan.output(u, l.d, lengths)
	}
	return l.conv(u, lengths)
}

// conv is output of a convolution: y = K * u + D u, (B, Channels*H, L).
func (l *ssmLayer) conv(u, lengths *G.Node) (*G.Node, error) {
	s := u.Shape()
	if err := l.common.checkSize(s[0], s[2]); err != nil {
		return nil, err
	}
	k, err := l.model.kernels(s[2])
	if err != nil {
		return nil, err
	}
	mode := fftconv.Causal
	if l.common.Bidirectional {
		mode = fftconv.Bidirectional
		if l.common.OffByOne {
			mode = fftconv.BidirectionalReference
		}
	}
	return fftconv.Conv(u, k, l.d, fftconv.WithMode(mode), fftconv.WithLengths(lengths))
}

// mixFeatures is all that follows the state space model at every step of its
// output y, x being the layer's input: activation, gate, dropout, mixing, and a
// dropout, or nil, after it. Where the dropouts are tied, they and the
// activation are parts of the mixing, so that nothing is in memory between the
// convolution and the result but the gates.
func (l *ssmLayer) mixFeatures(y, x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	act := l.common.Activation
	var err error
	if l.inputGate != nil {
		if y, err = l.applyGate(y, x, lengths); err != nil {
			return nil, l.wrap("Fwd", err)
		}
		act = l.common.MultActivation
	}
	if l.common.Mixing.half() {
		return l.openHalf(act, y, lengths, after)
	}
	opts := []ops.LinearOption{ops.Lengths(lengths)}
	if l.mix != nil && l.drop.tied() {
		opts = append(opts, ops.Activated(act), ops.DropInput(l.drop.cfg.P, l.drop.masks))
	} else {
		if y, err = ops.Activate(act, y); err != nil {
			return nil, l.wrap("Fwd", err)
		}
		if y, err = l.drop.Fwd(y); err != nil {
			return nil, err
		}
	}
	if l.mix != nil && after.tied() {
		opts = append(opts, ops.DropOutput(after.cfg.P, after.masks))
		after = nil
	}
	switch l.common.Mixing {
	case MixGLU:
		y, err = ops.LinearGLU(y, l.mix.w, l.mix.b, opts...)
	case MixLinear:
		y, err = ops.Linear(y, l.mix.w, l.mix.b, opts...)
	case MixNone:
		if lengths != nil && act == ops.ActSigmoid { // which makes a half of 0
			y, err = ops.Mask(y, lengths)
		}
	}
	if err != nil || after == nil {
		return y, l.wrap("Fwd", err)
	}
	return after.Fwd(y)
}

// openHalf is the mixing by a gate of S5, of the output y of the state space model.
func (l *ssmLayer) openHalf(act ops.Activation, y, lengths *G.Node, after *Dropout) (*G.Node, error) {
	opts := []ops.LinearOption{ops.Lengths(lengths), ops.Activated(act)}
	if l.common.Mixing == MixHalfGLU2 {
		opts = append(opts, ops.GateX())
	}
	switch p := l.drop.cfg.P; {
	case l.drop.tied():
		opts = append(opts, ops.DropInput(p, l.drop.masks))
	case p > 0:
		opts = append(opts, ops.DropInputElements(p, l.drop.masks))
	}
	if after.tied() {
		opts = append(opts, ops.DropOutput(after.cfg.P, after.masks))
		after = nil
	}
	y, err := ops.LinearGate(y, l.mix.w, l.mix.b, opts...)
	if err != nil || after == nil {
		return y, l.wrap("Fwd", err)
	}
	return after.Fwd(y)
}

// applyGate activates y, maps it to the gated features and multiplies it by the
// gate, which x opens.
func (l *ssmLayer) applyGate(y, x, lengths *G.Node) (*G.Node, error) {
	counted := ops.Lengths(lengths)
	v, err := ops.Linear(x, l.inputGate.w, l.inputGate.b, counted)
	if err != nil {
		return nil, err
	}
	if v, err = ops.Activate(l.common.GateActivation, v); err != nil {
		return nil, err
	}
	if y, err = ops.Linear(y, l.outputGate.w, l.outputGate.b, ops.Activated(l.common.Activation), counted); err != nil {
		return nil, err
	}
	return G.HadamardProd(y, v)
}
