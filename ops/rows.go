package ops

import (
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"sync/atomic"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// StackRows returns the rows of a (B, ...) above those of b (B, ...) as one batch
// (2B, ...), so that one encoder reads both: the two documents of pairs. a and b
// have one shape and one dtype, float32, float64 or int: token ids and lengths are
// stacked as features are. Gorgonia's own Concat takes no integers, and its gradient
// is wrong under the LispMachine.
func StackRows(a, b *G.Node) (*G.Node, error) {
	const op = "ops.StackRows"
	if a == nil {
		return nil, fmt.Errorf("%s: want a (B, ...), got nil", op)
	}
	if a.Dtype() != tensor.Int {
		if err := checkAnyShape(op, "a", a); err != nil {
			return nil, err
		}
	}
	if s := a.Shape(); len(s) == 0 || slices.Min(s) < 1 {
		return nil, fmt.Errorf("%s: want a (B, ...) with every axis at least 1, got %v", op, s)
	}
	if err := checkShape(op, "b", b, a.Dtype(), a.Shape()...); err != nil {
		return nil, err
	}
	out := a.Shape().Clone()
	out[0] *= 2
	if a.Dtype() == tensor.Int {
		return stackInts(out, a, b)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: out},
		func() graphop.Core[float32] { return stackRows[float32]{} },
		func() graphop.Core[float64] { return stackRows[float64]{} }, a, b)
}

// Compare returns what a classifier of pairs looks at: x (2B, H) has the vectors a
// of B documents above those b of B others, as StackRows puts them, and row i of the
// result (B, 4H) is
//
//	[a, b, a - b, a * b]
//
// of documents i. Tay et al. 2020, "Long Range Arena", arXiv:2011.04006, section 2.2.3.
func Compare(x *G.Node) (*G.Node, error) {
	const op = "ops.Compare"
	if err := checkFloat(op, "x", x, "(2B, H)"); err != nil {
		return nil, err
	}
	s := x.Shape()
	if s[0]%2 != 0 {
		return nil, fmt.Errorf("%s: want x (2B, H), an even number of rows, got %v", op, s)
	}
	b, h := s[0]/2, s[1]
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b, 4 * h}},
		func() graphop.Core[float32] { return compare[float32]{b, h} },
		func() graphop.Core[float64] { return compare[float64]{b, h} }, x)
}

// Pick returns of every row of scores (B, C) that of a class (B), of dtype int, as
// (B): what a gradient asks of a classifier. -1 stands for the class of the highest
// score, the first of equal ones. Any other class that is not in [0, C) is an error
// when the graph runs.
func Pick(scores, class *G.Node) (*G.Node, error) {
	const op = "ops.Pick"
	if err := checkFloat(op, "scores", scores, "(B, C)"); err != nil {
		return nil, err
	}
	b, c := scores.Shape()[0], scores.Shape()[1]
	if err := checkShape(op, "class", class, tensor.Int, b); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b}, Ints: []int{1}},
		func() graphop.Core[float32] { return pick[float32]{b, c} },
		func() graphop.Core[float64] { return pick[float64]{b, c} }, scores, class)
}

// intStack is StackRows of integers, which have no gradient.
type intStack struct {
	id    uint64
	typ   hm.Type
	shape tensor.Shape
	out   *tensor.Dense
}

var intStacks atomic.Uint64 // each is its own: nothing may be merged by hash

// stackInts adds an intStack to the graph of a and b.
func stackInts(out tensor.Shape, a, b *G.Node) (*G.Node, error) {
	o := &intStack{id: intStacks.Add(1), shape: out}
	o.typ = hm.NewFnType(a.Type(), b.Type(), G.TensorType{Dims: out.Dims(), Of: tensor.Int})
	y, err := G.ApplyOp(o, a, b)
	if err != nil {
		return nil, fmt.Errorf("ops.StackRows: %w", err)
	}
	return y, nil
}

// Do returns a tensor that the op owns and overwrites at the next call.
func (o *intStack) Do(in ...G.Value) (G.Value, error) {
	if o.out == nil {
		o.out = tensor.New(tensor.Of(tensor.Int), tensor.WithShape(o.shape...))
	}
	to := o.out.Data().([]int)
	for i, v := range in {
		from, err := o.read(i, v)
		if err != nil {
			return nil, err
		}
		copy(to[i*len(to)/2:], from)
	}
	return o.out, nil
}

// read returns the numbers of input i.
func (o *intStack) read(i int, v G.Value) ([]int, error) {
	t, ok := v.(*tensor.Dense)
	if !ok || t.Dtype() != tensor.Int || t.RequiresIterator() || t.DataOrder().IsColMajor() || 2*t.Shape().TotalSize() != o.shape.TotalSize() {
		return nil, fmt.Errorf("%v: input %d: want a contiguous row-major tensor of dtype int, half of %v, got %T", o, i, o.shape, v)
	}
	return t.Data().([]int), nil
}

// DiffWRT implements gorgonia.SDOp.
func (o *intStack) DiffWRT(int) []bool { return []bool{false, false} }

// SymDiff implements gorgonia.SDOp.
func (o *intStack) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("%v: integers have no gradient", o)
}

func (o *intStack) Arity() int                                     { return 2 }
func (o *intStack) Type() hm.Type                                  { return o.typ }
func (o *intStack) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.shape.Clone(), nil }
func (o *intStack) ReturnsPtr() bool                               { return false }
func (o *intStack) CallsExtern() bool                              { return false }
func (o *intStack) OverwritesInput() int                           { return -1 }
func (o *intStack) String() string                                 { return fmt.Sprintf("ops.StackRows#int%d", o.id) }
func (o *intStack) WriteHash(h hash.Hash)                          { fmt.Fprint(h, o) }

// Hashcode implements gorgonia.Op.
func (o *intStack) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}
