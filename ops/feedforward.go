package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/size"
)

// FeedForwardWeights are the parameters of FeedForward.
type FeedForwardWeights struct {
	W1, B1 *G.Node // (F, E) and (F), or nil; with Gated (2F, E) and (2F)
	W2, B2 *G.Node // (O, F) and (O), or nil
}

// FeedForward is a position-wise network of two linear maps: x (B, E, L) gives
// (B, O, L),
//
//	y = Linear(Linear(x, W1, B1, Lengths), W2, B2, opts...)
//
// in one op. Activated or Gated say what is between the maps. Of size F, only
// what the first map gives is kept for the backward pass, in training; in
// evaluation nothing is, and Backward computes it again.
//
// Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762.
func FeedForward(x *G.Node, w FeedForwardWeights, opts ...LinearOption) (*G.Node, error) {
	const op = "ops.FeedForward"
	if err := checkFloat(op, "x", x, "(B, E, L)"); err != nil {
		return nil, err
	}
	s := x.Shape()
	o, err := readLinearOptions(op, opts, s[0], true)
	if err != nil {
		return nil, err
	}
	d := feedForwardDims{first: linearDims{b: s[0], i: s[1], l: s[2]}}
	in, err := d.params(op, x, w, o)
	if err != nil {
		return nil, err
	}
	out := s.Clone()
	out[1] = d.second.o
	return applyLinear(op, out, in, o,
		func() graphop.Core[float32] { return newFeedForward[float32](d, o) },
		func() graphop.Core[float64] { return newFeedForward[float64](d, o) })
}

// params checks the weights, sets the sizes that follow from them, and returns the
// inputs of the op.
func (d *feedForwardDims) params(op string, x *G.Node, w FeedForwardWeights, o linearOptions) (inputs, error) {
	form1 := "(F, E)"
	if o.gated {
		form1 = "(2F, E)"
	}
	if err := checkFloat(op, "W1", w.W1, form1); err != nil {
		return nil, err
	}
	d.first.o = w.W1.Shape()[0]
	if err := checkShape(op, "W1", w.W1, x.Dtype(), d.first.o, d.first.i); err != nil {
		return nil, err
	}
	if err := checkOptional(op, "B1", w.B1, x.Dtype(), d.first.o); err != nil {
		return nil, err
	}
	if err := checkFloat(op, "W2", w.W2, "(O, F)"); err != nil {
		return nil, err
	}
	d.second = linearDims{b: d.first.b, i: d.first.o, o: w.W2.Shape()[0], l: d.first.l, gated: o.gated}
	if o.gated {
		if d.first.o%2 != 0 {
			return nil, fmt.Errorf("%s: want W1 (2F, %d) with Gated, got %v", op, d.first.i, w.W1.Shape())
		}
		d.second.i = d.first.o / 2
	}
	if err := checkShape(op, "W2", w.W2, x.Dtype(), d.second.o, d.second.i); err != nil {
		return nil, err
	}
	if err := checkOptional(op, "B2", w.B2, x.Dtype(), d.second.o); err != nil {
		return nil, err
	}
	if err := size.Tensor("what W1 gives (B, F, L)", d.first.b, d.first.o, d.first.l); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	in := inputs{x, w.W1, w.W2}
	d.first.bias, d.second.bias = in.add(w.B1), in.add(w.B2)
	return in, nil
}
