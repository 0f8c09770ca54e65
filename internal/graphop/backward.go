package graphop

import (
	"errors"
	"fmt"
	"slices"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// errSecondOrder is what differentiating a gradient gives.
var errSecondOrder = errors.New("second derivatives are not available")

// backOp computes the gradients of all inputs of op in one pass. Its inputs
// are those of op, then the output if op needs it, then the gradients handed
// over by residual connections, then the output's gradient; its output is the
// gradient of input which.
type backOp[T num.Float] struct {
	base
	of    *op[T]
	which int
	skips []skip
	gout  *G.Node
	nodes []*G.Node // of the gradients; nil where there is none

	planned bool
	skipped []bool // by input: nothing reads its gradient, which is left out
	readers []int  // by input: backward ops that give its gradient back; 0: it is kept
	lent    []*block[T]
	back    []*op[T]    // whose outputs it gives back
	own     []buffer[T] // of the gradients that are kept
	values  []buffer[T] // the gradients: lent or own memory
	grad    [][]T       // for the core
}

func (o *op[T]) newBackOp(which int, children G.Nodes) *backOp[T] {
	n := len(o.dims)
	b := &backOp[T]{
		base: base{name: o.name + ".grad", layer: o.layer, arity: len(children), shape: o.dims[which]},
		of:   o, which: which, skips: o.skips, gout: children[len(children)-1], nodes: make([]*G.Node, n),
		skipped: make([]bool, n), readers: make([]int, n), lent: make([]*block[T], n),
		own: make([]buffer[T], n), values: make([]buffer[T], n), grad: make([][]T, n),
	}
	ts := make([]hm.Type, 0, len(children)+1)
	for _, n := range children {
		ts = append(ts, n.Type())
	}
	out := typeOf(o.dt, b.shape)
	b.typ = hm.NewFnType(append(ts, out)...)
	b.number(out, children)
	return b
}

// SetTraining implements gorgonia.TrainModeOp, for the call that every new
// virtual machine makes: its graph may have readers the last one's did not.
func (b *backOp[T]) SetTraining(bool) error {
	b.planned = false
	return nil
}

// takeFrom implements holder: what it has is of the memory of its op.
func (b *backOp[T]) takeFrom(*Share) { b.drop() }

// drop implements holder.
func (b *backOp[T]) drop() {
	for i := range b.nodes {
		b.own[i], b.values[i] = buffer[T]{}, buffer[T]{}
	}
	clear(b.lent)
	clear(b.grad)
	b.planned = false
}

// readsOutput implements outputReader.
func (b *backOp[T]) readsOutput(n *G.Node) bool {
	for i, in := range b.of.in {
		if in == n && !slices.Contains(b.of.unread, i) {
			return true
		}
	}
	handedOver := func(s skip) bool { return s.grad == n }
	return b.of.needsOut && n == b.of.node || n == b.gout || slices.ContainsFunc(b.skips, handedOver)
}

// plan finds out which gradients to leave out, counts the readers of the others,
// and which outputs it gives back.
func (b *backOp[T]) plan() {
	b.back = nil
	if b.of.memory.from != nil {
		b.back = lenders[T](b, b.children())
	}
	for i, n := range b.nodes {
		b.readers[i] = 0
		b.skipped[i] = n != nil && slices.Contains(b.of.optional, i) && !b.isRead(n)
		if n != nil && n.Shape().Dims() > 0 {
			b.readers[i] = b.backReaders(n)
		}
	}
	b.planned = true
}

// children returns the nodes that it reads.
func (b *backOp[T]) children() []*G.Node {
	nodes := append(slices.Clone(b.of.in), b.of.node, b.gout)
	for _, s := range b.skips {
		nodes = append(nodes, s.grad)
	}
	return nodes
}

// isRead reports whether anything reads a gradient of b. Nothing does where the
// input is data, or was made of data alone: Gorgonia differentiates an op with
// respect to all its inputs if to one.
func (b *backOp[T]) isRead(n *G.Node) bool {
	if len(n.DerivOf()) > 0 {
		return true
	}
	for parents := n.Graph().To(n.ID()); parents.Next(); {
		if _, ok := parents.Node().(*G.Node).Op().(*takeOp[T]); !ok {
			return true
		}
	}
	return false
}

// backReaders returns the number of backward ops that read a gradient of b and
// give it back, or 0 if anything else reads it.
func (b *backOp[T]) backReaders(n *G.Node) int {
	count := 0
	for parents := n.Graph().To(n.ID()); parents.Next(); {
		switch p := parents.Node().(*G.Node).Op().(type) {
		case *takeOp[T]: // reads what b keeps, not the value of n
		case *backOp[T]:
			if !p.returns(n) {
				return 0
			}
			count++
		default:
			return 0
		}
	}
	return count
}

// returns reports whether b gives the gradient n back after it has run: it reads
// it once, as the gradient of its output or of a residual connection.
func (b *backOp[T]) returns(n *G.Node) bool {
	times := 0
	for _, s := range b.skips {
		if s.grad == n {
			times++
		}
	}
	if b.gout == n {
		times++
	}
	return times == 1 && !slices.Contains(b.of.in, n)
}

// lender returns where the record is of the block lent to a gradient.
func lender[T num.Float](n *G.Node) *block[T] {
	switch o := n.Op().(type) {
	case *backOp[T]:
		if o.readers[o.which] > 0 {
			return o.lent[o.which]
		}
	case *takeOp[T]:
		if o.of.readers[o.which] > 0 {
			return o.of.lent[o.which]
		}
	}
	return nil
}

// Do computes all gradients and returns the first.
func (b *backOp[T]) Do(in ...G.Value) (G.Value, error) {
	o := b.of
	n := len(o.args)
	if len(in) != b.arity {
		return nil, fmt.Errorf("%s: want %d inputs, got %d", b.place(), b.arity, len(in))
	}
	if err := o.bind(o.args, in[:n]); err != nil {
		return nil, err
	}
	o.useCarried()
	var out, gout Arg[T]
	if o.needsOut {
		if err := bindOut(&out, in[n]); err != nil {
			return nil, fmt.Errorf("%s: output: %w", b.place(), err)
		}
		n++
	}
	if err := bindOut(&gout, in[len(in)-1]); err != nil {
		return nil, fmt.Errorf("%s: gradient of the output: %w", b.place(), err)
	}
	if !b.planned {
		b.plan()
	}
	if err := b.compute(out.F, gout.F); err != nil {
		return nil, err
	}
	for i, s := range b.skips {
		var v Arg[T]
		if err := bindOut(&v, in[n+i]); err != nil {
			return nil, fmt.Errorf("%s: gradient of a residual connection: %w", b.place(), err)
		}
		addTo(b.values[s.input].d, v.F)
	}
	b.giveBack()
	return b.value(b.which), nil
}

// compute fills the values of the gradients.
func (b *backOp[T]) compute(out, gout []T) error {
	o := b.of
	clear(b.grad)
	for i := range b.grad {
		switch {
		case !o.diff[i] || o.residual && i < 2:
		case b.skipped[i]: // its node has a value all the same
			b.room(i)
		default:
			b.grad[i] = b.room(i)
		}
	}
	if o.residual {
		return b.computeResidual(out, gout)
	}
	return o.backward(b.grad, out, gout)
}

// computeResidual is compute where inputs 0 and 1 have one gradient.
func (b *backOp[T]) computeResidual(out, gout []T) error {
	o := b.of
	from := lender[T](b.gout)
	// Both are lent one place, unless something is to be added to one of them.
	lend := b.readers[0] > 0 && b.readers[1] > 0 && len(b.skips) == 0
	if o.gradIsGout && from != nil && lend && b.trimmed(from) {
		from.readers += b.readers[0] + b.readers[1]
		b.share(from)
		return nil
	}
	if lend {
		o.memory.borrow(&b.lent[0], o.dims[0].TotalSize(), b.readers[0]+b.readers[1])
		b.share(b.lent[0])
		b.grad[0] = b.lent[0].d
		return o.backward(b.grad, out, gout)
	}
	b.grad[0] = b.room(0)
	if err := o.backward(b.grad, out, gout); err != nil {
		return err
	}
	copyTo(b.room(1), b.grad[0])
	return nil
}

// trimmed makes the gradient of the output, where it is lent, that of the sum. It
// returns false if that would change it for others.
func (b *backOp[T]) trimmed(gout *block[T]) bool {
	t, ok := b.of.core.(Trimmer[T])
	switch {
	case !ok || t.IsWhole(b.of.args):
		return true
	case gout.readers > 1:
		return false
	}
	t.Trim(gout.d, b.of.args)
	return true
}

// share makes a lent block the gradient of both summands.
func (b *backOp[T]) share(l *block[T]) {
	for i := range 2 {
		b.lent[i] = l
		b.values[i].use(l.d)
	}
}

// room returns the memory for the gradient of input i.
func (b *backOp[T]) room(i int) []T {
	if b.readers[i] == 0 {
		b.values[i].use(b.own[i].data(b.of.dims[i], b.of.memory.from))
	} else {
		b.of.memory.borrow(&b.lent[i], b.of.dims[i].TotalSize(), b.readers[i])
		b.values[i].use(b.lent[i].d)
	}
	return b.values[i].d
}

// giveBack gives back the gradients that b has read.
func (b *backOp[T]) giveBack() {
	for _, s := range b.skips {
		if l := lender[T](s.grad); l != nil {
			l.giveBack()
		}
	}
	if l := lender[T](b.gout); l != nil {
		l.giveBack()
	}
	giveBack(b.back)
}

// value returns the gradient of input i.
func (b *backOp[T]) value(i int) G.Value { return b.values[i].value(b.nodes[i], b.of.dt, b.of.dims[i]) }

// addTo adds src to dst, spread over the workers.
func addTo[T num.Float](dst, src []T) {
	par.Blocks(len(dst), grain, func(_, lo, hi int) { vec.Add(dst[lo:hi], dst[lo:hi], src[lo:hi]) })
}

// DiffWRT and SymDiff implement gorgonia.SDOp, without which Gorgonia panics
// when it meets the node.
func (b *backOp[T]) DiffWRT(int) []bool { return make([]bool, b.arity) }

func (b *backOp[T]) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("%s: %w", b.place(), errSecondOrder)
}

// takeOp returns another of the gradients that a backOp computed.
type takeOp[T num.Float] struct {
	base
	of    *backOp[T]
	which int
}

func newTakeOp[T num.Float](b *backOp[T], which int, from, input *G.Node) *takeOp[T] {
	t := &takeOp[T]{
		base: base{name: fmt.Sprintf("%s.take%d", b.name, which), layer: b.layer, arity: 1, shape: b.of.dims[which]},
		of:   b, which: which,
	}
	t.typ = hm.NewFnType(from.Type(), input.Type())
	t.number(input.Type(), []*G.Node{from})
	return t
}

// takeFrom and drop implement holder: it has the memory of its backOp.
func (t *takeOp[T]) takeFrom(*Share) {}
func (t *takeOp[T]) drop()           {}

func (t *takeOp[T]) Do(...G.Value) (G.Value, error) { return t.of.value(t.which), nil }

func (t *takeOp[T]) DiffWRT(int) []bool { return []bool{false} }

func (t *takeOp[T]) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("%s: %w", t.place(), errSecondOrder)
}

// SymDiff implements gorgonia.SDOp: one node computes the gradients of all
// inputs and returns the first; the others are taken from it.
func (o *op[T]) SymDiff(inputs G.Nodes, output, grad *G.Node) (G.Nodes, error) {
	children := append(G.Nodes{}, inputs...)
	if o.needsOut {
		children = append(children, output)
	}
	for _, s := range o.skips {
		children = append(children, s.grad)
	}
	children = append(children, grad)
	o.differentiated = true
	var b *backOp[T]
	g := make(G.Nodes, len(inputs))
	for i, n := range inputs {
		if !o.diff[i] {
			continue
		}
		var err error
		if b == nil {
			b = o.newBackOp(i, children)
			g[i], err = G.ApplyOp(b, children...)
		} else {
			g[i], err = G.ApplyOp(newTakeOp(b, i, b.nodes[b.which], n), b.nodes[b.which])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: gradient of input %d: %w", o.place(), i, err)
		}
		b.nodes[i] = g[i]
	}
	if o.branch.op != nil {
		if err := o.branch.handOver(g[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", o.place(), err)
		}
		g[0] = nil
	}
	return g, nil
}
