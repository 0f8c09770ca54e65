package hippornn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Sequence adds the output of a recurrence over the inputs x to their graph and returns
// it, (B, H, L): the state h after each step. See the package comment for the formulas.
// The shapes are
//
//	x        (B, I, L)
//	p        see [Params]
//	start    the state before the first step: see [State]
//	dt       (B, L), of LegS alone: the time of each step since the last, nil for 1; that of
//	         the first step of a sequence is not heeded, as its time is 0
//	lengths  (B) of dtype int: how many steps of each row count; nil: all
//
// What is behind the length of a row is not read; the output is 0 there, and so is the
// gradient of x. A length that is not in [0, L], a dt that is not positive and finite, or
// a position that is neither 0 nor at least 1, is an error when the graph runs.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of them
// but times. An error names the argument, the wanted shape and what came.
//
// The op keeps about (3 H + M N) B L numbers from the forward to the backward pass. It
// owns its buffers: a graph with it may be run by one VM at a time.
func Sequence(cfg Config, x *G.Node, p Params[*G.Node], start State[*G.Node], dt, lengths *G.Node) (*G.Node, error) {
	o := seqOp{name: "hippornn.Sequence", cfg: cfg, x: x, params: p, start: start, dt: dt, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.build(tensor.Shape{o.size.B, o.size.H, o.size.L}, false)
}

// SequenceState is [Sequence] with the state after the last step that counts, but for
// the position, which is that of [NextPosition]. That of a row of no steps is its start.
// Gradients go through the output and the state. It makes a copy of the output more than
// Sequence.
func SequenceState(cfg Config, x *G.Node, p Params[*G.Node], start State[*G.Node], dt, lengths *G.Node) (y *G.Node, end State[*G.Node], err error) {
	o := seqOp{name: "hippornn.SequenceState", cfg: cfg, x: x, params: p, start: start, dt: dt, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, end, err
	}
	s := o.size
	h, m, n := s.parts()
	all, err := o.build(tensor.Shape{n}, true)
	if err != nil {
		return nil, end, err
	}
	part := func(from int, shape ...int) (n *G.Node) {
		if err == nil {
			n, err = graphop.Part(o.name, all, from, shape)
		}
		return n
	}
	y = part(0, s.B, s.H, s.L)
	end.H, end.M = part(h, s.B, s.H), part(m, s.B, s.M, s.N)
	return y, end, err
}

// parts returns where in an output with the end state h and m are, behind y, and its
// length.
func (s sizes) parts() (h, m, all int) {
	h = s.B * s.H * s.L
	m = h + s.B*s.H
	return h, m, m + s.B*s.memory()
}

// seqOp is the op while it is made.
type seqOp struct {
	name           string
	cfg            Config
	x, dt, lengths *G.Node
	params         Params[*G.Node]
	start          State[*G.Node]

	size sizes
	in   []*G.Node
}

// check checks the arguments, and reads the size off their shapes.
func (o *seqOp) check() error {
	var has []bool
	for _, n := range o.params.list() {
		has = append(has, *n != nil)
	}
	err := o.cfg.Validate()
	switch {
	case err != nil:
	case !o.cfg.legS() && o.start.Position != nil:
		err = fmt.Errorf("start.Position: want nil, as a constant measure has no time, got a node")
	case !o.cfg.legS() && o.dt != nil:
		err = fmt.Errorf("dt: want nil, as a constant measure has one step, got a node")
	default:
		err = wanted(o.cfg.Order, has)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	args := []graphop.Argument{graphop.Named("x", o.x)}
	for i, n := range o.params.list() {
		args = append(args, graphop.Optional(names[i], *n))
	}
	args = append(args, graphop.Optional("start.H", o.start.H), graphop.Optional("start.M", o.start.M),
		graphop.Optional("start.Position", o.start.Position), graphop.Optional("dt", o.dt))
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
	xs, ws, hs := o.x.Shape(), o.params.Write.Shape(), o.params.Hidden.Shape()
	switch {
	case xs.Dims() != 3 || xs.TotalSize() == 0:
		return fmt.Errorf("x: want (B, I, L), each at least 1, got %v", xs)
	case ws.Dims() != 2 || ws.TotalSize() == 0:
		return fmt.Errorf("%s: want (M, columns), each at least 1, got %v", names[0], ws)
	case hs.Dims() != 2 || hs.TotalSize() == 0:
		return fmt.Errorf("%s: want (H, columns), each at least 1, got %v", names[3], hs)
	}
	o.size = sizes{
		B: xs[0], I: xs[1], H: hs[0], M: ws[0], N: o.cfg.N, L: xs[2],
		gated: o.params.Gate != nil, hidden: o.cfg.Order == Paper || o.params.HiddenHidden != nil,
	}
	shapes := o.size.shapes(o.cfg.Order)
	for i, n := range o.params.list() {
		if *n == nil {
			continue
		}
		if err := graphop.WantShape(names[i], *n, shapes[i]); err != nil {
			return err
		}
	}
	s := o.size
	for _, a := range []struct {
		name  string
		node  *G.Node
		shape []int
	}{{"start.H", o.start.H, []int{s.B, s.H}}, {"start.M", o.start.M, []int{s.B, s.M, s.N}}, {"start.Position", o.start.Position, []int{s.B}}, {"dt", o.dt, []int{s.B, s.L}}} {
		if a.node == nil {
			continue
		}
		if err := graphop.WantShape(a.name, a.node, a.shape); err != nil {
			return err
		}
	}
	return graphop.WantLengths(o.lengths, s.B)
}

// places are the indices of the inputs of an op, -1 where one is not there.
type places struct {
	params      Params[int]
	start       State[int]
	dt, lengths int
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
	to := at.params.list()
	for i, n := range o.params.list() {
		*to[i] = find(*n)
	}
	at.start = State[int]{find(o.start.H), find(o.start.M), find(o.start.Position)}
	at.dt, at.lengths = find(o.dt), find(o.lengths)
	return at
}

func (o *seqOp) build(out tensor.Shape, withEnd bool) (*G.Node, error) {
	in, at := o.in, o.places()
	spec := graphop.Spec{Name: o.name, Out: out, Optional: []int{0}, Carried: []*G.Node{o.start.H, o.start.M, o.start.Position}}
	if o.size.L == 1 { // a step, which may be the output of the last one
		spec.Carried = append(spec.Carried, o.x)
	}
	for _, i := range at.params.list() {
		if *i >= 0 {
			spec.Optional = append(spec.Optional, *i)
		}
	}
	for _, i := range []int{at.start.Position, at.dt} {
		if i >= 0 {
			spec.NoGrad = append(spec.NoGrad, i)
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

// core is a plan behind graphop. With the end state, the output is y, then h and m.
type core[T num.Float] struct {
	plan    *plan[T]
	at      places
	withEnd bool
}

func newCore[T num.Float](o *seqOp, at places, withEnd bool) (graphop.Core[T], error) {
	p, err := newPlan[T](o.cfg, o.size)
	return &core[T]{plan: p, at: at, withEnd: withEnd}, err
}

// split returns the parts of an output.
func (c *core[T]) split(out []T) (y []T, end State[[]T]) {
	if !c.withEnd {
		return out, end
	}
	h, m, _ := c.plan.parts()
	return out[:h], State[[]T]{H: out[h:m], M: out[m:]}
}

// inputs sorts the inputs of the op, or their gradients.
func (c *core[T]) inputs(f func(i int) []T) inputs[T] {
	at := func(i int) []T {
		if i < 0 {
			return nil
		}
		return f(i)
	}
	v := inputs[T]{X: at(0), Start: State[[]T]{at(c.at.start.H), at(c.at.start.M), at(c.at.start.Position)}, Dt: at(c.at.dt)}
	to := v.Params.list()
	for i, k := range c.at.params.list() {
		*to[i] = at(*k)
	}
	return v
}

// values is inputs of values.
func (c *core[T]) values(in []graphop.Arg[T]) inputs[T] {
	v := c.inputs(func(i int) []T { return in[i].F })
	if c.at.lengths >= 0 {
		v.Lengths = in[c.at.lengths].I
	}
	return v
}

// Rooms implements graphop.Roomy.
func (c *core[T]) Rooms() []graphop.Holder {
	p := c.plan
	return []graphop.Holder{&p.z, &p.h, &p.m, &p.a, &p.dw, &p.db, &p.scratches}
}

func (c *core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	y, end := c.split(out)
	v := c.values(in)
	return c.plan.Forward(y, end, &v)
}

func (c *core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	gy, gEnd := c.split(gout)
	v, g := c.values(in), c.inputs(func(i int) []T { return grad[i] })
	c.plan.Backward(&g, &v, gy, gEnd)
	return nil
}
