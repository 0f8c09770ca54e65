package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// IgnoreLabel is the label of a position that CrossEntropy leaves out: padding.
const IgnoreLabel = -1

// CrossEntropyOption changes how CrossEntropy works.
type CrossEntropyOption func(*crossEntropyDims)

// LabelSmoothing moves the share eps, in [0, 1], of the target from the label
// to all classes alike: the target is (1-eps) at the label plus eps/C at every
// class. Szegedy et al. 2016, arXiv:1512.00567, section 7.
func LabelSmoothing(eps float64) CrossEntropyOption {
	return func(d *crossEntropyDims) { d.smoothing = eps }
}

// CrossEntropy returns the mean cross-entropy of the softmax of logits and
// integer labels, a scalar:
//
//	mean over positions of  log(sum over c of exp(logits[c])) - logits[label].
//
// logits is (B, C) with labels (B), or (B, C, L) with labels (B, L); labels
// are of dtype int, in [0, C). A position whose label is IgnoreLabel does not
// count and gets no gradient; if none counts, the loss is 0. Any other label is
// an error when the graph runs. The softmax is not computed apart, so large
// logits neither overflow nor lose precision.
func CrossEntropy(logits, labels *G.Node, opts ...CrossEntropyOption) (*G.Node, error) {
	const op = "ops.CrossEntropy"
	if err := checkFloat(op, "logits", logits, "(B, C)", "(B, C, L)"); err != nil {
		return nil, err
	}
	s := logits.Shape()
	var d crossEntropyDims
	d.b, d.c, d.l = bhl(logits)
	d.steps = len(s) == 3
	want, form := []int{d.b}, "(B)"
	if d.steps {
		want, form = []int{d.b, d.l}, "(B, L)"
	}
	if err := checkInts(op, "labels", labels, form); err != nil {
		return nil, err
	}
	if err := checkShape(op, "labels", labels, labels.Dtype(), want...); err != nil {
		return nil, err
	}
	for _, o := range opts {
		o(&d)
	}
	if err := d.checkSmoothing(op); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: op, Ints: []int{1}},
		func() graphop.Core[float32] { return newCrossEntropy[float32](d) },
		func() graphop.Core[float64] { return newCrossEntropy[float64](d) }, logits, labels)
}

// checkSmoothing returns an error unless the share that is moved is one.
func (d crossEntropyDims) checkSmoothing(op string) error {
	if !(d.smoothing >= 0 && d.smoothing <= 1) {
		return fmt.Errorf("%s: want label smoothing in [0, 1], got %g", op, d.smoothing)
	}
	return nil
}
