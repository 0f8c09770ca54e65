package conv1d

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// geometry is what the arithmetic needs to know: sizes, and which inputs are
// there.
type geometry struct {
	taps
	b, in, out, groups int
	l, lout            int
	bias, state        int // index of the input, -1 for none
}

// newCore returns the core of Conv.
func newCore[T num.Float](g geometry) graphop.Core[T] {
	if g.in == g.groups {
		return newDepthwise[T](g)
	}
	return newGrouped[T](g)
}

// call is a pass in progress. What is not there is nil.
type call[T num.Float] struct {
	x, w, bias, state  []T
	dx, dw, db, dstate []T
	y                  []T // the output, or its gradient
	lengths            []int
}

// bind reads the inputs off the arguments of the core and, in a backward pass,
// where their gradients go.
func bind[T num.Float](g *geometry, y []T, in []graphop.Arg[T], grad [][]T) (call[T], error) {
	c := call[T]{x: in[0].F, w: in[1].F, y: y, lengths: in[len(in)-1].I}
	if err := graphop.ValidLengths(c.lengths, g.l); err != nil {
		return c, err
	}
	if grad != nil {
		c.dx, c.dw = grad[0], grad[1]
	}
	if g.bias >= 0 {
		c.bias = in[g.bias].F
		if grad != nil {
			c.db = grad[g.bias]
		}
	}
	if g.state >= 0 {
		c.state = in[g.state].F
		if grad != nil {
			c.dstate = grad[g.state]
		}
	}
	return c, nil
}

// length returns the number of steps of row b of x that count.
func (g *geometry) length(lengths []int, b int) int {
	return graphop.Length(lengths, b, g.l)
}

// row returns row i, of n elements, of x, and nil if x is nil.
func row[T any](x []T, n, i int) []T {
	if x == nil {
		return nil
	}
	return x[i*n:][:n:n]
}
