package ops

import (
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Add returns a + b, elementwise: a residual connection. Both have the same
// shape; nothing is broadcast. Where b was computed from a, as the branch of a
// residual connection, the gradient of a through the sum is added where the
// branch begins, without a pass of its own.
//
// With Lengths, a and b are (B, H, L) or (B, H).
func Add(a, b *G.Node, opts ...Option) (*G.Node, error) {
	const op = "ops.Add"
	if err := checkAnyShape(op, "a", a); err != nil {
		return nil, err
	}
	if err := checkShape(op, "b", b, a.Dtype(), a.Shape()...); err != nil {
		return nil, err
	}
	var o sequenceOptions
	for _, f := range opts {
		f(&o)
	}
	spec := graphop.Spec{Name: op, Out: a.Shape(), Residual: true, GradIsGout: true, Unread: []int{0, 1}}
	if o.lengths == nil {
		return graphop.Apply(spec,
			func() graphop.Core[float32] { return add[float32]{} },
			func() graphop.Core[float64] { return add[float64]{} }, a, b)
	}
	if err := checkFloat(op, "a", a, formBHL, formBH); err != nil {
		return nil, err
	}
	n, h, l := bhl(a)
	if err := checkLengths(op, o.lengths, n); err != nil {
		return nil, err
	}
	spec.Ints = []int{2}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return addLengths[float32]{mask[float32]{h: h, l: l}} },
		func() graphop.Core[float64] { return addLengths[float64]{mask[float64]{h: h, l: l}} }, a, b, o.lengths)
}
