package scan

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Option changes what Diagonal and Complex do.
type Option func(*options)

type options struct {
	start, lengths *G.Node
	reverse        bool
}

// Start makes the recurrence go on from the state x0 (B, P), or (B, 2P) if it is
// complex: that before the first step, with Reverse that behind the last one that
// counts. nil is no option: zero.
func Start(x0 *G.Node) Option { return func(o *options) { o.start = x0 } }

// Lengths makes only the first lengths[b] steps of row b count. What is behind them is
// not read; the output is 0 there, and so are the gradients. lengths is (B) of dtype
// int; a length that is not in [0, L] is an error when the graph runs. nil is no
// option.
func Lengths(lengths *G.Node) Option { return func(o *options) { o.lengths = lengths } }

// Reverse makes the recurrence begin at the last step that counts: x_l = a_l x_{l+1} +
// b_l.
func Reverse() Option { return func(o *options) { o.reverse = true } }

// Diagonal adds the states x_l = a_l x_{l-1} + b_l to the graph and returns them, (B, P,
// L). The shapes are
//
//	a  (B, P, L), or (P) if it is the same at all steps
//	b  (B, P, L)
//
// Both are float32 or both float64. Gradients are exact and go to both and to Start.
// An error names the argument, the wanted shape and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Diagonal(a, b *G.Node, opts ...Option) (*G.Node, error) {
	return scan("scan.Diagonal", false, a, b, opts)
}

// Complex is [Diagonal] for complex numbers: a (B, 2P, L) or (2P), b and the output
// (B, 2P, L), the P real parts in front of the P imaginary ones.
func Complex(a, b *G.Node, opts ...Option) (*G.Node, error) {
	return scan("scan.Complex", true, a, b, opts)
}

func scan(name string, isComplex bool, a, b *G.Node, opts []Option) (*G.Node, error) {
	var o options
	for _, f := range opts {
		f(&o)
	}
	in, err := graphop.Floats(name, graphop.Named("a", a), graphop.Named("b", b), graphop.Optional("start", o.start))
	if err != nil {
		return nil, err
	}
	g, err := o.geometry(isComplex, a, b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: b.Shape().Clone(), NeedsOut: true, Unread: []int{1}, Optional: []int{0, 1}, Carried: []*G.Node{o.start}}
	if g.l == 1 { // a step, which may have been computed from the last one
		spec.Carried = append(spec.Carried, a, b)
	}
	if o.start != nil {
		spec.Optional = append(spec.Optional, g.start)
	}
	if o.lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newCore[float32](g) },
		func() graphop.Core[float64] { return newCore[float64](g) }, in...)
}

// geometry reads the sizes off the shapes of the nodes.
func (o *options) geometry(isComplex bool, a, b *G.Node) (g geometry, err error) {
	s, want := b.Shape(), "(B, P, L)"
	if isComplex {
		want = "(B, 2P, L)"
	}
	if s.Dims() != 3 || slices.Min(s) < 1 || isComplex && s[1]%2 != 0 {
		return g, fmt.Errorf("b: want %s, each at least 1, got %v", want, s)
	}
	g = geometry{b: s[0], l: s[2], start: -1, Line: Line{P: s[1], Complex: isComplex, Reverse: o.reverse}}
	if isComplex {
		g.P = s[1] / 2
	}
	if g.Varying = a.Shape().Dims() == 3; g.Varying {
		err = graphop.WantShape("a", a, s)
	} else {
		err = graphop.WantShape("a", a, []int{s[1]}, s)
	}
	if err == nil && o.start != nil {
		g.start = 2
		err = graphop.WantShape("start", o.start, []int{s[0], s[1]})
	}
	if err != nil {
		return g, err
	}
	return g, size.First(graphop.WantLengths(o.lengths, g.b), size.Length("L", g.l), size.Tensor("the states "+want, s...))
}

// geometry is what the arithmetic needs to know: sizes, and which inputs are there.
type geometry struct {
	Line
	b, l  int
	start int // index of the input, -1 for none
}
