package retention

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Retain adds the retention of queries q and keys k (B, E, L) and values v (B, V, L) to
// their graph and returns its output (B, V, L). See the package comment for the formulas.
// start (B, H, dk, dv) is the state before the first step, nil for zero. Only the first
// lengths[b] steps of row b count, all if lengths, (B) of dtype int, is nil: what is
// behind them is not read, the output is 0 there, and so are the gradients. A length
// that is not in [0, L] is an error when the graph runs.
//
// All but lengths are float32 or all float64. Gradients are exact and go to all of them.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Retain(c Config, q, k, v, start, lengths *G.Node) (*G.Node, error) {
	o := retainOp{name: "retention.Retain", cfg: c, q: q, k: k, v: v, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.build(v.Shape().Clone(), false)
}

// RetainState is [Retain] with the state after the last step that counts, end
// (B, H, dk, dv). That of a row of no steps is its start. Gradients go through the output
// and the state. It makes a copy of the output more than Retain.
func RetainState(c Config, q, k, v, start, lengths *G.Node) (y, end *G.Node, err error) {
	o := retainOp{name: "retention.RetainState", cfg: c, q: q, k: k, v: v, start: start, lengths: lengths}
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	if c.Scores == Normalized {
		return nil, nil, fmt.Errorf("%s: want Scores %q with a state, got %q", o.name, Plain, c.Scores)
	}
	n := v.Shape().TotalSize()
	all, err := o.build(tensor.Shape{n + o.stateShape().TotalSize()}, true)
	if err != nil {
		return nil, nil, err
	}
	if y, err = graphop.Part(o.name, all, 0, v.Shape()); err == nil {
		end, err = graphop.Part(o.name, all, n, o.stateShape())
	}
	return y, end, err
}

// dims are the sizes of an op.
type dims struct {
	Config
	b, e, v, l int // batch, features of keys and of values, steps
	dk, dv     int // features of a head
}

// retainOp is the op while it is made.
type retainOp struct {
	name                    string
	cfg                     Config
	q, k, v, start, lengths *G.Node

	dims dims
	in   []*G.Node
}

func (o *retainOp) stateShape() tensor.Shape {
	return tensor.Shape{o.dims.b, o.cfg.Heads, o.dims.dk, o.dims.dv}
}

// check checks the arguments, and reads the sizes off their shapes.
func (o *retainOp) check() error {
	var err error
	o.in, err = graphop.Floats(o.name, graphop.Named("q", o.q), graphop.Named("k", o.k), graphop.Named("v", o.v), graphop.Optional("start", o.start))
	if err != nil {
		return err
	}
	if err := o.shapes(); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

func (o *retainOp) shapes() error {
	q, v := o.q.Shape(), o.v.Shape()
	if q.Dims() != 3 || q.TotalSize() == 0 {
		return fmt.Errorf("q: want (B, E, L), each at least 1, got %v", q)
	}
	if v.Dims() != 3 || v[0] != q[0] || v[1] < 1 || v[2] != q[2] {
		return fmt.Errorf("v: want (%d, V, %d), V >= 1, got %v", q[0], q[2], v)
	}
	d := dims{Config: o.cfg, b: q[0], e: q[1], v: v[1], l: q[2]}
	if err := o.cfg.Validate(d.e, d.v); err != nil {
		return err
	}
	d.dk, d.dv = d.e/d.Heads, d.v/d.Heads
	o.dims = d
	if err := graphop.WantShape("k", o.k, q); err != nil {
		return err
	}
	if o.start != nil {
		if o.cfg.Scores == Normalized {
			return fmt.Errorf("want no start with Scores %q, got one", Normalized)
		}
		if err := graphop.WantShape("start", o.start, o.stateShape()); err != nil {
			return err
		}
	}
	return size.First(graphop.WantLengths(o.lengths, d.b), size.Length("L", d.l), size.Tensor("the states (B, Heads, dk, dv)", o.stateShape()...))
}

func (o *retainOp) build(out tensor.Shape, withEnd bool) (*G.Node, error) {
	spec := graphop.Spec{Name: o.name, Out: out, Carried: []*G.Node{o.start}}
	if o.dims.l == 1 { // a step, which may have been computed from the last one
		spec.Carried = append(spec.Carried, o.q, o.k, o.v)
	}
	in, at := o.in, places{start: -1, lengths: -1}
	if o.start != nil {
		at.start = len(in) - 1
		spec.Optional = []int{at.start}
	}
	if o.lengths != nil {
		at.lengths = len(in)
		spec.Ints = []int{at.lengths}
		in = append(in, o.lengths)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newCore[float32](o.dims, at, withEnd) },
		func() graphop.Core[float64] { return newCore[float64](o.dims, at, withEnd) }, in...)
}

// places are the indices of the inputs behind q, k and v, -1 where one is not there.
type places struct{ start, lengths int }

// floats returns an input, nil if it is not there.
func floats[T num.Float](in []graphop.Arg[T], i int) []T {
	if i < 0 {
		return nil
	}
	return in[i].F
}

func newCore[T num.Float](d dims, at places, withEnd bool) graphop.Core[T] {
	if d.Scores == Normalized {
		return newNormalized[T](d, at)
	}
	return newChunked[T](d, at, withEnd)
}
