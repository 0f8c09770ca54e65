package layers

import (
	"errors"
	"fmt"
	"strconv"

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
	s := &chainSession{}
	s.unknown = func(tensor string) error {
		return fmt.Errorf("layers: SetState: want tensors of layers 0 to %d, got %q", len(c)-1, tensor)
	}
	for i, l := range c {
		of, err := newSession(l, batch)
		if err != nil {
			return nil, err
		}
		s.add(strconv.Itoa(i), l, of)
	}
	return s, nil
}

// chainSession is sessions that follow each other, named by their numbers.
type chainSession struct{ innerSessions }

// end implements ending.
func (c *chainSession) end(steps int) error {
	for _, s := range c.sessions {
		if err := endOf(s, steps); err != nil {
			return err
		}
	}
	return nil
}

// checkInput implements inputChecker.
func (c *chainSession) checkInput(u *tensor.Dense) error {
	if first, ok := c.sessions[0].(inputChecker); ok {
		return first.checkInput(u)
	}
	return nil
}

// Read implements Reader.
func (c *chainSession) Read(u *tensor.Dense) (*tensor.Dense, error) {
	var err error
	for _, s := range c.sessions {
		if u, err = readAll(s, u); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// readLast implements lastReader. What stands behind the last session with a state sees
// the last step alone.
func (c *chainSession) readLast(u *tensor.Dense, wanted bool) (*tensor.Dense, error) {
	head := len(c.sessions)
	for head > 0 && isStateless(c.sessions[head-1]) {
		head--
	}
	var err error
	for i, s := range c.sessions[:head] {
		if i == head-1 {
			u, err = readLast(s, u, wanted)
		} else {
			u, err = readAll(s, u)
		}
		if err != nil {
			return nil, err
		}
	}
	if !wanted {
		return nil, nil
	}
	if head == 0 {
		if u, err = stepsOf(u, u.Shape()[0]-1, u.Shape()[0]); err != nil {
			return nil, err
		}
	}
	for _, s := range c.sessions[head:] {
		if u, err = s.Step(u); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// Step implements Session. That a layer takes no more steps is found out before any
// other takes one.
func (c *chainSession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	err := c.end(1)
	if err != nil {
		return nil, err
	}
	for _, s := range c.sessions {
		if u, err = s.Step(u); err != nil {
			return nil, err
		}
	}
	return u, nil
}
