package layers

import (
	"errors"
	"strings"

	G "gorgonia.org/gorgonia"
)

// convs are the convolutions inside a layer, in the order in which they are used,
// under their names.
type convs []struct {
	name string
	conv *Conv1D
}

// add makes a convolution inside. An error sticks to the builder.
func (cs *convs) add(b *Builder, name string, cfg Conv1DConfig) *Conv1D {
	c, _ := child[*Conv1D](b, name, cfg)
	*cs = append(*cs, struct {
		name string
		conv *Conv1D
	}{name, c})
	return c
}

// stateShapes describes their state, none if one of them cannot go on.
func (cs convs) stateShapes(batch int) []StateShape {
	var all []StateShape
	for _, c := range cs {
		if c.conv.cfg.Same {
			return nil
		}
		for _, s := range c.conv.StateShapes(batch) {
			all = append(all, StateShape{Name: c.name + "." + s.Name, Shape: s.Shape})
		}
	}
	return all
}

// checkCausal reports convolutions that cannot go on from a state.
func (cs convs) checkCausal(l *Base, method string) error {
	if l == nil {
		return l.wrap(method, errNotMade)
	}
	for _, c := range cs {
		if c.conv.cfg.Same {
			return l.wrap(method, errAhead)
		}
	}
	return nil
}

// goOn returns the convolution of sequences that go on from the state x0 of all of
// them, for a function that calls it once for each in order, and where the state
// after them will be.
func (cs convs) goOn(l *Base, x0 G.Nodes) (conv func(c *Conv1D, u *G.Node) (*G.Node, error), x1 *G.Nodes, err error) {
	if want := len(cs.stateShapes(1)); len(x0) != 0 && len(x0) != want {
		return nil, nil, l.errorf("FwdState", "want a state of %d tensors, or none for zero, got %d", want, len(x0))
	}
	x1 = new(G.Nodes)
	return func(c *Conv1D, u *G.Node) (*G.Node, error) {
		var from G.Nodes
		if len(x0) > 0 {
			n := len(c.StateShapes(1))
			from, x0 = x0[:n], x0[n:]
		}
		y, to, err := c.FwdState(u, from)
		*x1 = append(*x1, to...)
		return y, err
	}, x1, nil
}

// innerSessions are the sessions of layers inside another, under their names.
type innerSessions struct {
	l        *Base
	names    []string
	sessions []Session
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
	before, _ := p.split(p.State())
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
		return nil, p.l.errorf("SetState", "want tensors of %s, got %q", strings.Join(p.names, ", "), t.Name)
	}
	return of, nil
}

// Reset implements Session.
func (p *innerSessions) Reset() {
	for _, s := range p.sessions {
		s.Reset()
	}
}
