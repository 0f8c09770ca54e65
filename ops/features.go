package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Features returns n features (B, n, L) of x (B, H, L), those from on: from and n >= 1
// such that there are as many.
func Features(x *G.Node, from, n int) (*G.Node, error) {
	const op = "ops.Features"
	if err := checkFloat(op, "x", x, formBHL); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if from < 0 || n < 1 || n > h || from > h-n {
		return nil, fmt.Errorf("%s: want from >= 0 and n >= 1 with from + n at most %d, got %d and %d", op, h, from, n)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b, n, l}, Unread: []int{0}},
		func() graphop.Core[float32] { return features[float32]{h * l, from * l, n * l} },
		func() graphop.Core[float64] { return features[float64]{h * l, from * l, n * l} }, x)
}

// features is the core of Features: n of the elements of every row, from one on.
type features[T num.Float] struct{ row, from, n int }

func (c features[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for r := range len(out) / c.n {
		copy(out[r*c.n:][:c.n], in[0].F[r*c.row+c.from:])
	}
	return nil
}

func (c features[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	for r := range len(gout) / c.n {
		row := grad[0][r*c.row:][:c.row]
		clear(row[:c.from])
		copy(row[c.from:], gout[r*c.n:][:c.n])
		clear(row[c.from+c.n:])
	}
	return nil
}
