package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// DropoutOption changes how Dropout works.
type DropoutOption func(*dropoutConfig)

type dropoutConfig struct {
	p      float64
	state  *tensor.Dense
	tied   bool
	stream uint64
}

// Tied drops a feature of an example at all its steps at once: x is (B, H, L),
// or (B, H), and the mask is (B, H).
func Tied() DropoutOption { return func(c *dropoutConfig) { c.tied = true } }

// Stream chooses among the independent sequences of masks of one seed, for ops
// that have a state each but the same seed. The default is 0.
func Stream(id uint64) DropoutOption { return func(c *dropoutConfig) { c.stream = id } }

// Dropout, in training, sets every element of x to zero with probability p, in
// [0, 1), and multiplies the others by 1/(1-p). In evaluation it copies x. With
// p = 0 it returns x itself. x has any shape, or (B, H, L) or (B, H) with Tied.
// The virtual machine says which: gorgonia.EvalMode makes it evaluation.
//
// state is an int64 tensor of shape (2), the seed and a counter. The mask is a
// function of seed, stream, counter and the index of the element alone, and
// every forward pass in training adds one to the counter: saving and restoring
// state makes a resumed run draw the masks that an unbroken one would. Several
// ops may share a state; they draw different masks.
//
// Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks
// from Overfitting", JMLR 15; tied: Tompson et al. 2015, arXiv:1411.4280.
func Dropout(x *G.Node, p float64, state *tensor.Dense, opts ...DropoutOption) (*G.Node, error) {
	const op = "ops.Dropout"
	c := dropoutConfig{p: p, state: state}
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
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape()},
		func() graphop.Core[float32] { return newDropout[float32](c, run) },
		func() graphop.Core[float64] { return newDropout[float64](c, run) }, x)
}

// validate returns an error if p is out of range or the state is not one.
func (c dropoutConfig) validate(op string) error {
	if !(c.p >= 0 && c.p < 1) {
		return fmt.Errorf("%s: want p in [0, 1), got %g", op, c.p)
	}
	if c.p == 0 {
		return nil
	}
	return checkTensor(op, "state", c.state, tensor.Int64, 2)
}
