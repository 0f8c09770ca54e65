package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
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
	// step advances the state by u (B, H) and writes C x to y (B, CH, H).
	step(y, u []T)
	// refresh reads the parameters.
	refresh() error
	// state is the state in place, and its shape.
	state() ([]T, tensor.Shape)
}

// recurrence is a state space layer as a recurrence: the model of a stepper,
// the skip D, activation and mixing.
type recurrence[T num.Float] struct {
	l     *ssmLayer
	batch int
	model stepper[T]

	d, w, bias []T // w is nil without mixing
	act        func(dst, x []T)
	y, z       []T // (B, CH*H) before mixing, (B, out) after the linear map
	out        *tensor.Dense
	outData    []T
	ws         gemm.Workspace[T]
}

// newRecurrence checks that the layer has a recurrence and makes it. The
// model is made by one of the functions, for the layer's dtype.
func (l *ssmLayer) newRecurrence(batch int, model32 func() stepper[float32], model64 func() stepper[float64]) (Recurrence, error) {
	if batch < 1 {
		return nil, l.errorf("Recurrence", "want batch >= 1, got %d", batch)
	}
	if l.common.bidirectional {
		return nil, l.errorf("Recurrence", "a bidirectional layer needs the future: want Bidirectional false")
	}
	if l.dt == tensor.Float32 {
		return makeRecurrence(l, batch, model32())
	}
	return makeRecurrence(l, batch, model64())
}

func makeRecurrence[T num.Float](l *ssmLayer, batch int, model stepper[T]) (Recurrence, error) {
	c := l.common
	r := &recurrence[T]{
		l: l, batch: batch, model: model,
		act:     ops.ActivationFunc[T](c.activation),
		y:       num.Aligned[T](batch * c.channels * c.dModel),
		outData: num.Aligned[T](batch * c.dOut()),
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

// Refresh implements Recurrence.
func (r *recurrence[T]) Refresh() error {
	l := r.l
	if err := read(&r.d, l.d); err != nil {
		return l.wrap("Recurrence", err)
	}
	if l.mix != nil {
		if err := read(&r.w, l.mix.w); err != nil {
			return l.wrap("Recurrence", err)
		}
		if err := read(&r.bias, l.mix.b); err != nil {
			return l.wrap("Recurrence", err)
		}
	}
	return l.wrap("Recurrence", r.model.refresh())
}

// Step implements Recurrence.
func (r *recurrence[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	h := r.l.common.dModel
	if s := shapeOf(u); len(s) != 2 || s[0] != r.batch || s[1] != h {
		return nil, r.l.errorf("Step", "want u (%d, %d), got %v", r.batch, h, s)
	}
	d, ok := weights.Memory[T](u)
	if !ok {
		return nil, r.l.errorf("Step", "want u contiguous, row-major, of dtype %v, got dtype %v, strides %v", r.l.dt, u.Dtype(), u.Strides())
	}
	r.model.step(r.y, d)
	r.skip(d)
	r.act(r.y, r.y)
	r.mixing()
	return r.out, nil
}

func shapeOf(t *tensor.Dense) tensor.Shape {
	if t == nil {
		return nil
	}
	return t.Shape()
}

// skip adds D u to y.
func (r *recurrence[T]) skip(u []T) {
	h, ch := r.l.common.dModel, r.l.common.channels
	for b := range r.batch {
		ub := u[b*h : (b+1)*h]
		for k := range ch {
			y, d := r.y[(b*ch+k)*h:][:h], r.d[k*h:][:h]
			for i, v := range ub {
				y[i] += d[i] * v
			}
		}
	}
}

// mixing maps y (B, CH*H) to the output (B, DOut).
func (r *recurrence[T]) mixing() {
	if r.w == nil {
		copy(r.outData, r.y)
		return
	}
	in, out := len(r.y)/r.batch, len(r.bias)
	r.z = num.Grow(r.z, r.batch*out)
	for b := range r.batch {
		copy(r.z[b*out:], r.bias)
	}
	gemm.Gemm(&r.ws, false, true, r.batch, out, in, r.y, in, r.w, in, r.z, out, true)
	if r.l.common.mixing == MixLinear {
		copy(r.outData, r.z)
		return
	}
	half := out / 2
	for b := range r.batch {
		z := r.z[b*out : (b+1)*out]
		vec.GLU(r.outData[b*half:(b+1)*half], z[:half], z[half:])
	}
}

// State implements Recurrence.
func (r *recurrence[T]) State() *tensor.Dense {
	x, shape := r.model.state()
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]T(nil), x...)))
}

// SetState implements Recurrence.
func (r *recurrence[T]) SetState(x *tensor.Dense) error {
	dst, shape := r.model.state()
	if x == nil || !x.Shape().Eq(shape) {
		return r.l.errorf("SetState", "want a state %v, got %v", shape, shapeOf(x))
	}
	d, ok := weights.Memory[T](x)
	if !ok {
		return r.l.errorf("SetState", "want a contiguous row-major state of dtype %v, got dtype %v, strides %v", r.l.dt, x.Dtype(), x.Strides())
	}
	copy(dst, d)
	return nil
}

// Reset implements Recurrence.
func (r *recurrence[T]) Reset() {
	x, _ := r.model.state()
	clear(x)
}
