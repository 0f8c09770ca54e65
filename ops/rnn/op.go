package rnn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Sequence adds the output of a recurrence over the inputs x to their graph and
// returns it, (B, H, L): the state h after each step; or (B, 2H, L) in both
// directions, the features of the forward one first. See the package comment for the
// formulas. The shapes are
//
//	x        (B, I, L)
//	p        see [Params]: one, or for both directions two
//	start    H and C (B, S, H): the state before the first step is number cfg.Slot of
//	         the S, that of the second direction the next; nil: zero
//	lengths  (B) of dtype int: how many steps of each row count; nil: all
//
// What is behind the length of a row is not read; the output is 0 there, and so is
// the gradient of x. The direction Backward begins at the last step that counts. A
// length that is not in [0, L] is an error when the graph runs.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of
// them. An error names the argument, the wanted shape and what came.
//
// The op keeps (4+2) B H L numbers of each direction from the forward to the backward
// pass for LSTM, (4+1) B H L for GRU, 2 B H L for the others. It owns its buffers: a
// graph with it may be run by one VM at a time.
func Sequence(cfg Config, x *G.Node, p []Params[*G.Node], start State[*G.Node], lengths *G.Node) (*G.Node, error) {
	o := seqOp{name: "rnn.Sequence", cfg: cfg, x: x, params: p, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.build(tensor.Shape{o.size.B, o.directions() * o.size.H, o.size.L}, false)
}

// SequenceState is [Sequence] with the state after the last step that counts, end: H
// and, where Cell.HasC, C (B, directions, H). That of a row of no steps is its start.
// Gradients go through the output and the state. It makes a copy of the output more
// than Sequence.
func SequenceState(cfg Config, x *G.Node, p []Params[*G.Node], start State[*G.Node], lengths *G.Node) (y *G.Node, end State[*G.Node], err error) {
	o := seqOp{name: "rnn.SequenceState", cfg: cfg, x: x, params: p, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, end, err
	}
	b, h, d := o.size.B, o.size.H, o.directions()
	n, m := b*d*h*o.size.L, b*d*h
	states := 1
	if cfg.Cell.HasC() {
		states = 2
	}
	all, err := o.build(tensor.Shape{n + states*m}, true)
	if err != nil {
		return nil, end, err
	}
	if y, err = graphop.Part(o.name, all, 0, tensor.Shape{b, d * h, o.size.L}); err != nil {
		return nil, end, err
	}
	if end.H, err = graphop.Part(o.name, all, n, tensor.Shape{b, d, h}); err == nil && states == 2 {
		end.C, err = graphop.Part(o.name, all, n+m, tensor.Shape{b, d, h})
	}
	return y, end, err
}

// seqOp is the op while it is made.
type seqOp struct {
	name       string
	cfg        Config
	x, lengths *G.Node
	params     []Params[*G.Node]
	start      State[*G.Node]

	size  sizes
	slots int // states in start
	in    []*G.Node
}

func (o *seqOp) directions() int { return o.cfg.Direction.count() }

// check checks the arguments, and reads the size off their shapes.
func (o *seqOp) check() error {
	err := o.cfg.Validate()
	if err == nil && len(o.params) != o.directions() {
		err = fmt.Errorf("p: want the parameters of %d directions, got those of %d", o.directions(), len(o.params))
	}
	if err == nil && o.start.C != nil && !o.cfg.Cell.HasC() {
		err = fmt.Errorf("start.C: want nil, as cell %q has no such state, got a node", o.cfg.Cell)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	args := []graphop.Argument{graphop.Named("x", o.x)}
	for _, p := range o.params {
		args = append(args, graphop.Named("WeightIH", p.WeightIH), graphop.Named("WeightHH", p.WeightHH),
			graphop.Optional("BiasIH", p.BiasIH), graphop.Optional("BiasHH", p.BiasHH))
	}
	args = append(args, graphop.Optional("start.H", o.start.H), graphop.Optional("start.C", o.start.C))
	if o.in, err = graphop.Floats(o.name, args...); err != nil {
		return err
	}
	if err := o.shapes(); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

// shapes checks the shapes of the arguments, which are of one float type.
func (o *seqOp) shapes() error {
	xs, ws := o.x.Shape(), o.params[0].WeightHH.Shape()
	gates := o.cfg.Cell.Gates()
	if xs.Dims() != 3 || xs.TotalSize() == 0 {
		return fmt.Errorf("x: want (B, I, L), each at least 1, got %v", xs)
	}
	if ws.Dims() != 2 || ws[1] < 1 || ws[0] != gates*ws[1] {
		return fmt.Errorf("WeightHH: want (%d*H, H), H >= 1, got %v", gates, ws)
	}
	o.size = sizes{B: xs[0], I: xs[1], H: ws[1], L: xs[2]}
	for _, p := range o.params {
		if err := wantShapes(
			shaped{"WeightIH", p.WeightIH, []int{ws[0], xs[1]}}, shaped{"WeightHH", p.WeightHH, ws},
			shaped{"BiasIH", p.BiasIH, []int{ws[0]}}, shaped{"BiasHH", p.BiasHH, []int{ws[0]}}); err != nil {
			return err
		}
	}
	if err := o.startShapes(); err != nil {
		return err
	}
	return graphop.WantLengths(o.lengths, o.size.B)
}

// startShapes checks the shapes of the start, and counts its states.
func (o *seqOp) startShapes() error {
	o.slots = o.cfg.Slot + o.directions()
	for _, a := range []struct {
		name string
		node *G.Node
	}{{"start.H", o.start.H}, {"start.C", o.start.C}} {
		if a.node == nil {
			continue
		}
		s := a.node.Shape()
		if s.Dims() != 3 || s[0] != o.size.B || s[1] < o.slots || s[2] != o.size.H {
			return fmt.Errorf("%s: want (%d, S, %d), S >= %d, got %v", a.name, o.size.B, o.size.H, o.slots, s)
		}
		o.slots = s[1]
	}
	if h := o.start.H; h != nil && h.Shape()[1] != o.slots {
		return fmt.Errorf("start.C: want %v, the shape of start.H, got %v", h.Shape(), o.start.C.Shape())
	}
	return nil
}

// shaped is an argument and the shape that it must have unless it is nil.
type shaped struct {
	name  string
	node  *G.Node
	shape []int
}

func wantShapes(args ...shaped) error {
	for _, a := range args {
		if a.node == nil {
			continue
		}
		if err := graphop.WantShape(a.name, a.node, a.shape); err != nil {
			return err
		}
	}
	return nil
}

func (o *seqOp) build(out tensor.Shape, withEnd bool) (*G.Node, error) {
	spec := graphop.Spec{Name: o.name, Out: out, Optional: []int{0}, Carried: []*G.Node{o.start.H, o.start.C}}
	if o.size.L == 1 { // a step, which may be the output of the last one
		spec.Carried = append(spec.Carried, o.x)
	}
	in, at := o.in, o.places()
	for _, p := range at.params {
		for _, i := range []int{p.WeightIH, p.WeightHH, p.BiasIH, p.BiasHH} {
			if i >= 0 {
				spec.Optional = append(spec.Optional, i)
			}
		}
	}
	if o.lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return newCore[float32](o, at, withEnd) },
		func() (graphop.Core[float64], error) { return newCore[float64](o, at, withEnd) },
		in...)
}

// places are the indices of the inputs of an op, -1 where one is not there.
type places struct {
	params  []Params[int]
	start   State[int]
	lengths int
}

func (o *seqOp) places() places {
	next := 1
	find := func(n *G.Node) int {
		if n == nil {
			return -1
		}
		next++
		return next - 1
	}
	var at places
	for _, p := range o.params {
		at.params = append(at.params, Params[int]{find(p.WeightIH), find(p.WeightHH), find(p.BiasIH), find(p.BiasHH)})
	}
	at.start = State[int]{find(o.start.H), find(o.start.C)}
	at.lengths = find(o.lengths)
	return at
}

// core is the plans of the directions behind graphop. With the end state, the output
// is y, then h, then c, one after the other.
type core[T num.Float] struct {
	plans   []*plan[T]
	at      places
	withEnd bool
}

func newCore[T num.Float](o *seqOp, at places, withEnd bool) (graphop.Core[T], error) {
	plans, err := newPlans[T](o.cfg, o.size, o.slots)
	return &core[T]{plans: plans, at: at, withEnd: withEnd}, err
}

// split returns the parts of an output.
func (c *core[T]) split(out []T) (y []T, end State[[]T]) {
	if !c.withEnd {
		return out, end
	}
	p := c.plans[0]
	m := len(c.plans) * p.B * p.H
	n := m * p.L
	end.H = out[n : n+m]
	if p.kind.HasC() {
		end.C = out[n+m:]
	}
	return out[:n], end
}

// inputs sorts the inputs of the op, or their gradients, for a direction.
func (c *core[T]) inputs(direction int, f func(i int) []T) inputs[T] {
	at := func(i int) []T {
		if i < 0 {
			return nil
		}
		return f(i)
	}
	p := c.at.params[direction]
	return inputs[T]{
		X:      at(0),
		Params: Params[[]T]{at(p.WeightIH), at(p.WeightHH), at(p.BiasIH), at(p.BiasHH)},
		Start:  State[[]T]{at(c.at.start.H), at(c.at.start.C)},
	}
}

// values is inputs of values.
func (c *core[T]) values(direction int, in []graphop.Arg[T]) inputs[T] {
	v := c.inputs(direction, func(i int) []T { return in[i].F })
	if c.at.lengths >= 0 {
		v.Lengths = in[c.at.lengths].I
	}
	return v
}

// Rooms implements graphop.Roomy.
func (c *core[T]) Rooms() []graphop.Holder {
	var rooms []graphop.Holder
	for _, p := range c.plans {
		rooms = append(rooms, &p.z, &p.h, &p.c, &p.dw, &p.db, &p.scratches)
	}
	return rooms
}

func (c *core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	y, end := c.split(out)
	for d, p := range c.plans {
		v := c.values(d, in)
		if err := p.Forward(y, end, &v); err != nil {
			return err
		}
	}
	return nil
}

func (c *core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	gy, gEnd := c.split(gout)
	for d, p := range c.plans {
		v, g := c.values(d, in), c.inputs(d, func(i int) []T { return grad[i] })
		if d == 0 { // each writes its own
			clear(g.Start.H)
			clear(g.Start.C)
		}
		p.Backward(&g, &v, gy, gEnd)
	}
	return nil
}
