package selective

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Scan adds the output y (B, D, L) of a selective scan to the graph of its inputs and
// returns it. See the package comment for the formula and [Inputs] for the shapes.
// start (B, D, N) is the state before the first step, nil for zero. Only the first
// lengths[b] steps of row b count, all if lengths, (B) of dtype int, is nil: what is
// behind them is not read, the output is 0 there, and so are the gradients. A length
// that is not in [0, L] is an error when the graph runs.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of
// them. An error names the argument, the wanted shape and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Scan(cfg Config, in Inputs[*G.Node], start, lengths *G.Node) (*G.Node, error) {
	o := scanOp{name: "selective.Scan", cfg: cfg, of: in, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.build(in.U.Shape().Clone(), false)
}

// ScanState is [Scan] with the state after the last step that counts, end (B, D, N).
// That of a row of no steps is its start. Gradients go through the output and the
// state. It makes a copy of the output more than Scan.
func ScanState(cfg Config, in Inputs[*G.Node], start, lengths *G.Node) (y, end *G.Node, err error) {
	o := scanOp{name: "selective.ScanState", cfg: cfg, of: in, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	n := in.U.Shape().TotalSize()
	all, err := o.build(tensor.Shape{n + o.size.B*o.size.D*o.size.N}, true)
	if err != nil {
		return nil, nil, err
	}
	if y, err = graphop.Part(o.name, all, 0, in.U.Shape()); err == nil {
		end, err = graphop.Part(o.name, all, n, o.stateShape())
	}
	return y, end, err
}

// scanOp is the op while it is made.
type scanOp struct {
	name           string
	cfg            Config
	of             Inputs[*G.Node]
	start, lengths *G.Node

	size           sizes
	fixedB, fixedC bool // the same at all steps
	in             []*G.Node
}

func (o *scanOp) stateShape() tensor.Shape { return tensor.Shape{o.size.B, o.size.D, o.size.N} }

// check checks the arguments, and reads the size off their shapes.
func (o *scanOp) check() error {
	var err error
	o.in, err = graphop.Floats(o.name,
		graphop.Named("U", o.of.U), graphop.Named("Delta", o.of.Delta), graphop.Named("A", o.of.A), graphop.Named("B", o.of.B), graphop.Named("C", o.of.C),
		graphop.Optional("D", o.of.D), graphop.Optional("Z", o.of.Z), graphop.Optional("Bias", o.of.Bias), graphop.Optional("start", o.start))
	if err != nil {
		return err
	}
	if err := o.shapes(); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

// shapes checks the shapes of the arguments, which are of one float type.
func (o *scanOp) shapes() error {
	u, a := o.of.U.Shape(), o.of.A.Shape()
	if u.Dims() != 3 || slices.Min(u) < 1 {
		return wrongShape("U", "(B, D, L), each at least 1", u)
	}
	if a.Dims() != 2 || a[0] != u[1] || a[1] < 1 {
		return wrongShape("A", fmt.Sprintf("(%d, N), N >= 1", u[1]), a)
	}
	o.size = sizes{B: u[0], D: u[1], N: a[1], L: u[2], G: 1}
	for _, n := range []*G.Node{o.of.B, o.of.C} {
		if s := n.Shape(); s.Dims() == 4 && s[1] > 0 {
			o.size.G = s[1]
			break
		}
	}
	if o.size.D%o.size.G != 0 {
		return fmt.Errorf("want groups of B and C that divide the %d channels, got %d", o.size.D, o.size.G)
	}
	var err error
	if o.fixedB, err = o.operand("B", o.of.B); err != nil {
		return err
	}
	if o.fixedC, err = o.operand("C", o.of.C); err != nil {
		return err
	}
	for _, x := range []struct {
		name string
		node *G.Node
		want []int
	}{
		{"Delta", o.of.Delta, u}, {"D", o.of.D, u[1:2]}, {"Z", o.of.Z, u}, {"Bias", o.of.Bias, u[1:2]}, {"start", o.start, o.stateShape()},
	} {
		if x.node != nil {
			if err := graphop.WantShape(x.name, x.node, x.want); err != nil {
				return err
			}
		}
	}
	if err := graphop.WantLengths(o.lengths, o.size.B); err != nil {
		return err
	}
	return o.size.validate()
}

// wrongShape is the error of an argument of another shape than is wanted.
func wrongShape(name, want string, got tensor.Shape) error {
	return fmt.Errorf("%s: want %s, got %v", name, want, got)
}

// operand checks the shape of B or C.
func (o *scanOp) operand(name string, n *G.Node) (fixed bool, err error) {
	s := o.size
	if n.Shape().Dims() == 2 {
		return true, graphop.WantShape(name, n, []int{s.D, s.N})
	}
	grouped := []int{s.B, s.G, s.N, s.L}
	if s.G > 1 {
		return false, graphop.WantShape(name, n, grouped, []int{s.D, s.N})
	}
	return false, graphop.WantShape(name, n, []int{s.B, s.N, s.L}, grouped, []int{s.D, s.N})
}

func (o *scanOp) build(out tensor.Shape, withEnd bool) (*G.Node, error) {
	spec := graphop.Spec{Name: o.name, Out: out, Carried: []*G.Node{o.start}}
	if o.size.L == 1 { // a step, which may have been computed from the last one
		spec.Carried = append(spec.Carried, o.of.U, o.of.Delta, o.of.Z)
	}
	in, at := o.in, o.places()
	if o.lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newCore[float32](o, at, withEnd) },
		func() graphop.Core[float64] { return newCore[float64](o, at, withEnd) }, in...)
}

// places are the indices of the inputs of an op, -1 where one is not there.
type places struct {
	of             Inputs[int]
	start, lengths int
}

func (o *scanOp) places() places {
	next := -1
	find := func(n *G.Node) int {
		if n == nil {
			return -1
		}
		next++
		return next
	}
	return places{
		of: Inputs[int]{
			U: find(o.of.U), Delta: find(o.of.Delta), A: find(o.of.A), B: find(o.of.B), C: find(o.of.C),
			D: find(o.of.D), Z: find(o.of.Z), Bias: find(o.of.Bias),
		},
		start: find(o.start), lengths: find(o.lengths),
	}
}

// core is a plan behind graphop. With the end state, the output is y and then that.
type core[T num.Float] struct {
	*plan[T]
	at      places
	withEnd bool
}

func newCore[T num.Float](o *scanOp, at places, withEnd bool) graphop.Core[T] {
	return &core[T]{newPlan[T](o.cfg, o.size, o.fixedB, o.fixedC), at, withEnd}
}

// split returns the parts of an output.
func (c *core[T]) split(out []T) (y, end []T) {
	if !c.withEnd {
		return out, nil
	}
	n := c.B * c.D * c.L
	return out[:n], out[n:]
}

// operands sorts the inputs of the op, or their gradients.
func (c *core[T]) operands(f func(i int) []T) operands[T] {
	at := func(i int) []T {
		if i < 0 {
			return nil
		}
		return f(i)
	}
	p := c.at.of
	return operands[T]{
		Inputs: Inputs[[]T]{U: at(p.U), Delta: at(p.Delta), A: at(p.A), B: at(p.B), C: at(p.C), D: at(p.D), Z: at(p.Z), Bias: at(p.Bias)},
		start:  at(c.at.start),
	}
}

// values is operands of values.
func (c *core[T]) values(in []graphop.Arg[T]) operands[T] {
	v := c.operands(func(i int) []T { return in[i].F })
	if c.at.lengths >= 0 {
		v.lengths = in[c.at.lengths].I
	}
	return v
}

func (c *core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	v := c.values(in)
	if err := graphop.ValidLengths(v.lengths, c.L); err != nil {
		return err
	}
	y, end := c.split(out)
	c.forward(y, end, &v)
	return nil
}

func (c *core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	v, g := c.values(in), c.operands(func(i int) []T { return grad[i] })
	gy, gEnd := c.split(gout)
	c.backward(&g, &v, gy, gEnd)
	return nil
}
