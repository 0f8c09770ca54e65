package mimo

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Config says what a model computes.
type Config struct {
	// Pairs says that a state stands for itself and its conjugate: gain is 2, else 1.
	Pairs bool
}

// gain is the factor of the output.
func (c Config) gain() float64 {
	if c.Pairs {
		return 2
	}
	return 1
}

// Params are the parameters of a model: V is *gorgonia.Node or a slice.
type Params[V any] struct {
	Poles V // (2, 2, P) or, of every step, (2, B, L, 2, P): see S5Poles
	B     V // (P, H, 2)
	C     V // (S, H, P, 2), S = 2 for both directions, else 1
	D     V // (1, H), or nil for none
}

// Sequence adds the output of a model over the inputs x to their graph and returns it,
// (B, H, L). See the package comment for the formulas. The shapes are
//
//	x        (B, H, L)
//	p        see [Params]
//	start    (B, P, 2), or (B, 2, P, 2) for both directions: the states before the first
//	         step, of the second direction behind the last that counts; nil: zero
//	lengths  (B) of dtype int: how many steps of each row count; nil: all
//
// What is behind the length of a row is not read; the output is 0 there, and so is the
// gradient of x. A length that is not in [0, L] is an error when the graph runs.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of
// them. An error names the argument, the wanted shape and what came.
//
// The op keeps 2 P numbers for each step and direction from the forward to the backward
// pass, and as many more if the poles are those of every step. It owns its buffers: a
// graph with it may be run by one VM at a time.
func Sequence(cfg Config, x *G.Node, p Params[*G.Node], start, lengths *G.Node) (*G.Node, error) {
	o := seqOp{name: "mimo.Sequence", cfg: cfg, x: x, params: p, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.build(x.Shape().Clone(), false)
}

// SequenceState is [Sequence] with the states after the last step, of the shape of
// start: that of the second direction is the one after the first step. That of a row of
// no steps is its start. Gradients go through the output and the states. It makes a copy
// of the output more than Sequence.
func SequenceState(cfg Config, x *G.Node, p Params[*G.Node], start, lengths *G.Node) (y, end *G.Node, err error) {
	o := seqOp{name: "mimo.SequenceState", cfg: cfg, x: x, params: p, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	n := x.Shape().TotalSize()
	all, err := o.build(tensor.Shape{n + o.stateShape().TotalSize()}, true)
	if err != nil {
		return nil, nil, err
	}
	if y, err = graphop.Part(o.name, all, 0, x.Shape()); err == nil {
		end, err = graphop.Part(o.name, all, n, o.stateShape())
	}
	return y, end, err
}

// seqOp is the op while it is made.
type seqOp struct {
	name       string
	cfg        Config
	x, lengths *G.Node
	params     Params[*G.Node]
	start      *G.Node

	size sizes
	in   []*G.Node
}

// stateShape is the shape of the states.
func (o *seqOp) stateShape() tensor.Shape {
	if o.size.S == 1 {
		return tensor.Shape{o.size.B, o.size.P, 2}
	}
	return tensor.Shape{o.size.B, o.size.S, o.size.P, 2}
}

// check checks the arguments, and reads the size off their shapes.
func (o *seqOp) check() error {
	p := o.params
	var err error
	o.in, err = graphop.Floats(o.name, graphop.Named("x", o.x), graphop.Named("Poles", p.Poles), graphop.Named("B", p.B),
		graphop.Named("C", p.C), graphop.Optional("D", p.D), graphop.Optional("start", o.start))
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
	p, xs, bs, cs := o.params, o.x.Shape(), o.params.B.Shape(), o.params.C.Shape()
	if xs.Dims() != 3 || xs.TotalSize() == 0 {
		return fmt.Errorf("x: want (B, H, L), each at least 1, got %v", xs)
	}
	if bs.Dims() != 3 || bs[0] < 1 || bs[1] != xs[1] || bs[2] != 2 {
		return fmt.Errorf("%s: want (P, %d, 2), P >= 1, got %v", "B", xs[1], bs)
	}
	o.size = sizes{B: xs[0], H: xs[1], L: xs[2], P: bs[0], S: 1}
	one, both := []int{1, xs[1], bs[0], 2}, []int{2, xs[1], bs[0], 2}
	if err := graphop.WantShape("C", p.C, one, both); err != nil {
		return err
	}
	o.size.S = cs[0]
	fixed, varying := []int{2, 2, bs[0]}, []int{2, xs[0], xs[2], 2, bs[0]}
	if err := graphop.WantShape("Poles", p.Poles, fixed, varying); err != nil {
		return err
	}
	o.size.varying = p.Poles.Shape().Dims() == len(varying)
	if p.D != nil {
		if err := graphop.WantShape("D", p.D, []int{1, xs[1]}); err != nil {
			return err
		}
	}
	if o.start != nil {
		if err := graphop.WantShape("start", o.start, o.stateShape()); err != nil {
			return err
		}
	}
	return size.First(graphop.WantLengths(o.lengths, o.size.B), o.size.validate())
}

func (o *seqOp) build(out tensor.Shape, withEnd bool) (*G.Node, error) {
	spec := graphop.Spec{Name: o.name, Out: out, Optional: []int{0}, Carried: []*G.Node{o.start}}
	if o.size.L == 1 { // a step, which may be the output of the last one
		spec.Carried = append(spec.Carried, o.x)
	}
	in, at := o.in, places{d: -1, start: -1, lengths: -1}
	next := 4
	for _, a := range []struct {
		node *G.Node
		at   *int
	}{{o.params.D, &at.d}, {o.start, &at.start}} {
		if a.node != nil {
			*a.at = next
			next++
		}
	}
	if o.lengths != nil {
		at.lengths = len(in)
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	gain := o.cfg.gain()
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return newCore[float32](o.size, gain, at, withEnd), nil },
		func() (graphop.Core[float64], error) { return newCore[float64](o.size, gain, at, withEnd), nil },
		in...)
}

// places are the indices of the inputs of an op behind x, the poles, B and C, -1 where
// one is not there.
type places struct{ d, start, lengths int }

// core is a plan behind graphop. With the end states the output is y, then those.
type core[T num.Float] struct {
	*plan[T]
	at      places
	withEnd bool
}

func newCore[T num.Float](s sizes, gain float64, at places, withEnd bool) graphop.Core[T] {
	return &core[T]{newPlan[T](s, gain), at, withEnd}
}

// split returns the parts of an output.
func (c *core[T]) split(out []T) (y, end []T) {
	if !c.withEnd {
		return out, nil
	}
	n := c.B * c.H * c.L
	return out[:n], out[n:]
}

// inputs sorts the inputs of the op, or their gradients.
func (c *core[T]) inputs(f func(i int) []T) inputs[T] {
	at := func(i int) []T {
		if i < 0 {
			return nil
		}
		return f(i)
	}
	return inputs[T]{X: at(0), Params: Params[[]T]{at(1), at(2), at(3), at(c.at.d)}, Start: at(c.at.start)}
}

// values is inputs of values.
func (c *core[T]) values(in []graphop.Arg[T]) *inputs[T] {
	v := c.inputs(func(i int) []T { return in[i].F })
	if c.at.lengths >= 0 {
		v.Lengths = in[c.at.lengths].I
	}
	return &v
}

func (c *core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	y, end := c.split(out)
	return c.plan.Forward(y, end, c.values(in))
}

func (c *core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	gy, gEnd := c.split(gout)
	g := c.inputs(func(i int) []T { return grad[i] })
	c.plan.Backward(&g, c.values(in), gy, gEnd)
	return nil
}
