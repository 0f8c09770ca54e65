package layers

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// Stepper is a layer or a model that can consume a sequence one step at a time.
// NewRecurrence makes a recurrent network of it.
type Stepper interface {
	// Snapshot reads all that a step needs off the parameters and buffers. What
	// happens to those later does not change it.
	Snapshot() (Snapshot, error)
}

// Snapshot is what a layer computes steps with: its parameters at one moment, as a
// rule prepared (discretised, packed). Nothing changes it, so that any number of
// sessions in any number of goroutines share one.
type Snapshot interface {
	// NewSession returns a batch of sequences, at their start.
	NewSession(batch int) (Session, error)
}

// Session is a batch of sequences that is under way: the state and the scratch
// memory of a step. It is for one goroutine.
type Session interface {
	// Step consumes one step u (B, In), or (B) of dtype int if the layer reads
	// token ids, and returns the output (B, Out). The tensor returned is
	// overwritten by the next Step. u is contiguous, and neither written nor kept:
	// its memory has other numbers at the next Step.
	Step(u *tensor.Dense) (*tensor.Dense, error)
	// State returns a copy of the state: nothing that the session does later
	// changes it.
	State() State
	// SetState replaces the state by a copy of x, which has the names, shapes and
	// dtypes of what State returns. After an error the state is as it was.
	SetState(x State) error
	// Reset sets the state to the start of a sequence.
	Reset()
}

// Recurrence is a layer, or a whole model, as a recurrent network: it consumes a
// sequence one step at a time, without a graph, and returns what Fwd returns for
// the whole sequence in evaluation mode, up to rounding. A step costs the same at
// any position.
//
// The parameters are read when the Recurrence is made, all at one time, and again by
// Refresh. Those that Fork makes share what was read and own only their state. A
// Recurrence is for one goroutine, its forks are for others.
type Recurrence struct {
	source *snapshots
	seen   *reading // that session is of
	batch  int
	Session
}

// snapshots are the readings of the parameters that forks share.
type snapshots struct {
	layer   Stepper
	refresh sync.Mutex // held while the parameters are read
	current atomic.Pointer[reading]
}

// reading is one reading of the parameters.
type reading struct{ Snapshot }

// NewRecurrence returns a layer as a recurrent network for batches of the given
// size.
func NewRecurrence(l Stepper, batch int) (*Recurrence, error) {
	if isNil(l) {
		return nil, errors.New("layers: NewRecurrence: want a layer, got nil")
	}
	r := &Recurrence{source: &snapshots{layer: l}}
	if err := r.Refresh(); err != nil {
		return nil, err
	}
	return r.Fork(batch)
}

// Fork returns another recurrence at the start of a sequence, for a batch of any
// size, that shares the parameters with r: Refresh of either is one of both.
func (r *Recurrence) Fork(batch int) (*Recurrence, error) {
	switch {
	case r == nil || r.source == nil:
		return nil, errNoRecurrence
	case batch < 1:
		return nil, fmt.Errorf("layers: Recurrence: want batch >= 1, got %d", batch)
	}
	f := &Recurrence{source: r.source, seen: r.source.current.Load(), batch: batch}
	var err error
	if f.Session, err = newSession(f.seen.Snapshot, batch); err != nil {
		return nil, err
	}
	return f, nil
}

// errNoRecurrence is what the zero value of a Recurrence returns.
var errNoRecurrence = errors.New("layers: Recurrence: want one that NewRecurrence or Fork made, got the zero value")

// snapshotOfStepper is the Snapshot of a layer, which may be of another package.
func snapshotOfStepper(l Stepper) (s Snapshot, err error) {
	defer guard.Panic(&err)
	if s, err = l.Snapshot(); err == nil && s == nil {
		err = fmt.Errorf("want Snapshot of a %T to return a snapshot, got nil", l)
	}
	return s, err
}

// newSession is a session of a snapshot, which may be of another package.
func newSession(of Snapshot, batch int) (s Session, err error) {
	defer guard.Panic(&err)
	if s, err = of.NewSession(batch); err == nil && s == nil {
		err = fmt.Errorf("want NewSession of a %T to return a session, got nil", of)
	}
	return s, err
}

// Batch returns the number of rows.
func (r *Recurrence) Batch() int { return r.batch }

// Refresh reads the layer's parameters again, after a training step, for r and all
// its forks: each steps with the new ones from its next step on, and keeps its
// state. After an error all go on with what they have. It may be called while forks
// step, but not while the parameters change.
func (r *Recurrence) Refresh() error {
	if r == nil || r.source == nil {
		return errNoRecurrence
	}
	r.source.refresh.Lock()
	defer r.source.refresh.Unlock()
	s, err := snapshotOfStepper(r.source.layer)
	if err != nil {
		return err
	}
	r.source.current.Store(&reading{s})
	return nil
}

// Step implements Session.
func (r *Recurrence) Step(u *tensor.Dense) (*tensor.Dense, error) {
	if err := r.follow(); err != nil {
		return nil, err
	}
	return r.Session.Step(u)
}

// SetState implements Session.
func (r *Recurrence) SetState(x State) error {
	if r.Session == nil {
		return errNoRecurrence
	}
	if err := x.check(); err != nil {
		return fmt.Errorf("layers: Recurrence: SetState: %w", err)
	}
	return r.Session.SetState(x)
}

// State implements Session.
func (r *Recurrence) State() State {
	if r.Session == nil {
		return nil
	}
	return r.Session.State()
}

// Reset implements Session.
func (r *Recurrence) Reset() {
	if r.Session != nil {
		r.Session.Reset()
	}
}

// follow goes on with the latest reading of the parameters.
func (r *Recurrence) follow() error {
	if r.source == nil {
		return errNoRecurrence
	}
	latest := r.source.current.Load()
	if latest == r.seen {
		return nil
	}
	s, err := newSession(latest.Snapshot, r.batch)
	if err != nil {
		return err
	}
	if err := s.SetState(r.State()); err != nil {
		return err
	}
	r.Session, r.seen = s, latest
	return nil
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

// stepInput returns the values of an input u (batch, h) of a step.
func stepInput[T num.Float](l *Base, u *tensor.Dense, batch, h int) ([]T, error) {
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

// stepOutput is memory for the output of a step.
type stepOutput[T num.Float] struct {
	data []T
	t    *tensor.Dense // (batch, h)
}

func newStepOutput[T num.Float](batch, h int) stepOutput[T] {
	d := num.Aligned[T](batch * h)
	return stepOutput[T]{d, tensor.New(tensor.WithShape(batch, h), tensor.WithBacking(d))}
}

// checkStep checks the size of a batch of steps of h features.
func (l *Base) checkStep(batch, h int) error {
	return l.wrap("Recurrence", size.Tensor("a step (batch, features)", batch, h))
}

// stateless is the state of a layer that has none.
type stateless struct{ l *Base }

// State implements Session.
func (stateless) State() State { return nil }

// SetState implements Session.
func (s stateless) SetState(x State) error {
	if len(x) > 0 {
		return s.l.errorf("SetState", "want no state, got %d tensors", len(x))
	}
	return nil
}

// Reset implements Session.
func (stateless) Reset() {}

// stateMemory returns the numbers of the tensors of a state, which must be those
// that are wanted.
func stateMemory[T num.Float](l *Base, x State, want []StateShape) ([][]T, error) {
	if len(want) == 0 {
		return nil, stateless{l}.SetState(x)
	}
	if !slices.EqualFunc(x, want, func(t StateTensor, w StateShape) bool { return t.Name == w.Name }) {
		return nil, l.errorf("SetState", "want a state of %s, got %s", namesOf(want), x.names())
	}
	all := make([][]T, len(x))
	for i, t := range x {
		if w := want[i]; !w.fits(shapeOf(t.Value)) {
			return nil, l.errorf("SetState", "want a state %q %s, got %v", w.Name, w.form(), shapeOf(t.Value))
		}
		var ok bool
		if all[i], ok = weights.Memory[T](t.Value); !ok {
			return nil, l.errorf("SetState", "want a contiguous row-major state %q of dtype %v, got dtype %v, strides %v", t.Name, l.dt, t.Value.Dtype(), t.Value.Strides())
		}
	}
	return all, nil
}

// prefixed returns a state with its names behind a prefix.
func prefixed(prefix string, s State) State {
	s = slices.Clone(s) // its session may have kept it
	for i := range s {
		s[i].Name = prefix + s[i].Name
	}
	return s
}

// describe names shape and dtype of a tensor, for errors.
func describe(t *tensor.Dense) string {
	if t == nil {
		return "nil"
	}
	return fmt.Sprintf("%v of dtype %v", t.Shape(), t.Dtype())
}
