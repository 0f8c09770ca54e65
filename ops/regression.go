package ops

import (
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// RegressionOption changes which numbers of a target MSE, MAE and Pinball count.
type RegressionOption func(*regressionOptions)

type regressionOptions struct{ weights, lengths *G.Node }

// Weighted makes each number of the target count as weights, of its shape and >= 0,
// say: the loss is the mean weighted by them. Of weight 0 is what is missing: it is not
// read. The weights have no gradient. nil is no option.
func Weighted(weights *G.Node) RegressionOption {
	return func(o *regressionOptions) { o.weights = weights }
}

// CountRows makes only the rows count whose length, of lengths (B) of dtype int, is not
// 0: the others only fill a batch, and are not read. nil is no option.
func CountRows(lengths *G.Node) RegressionOption {
	return func(o *regressionOptions) { o.lengths = lengths }
}

// MSE returns the mean squared error of y against target, both (B, ...) of one shape,
// a scalar. target has no gradient. Where nothing counts, the loss is 0.
func MSE(y, target *G.Node, opts ...RegressionOption) (*G.Node, error) {
	return regression("ops.MSE", regressionDims{of: squared, q: 1}, y, target, opts)
}

// MAE returns the mean absolute error, otherwise as MSE. Its gradient is 0 where y is
// exactly the target.
func MAE(y, target *G.Node, opts ...RegressionOption) (*G.Node, error) {
	return regression("ops.MAE", regressionDims{of: absolute, q: 1}, y, target, opts)
}

// Pinball returns the mean pinball loss of forecasts y (B, ..., Q) of Q quantiles, each
// in (0, 1), of numbers target (B, ...), a scalar:
//
//	mean over numbers t and quantiles q of  max(q (t - y), (q - 1) (t - y)),
//
// which is least where y is the q-quantile of what t is drawn from. Otherwise it is as
// MSE. Koenker, Bassett 1978, "Regression Quantiles", Econometrica 46.
func Pinball(quantiles []float64, y, target *G.Node, opts ...RegressionOption) (*G.Node, error) {
	const op = "ops.Pinball"
	if len(quantiles) == 0 {
		return nil, fmt.Errorf("%s: want at least one quantile, got none", op)
	}
	for i, q := range quantiles {
		if !(q > 0 && q < 1) {
			return nil, fmt.Errorf("%s: want quantiles in (0, 1), got %g at %d", op, q, i)
		}
	}
	return regression(op, regressionDims{of: pinball, q: len(quantiles), quantiles: slices.Clone(quantiles)}, y, target, opts)
}

// regression checks the arguments of a loss and puts it on the graph.
func regression(op string, d regressionDims, y, target *G.Node, opts []RegressionOption) (*G.Node, error) {
	if err := checkAnyShape(op, "target", target); err != nil {
		return nil, err
	}
	shape := target.Shape().Clone()
	if len(shape) == 0 {
		return nil, fmt.Errorf("%s: want target (B, ...), got %v", op, shape)
	}
	d.b, d.n = shape[0], shape.TotalSize()/shape[0]
	if d.of == pinball {
		shape = append(shape, d.q)
	}
	if err := checkShape(op, "y", y, target.Dtype(), shape...); err != nil {
		return nil, err
	}
	var o regressionOptions
	for _, f := range opts {
		f(&o)
	}
	if err := errors.Join(checkOptional(op, "weights", o.weights, target.Dtype(), target.Shape()...), checkLengths(op, o.lengths, d.b)); err != nil {
		return nil, err
	}
	in := inputs{y, target}
	d.weights, d.lengths = in.add(o.weights), in.add(o.lengths)
	spec := graphop.Spec{Name: op, Ints: []int{d.lengths}, NoGrad: []int{1}}
	if d.weights >= 0 {
		spec.NoGrad = append(spec.NoGrad, d.weights)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newRegressionCore[float32](d) },
		func() graphop.Core[float64] { return newRegressionCore[float64](d) }, in...)
}

// SubtractLast returns x (B, L, F) less the last step of each sequence, with lengths
// (B) of dtype int, or nil, that at lengths[b]-1: what is left of a series is how it
// came to where it is. What is behind a length is not read, and comes out as 0.
// AddLast undoes it. Zeng et al. 2023, "Are Transformers Effective for Time Series
// Forecasting?", arXiv:2205.13504, where it is NLinear.
func SubtractLast(x, lengths *G.Node) (*G.Node, error) {
	const op = "ops.SubtractLast"
	if err := checkFloat(op, "x", x, "(B, L, F)"); err != nil {
		return nil, err
	}
	d := lastDims{b: x.Shape()[0], l: x.Shape()[1], f: x.Shape()[2]}
	if err := checkLengths(op, lengths, d.b); err != nil {
		return nil, err
	}
	in := inputs{x}
	ints := []int{in.add(lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Ints: ints},
		func() graphop.Core[float32] { return subtractLast[float32]{d} },
		func() graphop.Core[float64] { return subtractLast[float64]{d} }, in...)
}

// AddLast returns y (B, P, O) or (B, P, O, Q) plus the last step of each sequence of x
// (B, L, F), O <= F: to column o of y is added feature o. A row of length 0 comes out
// as 0. It undoes SubtractLast in a forecast of P steps.
func AddLast(y, x, lengths *G.Node) (*G.Node, error) {
	const op = "ops.AddLast"
	if err := checkFloat(op, "y", y, "(B, P, O)", "(B, P, O, Q)"); err != nil {
		return nil, err
	}
	if err := checkFloat(op, "x", x, "(B, L, F)"); err != nil {
		return nil, err
	}
	s := y.Shape()
	d := lastDims{b: x.Shape()[0], l: x.Shape()[1], f: x.Shape()[2], p: s[1], o: s[2], q: 1}
	if len(s) == 4 {
		d.q = s[3]
	}
	switch {
	case s[0] != d.b || y.Dtype() != x.Dtype():
		return nil, fmt.Errorf("%s: want y of a batch of %d and dtype %v, as x, got %v of dtype %v", op, d.b, x.Dtype(), s, y.Dtype())
	case d.o > d.f:
		return nil, fmt.Errorf("%s: want y of at most %d columns, the features of x, got %v", op, d.f, s)
	}
	if err := checkLengths(op, lengths, d.b); err != nil {
		return nil, err
	}
	in := inputs{y, x}
	ints := []int{in.add(lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Out: s, Ints: ints},
		func() graphop.Core[float32] { return addLast[float32]{d} },
		func() graphop.Core[float64] { return addLast[float64]{d} }, in...)
}

// TakeLast returns the elements of x (..., N) at place i of its last axis, (...): one
// of several quantiles.
func TakeLast(x *G.Node, i int) (*G.Node, error) {
	const op = "ops.TakeLast"
	if err := checkAnyShape(op, "x", x); err != nil {
		return nil, err
	}
	s := x.Shape()
	if len(s) < 2 {
		return nil, fmt.Errorf("%s: want x (..., N) of two axes or more, got %v", op, s)
	}
	n := s[len(s)-1]
	if i < 0 || i >= n {
		return nil, fmt.Errorf("%s: want a place in [0, %d), got %d", op, n, i)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape(slices.Clone(s[:len(s)-1]))},
		func() graphop.Core[float32] { return takeLast[float32]{n, i} },
		func() graphop.Core[float64] { return takeLast[float64]{n, i} }, x)
}
