package conv1d

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Conv adds the convolution of x with the kernels w, plus a bias, to their graph
// and returns it, (B, C_out, L_out). See the package comment for the formula. The
// shapes are
//
//	x     (B, C_in, L)
//	w     (C_out, C_in/groups, K)
//	bias  (C_out); nil: none
//
// All are float32 or all float64. Gradients are exact and go to all of them, and
// to a state. An error names the argument, the wanted shape and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Conv(x, w, bias *G.Node, opts ...Option) (*G.Node, error) {
	const name = "conv1d.Conv"
	o, err := readOptions(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, graphop.Named("x", x), graphop.Named("w", w), graphop.Optional("bias", bias), graphop.Optional("state", o.state))
	if err != nil {
		return nil, err
	}
	g, err := o.geometry(x, w, bias)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{g.b, g.out, g.lout}, Optional: []int{0}}
	if o.state != nil {
		g.state = len(in) - 1
		spec.Optional = append(spec.Optional, g.state)
		spec.Carried = []*G.Node{o.state}
	}
	if g.l == 1 { // a step, which may have been computed from the last one
		spec.Carried = append(spec.Carried, x)
	}
	if err := graphop.WantLengths(o.lengths, g.b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
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
func (o *options) geometry(x, w, bias *G.Node) (g geometry, err error) {
	xs, ws := x.Shape(), w.Shape()
	if xs.Dims() != 3 || slices.Min(xs) < 1 {
		return g, fmt.Errorf("x: want (B, C_in, L), each at least 1, got %v", xs)
	}
	if ws.Dims() != 3 || slices.Min(ws) < 1 {
		return g, fmt.Errorf("w: want (C_out, C_in/groups, K), each at least 1, got %v", ws)
	}
	g = geometry{b: xs[0], in: xs[1], l: xs[2], out: ws[0], groups: o.groups, bias: -1, state: -1}
	if err := checkGroups(g.in, g.out, g.groups); err != nil {
		return g, err
	}
	if err := graphop.WantShape("w", w, []int{g.out, g.in / g.groups, ws[2]}); err != nil {
		return g, fmt.Errorf("%w, for x %v and %d groups", err, xs, g.groups)
	}
	if bias != nil {
		g.bias = 2
		if err := graphop.WantShape("bias", bias, []int{g.out}); err != nil {
			return g, err
		}
	}
	if g.taps, err = o.taps(ws[2]); err != nil {
		return g, err
	}
	if g.lout = g.steps(g.l); g.lout < 1 {
		return g, fmt.Errorf("want a kernel that reaches over at most L + 2*padding = %d steps, got (K-1)*dilation + 1 = %d: there is no output", g.l+2*o.padding, g.reach()+1)
	}
	if err := size.First(size.Length("L", g.l), size.Length("the length of the output", g.lout),
		size.Tensor("the output (B, C_out, L_out)", g.b, g.out, g.lout)); err != nil {
		return g, err
	}
	return g, o.checkState(&g)
}

// checkState checks the state against the rest.
func (o *options) checkState(g *geometry) error {
	switch {
	case o.state == nil:
		return nil
	case !o.causal:
		return fmt.Errorf("state: want a causal convolution, got padding %d on both sides", o.padding)
	case o.stride != 1:
		return fmt.Errorf("state: want stride 1, got %d", o.stride)
	case g.left == 0:
		return fmt.Errorf("state: want none, as a kernel of one tap has no state, got %v", o.state.Shape())
	}
	return graphop.WantShape("state", o.state, []int{g.b, g.in, g.left})
}

// checkGroups returns an error unless the features can be cut into groups.
func checkGroups(in, out, groups int) error {
	if in%groups != 0 || out%groups != 0 {
		return fmt.Errorf("groups: want a divisor of C_in = %d and of C_out = %d, got %d", in, out, groups)
	}
	return nil
}

// FinalState adds the state after the last step of x (B, C, L) to the graph: the
// last n inputs (B, C, n), oldest first, where x0 (B, C, n) is the state before
// the first step, or nil for zeros.
func FinalState(x, x0 *G.Node, n int) (*G.Node, error) {
	const name = "conv1d.FinalState"
	in, err := graphop.Floats(name, graphop.Named("x", x), graphop.Optional("x0", x0))
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	if s.Dims() != 3 || slices.Min(s) < 1 {
		return nil, fmt.Errorf("%s: x: want (B, C, L), each at least 1, got %v", name, s)
	}
	if err := size.First(size.Length("the number of inputs", n), size.Tensor("the state (B, C, n)", s[0], s[1], n)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{s[0], s[1], n}}
	if x0 != nil {
		if err := graphop.WantShape("x0", x0, spec.Out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return finalState[float32]{s[2], n} },
		func() graphop.Core[float64] { return finalState[float64]{s[2], n} }, in...)
}

// finalState is the core of FinalState for rows of l steps.
type finalState[T num.Float] struct{ l, n int }

func (c finalState[T]) Forward(out []T, in []graphop.Arg[T]) error {
	kept := c.n - min(c.n, c.l) // of the state before
	for r := range len(out) / c.n {
		x1, x := out[r*c.n:][:c.n], in[0].F[r*c.l:][:c.l]
		copy(x1[kept:], x[c.l-(c.n-kept):])
		if len(in) > 1 {
			copy(x1[:kept], in[1].F[r*c.n+c.n-kept:])
		} else {
			clear(x1[:kept])
		}
	}
	return nil
}

func (c finalState[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	kept := c.n - min(c.n, c.l)
	for r := range len(gout) / c.n {
		g, dx := gout[r*c.n:][:c.n], grad[0][r*c.l:][:c.l]
		clear(dx[:c.l-(c.n-kept)])
		copy(dx[c.l-(c.n-kept):], g[kept:])
		if len(grad) > 1 {
			d0 := grad[1][r*c.n:][:c.n]
			clear(d0[:c.n-kept])
			copy(d0[c.n-kept:], g[:kept])
		}
	}
	return nil
}
