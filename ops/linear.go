package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// LinearOption changes how Linear, FeatureLinear, LinearGLU or FeedForward works:
// one of those below or an Option. In FeedForward they are about the second map.
type LinearOption interface{ setLinear(*linearOptions) }

func (f Option) setLinear(o *linearOptions) { f(&o.sequenceOptions) }

type linearOption func(*linearOptions)

func (f linearOption) setLinear(o *linearOptions) { f(o) }

type linearOptions struct {
	sequenceOptions
	act                   Activation
	gated                 bool // of half the features of x, see Gated
	gateX                 bool // see GateX
	dropInput, dropOutput dropoutConfig
}

// Activated makes Linear or LinearGLU of sequences map Activate(kind, x) in the
// place of x, which is not written to memory.
func Activated(kind Activation) LinearOption {
	return linearOption(func(o *linearOptions) { o.act, o.gated = kind, false })
}

// Gated makes Linear or LinearGLU of sequences map Activate(kind, x1) * x2 in the
// place of x (B, 2I, L), x1 being the first I features of x and x2 the others. The
// product is not written to memory. w is (O, I).
//
// Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202: there kind is
// ActSigmoid for GLU, ActIdentity for Bilinear, ActReLU for ReGLU, ActGELU for GEGLU
// and ActSiLU for SwiGLU. (GLU of this package activates the other half.)
func Gated(kind Activation) LinearOption {
	return linearOption(func(o *linearOptions) { o.act, o.gated = kind, true })
}

// GateX makes LinearGate open its gate for x itself, not for what it maps.
func GateX() LinearOption { return linearOption(func(o *linearOptions) { o.gateX = true }) }

// DropInput makes Linear or LinearGLU of sequences apply Dropout(_, p, masks,
// Tied()), after Activated or Gated, to what they map. It is not written to memory.
func DropInput(p float64, masks *Masks) LinearOption {
	return linearOption(func(o *linearOptions) { o.dropInput = dropoutConfig{p: p, masks: masks, tied: true} })
}

// DropInputElements is DropInput without Tied: every element is dropped by itself.
func DropInputElements(p float64, masks *Masks) LinearOption {
	return linearOption(func(o *linearOptions) { o.dropInput = dropoutConfig{p: p, masks: masks} })
}

// DropOutput makes Linear or LinearGLU of sequences apply Dropout(_, p, masks,
// Tied()) to their result, as it is written to memory.
func DropOutput(p float64, masks *Masks) LinearOption {
	return linearOption(func(o *linearOptions) { o.dropOutput = dropoutConfig{p: p, masks: masks, tied: true} })
}

// fuses reports whether an option is set that is for sequences alone.
func (o linearOptions) fuses() bool {
	return o.act != ActIdentity || o.gated || o.dropInput.p != 0 || o.dropOutput.p != 0
}

// readLinearOptions checks the options for batches of b. onSequences says that x
// is (B, I, L).
func readLinearOptions(op string, opts []LinearOption, b int, onSequences bool) (linearOptions, error) {
	o := linearOptions{act: ActIdentity}
	for _, opt := range opts {
		opt.setLinear(&o)
	}
	if !onSequences && o.fuses() {
		return o, fmt.Errorf("%s: want Activated, Gated, DropInput and DropOutput with x (B, I, L) only", op)
	}
	if err := checkLengths(op, o.lengths, b); err != nil {
		return o, err
	}
	if err := o.act.Validate(); err != nil {
		return o, fmt.Errorf("%s: %w", op, err)
	}
	if err := o.dropInput.validate(op); err != nil {
		return o, err
	}
	return o, o.dropOutput.validate(op)
}

// Linear is the position-wise linear map y = w x + b: x (B, I, L) gives
// (B, O, L), the same map at every step, and x (B, I) gives (B, O). w is
// (O, I); b is (O), or nil for none.
func Linear(x, w, b *G.Node, opts ...LinearOption) (*G.Node, error) {
	const op = "ops.Linear"
	if err := checkFloat(op, "x", x, "(B, I, L)", "(B, I)"); err != nil {
		return nil, err
	}
	s := x.Shape()
	o, err := readLinearOptions(op, opts, s[0], len(s) == 3)
	if err != nil {
		return nil, err
	}
	d := linearDims{b: s[0], i: s[1], l: 1}
	in, err := d.params(op, x, w, b, o)
	if err != nil {
		return nil, err
	}
	if len(s) == 2 {
		if o.lengths != nil {
			return nil, fmt.Errorf("%s: want Lengths with x (B, I, L) only, got x %v", op, s)
		}
		return applyLinear(op, tensor.Shape{d.b, d.o}, in, o,
			func() graphop.Core[float32] { return newLinearVector[float32](d) },
			func() graphop.Core[float64] { return newLinearVector[float64](d) })
	}
	d.l = s[2]
	return applyLinear(op, tensor.Shape{d.b, d.o, d.l}, in, o,
		func() graphop.Core[float32] { return newLinear[float32](d, o) },
		func() graphop.Core[float64] { return newLinear[float64](d, o) })
}

// FeatureLinear is Linear on features as data sets have them, channels last: x
// (B, L, F) gives (B, O, L). w is (O, F); b is (O), or nil for none.
func FeatureLinear(x, w, b *G.Node, opts ...LinearOption) (*G.Node, error) {
	const op = "ops.FeatureLinear"
	if err := checkFloat(op, "x", x, "(B, L, F)"); err != nil {
		return nil, err
	}
	s := x.Shape()
	o, err := readLinearOptions(op, opts, s[0], false)
	if err != nil {
		return nil, err
	}
	d := linearDims{b: s[0], l: s[1], i: s[2], featuresLast: true}
	in, err := d.params(op, x, w, b, o)
	if err != nil {
		return nil, err
	}
	return applyLinear(op, tensor.Shape{d.b, d.o, d.l}, in, o,
		func() graphop.Core[float32] { return newLinear[float32](d, o) },
		func() graphop.Core[float64] { return newLinear[float64](d, o) })
}

// LinearGLU is a position-wise linear map to twice the features, gated: x
// (B, I, L), w (2H, I) and b (2H) or nil give (B, H, L),
//
//	y = (w1 x + b1) * sigmoid(w2 x + b2),
//
// where w1, b1 are the first H rows of w and b and w2, b2 the others. It is
// GLU(Linear(x, w, b)) in one op.
//
// Dauphin et al. 2017, "Language Modeling with Gated Convolutional Networks",
// arXiv:1612.08083.
func LinearGLU(x, w, b *G.Node, opts ...LinearOption) (*G.Node, error) {
	const op = "ops.LinearGLU"
	if err := checkFloat(op, "x", x, "(B, I, L)"); err != nil {
		return nil, err
	}
	s := x.Shape()
	o, err := readLinearOptions(op, opts, s[0], true)
	if err != nil {
		return nil, err
	}
	d := linearDims{b: s[0], i: s[1], l: s[2]}
	in, err := d.params(op, x, w, b, o)
	if err != nil {
		return nil, err
	}
	if d.o%2 != 0 {
		return nil, fmt.Errorf("%s: want w (2H, %d), got %v", op, d.i, w.Shape())
	}
	return applyLinear(op, tensor.Shape{d.b, d.o / 2, d.l}, in, o,
		func() graphop.Core[float32] { return newLinearGLU[float32](d, o) },
		func() graphop.Core[float64] { return newLinearGLU[float64](d, o) })
}

// LinearGate is a position-wise linear map whose result opens a gate for what it maps: x
// (B, H, L), w (H, H) and b (H) or nil give (B, H, L),
//
//	y = h * sigmoid(w h + b)
//
// or, with GateX, x * sigmoid(w h + b), where h is what Activated and DropInput make of x,
// or x. It is Gate(h, Linear(h, w, b)) in one op. Gated is an error.
//
// The mixings half_glu1 and half_glu2 of S5: Smith, Warrington, Linderman 2023, "Simplified
// State Space Layers for Sequence Modeling", arXiv:2208.04933, in their public code.
func LinearGate(x, w, b *G.Node, opts ...LinearOption) (*G.Node, error) {
	const op = "ops.LinearGate"
	if err := checkFloat(op, "x", x, "(B, H, L)"); err != nil {
		return nil, err
	}
	s := x.Shape()
	o, err := readLinearOptions(op, opts, s[0], true)
	if err != nil {
		return nil, err
	}
	if o.gated {
		return nil, fmt.Errorf("%s: want no Gated: the gate is that of the result", op)
	}
	d := linearDims{b: s[0], i: s[1], l: s[2]}
	in, err := d.params(op, x, w, b, o)
	if err != nil {
		return nil, err
	}
	if d.o != d.i {
		return nil, fmt.Errorf("%s: want w (%d, %d), got %v", op, d.i, d.i, w.Shape())
	}
	return applyLinear(op, x.Shape(), in, o,
		func() graphop.Core[float32] { return newLinearGate[float32](d, o) },
		func() graphop.Core[float64] { return newLinearGate[float64](d, o) })
}

// params checks w (O, I) and b (O), sets O, and I where x is gated, and returns the inputs of the op.
func (d *linearDims) params(op string, x, w, b *G.Node, o linearOptions) (inputs, error) {
	if o.gated {
		if d.i%2 != 0 {
			return nil, fmt.Errorf("%s: want x (B, 2I, L) with Gated, got %v", op, x.Shape())
		}
		d.i, d.gated = d.i/2, true
	}
	if err := checkFloat(op, "w", w, "(O, I)"); err != nil {
		return nil, err
	}
	d.o = w.Shape()[0]
	if err := checkShape(op, "w", w, x.Dtype(), d.o, d.i); err != nil {
		return nil, err
	}
	if err := checkOptional(op, "b", b, x.Dtype(), d.o); err != nil {
		return nil, err
	}
	in := inputs{x, w}
	d.bias = in.add(b)
	return in, nil
}

func applyLinear(op string, out tensor.Shape, in inputs, o linearOptions,
	core32 func() graphop.Core[float32], core64 func() graphop.Core[float64]) (*G.Node, error) {
	ints := []int{in.add(o.lengths)}
	spec := graphop.Spec{Name: op, Out: out, Optional: []int{0}, Carried: oneStep(in[0]), Ints: ints}
	return graphop.Apply(spec, core32, core64, in...)
}
