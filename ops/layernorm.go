package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// LayerNorm normalises every step over its features,
//
//	y = (x - mean) / sqrt(var + eps) * weight + bias,
//
// with the biased variance: x and y are (B, H, L) or (B, H), the mean and the
// variance are over H. weight and bias are (H); either may be nil, for 1 and 0.
// eps must be finite and at least 0.
//
// Ba, Kiros, Hinton 2016, "Layer Normalization", arXiv:1607.06450.
func LayerNorm(x, weight, bias *G.Node, eps float64, opts ...Option) (*G.Node, error) {
	return applyLayerNorm("ops.LayerNorm", inputs{x}, false, weight, bias, eps, opts)
}

// AddLayerNorm is LayerNorm(Add(x, y), weight, bias, eps, ...) in one op, without
// the sum in memory: the end of a residual block that normalises last. y has
// the shape of x.
func AddLayerNorm(x, y, weight, bias *G.Node, eps float64, opts ...Option) (*G.Node, error) {
	const op = "ops.AddLayerNorm"
	if err := checkFloat(op, "x", x, formBHL, formBH); err != nil {
		return nil, err
	}
	if err := checkShape(op, "y", y, x.Dtype(), x.Shape()...); err != nil {
		return nil, err
	}
	return applyLayerNorm(op, inputs{x, y}, false, weight, bias, eps, opts)
}

// RMSNorm divides every step by the root of the mean of the squares of its features,
//
//	y = x / sqrt(mean(x^2) + eps) * weight,
//
// where shapes, weight and eps are those of LayerNorm.
//
// Zhang, Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467.
func RMSNorm(x, weight *G.Node, eps float64, opts ...Option) (*G.Node, error) {
	return applyLayerNorm("ops.RMSNorm", inputs{x}, true, weight, nil, eps, opts)
}

// AddRMSNorm is RMSNorm(Add(x, y), weight, eps, ...) in one op, as AddLayerNorm is for
// LayerNorm.
func AddRMSNorm(x, y, weight *G.Node, eps float64, opts ...Option) (*G.Node, error) {
	const op = "ops.AddRMSNorm"
	if err := checkFloat(op, "x", x, formBHL, formBH); err != nil {
		return nil, err
	}
	if err := checkShape(op, "y", y, x.Dtype(), x.Shape()...); err != nil {
		return nil, err
	}
	return applyLayerNorm(op, inputs{x, y}, true, weight, nil, eps, opts)
}

// applyLayerNorm normalises the one node in in, or the sum of the two. root makes it
// RMSNorm.
func applyLayerNorm(op string, in inputs, root bool, weight, bias *G.Node, eps float64, opts []Option) (*G.Node, error) {
	x, sum := in[0], len(in) == 2
	if err := checkFloat(op, "x", x, formBHL, formBH); err != nil {
		return nil, err
	}
	carried := oneStep(in...)
	b, h, l := bhl(x)
	if err := checkOptional(op, "weight", weight, x.Dtype(), h); err != nil {
		return nil, err
	}
	if err := checkOptional(op, "bias", bias, x.Dtype(), h); err != nil {
		return nil, err
	}
	if err := checkEps(op, eps); err != nil {
		return nil, err
	}
	o, err := readOptions(op, b, opts)
	if err != nil {
		return nil, err
	}
	dims := normDims{b: b, h: h, l: l, weight: in.add(weight), bias: in.add(bias), eps: eps}
	ints := []int{in.add(o.lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Carried: carried, Ints: ints, Residual: sum},
		func() graphop.Core[float32] { return newLayerNorm[float32](dims, sum, root) },
		func() graphop.Core[float64] { return newLayerNorm[float64](dims, sum, root) }, in...)
}

// normDims is what the cores of the normalisations have in common.
type normDims struct {
	b, h, l      int
	weight, bias int // index of the input, -1 for none
	eps          float64
}

// scale returns weight[h], 1 without a weight.
func scale[T num.Float](d normDims, in []graphop.Arg[T], h int) T {
	if d.weight < 0 {
		return 1
	}
	return in[d.weight].F[h]
}

// shift returns bias[h], 0 without a bias.
func shift[T num.Float](d normDims, in []graphop.Arg[T], h int) T {
	if d.bias < 0 {
		return 0
	}
	return in[d.bias].F[h]
}

func checkEps(op string, eps float64) error {
	if eps < 0 || !num.Finite(eps) {
		return fmt.Errorf("%s: want eps finite and at least 0, got %g", op, eps)
	}
	return nil
}
