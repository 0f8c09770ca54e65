package fftconv

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Dense adds the convolution of x with a kernel for each pair of an output and an input
// feature to their graph, and returns it, (B, O, L):
//
//	y[b,o,l] = bias[o] + gain sum_i sum_{j <= min(l, K-1)} k[o,i,j] x[b,i,l-j]
//
// The shapes are
//
//	x        (B, I, L)
//	k        (O, I, K): the kernels by lag; K may be less or more than L
//	bias     (O), or nil for none
//	lengths  (B) of dtype int: how many steps of each row count; nil: all
//
// What is behind the length of a row is not read, neither in x nor in the gradient of the
// output; the output and the gradient of x are 0 there. A length that is not in [0, L] is
// an error when the graph runs. gain is finite.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of them.
// An error names the argument, the wanted shape and what came.
//
// It is computed by transforms of every row and of every kernel, once in each pass, and
// sums over the features of the products of their bins. The op owns its buffers: a graph
// with it may be run by one VM at a time.
func Dense(x, k, bias *G.Node, gain float64, lengths *G.Node) (*G.Node, error) {
	const name = "fftconv.Dense"
	in, err := graphop.Floats(name, graphop.Named("x", x), graphop.Named("k", k), graphop.Optional("bias", bias))
	if err != nil {
		return nil, err
	}
	s, err := denseSizesOf(x, k, bias)
	if err == nil {
		err = graphop.WantLengths(lengths, s.B)
	}
	if err == nil && !num.Finite(gain) {
		err = fmt.Errorf("want a finite gain, got %g", gain)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{s.B, s.O, s.L}, Optional: []int{0}}
	at := denseArgs{bias: -1, lengths: -1}
	if bias != nil {
		at.bias = 2
	}
	if lengths != nil {
		at.lengths = len(in)
		spec.Ints = []int{len(in)}
		in = append(in, lengths)
	}
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return newDenseCore[float32](s, gain, at) },
		func() (graphop.Core[float64], error) { return newDenseCore[float64](s, gain, at) }, in...)
}

// denseSizesOf reads the sizes off the shapes of the nodes.
func denseSizesOf(x, k, bias *G.Node) (s denseSizes, err error) {
	xs, ks := x.Shape(), k.Shape()
	switch {
	case xs.Dims() != 3 || xs.TotalSize() == 0:
		return s, fmt.Errorf("x: want (B, I, L), each at least 1, got %v", xs)
	case ks.Dims() != 3 || ks.TotalSize() == 0 || ks[1] != xs[1]:
		return s, fmt.Errorf("k: want (O, %d, K), O and K at least 1, got %v", xs[1], ks)
	}
	s = denseSizes{B: xs[0], I: xs[1], O: ks[0], L: xs[2], K: ks[2]}
	if bias != nil {
		err = graphop.WantShape("bias", bias, []int{s.O})
	}
	return s, err
}

// denseArgs are where inputs of the op are, -1 for none.
type denseArgs struct{ bias, lengths int }

// denseCore is a plan behind graphop.
type denseCore[T num.Float] struct {
	plan *densePlan[T]
	at   denseArgs
}

func newDenseCore[T num.Float](s denseSizes, gain float64, at denseArgs) (graphop.Core[T], error) {
	p, err := newDensePlan[T](s, gain)
	return denseCore[T]{p, at}, err
}

// Rooms implements graphop.Roomy.
func (c denseCore[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.plan.space} }

func (c denseCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	var bias []T
	if c.at.bias >= 0 {
		bias = in[c.at.bias].F
	}
	lengths := c.lengths(in)
	if err := graphop.ValidLengths(lengths, c.plan.L); err != nil {
		return err
	}
	c.plan.forward(out, in[0].F, in[1].F, bias, lengths)
	return nil
}

func (c denseCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	lengths := c.lengths(in)
	c.plan.backward(grad[0], grad[1], in[0].F, in[1].F, gout, lengths)
	if c.at.bias >= 0 {
		c.plan.backwardBias(grad[c.at.bias], gout, lengths)
	}
	return nil
}

func (c denseCore[T]) lengths(in []graphop.Arg[T]) []int {
	if c.at.lengths < 0 {
		return nil
	}
	return in[c.at.lengths].I
}
