package ops

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// FirstSteps returns the first n steps (B, H, n) of x (B, H, L), n in [1, L].
func FirstSteps(x *G.Node, n int) (*G.Node, error) {
	return takeSteps("ops.FirstSteps", x, n, func(int) int { return 0 })
}

// LastSteps returns the last n steps (B, H, n) of x (B, H, L), n in [1, L].
func LastSteps(x *G.Node, n int) (*G.Node, error) {
	return takeSteps("ops.LastSteps", x, n, func(l int) int { return l - n })
}

// takeSteps returns n steps of x, the first of them, of L, by from.
func takeSteps(op string, x *G.Node, n int, from func(l int) int) (*G.Node, error) {
	if err := checkFloat(op, "x", x, formBHL); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if n < 1 || n > l {
		return nil, fmt.Errorf("%s: want n in [1, %d], got %d", op, l, n)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b, h, n}, Unread: []int{0}},
		func() graphop.Core[float32] { return someSteps[float32]{l, from(l), n} },
		func() graphop.Core[float64] { return someSteps[float64]{l, from(l), n} }, x)
}

// someSteps is the core of takeSteps: elements [from, from+n) of the l of every row.
type someSteps[T num.Float] struct{ l, from, n int }

func (c someSteps[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for r := range len(out) / c.n {
		copy(out[r*c.n:][:c.n], in[0].F[r*c.l+c.from:])
	}
	return nil
}

func (c someSteps[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	for r := range len(gout) / c.n {
		row := grad[0][r*c.l:][:c.l]
		clear(row[:c.from])
		copy(row[c.from:], gout[r*c.n:][:c.n])
		clear(row[c.from+c.n:])
	}
	return nil
}

// Extend returns x (B, H, L) with n >= 1 zeros behind its last step, (B, H, L+n).
func Extend(x *G.Node, n int) (*G.Node, error) {
	const op = "ops.Extend"
	if err := checkFloat(op, "x", x, formBHL); err != nil {
		return nil, err
	}
	if n < 1 || n > size.MaxLength {
		return nil, fmt.Errorf("%s: want n in [1, %d], got %d", op, size.MaxLength, n)
	}
	out := slices.Clone(x.Shape())
	out[2] += n
	if err := size.First(size.Length("L+n", out[2]), size.Tensor("the output (B, H, L+n)", out...)); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	l := x.Shape()[2]
	return graphop.Apply(graphop.Spec{Name: op, Out: out, Unread: []int{0}},
		func() graphop.Core[float32] { return extend[float32]{someSteps[float32]{l: l + n, n: l}} },
		func() graphop.Core[float64] { return extend[float64]{someSteps[float64]{l: l + n, n: l}} }, x)
}

// extend is the core of Extend, and the other way round that of FirstSteps.
type extend[T num.Float] struct{ of someSteps[T] }

func (c extend[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return c.of.Backward([][]T{out}, nil, nil, in[0].F)
}

func (c extend[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	return c.of.Forward(grad[0], []graphop.Arg[T]{{F: gout}})
}
