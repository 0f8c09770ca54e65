package ops

import (
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Add returns a + b, elementwise: a residual connection. Both have the same
// shape; nothing is broadcast. Where b was computed from a, as the branch of a
// residual connection, the gradient of a through the sum is added where the
// branch begins, without a pass of its own.
func Add(a, b *G.Node) (*G.Node, error) {
	const op = "ops.Add"
	if err := checkAnyShape(op, "a", a); err != nil {
		return nil, err
	}
	if err := checkShape(op, "b", b, a.Dtype(), a.Shape()...); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: a.Shape(), Residual: true, GradIsGout: true},
		func() graphop.Core[float32] { return add[float32]{} },
		func() graphop.Core[float64] { return add[float64]{} }, a, b)
}
