package graphop

import (
	"errors"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/num"
)

// The gradient of a residual connection, x + branch(x), is that of the sum plus
// that of the branch. Gorgonia would add the two with an op of its own, that
// takes a pass over fresh memory. Here the sum hands its part to the op where
// the branch begins, and that adds it to the gradient it computes.

// errSplitBranch is what differentiating a branch before its sum gives.
var errSplitBranch = errors.New("the branch of this residual connection was differentiated before, for another cost: differentiate the sum of the costs")

// branchStart is where the branch of a residual connection reads its input.
type branchStart[T num.Float] struct {
	op    *op[T]
	input int
}

// findBranch returns where the branch that ends in y reads x, or the zero value
// if ops other than those here are between, or the place has been taken. What
// lies between is differentiated whenever y and x are.
func findBranch[T num.Float](y, x *G.Node) branchStart[T] {
	seen := map[*G.Node]bool{}
	var find func(n *G.Node) branchStart[T]
	find = func(n *G.Node) branchStart[T] {
		o, ok := n.Op().(*op[T])
		if !ok || seen[n] {
			return branchStart[T]{}
		}
		seen[n] = true
		for i, in := range o.in {
			switch {
			case !o.passes[i]:
			case in == x:
				if !o.joined[i] {
					return branchStart[T]{o, i}
				}
			default:
				if s := find(in); s.op != nil {
					return s
				}
			}
		}
		return branchStart[T]{}
	}
	return find(y)
}

// join makes op o, whose inputs 0 and 1 are summed, leave the gradient of input
// 0 to the branch from there to input 1, if there is one.
func (o *op[T]) join() {
	o.branch = findBranch[T](o.in[1], o.in[0])
	if s := o.branch; s.op != nil {
		s.op.joined[s.input] = true
		o.passes[0] = false
	}
}

// handOver makes the start of the branch add grad to its input's gradient.
func (s branchStart[T]) handOver(grad *G.Node) error {
	if s.op.differentiated {
		return errSplitBranch
	}
	s.op.skips = append(s.op.skips, skip{s.input, grad})
	return nil
}

// skip is a gradient that has been handed over for an input.
type skip struct {
	input int
	grad  *G.Node
}
