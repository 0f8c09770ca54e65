package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// DropoutOption changes how Dropout works.
type DropoutOption func(*dropoutConfig)

type dropoutConfig struct {
	p     float64
	masks *Masks
	tied  bool
}

// Tied drops a feature of an example at all its steps at once: x is (B, H, L),
// or (B, H), and the mask is (B, H).
func Tied() DropoutOption { return func(c *dropoutConfig) { c.tied = true } }

// Dropout, in training, sets every element of x to zero with probability p, in
// [0, 1), and multiplies the others by 1/(1-p). In evaluation it copies x. With
// p = 0 it returns x itself. x has any shape, or (B, H, L) or (B, H) with Tied.
// The virtual machine says which: gorgonia.EvalMode makes it evaluation.
//
// Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks
// from Overfitting", JMLR 15; tied: Tompson et al. 2015, arXiv:1411.4280.
func Dropout(x *G.Node, p float64, masks *Masks, opts ...DropoutOption) (*G.Node, error) {
	const op = "ops.Dropout"
	c := dropoutConfig{p: p, masks: masks}
	for _, o := range opts {
		o(&c)
	}
	run := 1 // elements that share their fate
	if c.tied {
		if err := checkFloat(op, "x", x, formBHL, formBH); err != nil {
			return nil, err
		}
		_, _, run = bhl(x)
	} else if err := checkAnyShape(op, "x", x); err != nil {
		return nil, err
	}
	if err := c.validate(op); err != nil {
		return nil, err
	}
	if p == 0 {
		return x, nil
	}
	each := x.Shape().TotalSize() / run // rows of an example
	if x.Dims() > 0 {
		each /= x.Shape()[0]
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Unread: []int{0}},
		func() graphop.Core[float32] { return newDropout[float32](c, run, each) },
		func() graphop.Core[float64] { return newDropout[float64](c, run, each) }, x)
}

// validate returns an error if p is out of range or there are no masks.
func (c dropoutConfig) validate(op string) error {
	if !(c.p >= 0 && c.p < 1) {
		return fmt.Errorf("%s: want p in [0, 1), got %g", op, c.p)
	}
	if c.p > 0 && (c.masks == nil || c.masks.shared == nil) {
		return fmt.Errorf("%s: want masks that NewMasks made, got none", op)
	}
	return nil
}
