package layers

import (
	"errors"
	"fmt"
	"strings"
)

// innerSessions are the sessions of layers inside another, under their names.
type innerSessions struct {
	names    []string
	of       []Snapshot // of the sessions
	sessions []Session
	unknown  func(tensor string) error // of a state, that is of none of them
}

// add adds a session, which is of a snapshot.
func (p *innerSessions) add(name string, of Snapshot, s Session) {
	p.names, p.of, p.sessions = append(p.names, name), append(p.of, of), append(p.sessions, s)
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

// Regroup implements Regrouper.
func (p *innerSessions) Regroup(rows Rows) (do func(), err error) {
	parts := make([][]State, len(rows.Join)) // of each state, by session
	for k, x := range rows.Join {
		if parts[k], err = p.split(x); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", k, err)
		}
	}
	all := make([]func() Session, len(p.sessions))
	for i, s := range p.sessions {
		join := make([]State, len(parts))
		for k, of := range parts {
			join[k] = of[i]
		}
		if all[i], err = regroup(s, p.of[i], Rows{rows.Keep, join, rows.Joined}); err != nil {
			return nil, err
		}
	}
	return func() {
		for i, f := range all {
			p.sessions[i] = f()
		}
	}, nil
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
