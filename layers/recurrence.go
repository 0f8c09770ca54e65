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
// The parameters are read when the Recurrence is made. A Recurrence is not
// safe for concurrent use.
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
	// Refresh reads the layer's parameters again, after a training step. The
	// state is kept.
	Refresh() error
}

// stepper is the state space model of a layer as a recurrence, for a batch of
// B rows.
type stepper[T num.Float] interface {
	// step advances the state by u (B, H) and writes C x to y (B, CH, H). It
	// does not allocate.
	step(y, u []T) error
	// refresh reads the parameters.
	refresh() error
	// state returns a copy of the state in the layout of stateSpace.stateShape.
	state() []T
	// setState sets the state to a copy of src, in the same layout.
	setState(src []T) error
	// reset sets the state to zero.
	reset()
}

// recurrence is a state space layer as a recurrence: the model of a stepper,
// the skip D, activation, gate and mixing.
type recurrence[T num.Float] struct {
	l     *ssmLayer
	batch int
	model stepper[T]

	d                                []T
	squeeze, openGate, passGate, mix stepLinear[T]
	act, gateAct, multAct            func(dst, x []T)
	y                                []T // (B, CH*H) of the model
	out                              *tensor.Dense
	outData                          []T
}

// newRecurrence checks that the layer has a recurrence and makes it. The
// model is made by one of the functions, for the layer's dtype.
func (l *ssmLayer) newRecurrence(batch int, model32 func() stepper[float32], model64 func() stepper[float64]) (Recurrence, error) {
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
		return makeRecurrence(l, batch, model32())
	}
	return makeRecurrence(l, batch, model64())
}

// checkStates checks the sizes of the states of a batch and of what a step
// computes.
func (l *ssmLayer) checkStates(batch int) error {
	if err := size.Tensor("the states (batch, H, ...)", l.model.stateShape(batch)...); err != nil {
		return err
	}
	return l.common.checkSize(batch, 1)
}

func makeRecurrence[T num.Float](l *ssmLayer, batch int, model stepper[T]) (Recurrence, error) {
	c := l.common
	r := &recurrence[T]{
		l: l, batch: batch, model: model,
		squeeze: stepLinear[T]{layer: l.inputLinear}, openGate: stepLinear[T]{layer: l.inputGate},
		passGate: stepLinear[T]{layer: l.outputGate}, mix: stepLinear[T]{layer: l.mix},
		act:     ops.ActivationFunc[T](c.activation),
		y:       num.Aligned[T](batch * c.channels * c.inner()),
		outData: num.Aligned[T](batch * c.dOut()),
	}
	if c.gate > 0 {
		r.gateAct, r.multAct = ops.ActivationFunc[T](c.gateActivation), ops.ActivationFunc[T](c.multActivation)
	}
	r.out = tensor.New(tensor.WithShape(batch, c.dOut()), tensor.WithBacking(r.outData))
	return r, r.Refresh()
}

// read points dst at the values of a parameter; a nil node leaves it nil.
func read[T num.Float](dst *[]T, n *G.Node) error {
	if n == nil {
		return nil
	}
	d, ok := weights.Memory[T](n.Value())
	if !ok {
		return fmt.Errorf("parameter %s: want a contiguous row-major tensor of dtype %T, its node holds %T", n.Name(), *new(T), n.Value())
	}
	*dst = d
	return nil
}

// parallelProducts is the number of multiplications from which a linear layer of
// a step is spread over the workers: fewer take about as long as it takes to
// wake one.
const parallelProducts = 1 << 22

// stepLinear is a linear layer of a recurrence; the zero value, without a
// layer, returns its input.
type stepLinear[T num.Float] struct {
	layer *Linear
	w     gemm.PackedB[T]
	ws    []gemm.Workspace[T] // of each worker
	spans *par.Loop           // over spans of ColumnStep outputs

	batch int // of the product under way
	x, y  []T // (B, in) and (B, out)
}

func (s *stepLinear[T]) refresh() error {
	if s.layer == nil {
		return nil
	}
	var w, bias []T
	if err := read(&w, s.layer.w); err != nil {
		return err
	}
	if err := read(&bias, s.layer.b); err != nil {
		return err
	}
	in, out := s.layer.cfg.In, s.layer.cfg.Out
	s.w.Pack(true, in, out, w, in, bias)
	if s.spans == nil {
		s.ws = make([]gemm.Workspace[T], par.Workers())
		s.spans = par.NewLoop(func(worker, i int) {
			lo := i * gemm.ColumnStep
			s.multiply(worker, lo, min(lo+gemm.ColumnStep, out))
		})
	}
	return nil
}

// apply maps x (batch, in) to (batch, out), which the next call overwrites.
func (s *stepLinear[T]) apply(x []T, batch int) []T {
	if s.layer == nil {
		return x
	}
	in, out := s.layer.cfg.In, s.layer.cfg.Out
	s.batch, s.x, s.y = batch, x, num.Grow(s.y, batch*out)
	if batch*in*out < parallelProducts {
		s.multiply(0, 0, out)
	} else {
		s.spans.Run((out + gemm.ColumnStep - 1) / gemm.ColumnStep)
	}
	s.x = nil
	return s.y
}

// multiply computes outputs [lo, hi).
func (s *stepLinear[T]) multiply(worker, lo, hi int) {
	in, out := s.layer.cfg.In, s.layer.cfg.Out
	gemm.GemmPackedB(&s.ws[worker], s.batch, s.x, in, &s.w, lo, hi, s.y, out)
}

// Refresh implements Recurrence.
func (r *recurrence[T]) Refresh() error {
	l := r.l
	for _, err := range []error{
		read(&r.d, l.d), r.squeeze.refresh(), r.openGate.refresh(), r.passGate.refresh(), r.mix.refresh(), r.model.refresh(),
	} {
		if err != nil {
			return l.wrap("Recurrence", err)
		}
	}
	return nil
}

// Step implements Recurrence.
func (r *recurrence[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.base, u, r.batch, r.l.common.dModel)
	if err != nil {
		return nil, err
	}
	v := r.squeeze.apply(x, r.batch)
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
			vec.AddMul(r.y[(b*ch+k)*h:][:h], r.d[k*h:][:h], u[b*h:][:h])
		}
	}
}

// gate applies the gate that the layer's input x opens to y, if there is one.
func (r *recurrence[T]) gate(y, x []T) []T {
	if r.gateAct == nil {
		return y
	}
	v := r.openGate.apply(x, r.batch)
	r.gateAct(v, v)
	y = r.passGate.apply(y, r.batch)
	vec.Mul(y, y, v)
	r.multAct(y, y)
	return y
}

// mixing maps y (B, features) to the output (B, DOut).
func (r *recurrence[T]) mixing(y []T) {
	z := r.mix.apply(y, r.batch)
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
