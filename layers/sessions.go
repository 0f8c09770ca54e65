package layers

import (
	"errors"
	"strings"
)

// innerSessions are the sessions of layers inside another, under their names.
type innerSessions struct {
	names    []string
	sessions []Session
	unknown  func(tensor string) error // of a state, that is of none of them
}

// add adds a session.
func (p *innerSessions) add(name string, s Session) {
	p.names, p.sessions = append(p.names, name), append(p.sessions, s)
}

// State implements Session.
func (p *innerSessions) State() State {
	var all State
	for i, s := range p.sessions {
		all = append(all, prefixed(p.names[i]+".", s.State())...)
	}
	return all
}

// SetState implements Session.
func (p *innerSessions) SetState(x State) error {
	to, err := p.split(x)
	if err != nil {
		return err
	}
	before, _ := p.split(p.State().Clone())
	for i, s := range p.sessions {
		if err := s.SetState(to[i]); err != nil {
			for k, done := range p.sessions[:i] {
				err = errors.Join(err, done.SetState(before[k]))
			}
			return err
		}
	}
	return nil
}

// split returns the states of the sessions.
func (p *innerSessions) split(x State) ([]State, error) {
	of := make([]State, len(p.sessions))
next:
	for _, t := range x {
		for i, name := range p.names {
			if rest, ok := strings.CutPrefix(t.Name, name+"."); ok {
				of[i] = append(of[i], StateTensor{rest, t.Value, t.Grows})
				continue next
			}
		}
		return nil, p.unknown(t.Name)
	}
	return of, nil
}

// Reset implements Session.
func (p *innerSessions) Reset() {
	for _, s := range p.sessions {
		s.Reset()
	}
}
