package layers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gorgonia.org/tensor"
)

// Chain is layers that follow each other, the output of one being the input of the
// next, as one Stepper: an Embedding, a Stack and a Linear are a language model.
// Its state is those of the layers, behind their numbers: "1.0.x".
type Chain []Stepper

// Recurrence returns the chain as a recurrent network for batches of the given size.
func (c Chain) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(c, batch) }

// Snapshot implements Stepper.
func (c Chain) Snapshot() (Snapshot, error) {
	if len(c) == 0 {
		return nil, errors.New("layers: Chain: want at least one layer, got none")
	}
	s := make(chainSnapshot, len(c))
	for i, l := range c {
		if l == nil {
			return nil, fmt.Errorf("layers: Chain: want a layer, got nil at %d", i)
		}
		var err error
		if s[i], err = snapshotOfStepper(l); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// chainSnapshot is snapshots that follow each other.
type chainSnapshot []Snapshot

// NewSession implements Snapshot.
func (c chainSnapshot) NewSession(batch int) (Session, error) {
	s := make(chainSession, len(c))
	for i, l := range c {
		var err error
		if s[i], err = newSession(l, batch); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// chainSession is sessions that follow each other.
type chainSession []Session

// end implements ending.
func (c chainSession) end() error {
	for _, s := range c {
		if err := endOf(s); err != nil {
			return err
		}
	}
	return nil
}

// Step implements Session. That a layer takes no more steps is found out before any
// other takes one.
func (c chainSession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	err := c.end()
	if err != nil {
		return nil, err
	}
	for _, s := range c {
		if u, err = s.Step(u); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// State implements Session.
func (c chainSession) State() State {
	var all State
	for i, s := range c {
		all = append(all, prefixed(strconv.Itoa(i)+".", s.State())...)
	}
	return all
}

// SetState implements Session.
func (c chainSession) SetState(x State) error {
	parts, err := c.split(x)
	if err != nil {
		return err
	}
	before, _ := c.split(c.State().Clone())
	for i, s := range c {
		if err := s.SetState(parts[i]); err != nil {
			for k, done := range c[:i] {
				err = errors.Join(err, done.SetState(before[k]))
			}
			return err
		}
	}
	return nil
}

// split returns the states of the layers.
func (c chainSession) split(x State) ([]State, error) {
	parts := make([]State, len(c))
	for _, t := range x {
		number, name, _ := strings.Cut(t.Name, ".")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(c) {
			return nil, fmt.Errorf("layers: SetState: want tensors of layers 0 to %d, got %q", len(c)-1, t.Name)
		}
		parts[i] = append(parts[i], StateTensor{name, t.Value, t.Grows})
	}
	return parts, nil
}

// Reset implements Session.
func (c chainSession) Reset() {
	for _, s := range c {
		s.Reset()
	}
}
