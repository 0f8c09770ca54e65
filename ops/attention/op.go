package attention

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Attend adds attention to the graph of qkv (B, 3E, L) and returns its output
// (B, E, L). See the package comment for the formulas. The gradient is exact.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Attend(qkv *G.Node, c Config, opts ...Option) (*G.Node, error) {
	const name = "attention.Attend"
	d, err := newDims(qkv, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	o, err := readOptions(opts, d.b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in := inputs{qkv}
	y, err := d.attend(name, &in, operands{k: -1, v: -1, position: -1, lengths: in.add(o.lengths)})
	if err != nil {
		return nil, err
	}
	return y, nil
}

// AttendState is Attend of causal attention for a sequence that goes on from the
// state x0. It returns the output and x1, the state after the last step. Gradients
// go through both. x0 is nil at the start of a sequence, or nodes of the dtype
// of qkv:
//
//	softmax   k (B, H, T, hd), v (B, H, T, hd), position (B)
//	linear    S (B, H, hd, hd), z (B, H, hd), and position (B) with Rotary
//
// position is the number of steps that each row has seen, a whole number (of which
// float32 has none between 2^24 and 2^24 + 2: more steps are for float64). The keys
// and values of a cache are those of the last min(position, T) steps, the newest
// last; the slots in front of them are never read. Keys are stored rotated. T is
// any number, and T + L in x1; with a window it is max(1, Window-1) in both. S is
// sum_j phi(k_j)^T v_j, its rows those of k, and z is sum_j phi(k_j).
func AttendState(qkv *G.Node, x0 G.Nodes, c Config) (y *G.Node, x1 G.Nodes, err error) {
	const name = "attention.AttendState"
	d, err := newDims(qkv, c)
	if err == nil {
		err = d.checkState(qkv, x0)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	in := inputs{qkv}
	ops := operands{k: -1, v: -1, position: -1, lengths: -1}
	var position *G.Node
	if len(x0) > 0 {
		ops.k, ops.v = in.add(x0[0]), in.add(x0[1])
		if len(x0) > 2 {
			position = x0[2]
			ops.position = in.add(position)
		}
	}
	if y, err = d.attend(name, &in, ops); err != nil {
		return nil, nil, err
	}
	if x1, err = d.next(name, in, ops); err != nil || !c.hasPosition() {
		return y, x1, err
	}
	p, err := NextPosition(qkv, position)
	return y, append(x1, p), err
}

// operands are where the inputs of an op are, -1 for none. k and v are also S and
// z.
type operands struct{ k, v, position, lengths int }

// spec returns the description of an op with these inputs.
func (o operands) spec(name string, out tensor.Shape, in inputs) graphop.Spec {
	s := graphop.Spec{Name: name, Out: out, Ints: some(o.lengths), NoGrad: some(o.position), Optional: some(o.k, o.v)}
	for _, i := range some(o.k, o.v, o.position) {
		s.Carried = append(s.Carried, in[i])
	}
	return s
}

// checkState returns an error unless the nodes are a state, and sets the number
// of slots.
func (d *dims) checkState(qkv *G.Node, x0 G.Nodes) error {
	if !d.Causal {
		return fmt.Errorf("want Causal with a state, got attention that sees all steps")
	}
	want := 3
	if !d.hasPosition() {
		want = 2
	}
	switch {
	case len(x0) == 0:
		return nil
	case len(x0) != want:
		return fmt.Errorf("x0: want %d nodes, got %d", want, len(x0))
	}
	dt := qkv.Dtype()
	if want == 3 {
		if err := checkFloat("x0: position", x0[2], dt, d.b); err != nil {
			return err
		}
	}
	if d.Form == Linear {
		return size.First(checkFloat("x0: S", x0[0], dt, d.b, d.Heads, d.hd, d.hd), checkFloat("x0: z", x0[1], dt, d.b, d.Heads, d.hd))
	}
	k := x0[0]
	if k == nil || k.Shape().Dims() != 4 {
		return fmt.Errorf("x0: k: want (%d, %d, T, %d), got %v", d.b, d.Heads, d.hd, shapeOf(k))
	}
	d.slots = k.Shape()[2]
	if d.Window > 0 {
		d.slots = d.Config.slots()
	}
	if err := size.Length("T", d.slots); err != nil {
		return err
	}
	return size.First(checkFloat("x0: k", k, dt, d.b, d.Heads, d.slots, d.hd), checkFloat("x0: v", x0[1], dt, d.b, d.Heads, d.slots, d.hd))
}

// attend adds the op of the output.
func (d *dims) attend(name string, in *inputs, o operands) (*G.Node, error) {
	spec := o.spec(name, tensor.Shape{d.b, d.e, d.l}, *in)
	spec.NeedsOut = true
	if d.Form == Linear {
		return graphop.Apply(spec,
			func() graphop.Core[float32] { return newLinear[float32](*d, o) },
			func() graphop.Core[float64] { return newLinear[float64](*d, o) }, *in...)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newSoftmax[float32](*d, o) },
		func() graphop.Core[float64] { return newSoftmax[float64](*d, o) }, *in...)
}

// next adds the ops of the next state but for the position.
func (d *dims) next(name string, in inputs, o operands) (G.Nodes, error) {
	shapes := []tensor.Shape{{d.b, d.Heads, d.hd, d.hd}, {d.b, d.Heads, d.hd}}
	if d.Form != Linear {
		t := d.slots + d.l
		if d.Window > 0 {
			t = d.Config.slots()
		}
		s := tensor.Shape{d.b, d.Heads, t, d.hd}
		if err := size.Tensor("the cache of "+name, s...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		shapes = []tensor.Shape{s, s}
	}
	x1 := make(G.Nodes, 2)
	for i, s := range shapes {
		var err error
		if x1[i], err = d.nextOf(name, i, s, in, o); err != nil {
			return nil, err
		}
	}
	return x1, nil
}

// nextOf adds the op of tensor i of the next state.
func (d *dims) nextOf(name string, i int, s tensor.Shape, in inputs, o operands) (*G.Node, error) {
	args := inputs{in[0]}
	from := operands{k: -1, v: -1, position: -1, lengths: -1}
	if o.k >= 0 {
		from.k = args.add(in[o.k+i])
	}
	if o.position >= 0 {
		from.position = args.add(in[o.position])
	}
	spec := from.spec(name, s, args)
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return nextCore[float32](*d, from, i) },
		func() graphop.Core[float64] { return nextCore[float64](*d, from, i) }, args...)
}

// nextCore returns the core of tensor i of the next state.
func nextCore[T num.Float](d dims, o operands, i int) graphop.Core[T] {
	switch {
	case d.Form != Linear:
		return newCache[T](d, o, i)
	case i == 0:
		return newSums[T](d, o)
	}
	return newKeySums[T](d, o)
}
