package ops

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// WeightNorm returns weights of given norms: those of output n are
//
//	w[n] = g[n] v[n] / |v[n]|
//
// the norm being that over all axes of v (N, ...) but the first. g is (N). Where
// v[n] is 0 the weights are 0, and so are their gradients.
//
// Salimans, Kingma 2016, "Weight Normalization: A Simple Reparameterization to
// Accelerate Training of Deep Neural Networks", arXiv:1602.07868.
func WeightNorm(v, g *G.Node) (*G.Node, error) {
	const op = "ops.WeightNorm"
	if err := checkAnyShape(op, "v", v); err != nil {
		return nil, err
	}
	s := v.Shape()
	if len(s) < 2 || slices.Min(s) < 1 {
		return nil, fmt.Errorf("%s: want v (N, ...) of at least two axes, got %v", op, s)
	}
	if err := checkShape(op, "g", g, v.Dtype(), s[0]); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: s},
		func() graphop.Core[float32] { return &weightNorm[float32]{} },
		func() graphop.Core[float64] { return &weightNorm[float64]{} }, v, g)
}
