package graphop

import (
	"fmt"
	"slices"
	"unsafe"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// op is the forward op.
type op[T num.Float] struct {
	base
	core   Core[T]
	dt     tensor.Dtype
	in     []*G.Node
	node   *G.Node        // of the output
	dims   []tensor.Shape // of the inputs
	memory *memory[T]

	needsOut, anyLayout, residual, gradIsGout bool

	optional []int // inputs whose gradient the core can leave out
	unread   []int // inputs whose values the backward pass does not read

	// By input, copies of what a user may carry over from the last run, as they
	// were in the forward pass. A node that gorgonia.Let binds to what
	// gorgonia.Read has read changes in the midst of a run: the read value is
	// overwritten before the backward pass.
	carried [][]T

	diff   []bool // by input: it has a gradient
	passes []bool // by input: Gorgonia is given its gradient; else a branch is

	// Of residual connections. An op may be where one begins and where another
	// ends.
	branch         branchStart[T] // of that which ends here
	joined         []bool         // by input: one begins here
	skips          []skip         // handed over for those
	differentiated bool

	out  buffer[T]
	args []Arg[T]

	rooms []Holder // of the core, in an arena

	planned bool
	readers int // ops that give the output back; 0: it is kept
	lent    *block[T]
	back    []*op[T] // whose outputs it gives back
}

// takeFrom implements holder.
func (o *op[T]) takeFrom(s *Share) {
	o.memory = lenderOf[T](s)
	if c, ok := o.core.(Roomy); ok {
		o.rooms = c.Rooms()
	}
	for _, r := range o.rooms {
		r.takeFrom(s)
	}
	o.drop()
}

// drop implements holder.
func (o *op[T]) drop() {
	o.out, o.lent, o.planned = buffer[T]{}, nil, false
	clear(o.args)
	for _, r := range o.rooms {
		r.drop()
	}
}

// release gives back the scratch memory of a call.
func (o *op[T]) release() {
	for _, r := range o.rooms {
		r.release()
	}
}

// Do runs the forward pass. It returns a tensor that the op owns and
// overwrites at the next call.
func (o *op[T]) Do(in ...G.Value) (G.Value, error) {
	if err := o.bind(o.args, in); err != nil {
		return nil, err
	}
	if !o.planned {
		o.plan()
	}
	out := o.memoryForOutput()
	for i, c := range o.carried {
		copy(c, o.args[i].F)
	}
	o.useCarried()
	if err := o.forward(out); err != nil {
		return nil, err
	}
	giveBack(o.back)
	return o.out.value(o.node, o.dt, o.shape), nil
}

// plan finds out whether the output is lent, and which outputs it gives back.
// Without a share none is: a user may look at the values of nodes.
func (o *op[T]) plan() {
	o.planned, o.readers, o.back = true, 0, nil
	if o.memory.from != nil {
		o.readers, o.back = o.outputReaders(), lenders[T](o, o.in)
	}
}

// outputReaders returns the number of ops that read the output and give it back, or
// 0 if anything else reads it.
func (o *op[T]) outputReaders() int {
	count := 0
	if o.shape.Dims() == 0 {
		return 0
	}
	for parents := o.node.Graph().To(o.node.ID()); parents.Next(); {
		p, ok := parents.Node().(*G.Node).Op().(outputReader)
		switch {
		case !ok:
			return 0
		case p.readsOutput(o.node):
			count++
		}
	}
	return count
}

// bytes, isKept, lentTo and givesBack implement value.
func (o *op[T]) bytes() int { return o.shape.TotalSize() * int(unsafe.Sizeof(T(0))) }

func (o *op[T]) isKept() bool {
	for parents := o.node.Graph().To(o.node.ID()); parents.Next(); {
		if b, ok := parents.Node().(*G.Node).Op().(*backOp[T]); ok && b.readsOutput(o.node) {
			return true
		}
	}
	return false
}

func (o *op[T]) lentTo() int { return o.outputReaders() }

func (o *op[T]) givesBack() []value {
	var vs []value
	for _, n := range o.in {
		if of, ok := n.Op().(*op[T]); ok && !slices.Contains(vs, value(of)) {
			vs = append(vs, of)
		}
	}
	return vs
}

// outputReader is an op that gives back the outputs that it reads.
type outputReader interface{ readsOutput(n *G.Node) bool }

func (o *op[T]) readsOutput(n *G.Node) bool { return slices.Contains(o.in, n) }

// lenders returns the ops with outputs that are lent among nodes, each once, which
// have run.
func lenders[T num.Float](r outputReader, nodes []*G.Node) []*op[T] {
	var ops []*op[T]
	for _, n := range nodes {
		if o, ok := n.Op().(*op[T]); ok && o.readers > 0 && r.readsOutput(n) && !slices.Contains(ops, o) {
			ops = append(ops, o)
		}
	}
	return ops
}

// giveBack gives back the outputs of ops.
func giveBack[T num.Float](ops []*op[T]) {
	for _, o := range ops {
		o.lent.giveBack()
	}
}

// useCarried makes the copies the inputs.
func (o *op[T]) useCarried() {
	for i, c := range o.carried {
		if c != nil {
			o.args[i].F = c
		}
	}
}

// memoryForOutput returns where the output goes. It is that of the last run unless an
// input is in there, which some other op may have still to read: the output of
// the last run itself, carried over.
func (o *op[T]) memoryForOutput() []T {
	if o.readers > 0 {
		o.memory.borrow(&o.lent, o.shape.TotalSize(), o.readers)
		o.out.use(o.lent.d)
		return o.lent.d
	}
	d := o.out.data(o.shape, o.memory.from)
	for i, n := range o.in {
		if n.Op() == nil && o.args[i].F != nil && &o.args[i].F[0] == &d[0] {
			o.out = buffer[T]{}
			return o.out.data(o.shape, o.memory.from)
		}
	}
	return d
}

func (o *op[T]) forward(out []T) (err error) {
	defer o.release()
	defer o.recover(&err)
	if err := o.core.Forward(out, o.args); err != nil {
		return fmt.Errorf("%s: %w", o.place(), err)
	}
	return nil
}

func (o *op[T]) backward(grad [][]T, out, gout []T) (err error) {
	defer o.release()
	defer o.recover(&err)
	if err := o.core.Backward(grad, o.args, out, gout); err != nil {
		return fmt.Errorf("%s: backward: %w", o.place(), err)
	}
	return nil
}

// recover turns a broken invariant of a core into an error: Gorgonia runs ops
// on a goroutine of its own, where a panic could not be caught by the user.
func (o *op[T]) recover(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: internal error: %v", o.place(), p)
	}
}

// bind reads the input values into args.
func (o *op[T]) bind(args []Arg[T], in []G.Value) error {
	if len(in) != len(args) {
		return fmt.Errorf("%s: want %d inputs, got %d", o.place(), len(args), len(in))
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
		return fmt.Errorf("%s: input %d has no value: use gorgonia.Let or WithValue before running", o.place(), i)
	}
	*a = Arg[T]{}
	if t, ok := v.(*tensor.Dense); ok {
		if !t.Shape().Eq(o.dims[i]) {
			return fmt.Errorf("%s: input %d: want shape %v, got %v", o.place(), i, o.dims[i], t.Shape())
		}
		if !rowMajor(t) {
			if !o.anyLayout || t.IsMasked() {
				return fmt.Errorf("%s: input %d: want a contiguous row-major tensor, got a view or column-major one (shape %v, strides %v): ops.Contiguous makes a copy", o.place(), i, t.Shape(), t.Strides())
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
	return fmt.Errorf("%s: input %d: want dtype %v or int, got %v", o.place(), i, o.dt, v.Dtype())
}

// scalar returns the value of a Gorgonia scalar of type T.
func scalar[T num.Float](v G.Value) (T, bool) {
	d, ok := v.Data().(T)
	return d, ok
}

// SetTraining implements gorgonia.TrainModeOp.
func (o *op[T]) SetTraining(training bool) error {
	o.planned = false // the graph may have readers it did not have
	if m, ok := o.core.(TrainModer); ok {
		m.SetTraining(training)
	}
	return nil
}

// DiffWRT implements gorgonia.SDOp.
func (o *op[T]) DiffWRT(int) []bool { return o.passes }

// DoDiff implements gorgonia.ADOp: it adds the gradients of the inputs to
// their dual values.
func (o *op[T]) DoDiff(_ G.ExecutionContext, inputs G.Nodes, output *G.Node) error {
	for i, n := range inputs {
		if err := o.bindOne(&o.args[i], i, n.Value()); err != nil {
			return err
		}
	}
	o.useCarried()
	gv, err := output.Grad()
	if err != nil {
		return fmt.Errorf("%s: gradient of the output: %w", o.place(), err)
	}
	var out, gout Arg[T]
	if err := bindOut(&gout, gv); err != nil {
		return fmt.Errorf("%s: gradient of the output: %w", o.place(), err)
	}
	if o.needsOut {
		if err := bindOut(&out, output.Value()); err != nil {
			return fmt.Errorf("%s: output: %w", o.place(), err)
		}
	}
	blocks := make([]*block[T], len(inputs))
	defer func() {
		for _, b := range blocks {
			if b != nil {
				b.giveBack()
			}
		}
	}()
	grad := make([][]T, len(inputs))
	for i := range inputs {
		if o.diff[i] && !(o.residual && i == 1) {
			o.memory.borrow(&blocks[i], o.dims[i].TotalSize(), 1)
			grad[i] = blocks[i].d
		}
	}
	if err := o.backward(grad, out.F, gout.F); err != nil {
		return err
	}
	if o.residual {
		grad[1] = grad[0]
	}
	for i, n := range inputs {
		if grad[i] == nil {
			continue
		}
		acc, err := n.Grad()
		if err != nil {
			return fmt.Errorf("%s: gradient of input %d: %w", o.place(), i, err)
		}
		if err := accumulate(acc, grad[i]); err != nil {
			return fmt.Errorf("%s: gradient of input %d: %w", o.place(), i, err)
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
