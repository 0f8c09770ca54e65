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
// one another: see [Spec] and memory.go.
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
		base: base{name: s.Name, id: ids.Add(1), shape: s.Out.Clone()},
		core: core, dt: dt, in: in, memory: memoryOf[T](in),
		needsOut: s.NeedsOut, anyLayout: s.AnyLayout, residual: s.Residual, gradIsGout: s.GradIsGout,
		diff: make([]bool, len(in)), joined: make([]bool, len(in)),
		dims: make([]tensor.Shape, len(in)), args: make([]Arg[T], len(in)),
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
	o.passes = slices.Clone(o.diff)
	if o.residual {
		o.join()
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
