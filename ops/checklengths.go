package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// CheckLengths returns p, of any shape, and makes the run of the graph fail
// where lengths (B), of dtype int, has one that is not in [0, l]. It is for what
// takes lengths but does not need them, such as a causal layer, which cannot see
// padding on the right: a small parameter p that goes through it ties lengths to
// the graph, so that wrong ones do not go unnoticed. (The LispMachine does not
// run a graph with a node that nothing reads.) place begins the error of the run.
func CheckLengths(place string, p, lengths *G.Node, l int) (*G.Node, error) {
	const op = "ops.CheckLengths"
	if err := checkAnyShape(op, "p", p); err != nil {
		return nil, err
	}
	if err := checkInts(op, "lengths", lengths, "(B)"); err != nil {
		return nil, err
	}
	if l < 1 {
		return nil, fmt.Errorf("%s: want l >= 1, got %d", op, l)
	}
	return graphop.Apply(graphop.Spec{Name: place, Out: p.Shape(), Ints: []int{1}},
		func() graphop.Core[float32] { return lengthCheck[float32]{l} },
		func() graphop.Core[float64] { return lengthCheck[float64]{l} }, p, lengths)
}

// lengthCheck is the core of CheckLengths.
type lengthCheck[T num.Float] struct{ l int }

func (c lengthCheck[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := validLengths(in[1].I, c.l); err != nil {
		return err
	}
	copy(out, in[0].F)
	return nil
}

func (lengthCheck[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	copy(grad[0], gout)
	return nil
}
