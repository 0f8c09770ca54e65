package layers

import (
	"errors"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// kernelStep is the recurrence of a state space model without skip, whose states
// have a layout of their own: the Step of each package of kernels.
type kernelStep[T num.Float, S any] interface {
	// Advance replaces the states x by their successors for the input u (B, H)
	// and writes C x (B, CH, H) to y.
	Advance(y, x, u []T) error
	// Scan is Advance for the steps u (L, H) of one sequence, one after the other: it
	// writes (L, CH, H) to y.
	Scan(y, x, u []T) error
	// StateLen returns the length of the states of a batch.
	StateLen(batch int) int
	// Load and Store turn states from and to the layout of
	// stateSpace.stateShape.
	Load(x, src []T) error
	Store(x []T) []T
	// CopyRows copies rows of the states src to the states dst, from row at on.
	CopyRows(dst []T, at int, src []T, rows []int)
	// Fork returns the same recurrence with scratch memory of its own.
	Fork() S
}

// recurrent is a kernelStep of any type.
type recurrent[T num.Float] interface {
	Advance(y, x, u []T) error
	Scan(y, x, u []T) error
	StateLen(batch int) int
	Load(x, src []T) error
	Store(x []T) []T
	CopyRows(dst []T, at int, src []T, rows []int)
}

// ssmSnapshot is a state space layer as its steps see it: the recurrence of its
// model, the skip D, gate and mixing.
type ssmSnapshot[T num.Float] struct {
	l    *Base // names it in errors
	c    common
	fork func() recurrent[T]

	stateShape                       func(batch int) tensor.Shape
	d                                []T                   // (Channels*H)
	squeeze, openGate, passGate, mix *ops.LinearWeights[T] // nil without
}

// snapshotOf reads a state space layer whose model has the recurrence that step
// returns.
func snapshotOf[T num.Float, S kernelStep[T, S]](l *ssmLayer, step func() (S, error)) (Snapshot, error) {
	s := &ssmSnapshot[T]{l: l.Base, c: l.common, stateShape: l.stateShape()}
	var d []T
	model, err := step()
	if err == nil {
		err = read(&d, l.d)
	}
	for _, of := range []struct {
		dst   **ops.LinearWeights[T]
		layer *Linear
	}{{&s.squeeze, l.inputLinear}, {&s.openGate, l.inputGate}, {&s.passGate, l.outputGate}, {&s.mix, l.mix}} {
		if err == nil && of.layer != nil {
			*of.dst, err = linearWeights[T](of.layer)
		}
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	s.d = slices.Clone(d)
	s.fork = func() recurrent[T] { return model.Fork() }
	return s, nil
}

// checkRecurrent reports a layer that has no recurrence.
func (l *ssmLayer) checkRecurrent() error {
	if l.Base == nil {
		return l.wrap("Recurrence", errNotMade)
	}
	if l.common.Bidirectional {
		return l.errorf("Recurrence", "a bidirectional layer needs the future: want Bidirectional false")
	}
	return nil
}

// NewSession implements Snapshot.
func (s *ssmSnapshot[T]) NewSession(batch int) (Session, error) {
	if err := s.checkBatch(batch); err != nil {
		return nil, err
	}
	c := s.c
	r := &ssmSession[T]{
		ssmSnapshot: s, batch: batch, model: s.fork(),
		act: ops.ActivationFunc[T](c.Activation),
		y:   num.Aligned[T](batch * c.Channels * c.inner()),
		out: newStepOutput[T](batch, c.dOut()),
	}
	r.x = num.Aligned[T](r.model.StateLen(batch))
	if c.Gate > 0 {
		r.gateAct, r.multAct = ops.ActivationFunc[T](c.GateActivation), ops.ActivationFunc[T](c.MultActivation)
	}
	for _, l := range []struct {
		dst *func(x []T) []T
		w   *ops.LinearWeights[T]
	}{{&r.squeezed, s.squeeze}, {&r.opened, s.openGate}, {&r.passed, s.passGate}} {
		*l.dst = func(x []T) []T { return x }
		if l.w != nil {
			step := l.w.NewStep()
			*l.dst = func(x []T) []T { return step.Apply(x, r.batch) }
		}
	}
	if s.mix != nil {
		r.mixed = s.mix.NewStep()
	}
	r.skips = newRowLoop(r.skip)
	return r, nil
}

// checkBatch reports a batch that is too large.
func (s *ssmSnapshot[T]) checkBatch(batch int) error {
	return s.l.wrap("Recurrence", errors.Join(size.Tensor("the states (batch, H, ...)", s.stateShape(batch)...), s.c.checkSize(batch, 1)))
}

// shapes describes the state of a batch.
func (s *ssmSnapshot[T]) shapes(batch int) []StateShape {
	return []StateShape{{Name: stateName, Shape: s.stateShape(batch)}}
}

// ssmSession is a batch of sequences in a state space layer.
type ssmSession[T num.Float] struct {
	*ssmSnapshot[T]
	batch int
	model recurrent[T]
	x     []T // the states
	spare []T // where Regroup puts them together

	squeezed, opened, passed func(x []T) []T    // the linear maps before
	mixed                    *ops.LinearStep[T] // and that behind, nil without
	act, gateAct, multAct    func(dst, x []T)
	y                        []T // (B, CH*H) of the model
	z                        []T // (B, CH*H): y before the activation, for MixHalfGLU2
	u                        []T // (B, H) that it reads, while its output is worked on
	skips                    rowLoop
	out                      stepOutput[T]
}

// Step implements Session.
func (r *ssmSession[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l, u, r.batch, r.c.dModel)
	if err != nil {
		return nil, err
	}
	return r.through(x, r.model.Advance)
}

// Read implements Reader.
func (r *ssmSession[T]) Read(u *tensor.Dense) (*tensor.Dense, error) {
	x, steps, err := readRows[T](r.l, u, r.batch, r.c.dModel, 1)
	if err == nil {
		err = r.l.wrap("Read", r.c.checkSize(steps, 1))
	}
	if err != nil {
		return nil, err
	}
	r.resize(steps)
	defer r.resize(1)
	return r.through(x, r.model.Scan)
}

// through maps rows x to the output, with the outputs that model gives.
func (r *ssmSession[T]) through(x []T, model func(y, x, u []T) error) (*tensor.Dense, error) {
	v := r.squeezed(x)
	if err := model(r.y, r.x, v); err != nil {
		return nil, r.l.wrap("Step", err)
	}
	r.u = v
	if r.c.Mixing == MixHalfGLU2 {
		r.z = num.Grow(r.z, len(r.y))
	}
	r.skips.run(r.batch, r.c.Channels*r.c.inner())
	r.u = nil
	r.mixing(r.gate(r.y, x))
	return r.out.t, nil
}

// resize makes the rows others than the states have.
func (r *ssmSession[T]) resize(rows int) {
	r.batch, r.y = rows, num.GrowRows(r.y, rows*r.c.Channels*r.c.inner())
	r.out.resize(rows, r.c.dOut())
}

// skip adds D u to row b of y, and applies the activation.
func (r *ssmSession[T]) skip(b int) {
	h, ch := r.c.inner(), r.c.Channels
	y := r.y[b*ch*h:][:ch*h]
	for k := range ch {
		vec.AddMul(y[k*h:][:h], r.d[k*h:][:h], r.u[b*h:][:h])
	}
	if r.c.Mixing == MixHalfGLU2 {
		copy(r.z[b*h:][:h], y)
	}
	r.act(y, y)
}

// gate applies the gate that the layer's input x opens to y, if there is one.
func (r *ssmSession[T]) gate(y, x []T) []T {
	if r.gateAct == nil {
		return y
	}
	v := r.opened(x)
	r.gateAct(v, v)
	y = r.passed(y)
	vec.Mul(y, y, v)
	r.multAct(y, y)
	return y
}

// mixing maps y (B, features) to the output (B, DOut).
func (r *ssmSession[T]) mixing(y []T) {
	switch r.c.Mixing {
	case MixGLU:
		r.mixed.ApplyGLU(r.out.data, y, r.batch)
	case MixLinear:
		r.mixed.ApplyTo(r.out.data, y, r.batch)
	case MixHalfGLU1:
		r.mixed.ApplyTo(r.out.data, y, r.batch)
		vec.GLU(r.out.data, y, r.out.data)
	case MixHalfGLU2:
		r.mixed.ApplyTo(r.out.data, y, r.batch)
		vec.GLU(r.out.data, r.z, r.out.data)
	default:
		copy(r.out.data, y)
	}
}

// stateName is the name of the one tensor in the state of a state space layer.
const stateName = "x"

// State implements Session.
func (r *ssmSession[T]) State() State {
	return State{{Name: stateName, Value: tensor.New(tensor.WithShape(r.stateShape(r.batch)...), tensor.WithBacking(r.model.Store(r.x)))}}
}

// SetState implements Session.
func (r *ssmSession[T]) SetState(x State) error {
	d, err := stateMemory[T](r.l, x, r.shapes(r.batch))
	if err != nil {
		return err
	}
	return r.l.wrap("SetState", r.model.Load(r.x, d[0]))
}

// Regroup implements Regrouper.
func (r *ssmSession[T]) Regroup(rows Rows) (do func(), err error) {
	batch := rows.Batch()
	if err := r.checkBatch(batch); err != nil {
		return nil, err
	}
	states, err := joining[T](r.l, rows, r.shapes)
	if err != nil {
		return nil, err
	}
	return func() {
		x := num.GrowRows(r.spare, r.model.StateLen(batch))
		r.model.CopyRows(x, 0, r.x, rows.Keep)
		r.join(x, len(rows.Keep), states, rows.Joined)
		r.x, r.spare = x, r.x
		r.resize(batch)
	}, nil
}

// join copies states of as many rows to x, from row at on.
func (r *ssmSession[T]) join(x []T, at int, states [][][]T, joined []int) {
	var all []int
	for i, of := range states {
		own := num.Aligned[T](r.model.StateLen(joined[i]))
		_ = r.model.Load(own, of[0]) // which has the length of its shape
		for b := len(all); b < joined[i]; b++ {
			all = append(all, b)
		}
		r.model.CopyRows(x, at, own, all[:joined[i]])
		at += joined[i]
	}
}

// Reset implements Session.
func (r *ssmSession[T]) Reset() { clear(r.x) }
