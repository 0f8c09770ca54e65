package ops

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Forms of an argument, as they are written in errors.
const (
	formBHL = "(B, H, L)"
	formBH  = "(B, H)"
)

// rank returns the number of axes of a form such as "(B, H, L)".
func rank(form string) int { return strings.Count(form, ",") + 1 }

// checkFloat returns an error unless n is a float node with at least one
// element that has the rank of one of the forms.
func checkFloat(op, arg string, n *G.Node, forms ...string) error {
	return checkNode(op, arg, n, []tensor.Dtype{tensor.Float32, tensor.Float64}, forms...)
}

// checkInts is checkFloat for integer nodes.
func checkInts(op, arg string, n *G.Node, forms ...string) error {
	return checkNode(op, arg, n, []tensor.Dtype{tensor.Int}, forms...)
}

func checkNode(op, arg string, n *G.Node, dts []tensor.Dtype, forms ...string) error {
	want := arg + " " + strings.Join(forms, " or ")
	if n == nil {
		return fmt.Errorf("%s: want %s, got nil", op, want)
	}
	if !slices.Contains(dts, n.Dtype()) {
		names := make([]string, len(dts))
		for i, dt := range dts {
			names[i] = dt.String()
		}
		return fmt.Errorf("%s: want %s of dtype %s, got dtype %v", op, want, strings.Join(names, " or "), n.Dtype())
	}
	s := n.Shape()
	if !slices.ContainsFunc(forms, func(f string) bool { return rank(f) == len(s) }) {
		return fmt.Errorf("%s: want %s, got %v", op, want, s)
	}
	if s.TotalSize() == 0 {
		return fmt.Errorf("%s: want %s with every axis at least 1, got %v", op, want, s)
	}
	return nil
}

// checkAnyShape returns an error unless n is a float node with at least one
// element.
func checkAnyShape(op, arg string, n *G.Node) error {
	switch {
	case n == nil:
		return fmt.Errorf("%s: want %s, got nil", op, arg)
	case n.Dtype() != tensor.Float32 && n.Dtype() != tensor.Float64:
		return fmt.Errorf("%s: want %s of dtype float32 or float64, got dtype %v", op, arg, n.Dtype())
	case n.Shape().Dims() > 0 && n.Shape().TotalSize() == 0:
		return fmt.Errorf("%s: want %s with every axis at least 1, got %v", op, arg, n.Shape())
	}
	return nil
}

// checkShape returns an error unless n has the dtype and the shape given.
func checkShape(op, arg string, n *G.Node, dt tensor.Dtype, shape ...int) error {
	want := tensor.Shape(shape)
	if n == nil {
		return fmt.Errorf("%s: want %s %v, got nil", op, arg, want)
	}
	if n.Dtype() != dt {
		return fmt.Errorf("%s: want %s %v of dtype %v, got dtype %v", op, arg, want, dt, n.Dtype())
	}
	if !slices.Equal(n.Shape(), want) {
		return fmt.Errorf("%s: want %s %v, got %v", op, arg, want, n.Shape())
	}
	return nil
}

// checkOptional is checkShape for an argument that may be nil.
func checkOptional(op, arg string, n *G.Node, dt tensor.Dtype, shape ...int) error {
	if n == nil {
		return nil
	}
	return checkShape(op, arg, n, dt, shape...)
}

// checkTensor returns an error unless t is a contiguous tensor of the dtype and
// shape given: state that an op reads and writes in place.
func checkTensor(op, arg string, t *tensor.Dense, dt tensor.Dtype, shape ...int) error {
	want := tensor.Shape(shape)
	switch {
	case t == nil:
		return fmt.Errorf("%s: want %s %v, got nil", op, arg, want)
	case t.Dtype() != dt:
		return fmt.Errorf("%s: want %s %v of dtype %v, got dtype %v", op, arg, want, dt, t.Dtype())
	case !slices.Equal(t.Shape(), want):
		return fmt.Errorf("%s: want %s %v, got %v", op, arg, want, t.Shape())
	case t.RequiresIterator():
		return fmt.Errorf("%s: want %s %v contiguous, got a view", op, arg, want)
	}
	return nil
}

// bhl returns the sizes of a node of shape (B, H, L) or (B, H), the latter
// with L = 1.
func bhl(n *G.Node) (b, h, l int) {
	s := n.Shape()
	if len(s) == 2 {
		return s[0], s[1], 1
	}
	return s[0], s[1], s[2]
}

// oneStep returns its arguments if they are one step of a sequence, (B, H) or
// (B, H, 1), which a user may carry over from the last run, and none if they are
// a whole one.
func oneStep(x ...*G.Node) []*G.Node {
	if s := x[0].Shape(); len(s) == 2 || len(s) == 3 && s[2] == 1 {
		return x
	}
	return nil
}

// inputs collects the nodes of an op and where they are: an optional argument
// that is nil has index -1.
type inputs []*G.Node

// add appends n, unless it is nil, and returns its index.
func (in *inputs) add(n *G.Node) int {
	if n == nil {
		return -1
	}
	*in = append(*in, n)
	return len(*in) - 1
}
