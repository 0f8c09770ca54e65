package rnn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// Sequence adds the output of a recurrence over the inputs x to their graph and
// returns it, (B, H, L): the state h after each step. See the package comment for
// the formulas. The shapes are
//
//	x        (B, I, L)
//	p        see [Params]
//	start    H and C (B, H): the state before the first step; nil: zero
//	lengths  (B) of dtype int: how many steps of each row count; nil: all
//
// What is behind the length of a row is not read; the output is 0 there, and so is
// the gradient of x. With Reverse, a row begins at its last step that counts. A
// length that is not in [0, L] is an error when the graph runs.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of
// them. An error names the argument, the wanted shape and what came.
//
// The op keeps (4+2) B H L numbers from the forward to the backward pass for
// LSTM, (4+1) B H L for GRU, 2 B H L for the others. It owns its buffers: a graph
// with it may be run by one VM at a time.
func Sequence(cfg Config, x *G.Node, p Params[*G.Node], start State[*G.Node], lengths *G.Node) (*G.Node, error) {
	o := seqOp{name: "rnn.Sequence", cfg: cfg, x: x, params: p, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.build(tensor.Shape{o.size.B, o.size.H, o.size.L}, false)
}

// SequenceState is [Sequence] with the state after the last step that counts, end,
// H and, where Cell.HasC, C (B, H). That of a row of no steps is its start. Gradients
// go through the output and the state. It takes a copy of the output more.
func SequenceState(cfg Config, x *G.Node, p Params[*G.Node], start State[*G.Node], lengths *G.Node) (y *G.Node, end State[*G.Node], err error) {
	o := seqOp{name: "rnn.SequenceState", cfg: cfg, x: x, params: p, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, end, err
	}
	s := o.size
	n, m := s.B*s.H*s.L, s.B*s.H
	states := 1
	if cfg.Cell.HasC() {
		states = 2
	}
	all, err := o.build(tensor.Shape{n + states*m}, true)
	if err != nil {
		return nil, end, err
	}
	if y, err = take(o.name, all, 0, tensor.Shape{s.B, s.H, s.L}); err != nil {
		return nil, end, err
	}
	if end.H, err = take(o.name, all, n, tensor.Shape{s.B, s.H}); err == nil && states == 2 {
		end.C, err = take(o.name, all, n+m, tensor.Shape{s.B, s.H})
	}
	return y, end, err
}

// seqOp is the op while it is made.
type seqOp struct {
	name       string
	cfg        Config
	x, lengths *G.Node
	params     Params[*G.Node]
	start      State[*G.Node]

	size Size
	in   []*G.Node
}

// check checks the arguments, and reads the size off their shapes.
func (o *seqOp) check() error {
	err := o.cfg.Cell.Validate()
	if err == nil && o.start.C != nil && !o.cfg.Cell.HasC() {
		err = fmt.Errorf("start.C: want nil, as cell %q has no such state, got a node", o.cfg.Cell)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	o.in, err = graphop.Floats(o.name, graphop.Named("x", o.x),
		graphop.Named("WeightIH", o.params.WeightIH), graphop.Named("WeightHH", o.params.WeightHH),
		graphop.Optional("BiasIH", o.params.BiasIH), graphop.Optional("BiasHH", o.params.BiasHH),
		graphop.Optional("start.H", o.start.H), graphop.Optional("start.C", o.start.C))
	if err != nil {
		return err
	}
	if err := o.shapes(); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

// shapes checks the shapes of the arguments, which are of one float type.
func (o *seqOp) shapes() error {
	xs, ws := o.x.Shape(), o.params.WeightHH.Shape()
	gates := o.cfg.Cell.Gates()
	if xs.Dims() != 3 || xs.TotalSize() == 0 {
		return fmt.Errorf("x: want (B, I, L), each at least 1, got %v", xs)
	}
	if ws.Dims() != 2 || ws[1] < 1 || ws[0] != gates*ws[1] {
		return fmt.Errorf("WeightHH: want (%d*H, H), H >= 1, got %v", gates, ws)
	}
	o.size = Size{B: xs[0], I: xs[1], H: ws[1], L: xs[2]}
	for _, a := range []struct {
		name     string
		node     *G.Node
		shape    []int
		optional bool
	}{
		{"WeightIH", o.params.WeightIH, []int{ws[0], xs[1]}, false},
		{"BiasIH", o.params.BiasIH, []int{ws[0]}, true},
		{"BiasHH", o.params.BiasHH, []int{ws[0]}, true},
		{"start.H", o.start.H, []int{xs[0], ws[1]}, true},
		{"start.C", o.start.C, []int{xs[0], ws[1]}, true},
	} {
		if a.node == nil && a.optional {
			continue
		}
		if err := graphop.WantShape(a.name, a.node, a.shape); err != nil {
			return err
		}
	}
	if n := o.lengths; n != nil && (n.Dtype() != tensor.Int || !n.Shape().Eq(tensor.Shape{xs[0]})) {
		return fmt.Errorf("want lengths (%d) of dtype int, got %v of dtype %v", xs[0], n.Shape(), n.Dtype())
	}
	return nil
}

func (o *seqOp) build(out tensor.Shape, withEnd bool) (*G.Node, error) {
	at := o.places()
	spec := graphop.Spec{Name: o.name, Out: out, Optional: []int{0}, Carried: []*G.Node{o.start.H, o.start.C}}
	if o.size.L == 1 { // a step, which may be the output of the last one
		spec.Carried = append(spec.Carried, o.x)
	}
	in := o.in
	if o.lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return newCore[float32](o.cfg, o.size, at, withEnd) },
		func() (graphop.Core[float64], error) { return newCore[float64](o.cfg, o.size, at, withEnd) },
		in...)
}

// places are the indices of the inputs of an op, -1 where one is not there.
type places struct{ biasIH, biasHH, h, c, lengths int }

func (o *seqOp) places() places {
	next := 3
	place := func(n *G.Node) int {
		if n == nil {
			return -1
		}
		next++
		return next - 1
	}
	return places{place(o.params.BiasIH), place(o.params.BiasHH), place(o.start.H), place(o.start.C), place(o.lengths)}
}

// core is a plan behind graphop. With the end state, the output is y, then h, then
// c, one after the other.
type core[T num.Float] struct {
	plan    *plan[T]
	at      places
	withEnd bool

	in, grad inputs[T]
}

func newCore[T num.Float](cfg Config, size Size, at places, withEnd bool) (graphop.Core[T], error) {
	p, err := newPlan[T](cfg, size)
	return &core[T]{plan: p, at: at, withEnd: withEnd}, err
}

// split returns the parts of an output.
func (c *core[T]) split(out []T) (y []T, end State[[]T]) {
	if !c.withEnd {
		return out, end
	}
	m := c.plan.B * c.plan.H
	n := m * c.plan.L
	end.H = out[n : n+m]
	if c.plan.Cell.HasC() {
		end.C = out[n+m:]
	}
	return out[:n], end
}

// bind sorts the inputs of the op.
func (c *core[T]) bind(in []graphop.Arg[T]) {
	float := func(i int) []T {
		if i < 0 {
			return nil
		}
		return in[i].F
	}
	c.in = sorted(c.at, float)
	if c.at.lengths >= 0 {
		c.in.Lengths = in[c.at.lengths].I
	}
}

// sorted returns the inputs of an op, or their gradients.
func sorted[T num.Float](at places, f func(i int) []T) inputs[T] {
	return inputs[T]{
		X:      f(0),
		Params: Params[[]T]{WeightIH: f(1), WeightHH: f(2), BiasIH: f(at.biasIH), BiasHH: f(at.biasHH)},
		Start:  State[[]T]{H: f(at.h), C: f(at.c)},
	}
}

func (c *core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.bind(in)
	y, end := c.split(out)
	return c.plan.Forward(y, end, &c.in)
}

func (c *core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.bind(in)
	c.grad = sorted(c.at, func(i int) []T {
		if i < 0 {
			return nil
		}
		return grad[i]
	})
	gy, gEnd := c.split(gout)
	return c.plan.Backward(&c.grad, &c.in, gy, gEnd)
}

// take adds a part of a vector to its graph, from an element on.
func take(name string, all *G.Node, from int, shape tensor.Shape) (*G.Node, error) {
	return graphop.Apply(graphop.Spec{Name: name, Out: shape},
		func() graphop.Core[float32] { return part[float32]{from} },
		func() graphop.Core[float64] { return part[float64]{from} }, all)
}

// part is the core of take.
type part[T num.Float] struct{ from int }

func (p part[T]) Forward(out []T, in []graphop.Arg[T]) error {
	copyBlocks(out, in[0].F[p.from:])
	return nil
}

func (p part[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	clear(grad[0][:p.from])
	copyBlocks(grad[0][p.from:][:len(gout)], gout)
	clear(grad[0][p.from+len(gout):])
	return nil
}

// copyBlocks copies src to dst, which it fills, spread over the workers.
func copyBlocks[T num.Float](dst, src []T) {
	par.Blocks(len(dst), 1<<16, func(_, lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
}
