package ops

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Reshape returns a copy of x in another shape with as many elements, in
// row-major order. Gorgonia's own Reshape returns an alias of its input, which
// gives wrong gradients where both are used. x may have any layout.
func Reshape(x *G.Node, shape ...int) (*G.Node, error) {
	const op = "ops.Reshape"
	if err := checkAnyShape(op, "x", x); err != nil {
		return nil, err
	}
	want := tensor.Shape(slices.Clone(shape))
	size := 1
	for _, n := range want {
		size *= max(n, 0)
	}
	if len(want) == 0 || size != elements(x) {
		return nil, fmt.Errorf("%s: want a shape of %d elements for x %v, got %v", op, elements(x), x.Shape(), want)
	}
	return applyCopy(op, x, want)
}

// Contiguous returns a copy of x in row-major order. It takes what other ops
// refuse: views such as slices and lazy transposes, and column-major tensors.
func Contiguous(x *G.Node) (*G.Node, error) {
	const op = "ops.Contiguous"
	if err := checkAnyShape(op, "x", x); err != nil {
		return nil, err
	}
	return applyCopy(op, x, x.Shape())
}

// SwapHL exchanges the last two axes: x (B, H, L) gives (B, L, H), and back.
func SwapHL(x *G.Node) (*G.Node, error) {
	const op = "ops.SwapHL"
	if err := checkFloat(op, "x", x, formBHL); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b, l, h}, Unread: []int{0}},
		func() graphop.Core[float32] { return swapHL[float32]{b: b, h: h, l: l} },
		func() graphop.Core[float64] { return swapHL[float64]{b: b, h: h, l: l} }, x)
}

// elements returns the number of elements of a node; 1 for a scalar.
func elements(x *G.Node) int {
	n := 1
	for _, s := range x.Shape() {
		n *= s
	}
	return n
}

func applyCopy(op string, x *G.Node, out tensor.Shape) (*G.Node, error) {
	shape := x.Shape().Clone()
	return graphop.Apply(graphop.Spec{Name: op, Out: out, AnyLayout: true, Unread: []int{0}},
		func() graphop.Core[float32] { return reshape[float32]{shape} },
		func() graphop.Core[float64] { return reshape[float64]{shape} }, x)
}
