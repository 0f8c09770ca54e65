package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence is a layer as a recurrent network: it consumes a sequence one
// step at a time, without a graph, and returns what Fwd returns for the whole
// sequence in evaluation mode, up to rounding. A step costs the same at any
// position; the state has a fixed size.
//
// A Recurrence is a snapshot: all parameters and running statistics are copied
// when it is made and at Refresh, and nothing that happens to the layer in
// between, such as training, changes what it computes. It is not safe for
// concurrent use; nor may the layer change while its parameters are read.
type Recurrence interface {
	// Step consumes one step u (B, DModel) and returns the output (B, DOut). The
	// tensor returned is overwritten by the next Step. u is contiguous and of
	// the layer's dtype.
	Step(u *tensor.Dense) (*tensor.Dense, error)
	// State returns a copy of the state.
	State() *tensor.Dense
	// SetState replaces the state by a copy of x, which has the shape and dtype
	// of what State returns.
	SetState(x *tensor.Dense) error
	// Reset sets the state to zero, the start of a sequence.
	Reset()
	// Refresh takes a new snapshot of the layer, after a training step. The
	// state is kept. After an error the Recurrence goes on with the old one.
	Refresh() error
}

// stateWeights are the weights of the state space model of a layer as a
// recurrence. They are only read: any number of steppers can share them.
type stateWeights[T num.Float] interface {
	// start returns a stepper by these weights for a batch, in the state zero.
	start(batch int) stepper[T]
}

// stepper is the state space model of a layer as a recurrence, for a batch of
// B rows: a state, and scratch memory.
type stepper[T num.Float] interface {
	// step advances the state by u (B, H) and writes C x to y (B, CH, H). It
	// does not allocate.
	step(y, u []T) error
	// state returns a copy of the state in the layout of stateSpace.stateShape.
	state() []T
	// setState sets the state to a copy of src, in the same layout.
	setState(src []T) error
	// reset sets the state to zero.
	reset()
}

// ssmWeights are one snapshot of the parameters of a state space layer, with which
// they share no memory. They are only read: any number of recurrences can share
// them.
type ssmWeights[T num.Float] struct {
	d                                []T // (Channels, H)
	squeeze, openGate, passGate, mix *linearWeights[T]
	model                            stateWeights[T]
}

// newSSMWeights takes a snapshot. model reads the parameters of the state space
// model.
func newSSMWeights[T num.Float](l *ssmLayer, model func() (stateWeights[T], error)) (*ssmWeights[T], error) {
	w := &ssmWeights[T]{}
	for _, err := range []error{
		readCopy(&w.d, l.d),
		readLinear(&w.squeeze, l.inputLinear), readLinear(&w.openGate, l.inputGate),
		readLinear(&w.passGate, l.outputGate), readLinear(&w.mix, l.mix),
	} {
		if err != nil {
			return nil, err
		}
	}
	var err error
	w.model, err = model()
	return w, err
}

// recurrence is a state space layer as a recurrence: the model of a stepper,
// the skip D, activation, gate and mixing. What it has of its own beside the
// weights is the state, in the stepper, and scratch memory.
type recurrence[T num.Float] struct {
	l     *ssmLayer
	batch int
	read  func() (stateWeights[T], error) // the parameters of the model
	w     *ssmWeights[T]
	model stepper[T] // by w.model

	squeeze, openGate, passGate, mix stepLinear[T]
	act, gateAct, multAct            func(dst, x []T)
	y                                []T // (B, CH*H) of the model
	out                              *tensor.Dense
	outData                          []T
}

// newRecurrence checks that the layer has a recurrence and makes it. The
// parameters of the model are read by one of the functions, for the layer's
// dtype.
func (l *ssmLayer) newRecurrence(batch int, read32 func() (stateWeights[float32], error), read64 func() (stateWeights[float64], error)) (Recurrence, error) {
	if l.base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if batch < 1 {
		return nil, l.errorf("Recurrence", "want batch >= 1, got %d", batch)
	}
	if l.common.bidirectional {
		return nil, l.errorf("Recurrence", "a bidirectional layer needs the future: want Bidirectional false")
	}
	if err := l.checkStates(batch); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	if l.dt == tensor.Float32 {
		return makeRecurrence(l, batch, read32)
	}
	return makeRecurrence(l, batch, read64)
}

// checkStates checks the sizes of the states of a batch and of what a step
// computes.
func (l *ssmLayer) checkStates(batch int) error {
	if err := size.Tensor("the states (batch, H, ...)", l.model.stateShape(batch)...); err != nil {
		return err
	}
	return l.common.checkSize(batch, 1)
}

func makeRecurrence[T num.Float](l *ssmLayer, batch int, read func() (stateWeights[T], error)) (Recurrence, error) {
	c := l.common
	r := &recurrence[T]{
		l: l, batch: batch, read: read,
		act:     ops.ActivationFunc[T](c.activation),
		y:       num.Aligned[T](batch * c.channels * c.inner()),
		outData: num.Aligned[T](batch * c.dOut()),
	}
	if c.gate > 0 {
		r.gateAct, r.multAct = ops.ActivationFunc[T](c.gateActivation), ops.ActivationFunc[T](c.multActivation)
	}
	r.out = tensor.New(tensor.WithShape(batch, c.dOut()), tensor.WithBacking(r.outData))
	if err := r.Refresh(); err != nil {
		return nil, err
	}
	return r, nil
}

// read points dst at the values of a parameter; a nil node leaves it nil.
func read[T num.Float](dst *[]T, n *G.Node) error {
	if n == nil {
		return nil
	}
	v := n.Value()
	d, ok := weights.Memory[T](v)
	if !ok {
		return fmt.Errorf("parameter %s: want a contiguous row-major tensor of dtype %T, its node holds %T", n.Name(), *new(T), v)
	}
	if !v.Shape().Eq(n.Shape()) {
		return fmt.Errorf("parameter %s: want a tensor of shape %v, its node holds one of %v", n.Name(), n.Shape(), v.Shape())
	}
	*dst = d
	return nil
}

// readCopy sets dst to a copy of the values of a parameter; a nil node leaves it
// nil.
func readCopy[T num.Float](dst *[]T, n *G.Node) error {
	var v []T
	if err := read(&v, n); err != nil || n == nil {
		return err
	}
	*dst = num.Aligned[T](len(v))
	copy(*dst, v)
	return nil
}

// parallelProducts is the number of multiplications from which a linear layer of
// a step is spread over the workers: fewer take about as long as it takes to
// wake one.
const parallelProducts = 1 << 22

// linearWeights are one snapshot of a linear layer, only read.
type linearWeights[T num.Float] struct {
	in, out int
	w       gemm.PackedB[T]
}

// readLinear takes a snapshot of a linear layer; nil leaves dst nil.
func readLinear[T num.Float](dst **linearWeights[T], l *Linear) error {
	if l == nil {
		return nil
	}
	var w, bias []T
	for _, err := range []error{read(&w, l.w), read(&bias, l.b)} {
		if err != nil {
			return err
		}
	}
	s := &linearWeights[T]{in: l.cfg.In, out: l.cfg.Out}
	s.w.Pack(true, s.in, s.out, w, s.in, bias)
	*dst = s
	return nil
}

// stepLinear is the scratch memory of a linear layer of a recurrence.
type stepLinear[T num.Float] struct {
	ws    []gemm.Workspace[T] // of each worker
	spans *par.Loop           // over spans of ColumnStep outputs

	// Of the product under way.
	w     *linearWeights[T]
	batch int
	x, y  []T // (B, in) and (B, out)
}

// apply maps x (batch, in) to (batch, out), which the next call overwrites;
// without weights it returns x.
func (s *stepLinear[T]) apply(w *linearWeights[T], x []T, batch int) []T {
	if w == nil {
		return x
	}
	s.prepare(w, x, batch)
	if batch*w.in*w.out < parallelProducts {
		s.multiply(0, 0, w.out)
	} else {
		s.spans.Run((w.out + gemm.ColumnStep - 1) / gemm.ColumnStep)
	}
	s.w, s.x = nil, nil
	return s.y
}

// prepare sets the operands of a product.
func (s *stepLinear[T]) prepare(w *linearWeights[T], x []T, batch int) {
	s.w, s.batch, s.x, s.y = w, batch, x, num.Grow(s.y, batch*w.out)
	if s.spans == nil {
		s.ws = make([]gemm.Workspace[T], par.Workers())
		s.spans = par.NewLoop(func(worker, i int) {
			lo := i * gemm.ColumnStep
			s.multiply(worker, lo, min(lo+gemm.ColumnStep, s.w.out))
		})
	}
}

// multiply computes outputs [lo, hi).
func (s *stepLinear[T]) multiply(worker, lo, hi int) {
	gemm.GemmPackedB(&s.ws[worker], s.batch, s.x, s.w.in, &s.w.w, lo, hi, s.y, s.w.out)
}

// Refresh implements Recurrence.
func (r *recurrence[T]) Refresh() error {
	w, err := newSSMWeights(r.l, r.read)
	if err == nil {
		err = r.use(w)
	}
	return r.l.wrap("Recurrence", err)
}

// use goes on with other weights, from the state it is in. After an error it has
// changed nothing.
func (r *recurrence[T]) use(w *ssmWeights[T]) error {
	model := w.model.start(r.batch)
	if r.model != nil {
		if err := model.setState(r.model.state()); err != nil {
			return err
		}
	}
	r.w, r.model = w, model
	return nil
}

// Step implements Recurrence.
func (r *recurrence[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.base, u, r.batch, r.l.common.dModel)
	if err != nil {
		return nil, err
	}
	v := r.squeeze.apply(r.w.squeeze, x, r.batch)
	if err := r.model.step(r.y, v); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	r.skip(v)
	r.act(r.y, r.y)
	r.mixing(r.gate(r.y, x))
	return r.out, nil
}

// stepInput returns the values of an input u (batch, h) of a step.
func stepInput[T num.Float](l *base, u *tensor.Dense, batch, h int) ([]T, error) {
	if s := shapeOf(u); len(s) != 2 || s[0] != batch || s[1] != h {
		return nil, l.errorf("Step", "want u (%d, %d), got %v", batch, h, s)
	}
	d, ok := weights.Memory[T](u)
	if !ok {
		return nil, l.errorf("Step", "want u contiguous, row-major, of dtype %v, got dtype %v, strides %v", l.dt, u.Dtype(), u.Strides())
	}
	return d, nil
}

func shapeOf(t *tensor.Dense) tensor.Shape {
	if t == nil {
		return nil
	}
	return t.Shape()
}

// skip adds D u to y.
func (r *recurrence[T]) skip(u []T) {
	h, ch := r.l.common.inner(), r.l.common.channels
	for b := range r.batch {
		for k := range ch {
			vec.AddMul(r.y[(b*ch+k)*h:][:h], r.w.d[k*h:][:h], u[b*h:][:h])
		}
	}
}

// gate applies the gate that the layer's input x opens to y, if there is one.
func (r *recurrence[T]) gate(y, x []T) []T {
	if r.gateAct == nil {
		return y
	}
	v := r.openGate.apply(r.w.openGate, x, r.batch)
	r.gateAct(v, v)
	y = r.passGate.apply(r.w.passGate, y, r.batch)
	vec.Mul(y, y, v)
	r.multAct(y, y)
	return y
}

// mixing maps y (B, features) to the output (B, DOut).
func (r *recurrence[T]) mixing(y []T) {
	z := r.mix.apply(r.w.mix, y, r.batch)
	if r.l.common.mixing != MixGLU {
		copy(r.outData, z)
		return
	}
	out := len(z) / r.batch
	half := out / 2
	for b := range r.batch {
		z := z[b*out : (b+1)*out]
		vec.GLU(r.outData[b*half:(b+1)*half], z[:half], z[half:])
	}
}

// State implements Recurrence.
func (r *recurrence[T]) State() *tensor.Dense {
	shape := r.l.model.stateShape(r.batch)
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(r.model.state()))
}

// SetState implements Recurrence.
func (r *recurrence[T]) SetState(x *tensor.Dense) error {
	shape := r.l.model.stateShape(r.batch)
	if x == nil || !x.Shape().Eq(shape) {
		return r.l.errorf("SetState", "want a state %v, got %v", shape, shapeOf(x))
	}
	d, ok := weights.Memory[T](x)
	if !ok {
		return r.l.errorf("SetState", "want a contiguous row-major state of dtype %v, got dtype %v, strides %v", r.l.dt, x.Dtype(), x.Strides())
	}
	return r.l.wrap("SetState", r.model.setState(d))
}

// Reset implements Recurrence.
func (r *recurrence[T]) Reset() { r.model.reset() }
