package ops

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Activation names a function applied to every element.
type Activation string

// The activations. Φ is the distribution function of the standard normal and
// sigmoid(x) = 1/(1+exp(-x)). What JAX and Flax call gelu is ActGELUTanh.
const (
	ActGELU     Activation = "gelu"      // x Φ(x), exact: not the approximation by tanh
	ActGELUTanh Activation = "gelu_tanh" // x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³))), which approximates it
	ActReLU     Activation = "relu"      // max(x, 0); its derivative at 0 is 0
	ActSiLU     Activation = "silu"      // x sigmoid(x)
	ActTanh     Activation = "tanh"      // tanh(x)
	ActSigmoid  Activation = "sigmoid"   // sigmoid(x)
	ActIdentity Activation = "identity"  // x
)

var activations = []Activation{ActGELU, ActGELUTanh, ActReLU, ActSiLU, ActTanh, ActSigmoid, ActIdentity}

// Activations lists the activations.
func Activations() []Activation { return slices.Clone(activations) }

// Validate returns an error unless a is one of the activations above.
func (a Activation) Validate() error {
	if !slices.Contains(activations, a) {
		return fmt.Errorf("want an activation of %q, got %q", activations, string(a))
	}
	return nil
}

// Activate applies an activation to every element of x, of any shape. The
// identity is x itself.
func Activate(kind Activation, x *G.Node) (*G.Node, error) {
	return activate("ops.Activate", kind, x)
}

// GELU applies the Gaussian error linear unit x Φ(x), Φ the distribution
// function of the standard normal (computed with erf, not with the
// approximation by tanh), to every element of x, of any shape.
//
// Hendrycks, Gimpel 2016, "Gaussian Error Linear Units", arXiv:1606.08415.
func GELU(x *G.Node) (*G.Node, error) { return activate("ops.GELU", ActGELU, x) }

func activate(op string, kind Activation, x *G.Node) (*G.Node, error) {
	if err := kind.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if err := checkAnyShape(op, "x", x); err != nil {
		return nil, err
	}
	if kind == ActIdentity {
		return x, nil
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Carried: oneStep(x), NeedsOut: kind == ActTanh || kind == ActSigmoid},
		func() graphop.Core[float32] { return newActivation[float32](kind) },
		func() graphop.Core[float64] { return newActivation[float64](kind) }, x)
}

// GLU is the gated linear unit over features: x (B, 2H, L) or (B, 2H) gives
// y = x1 * sigmoid(x2), (B, H, L) or (B, H), where x1 is the first half of the
// features and x2 the second.
//
// Dauphin et al. 2017, "Language Modeling with Gated Convolutional Networks",
// arXiv:1612.08083.
func GLU(x *G.Node) (*G.Node, error) {
	const op = "ops.GLU"
	forms := []string{"(B, 2H, L)", "(B, 2H)"}
	if err := checkFloat(op, "x", x, forms...); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if h%2 != 0 {
		return nil, fmt.Errorf("%s: want x %s or %s, got %v", op, forms[0], forms[1], x.Shape())
	}
	out := append(tensor.Shape{b, h / 2}, x.Shape()[2:]...)
	return graphop.Apply(graphop.Spec{Name: op, Out: out, Carried: oneStep(x)},
		func() graphop.Core[float32] { return &glu[float32]{b: b, half: h / 2 * l} },
		func() graphop.Core[float64] { return &glu[float64]{b: b, half: h / 2 * l} }, x)
}
