package attention

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Option changes what an op does.
type Option func(*options)

type options struct{ lengths *G.Node }

// Lengths makes only the first lengths[b] steps of row b count: the others are
// not read, in the input or in the gradient of the output, whatever they hold,
// come out as zero and get no gradient. lengths is (B), of dtype int; a length
// that is not in [0, L] is an error when the graph runs, and a row of length 0 is
// padding. nil is no option.
func Lengths(lengths *G.Node) Option { return func(o *options) { o.lengths = lengths } }

// readOptions returns the options of an op on batches of b.
func readOptions(opts []Option, b int) (options, error) {
	var o options
	for _, f := range opts {
		f(&o)
	}
	return o, graphop.WantLengths(o.lengths, b)
}

// checkSequence returns an error unless x is a float node with three axes and
// elements.
func checkSequence(name, form string, x *G.Node) error {
	switch {
	case x == nil:
		return fmt.Errorf("want %s %s, got nil", name, form)
	case x.Dtype() != tensor.Float32 && x.Dtype() != tensor.Float64:
		return fmt.Errorf("want %s %s of dtype float32 or float64, got dtype %v", name, form, x.Dtype())
	case x.Shape().Dims() != 3:
		return fmt.Errorf("want %s %s, got %v", name, form, x.Shape())
	case x.Shape().TotalSize() == 0:
		return fmt.Errorf("want %s %s with every axis at least 1, got %v", name, form, x.Shape())
	}
	return nil
}

// checkFloat returns an error unless n has the dtype and the shape.
func checkFloat(name string, n *G.Node, dt tensor.Dtype, shape ...int) error {
	if n != nil && n.Dtype() != dt {
		return fmt.Errorf("%s: want dtype %v, got %v", name, dt, n.Dtype())
	}
	return graphop.WantShape(name, n, shape)
}

// dims are the sizes of an op on qkv.
type dims struct {
	Config
	b, e, l int // batch, features, steps
	hd      int // features of a head
	slots   int // of the cache in front
}

// newDims checks qkv (B, 3E, L) against the configuration.
func newDims(qkv *G.Node, c Config) (dims, error) {
	if err := checkSequence("qkv", "(B, 3E, L)", qkv); err != nil {
		return dims{}, err
	}
	s := qkv.Shape()
	if s[1]%3 != 0 {
		return dims{}, fmt.Errorf("want qkv (B, 3E, L), got %v", s)
	}
	d := dims{Config: c, b: s[0], e: s[1] / 3, l: s[2]}
	if err := c.Validate(d.e); err != nil {
		return dims{}, err
	}
	if c.Dropout > 0 && c.Masks == nil {
		return dims{}, fmt.Errorf("want Masks with Dropout %g, got none", c.Dropout)
	}
	d.hd = d.e / c.Heads
	return d, size.Length("L", d.l)
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

// floats returns input i, nil for index -1.
func floats[T float32 | float64](in []graphop.Arg[T], i int) []T {
	if i < 0 {
		return nil
	}
	return in[i].F
}

// ints is floats for an integer input.
func ints[T float32 | float64](in []graphop.Arg[T], i int) []int {
	if i < 0 {
		return nil
	}
	return in[i].I
}

// at returns element i of s, nil for index -1.
func at[T any](s [][]T, i int) []T {
	if i < 0 {
		return nil
	}
	return s[i]
}

// some returns the indices that are not -1.
func some(index ...int) []int {
	return slices.DeleteFunc(index, func(i int) bool { return i < 0 })
}
