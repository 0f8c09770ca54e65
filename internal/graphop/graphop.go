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
// evaluate, build two graphs that share their tensors. Gradients that only
// other ops of this package read are in memory that the ops of a graph lend
// one another: see [Spec] and memory.go. Graphs that run in turn can have all of
// this memory in common: see [Arena].
package graphop

import (
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"strings"
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
	// of sum(gout*out) with respect to input i, overwriting it. It is nil for
	// integers and for the inputs of Spec.NoGrad, may be for those of
	// Spec.Optional, and is not for others. out is nil unless the op was made with Spec.NeedsOut.
	Backward(grad [][]T, in []Arg[T], out, gout []T) error
}

// TrainModer is a core that behaves differently in training and evaluation.
type TrainModer interface{ SetTraining(training bool) }

// Trimmer is a core of a Spec.GradIsGout that has a gradient of zero at some of
// the elements, whatever that of the output is there.
type Trimmer[T num.Float] interface {
	// IsWhole reports that there are no such elements.
	IsWhole(in []Arg[T]) bool
	// Trim sets them to zero.
	Trim(gout []T, in []Arg[T])
}

// Spec describes an op to Apply.
type Spec struct {
	Name      string       // package and function: "ops.LayerNorm". Prefixes every error
	Out       tensor.Shape // shape of the output; empty for a scalar
	Ints      []int        // inputs that may be integers; the others must be floats
	NoGrad    []int        // inputs that have no gradient; integer inputs are added
	Optional  []int        // inputs whose gradient Backward computes only where grad[i] is not nil: it is where nothing reads it
	Carried   []*G.Node    // inputs that a user may carry over from the last run: see op.carried
	NeedsOut  bool         // Backward reads the op's output
	Unread    []int        // inputs whose values Backward does not read: they need not be kept for it
	AnyLayout bool         // the core takes inputs in any layout: views, column-major

	// Residual says that the output depends on inputs 0 and 1, of one shape,
	// through their sum alone. Both have one gradient, and Backward writes
	// grad[0] only. Where input 1 was computed from input 0, the branch adds
	// the gradient of input 0 to its own.
	Residual bool
	// GradIsGout says of a Residual that its gradient is that of the output, so
	// that no copy is made where none is needed.
	GradIsGout bool
}

var ids atomic.Uint64 // every op is its own: nothing here may be merged by hash

// Apply adds the op to the graph of its inputs. core32 and core64 make the
// core for the float type of the inputs, which is that of the first float
// input; all float inputs must share it.
func Apply(s Spec, core32 func() Core[float32], core64 func() Core[float64], in ...*G.Node) (*G.Node, error) {
	return Build(s,
		func() (Core[float32], error) { return core32(), nil },
		func() (Core[float64], error) { return core64(), nil }, in...)
}

// Build is Apply with cores that there may be none of: it returns their error,
// which it prefixes with the name of the op.
func Build(s Spec, core32 func() (Core[float32], error), core64 func() (Core[float64], error), in ...*G.Node) (*G.Node, error) {
	dt, err := s.floatType(in)
	if err != nil {
		return nil, err
	}
	if dt == tensor.Float32 {
		return build(s, core32, dt, in)
	}
	return build(s, core64, dt, in)
}

func build[T num.Float](s Spec, core func() (Core[T], error), dt tensor.Dtype, in []*G.Node) (*G.Node, error) {
	c, err := core()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return apply(s, c, dt, in)
}

// floatType returns the one float type that the float inputs share. An input
// that is neither float nor, by Ints, an integer is an error: its core would
// find no numbers there.
func (s *Spec) floatType(in []*G.Node) (tensor.Dtype, error) {
	var dt tensor.Dtype
	for i, n := range in {
		switch {
		case n == nil:
			return dt, fmt.Errorf("%s: input %d: want a node, got nil", s.Name, i)
		case n.Dtype() == tensor.Int && slices.Contains(s.Ints, i):
			continue
		}
		if err := wantFloat(n, dt); err != nil {
			return dt, fmt.Errorf("%s: input %d (%s): %w", s.Name, i, n.Name(), err)
		}
		dt = n.Dtype()
	}
	if dt.Type == nil {
		return dt, fmt.Errorf("%s: want at least one float input, got none", s.Name)
	}
	return dt, nil
}

// wantFloat returns an error unless the node is of float type dt, or of any
// where dt is not set.
func wantFloat(n *G.Node, dt tensor.Dtype) error {
	switch d := n.Dtype(); {
	case d != tensor.Float32 && d != tensor.Float64:
		return fmt.Errorf("want dtype float32 or float64, got %v", d)
	case dt.Type != nil && d != dt:
		return fmt.Errorf("want dtype %v like the other inputs, got %v", dt, d)
	}
	return nil
}

// Argument is a node under the name that it has in the signature of an op
// function.
type Argument struct {
	name     string
	node     *G.Node
	optional bool
}

// Named returns an argument that must be given.
func Named(name string, n *G.Node) Argument { return Argument{name: name, node: n} }

// Optional returns an argument that may be nil.
func Optional(name string, n *G.Node) Argument { return Argument{name, n, true} }

// Floats returns the nodes of arguments that must all be of one float type, but
// for the optional ones that are nil. An error names the op and the argument.
func Floats(op string, args ...Argument) ([]*G.Node, error) {
	var dt tensor.Dtype
	in := make([]*G.Node, 0, len(args))
	for _, a := range args {
		if a.node == nil {
			if a.optional {
				continue
			}
			return nil, fmt.Errorf("%s: %s: want a node, got nil", op, a.name)
		}
		if err := wantFloat(a.node, dt); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", op, a.name, err)
		}
		dt = a.node.Dtype()
		in = append(in, a.node)
	}
	return in, nil
}

// FirstAxis returns the length of the first axis of a node, or an error that
// names the argument and the shapes it may have, such as "(H, 1) or (H)", if it
// has no axes.
func FirstAxis(name string, n *G.Node, shapes string) (int, error) {
	if n.Shape().Dims() == 0 {
		return 0, fmt.Errorf("%s: want %s, got %v", name, shapes, n.Shape())
	}
	return n.Shape()[0], nil
}

// WantShape returns an error that names an argument unless its node has one of
// the shapes.
func WantShape(name string, n *G.Node, shapes ...[]int) error {
	var list strings.Builder
	for i, s := range shapes {
		if n != nil && slices.Equal(n.Shape(), s) {
			return nil
		}
		if i > 0 {
			list.WriteString(" or ")
		}
		fmt.Fprint(&list, tensor.Shape(s))
	}
	if n == nil {
		return fmt.Errorf("%s: want %s, got nil", name, list.String())
	}
	return fmt.Errorf("%s: want %s, got %v", name, list.String(), n.Shape())
}

func apply[T num.Float](s Spec, core Core[T], dt tensor.Dtype, in []*G.Node) (*G.Node, error) {
	o := &op[T]{
		base: base{name: s.Name, shape: s.Out.Clone()},
		core: core, dt: dt, in: in, memory: memoryOf[T](in),
		needsOut: s.NeedsOut, anyLayout: s.AnyLayout, optional: s.Optional, unread: s.Unread, residual: s.Residual, gradIsGout: s.GradIsGout,
		diff: make([]bool, len(in)), joined: make([]bool, len(in)),
		dims: make([]tensor.Shape, len(in)), args: make([]Arg[T], len(in)),
		carried: make([][]T, len(in)),
	}
	ts := make([]hm.Type, 0, len(in)+1)
	for i, n := range in {
		o.diff[i] = n.Dtype() == dt
		o.dims[i] = n.Shape().Clone()
		if n.Op() == nil && slices.Contains(s.Carried, n) {
			o.carried[i] = make([]T, max(1, o.dims[i].TotalSize()))
		}
		ts = append(ts, n.Type())
	}
	for _, i := range s.NoGrad {
		o.diff[i] = false
	}
	o.passes = slices.Clone(o.diff)
	if o.residual {
		o.join()
	}
	out := typeOf(dt, s.Out)
	o.typ = hm.NewFnType(append(ts, out)...)
	o.arity = len(in)
	o.number(out, in)
	y, err := G.ApplyOp(o, in...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	o.node = y
	return y, nil
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
	layer string // that the op is part of, "" for none: see InLayer
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
func (b *base) String() string       { return fmt.Sprintf("%s#%d", b.place(), b.id) }

// place is how errors begin: with the layer and the op, or with a name that
// itself begins with the layer.
func (b *base) place() string {
	if strings.HasPrefix(b.name, b.layer) {
		return b.name
	}
	return b.layer + ": " + b.name
}

func (b *base) InferShape(...G.DimSizer) (tensor.Shape, error) { return b.shape.Clone(), nil }

func (b *base) WriteHash(h hash.Hash) { fmt.Fprintf(h, "graphop %s %d", b.name, b.id) }

func (b *base) Hashcode() uint32 {
	h := fnv.New32a()
	b.WriteHash(h)
	return h.Sum32()
}
