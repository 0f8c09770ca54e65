package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// FirstSteps returns the first n steps (B, H, n) of x (B, H, L), n in [1, L].
func FirstSteps(x *G.Node, n int) (*G.Node, error) {
	const op = "ops.FirstSteps"
	if err := checkFloat(op, "x", x, formBHL); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if n < 1 || n > l {
		return nil, fmt.Errorf("%s: want n in [1, %d], got %d", op, l, n)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b, h, n}},
		func() graphop.Core[float32] { return firstSteps[float32]{l, n} },
		func() graphop.Core[float64] { return firstSteps[float64]{l, n} }, x)
}

// firstSteps is the core of FirstSteps: n of the l elements of every row.
type firstSteps[T num.Float] struct{ l, n int }

func (c firstSteps[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x := in[0].F
	for r := range len(out) / c.n {
		copy(out[r*c.n:(r+1)*c.n], x[r*c.l:])
	}
	return nil
}

func (c firstSteps[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	for r := range len(gout) / c.n {
		row := grad[0][r*c.l : (r+1)*c.l]
		clear(row[copy(row, gout[r*c.n:(r+1)*c.n]):])
	}
	return nil
}
