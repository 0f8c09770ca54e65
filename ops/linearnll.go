package ops

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/softmax"
)

// NLLOption changes how LinearNLL works: Lengths or LabelSmoothing.
type NLLOption interface{ setNLL(*nllOptions) }

type nllOptions struct {
	sequenceOptions
	crossEntropyDims
}

func (f Option) setNLL(o *nllOptions)             { f(&o.sequenceOptions) }
func (f CrossEntropyOption) setNLL(o *nllOptions) { f(&o.crossEntropyDims) }

// LinearNLL returns the cross-entropy (B, L) of each label under the softmax of
// a linear map of hidden (B, H, L):
//
//	log(sum over v of exp(z[v])) - z[label],   z = weight hidden + bias at each step.
//
// weight is (V, H), as the table of an Embedding is, which may be the same node: then its
// gradients are added. bias is (V), or nil for none. labels are (B, L) of dtype int, in
// [0, V). Where one is IgnoreLabel, or is behind one of the Lengths, nothing is read or
// computed, and the result is 0. Any other label is an error when the graph runs.
//
// It is CrossEntropy(Linear(hidden, weight, bias), labels) of each step, without the
// logits (B, V, L): only those of some steps are in memory at a time.
func LinearNLL(hidden, weight, bias, labels *G.Node, opts ...NLLOption) (*G.Node, error) {
	const op = "ops.LinearNLL"
	if err := checkFloat(op, "hidden", hidden, formBHL); err != nil {
		return nil, err
	}
	s := hidden.Shape()
	if err := checkFloat(op, "weight", weight, "(V, H)"); err != nil {
		return nil, err
	}
	v := weight.Shape()[0]
	if err := checkShape(op, "weight", weight, hidden.Dtype(), v, s[1]); err != nil {
		return nil, err
	}
	if err := checkOptional(op, "bias", bias, hidden.Dtype(), v); err != nil {
		return nil, err
	}
	if err := checkShape(op, "labels", labels, tensor.Int, s[0], s[2]); err != nil {
		return nil, err
	}
	var o nllOptions
	for _, opt := range opts {
		opt.setNLL(&o)
	}
	if err := o.crossEntropyDims.checkSmoothing(op); err != nil {
		return nil, err
	}
	if err := checkLengths(op, o.lengths, s[0]); err != nil {
		return nil, err
	}
	in := inputs{hidden, weight}
	seg := softmax.Segment{Classes: v, Weight: 1, Bias: in.add(bias)}
	cfg := softmax.Config{
		B: s[0], H: s[1], L: s[2], Smoothing: o.smoothing,
		Maps:   []softmax.Map{{Segments: []softmax.Segment{seg}, In: s[1], Proj: -1}},
		Labels: in.add(labels), Lengths: in.add(o.lengths),
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{s[0], s[2]}, Ints: []int{cfg.Labels, cfg.Lengths}},
		func() graphop.Core[float32] { return softmax.New[float32](cfg) },
		func() graphop.Core[float64] { return softmax.New[float64](cfg) }, in...)
}

// MeanNLL returns the mean of nll (B, L) over the steps whose label, of labels (B, L) of
// dtype int, is not IgnoreLabel, and that are not behind one of the Lengths: a scalar. What
// does not count is not read. If nothing counts, the mean is 0.
func MeanNLL(nll, labels *G.Node, opts ...Option) (*G.Node, error) {
	const op = "ops.MeanNLL"
	if err := checkFloat(op, "nll", nll, "(B, L)"); err != nil {
		return nil, err
	}
	s := nll.Shape()
	if err := checkShape(op, "labels", labels, tensor.Int, s...); err != nil {
		return nil, err
	}
	o, err := readOptions(op, s[0], opts)
	if err != nil {
		return nil, err
	}
	in := inputs{nll, labels}
	m := meanNLLDims{b: s[0], l: s[1], lengths: in.add(o.lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Ints: []int{1, m.lengths}, Unread: []int{0}},
		func() graphop.Core[float32] { return &meanNLL[float32]{meanNLLDims: m} },
		func() graphop.Core[float64] { return &meanNLL[float64]{meanNLLDims: m} }, in...)
}
