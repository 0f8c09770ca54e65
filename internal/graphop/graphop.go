// Package graphop turns a numeric core on plain slices into a Gorgonia op.
//
// An op package writes its arithmetic once, as a [Core], and calls [Apply];
// everything Gorgonia asks of an op is here, in one place: types and shapes,
// hashing, symbolic differentiation for the TapeMachine (SDOp), automatic
// differentiation for the LispMachine (ADOp), train and eval mode, layout
// checks, and output buffers that are reused from step to step.
//
// An op owns its buffers and whatever its core keeps from the forward for the
// backward pass, so a graph may be run by one VM at a time. To train and
// evaluate, build two graphs that share their tensors.
package graphop

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"sync/atomic"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Arg is the value of one input: F for an input of the op's float type, I for
// an integer input (token ids, lengths, labels). Row-major, unless the op was
// made with Spec.AnyLayout.
type Arg[T num.Float] struct {
	F []T
	I []int
	// Strides of an input in another layout, for EachRow. nil for row-major.
	Strides []int
}

// Core is the arithmetic of an op with one output. Sizes are the core's own
// fields, fixed when the op is made; they have been checked by then. A core
// may keep what Forward computed for the Backward that follows.
type Core[T num.Float] interface {
	// Forward writes every element of out.
	Forward(out []T, in []Arg[T]) error
	// Backward writes to grad[i], for every i where it is not nil, the gradient
	// of sum(gout*out) with respect to input i, overwriting it. out is nil
	// unless the op was made with Spec.NeedsOut.
	Backward(grad [][]T, in []Arg[T], out, gout []T) error
}

// TrainModer is a core that behaves differently in training and evaluation.
type TrainModer interface{ SetTraining(training bool) }

// Spec describes an op to Apply.
type Spec struct {
	Name      string       // package and function: "ops.LayerNorm". Prefixes every error
	Out       tensor.Shape // shape of the output; empty for a scalar
	NoGrad    []int        // inputs that have no gradient; integer inputs are added
	NeedsOut  bool         // Backward reads the op's output
	AnyLayout bool         // the core takes inputs in any layout: views, column-major
}

var ids atomic.Uint64 // every op is its own: nothing here may be merged by hash

// Apply adds the op to the graph of its inputs. core32 and core64 make the
// core for the float type of the inputs, which is that of the first float
// input; all float inputs must share it.
func Apply(s Spec, core32 func() Core[float32], core64 func() Core[float64], in ...*G.Node) (*G.Node, error) {
	dt, err := FloatType(s.Name, in...)
	if err != nil {
		return nil, err
	}
	if dt == tensor.Float32 {
		return apply(s, core32(), dt, in)
	}
	return apply(s, core64(), dt, in)
}

// FloatType returns the one float type that the float inputs share.
func FloatType(name string, in ...*G.Node) (tensor.Dtype, error) {
	var dt tensor.Dtype
	for i, n := range in {
		if n == nil {
			return dt, fmt.Errorf("%s: input %d: want a node, got nil", name, i)
		}
		switch d := n.Dtype(); d {
		case tensor.Float32, tensor.Float64:
			if dt.Type != nil && d != dt {
				return dt, fmt.Errorf("%s: input %d (%s): want dtype %v like the other inputs, got %v", name, i, n.Name(), dt, d)
			}
			dt = d
		case tensor.Int:
		default:
			return dt, fmt.Errorf("%s: input %d (%s): want dtype float32, float64 or int, got %v", name, i, n.Name(), d)
		}
	}
	if dt.Type == nil {
		return dt, fmt.Errorf("%s: want at least one float input, got none", name)
	}
	return dt, nil
}

func apply[T num.Float](s Spec, core Core[T], dt tensor.Dtype, in []*G.Node) (*G.Node, error) {
	o := &op[T]{
		base: base{name: s.Name, id: ids.Add(1), shape: s.Out.Clone()},
		core: core, dt: dt, needsOut: s.NeedsOut, anyLayout: s.AnyLayout,
		diff: make([]bool, len(in)), dims: make([]tensor.Shape, len(in)),
		args: make([]Arg[T], len(in)),
	}
	ts := make([]hm.Type, 0, len(in)+1)
	for i, n := range in {
		o.diff[i] = n.Dtype() == dt
		o.dims[i] = n.Shape().Clone()
		ts = append(ts, n.Type())
	}
	for _, i := range s.NoGrad {
		o.diff[i] = false
	}
	o.typ = hm.NewFnType(append(ts, typeOf(dt, s.Out))...)
	o.arity = len(in)
	out, err := G.ApplyOp(o, in...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return out, nil
}

// typeOf returns Gorgonia's type for values of the given shape.
func typeOf(dt tensor.Dtype, shape tensor.Shape) hm.Type {
	if shape.Dims() == 0 {
		return dt
	}
	return G.TensorType{Dims: shape.Dims(), Of: dt}
}

// base is what the three kinds of op here answer alike.
type base struct {
	name  string
	id    uint64
	arity int
	typ   hm.Type
	shape tensor.Shape
}

func (b *base) Arity() int           { return b.arity }
func (b *base) Type() hm.Type        { return b.typ }
func (b *base) ReturnsPtr() bool     { return false }
func (b *base) CallsExtern() bool    { return false }
func (b *base) OverwritesInput() int { return -1 }
func (b *base) String() string       { return fmt.Sprintf("%s#%d", b.name, b.id) }

func (b *base) InferShape(...G.DimSizer) (tensor.Shape, error) { return b.shape.Clone(), nil }

func (b *base) WriteHash(h hash.Hash) { fmt.Fprintf(h, "graphop %s %d", b.name, b.id) }

func (b *base) Hashcode() uint32 {
	h := fnv.New32a()
	b.WriteHash(h)
	return h.Sum32()
}

// errSecondOrder is what differentiating a gradient gives.
var errSecondOrder = errors.New("second derivatives are not available")

// op is the forward op.
type op[T num.Float] struct {
	base
	core      Core[T]
	dt        tensor.Dtype
	diff      []bool
	needsOut  bool
	anyLayout bool
	dims      []tensor.Shape // of the inputs

	out  buffer[T]
	args []Arg[T]
	lisp []buffer[T] // gradients of the inputs under the LispMachine
}

// Do runs the forward pass. It returns a tensor that the op owns and
// overwrites at the next call.
func (o *op[T]) Do(in ...G.Value) (G.Value, error) {
	if err := o.bind(o.args, in); err != nil {
		return nil, err
	}
	if err := o.forward(o.out.data(o.shape)); err != nil {
		return nil, err
	}
	return o.out.value(o.dt, o.shape), nil
}

func (o *op[T]) forward(out []T) (err error) {
	defer o.recover(&err)
	if err := o.core.Forward(out, o.args); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

func (o *op[T]) backward(grad [][]T, out, gout []T) (err error) {
	defer o.recover(&err)
	if err := o.core.Backward(grad, o.args, out, gout); err != nil {
		return fmt.Errorf("%s: backward: %w", o.name, err)
	}
	return nil
}

// recover turns a broken invariant of a core into an error: Gorgonia runs ops
// on a goroutine of its own, where a panic could not be caught by the user.
func (o *op[T]) recover(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: internal error: %v", o.name, p)
	}
}

// bind reads the input values into args.
func (o *op[T]) bind(args []Arg[T], in []G.Value) error {
	if len(in) != len(args) {
		return fmt.Errorf("%s: want %d inputs, got %d", o.name, len(args), len(in))
	}
	for i, v := range in {
		if err := o.bindOne(&args[i], i, v); err != nil {
			return err
		}
	}
	return nil
}

func (o *op[T]) bindOne(a *Arg[T], i int, v G.Value) error {
	if v == nil {
		return fmt.Errorf("%s: input %d has no value: use gorgonia.Let or WithValue before running", o.name, i)
	}
	*a = Arg[T]{}
	if t, ok := v.(*tensor.Dense); ok {
		if !t.Shape().Eq(o.dims[i]) {
			return fmt.Errorf("%s: input %d: want shape %v, got %v", o.name, i, o.dims[i], t.Shape())
		}
		if !rowMajor(t) {
			if !o.anyLayout || t.IsMasked() {
				return fmt.Errorf("%s: input %d: want a contiguous row-major tensor, got a view or column-major one (shape %v, strides %v): ops.Contiguous makes a copy", o.name, i, t.Shape(), t.Strides())
			}
			a.Strides = t.Strides()
		}
		switch d := t.Data().(type) {
		case []T:
			a.F = d
			return nil
		case []int:
			a.I = d
			return nil
		case T: // a tensor of shape ()
			a.F = []T{d}
			return nil
		}
	} else if s, ok := scalar[T](v); ok {
		a.F = []T{s}
		return nil
	}
	return fmt.Errorf("%s: input %d: want dtype %v or int, got %v", o.name, i, o.dt, v.Dtype())
}

// scalar returns the value of a Gorgonia scalar of type T.
func scalar[T num.Float](v G.Value) (T, bool) {
	d, ok := v.Data().(T)
	return d, ok
}

// SetTraining implements gorgonia.TrainModeOp.
func (o *op[T]) SetTraining(training bool) error {
	if m, ok := o.core.(TrainModer); ok {
		m.SetTraining(training)
	}
	return nil
}

// DiffWRT implements gorgonia.SDOp.
func (o *op[T]) DiffWRT(int) []bool { return o.diff }

// SymDiff implements gorgonia.SDOp: one node computes the gradients of all
// inputs and returns the first; the others are taken from it.
func (o *op[T]) SymDiff(inputs G.Nodes, output, grad *G.Node) (G.Nodes, error) {
	g := make(G.Nodes, len(inputs))
	var b *backOp[T]
	var first *G.Node
	for i, n := range inputs {
		if !o.diff[i] {
			continue
		}
		var err error
		if first == nil {
			children := append(G.Nodes{}, inputs...)
			if o.needsOut {
				children = append(children, output)
			}
			children = append(children, grad)
			b = o.newBackOp(i, children)
			first, err = G.ApplyOp(b, children...)
			g[i] = first
		} else {
			g[i], err = G.ApplyOp(newTakeOp(b, i, first, n), first)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: gradient of input %d: %w", o.name, i, err)
		}
	}
	return g, nil
}

// DoDiff implements gorgonia.ADOp: it adds the gradients of the inputs to
// their dual values.
func (o *op[T]) DoDiff(_ G.ExecutionContext, inputs G.Nodes, output *G.Node) error {
	for i, n := range inputs {
		if err := o.bindOne(&o.args[i], i, n.Value()); err != nil {
			return err
		}
	}
	gv, err := output.Grad()
	if err != nil {
		return fmt.Errorf("%s: gradient of the output: %w", o.name, err)
	}
	var out, gout Arg[T]
	if err := bindOut(&gout, gv); err != nil {
		return fmt.Errorf("%s: gradient of the output: %w", o.name, err)
	}
	if o.needsOut {
		if err := bindOut(&out, output.Value()); err != nil {
			return fmt.Errorf("%s: output: %w", o.name, err)
		}
	}
	if o.lisp == nil {
		o.lisp = make([]buffer[T], len(inputs))
	}
	grad := make([][]T, len(inputs))
	for i := range inputs {
		if o.diff[i] {
			grad[i] = o.lisp[i].data(o.dims[i])
		}
	}
	if err := o.backward(grad, out.F, gout.F); err != nil {
		return err
	}
	for i, n := range inputs {
		if grad[i] == nil {
			continue
		}
		acc, err := n.Grad()
		if err != nil {
			return fmt.Errorf("%s: gradient of input %d: %w", o.name, i, err)
		}
		if err := accumulate(acc, grad[i]); err != nil {
			return fmt.Errorf("%s: gradient of input %d: %w", o.name, i, err)
		}
	}
	return nil
}

// bindOut reads an output value, which Gorgonia may hold as a scalar.
func bindOut[T num.Float](a *Arg[T], v G.Value) error {
	switch d := v.Data().(type) {
	case []T:
		if t := v.(*tensor.Dense); !rowMajor(t) {
			return fmt.Errorf("want a contiguous row-major tensor, got a view or column-major one (shape %v, strides %v)", t.Shape(), t.Strides())
		}
		a.F = d
	case T:
		a.F = []T{d}
	default:
		return fmt.Errorf("want a float value, got %T", v)
	}
	return nil
}

// accumulate adds d, row-major, to the gradient held by a dual value.
func accumulate[T num.Float](acc G.Value, d []T) error {
	switch a := acc.(type) {
	case *G.F32:
		*a += G.F32(d[0])
	case *G.F64:
		*a += G.F64(d[0])
	case *tensor.Dense:
		return accumulateDense(a, d)
	default:
		return fmt.Errorf("cannot add to a %T", acc)
	}
	return nil
}

func accumulateDense[T num.Float](acc *tensor.Dense, d []T) error {
	switch s := acc.Data().(type) {
	case T: // a tensor of shape ()
		acc.Set(0, s+d[0])
		return nil
	case []T:
		if acc.Shape().TotalSize() != len(d) {
			break
		}
		if rowMajor(acc) {
			for i, v := range d {
				s[i] += v
			}
			return nil
		}
		EachRow(acc.Shape(), acc.Strides(), func(to, from, stride, n int) {
			for i, v := range d[to : to+n] {
				s[from+i*stride] += v
			}
		})
		return nil
	}
	return fmt.Errorf("want a tensor of %d elements to add to, got %v of shape %v", len(d), acc.Dtype(), acc.Shape())
}

// backOp computes the gradients of all inputs of op in one pass. Its inputs
// are those of op, then the output if op needs it, then the output's gradient;
// its output is the gradient of input which.
type backOp[T num.Float] struct {
	base
	of    *op[T]
	which int
	bufs  []buffer[T]
	grad  [][]T
}

func (o *op[T]) newBackOp(which int, children G.Nodes) *backOp[T] {
	b := &backOp[T]{
		base: base{name: o.name + ".grad", id: ids.Add(1), arity: len(children), shape: o.dims[which]},
		of:   o, which: which,
		bufs: make([]buffer[T], len(o.dims)), grad: make([][]T, len(o.dims)),
	}
	ts := make([]hm.Type, 0, len(children)+1)
	for _, n := range children {
		ts = append(ts, n.Type())
	}
	b.typ = hm.NewFnType(append(ts, typeOf(o.dt, b.shape))...)
	return b
}

// Do computes all gradients and returns the first. The tensors are the op's
// own and are overwritten at the next call.
func (b *backOp[T]) Do(in ...G.Value) (G.Value, error) {
	o := b.of
	n := len(o.args)
	if len(in) != b.arity {
		return nil, fmt.Errorf("%s: want %d inputs, got %d", b.name, b.arity, len(in))
	}
	if err := o.bind(o.args, in[:n]); err != nil {
		return nil, err
	}
	var out, gout Arg[T]
	if o.needsOut {
		if err := bindOut(&out, in[n]); err != nil {
			return nil, fmt.Errorf("%s: output: %w", b.name, err)
		}
	}
	if err := bindOut(&gout, in[len(in)-1]); err != nil {
		return nil, fmt.Errorf("%s: gradient of the output: %w", b.name, err)
	}
	for i := range b.grad {
		if o.diff[i] {
			b.grad[i] = b.bufs[i].data(o.dims[i])
		}
	}
	if err := o.backward(b.grad, out.F, gout.F); err != nil {
		return nil, err
	}
	return b.bufs[b.which].value(o.dt, o.dims[b.which]), nil
}

// DiffWRT and SymDiff implement gorgonia.SDOp, without which Gorgonia panics
// when it meets the node.
func (b *backOp[T]) DiffWRT(int) []bool { return make([]bool, b.arity) }

func (b *backOp[T]) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("%s: %w", b.name, errSecondOrder)
}

// takeOp returns another of the gradients that a backOp computed.
type takeOp[T num.Float] struct {
	base
	of    *backOp[T]
	which int
}

func newTakeOp[T num.Float](b *backOp[T], which int, from, input *G.Node) *takeOp[T] {
	t := &takeOp[T]{
		base: base{name: fmt.Sprintf("%s.take%d", b.name, which), id: ids.Add(1), arity: 1, shape: b.of.dims[which]},
		of:   b, which: which,
	}
	t.typ = hm.NewFnType(from.Type(), input.Type())
	return t
}

func (t *takeOp[T]) Do(...G.Value) (G.Value, error) {
	o := t.of.of
	return t.of.bufs[t.which].value(o.dt, o.dims[t.which]), nil
}

func (t *takeOp[T]) DiffWRT(int) []bool { return []bool{false} }

func (t *takeOp[T]) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("%s: %w", t.name, errSecondOrder)
}

// buffer is memory for one output, kept from step to step. Scalars get a
// fresh value each time, since Gorgonia hands them out by pointer.
type buffer[T num.Float] struct {
	d []T
	t *tensor.Dense
}

// data returns the memory for a value of the given shape.
func (b *buffer[T]) data(shape tensor.Shape) []T {
	if b.d == nil {
		b.d = num.Aligned[T](shape.TotalSize())
	}
	return b.d
}

// value returns the memory as a Gorgonia value.
func (b *buffer[T]) value(dt tensor.Dtype, shape tensor.Shape) G.Value {
	if shape.Dims() == 0 {
		if dt == tensor.Float32 {
			return G.NewF32(float32(b.d[0]))
		}
		return G.NewF64(float64(b.d[0]))
	}
	if b.t == nil {
		b.t = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(b.d))
	}
	return b.t
}
