package layers

import (
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// convolution is what a layer asks of the convolutions inside it.
type convolution interface {
	Layer
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
	FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error)
	StateShapes(batch int) []StateShape
	isAhead() bool // it reads the future
}

// convs are the convolutions inside a layer, in the order in which they are used,
// under their names.
type convs[C convolution] []struct {
	name string
	conv C
}

// add makes a convolution inside. An error sticks to the builder.
func (cs *convs[C]) add(b *Builder, name string, cfg Config) C {
	c, _ := child[C](b, name, cfg)
	*cs = append(*cs, struct {
		name string
		conv C
	}{name, c})
	return c
}

// stateShapes describes their state, none if one of them cannot go on.
func (cs convs[C]) stateShapes(batch int) []StateShape {
	var all []StateShape
	for _, c := range cs {
		if c.conv.isAhead() {
			return nil
		}
		for _, s := range c.conv.StateShapes(batch) {
			all = append(all, StateShape{Name: c.name + "." + s.Name, Shape: s.Shape})
		}
	}
	return all
}

// checkCausal reports convolutions that cannot go on from a state.
func (cs convs[C]) checkCausal(l *Base, method string) error {
	if l == nil {
		return l.wrap(method, errNotMade)
	}
	for _, c := range cs {
		if c.conv.isAhead() {
			return l.wrap(method, errAhead)
		}
	}
	return nil
}

// convThrough computes a layer of sequences x whose convolutions are as conv has them,
// which it calls once for each in order.
type convThrough[C convolution] func(x, lengths *G.Node, conv func(c C, u *G.Node) (*G.Node, error)) (*G.Node, error)

// fwdLengths is FwdLengths of the layer of x (B, in, L) that has the convolutions.
func (cs convs[C]) fwdLengths(l *Base, in int, x, lengths *G.Node, through convThrough[C]) (*G.Node, error) {
	if err := l.checkInput(x, in, false); err != nil {
		return nil, err
	}
	if err := l.checkLengths(x, lengths); err != nil {
		return nil, err
	}
	y, err := through(x, lengths, func(c C, u *G.Node) (*G.Node, error) { return c.FwdLengths(u, lengths) })
	return l.made(y, x, lengths), err
}

// fwdState is FwdState of that layer.
func (cs convs[C]) fwdState(l *Base, in int, x *G.Node, x0 G.Nodes, through convThrough[C]) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.checkInput(x, in, false); err != nil {
		return nil, nil, err
	}
	if err := cs.checkCausal(l, "FwdState"); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, cs.stateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	rest := x0
	y, err = through(x, nil, func(c C, u *G.Node) (*G.Node, error) {
		var from G.Nodes
		if len(x0) > 0 {
			n := len(c.StateShapes(1))
			from, rest = rest[:n], rest[n:]
		}
		y, to, err := c.FwdState(u, from)
		x1 = append(x1, to...)
		return y, err
	})
	if err != nil {
		return nil, nil, err
	}
	return l.made(y, append(G.Nodes{x}, x0...)...), x1, nil
}

// convsSnapshot is the convolutions inside a layer as its steps see them.
type convsSnapshot[T num.Float] struct {
	l     *Base
	names []string
	convs []*conv1dSnapshot[T]
}

// newConvsSnapshot takes the snapshot of each convolution with of.
func newConvsSnapshot[T num.Float, C convolution](l *Base, cs convs[C], of func(C) (*conv1dSnapshot[T], error)) (s convsSnapshot[T], err error) {
	s.l = l
	for _, c := range cs {
		conv, err := of(c.conv)
		if err != nil {
			return s, err
		}
		s.names, s.convs = append(s.names, c.name), append(s.convs, conv)
	}
	return s, nil
}

// newSessions returns a batch of sequences in each.
func (s *convsSnapshot[T]) newSessions(batch int) (r convsSession[T], err error) {
	r.l = s.l
	r.unknown = func(tensor string) error {
		return s.l.errorf("SetState", "want tensors of %s, got %q", strings.Join(s.names, ", "), tensor)
	}
	for i, c := range s.convs {
		conv, err := c.newSession(batch)
		if err != nil {
			return r, err
		}
		r.convs = append(r.convs, conv)
		r.add(s.names[i], c, conv)
	}
	return r, nil
}

// convsSession is a batch of sequences in the convolutions inside a layer.
type convsSession[T num.Float] struct {
	innerSessions
	l     *Base
	convs []*conv1dSession[T]
}

// regroup is Regroup of the layer that has them, whose batch resize changes.
func (r *convsSession[T]) regroup(rows Rows, resize func(batch int)) (do func(), err error) {
	convs, err := r.innerSessions.Regroup(rows)
	if err != nil {
		return nil, err
	}
	batch := rows.Batch()
	return func() { convs(); resize(batch) }, nil
}

// output is the memory of the output of the last of them.
func (r *convsSession[T]) output() *tensor.Dense { return r.convs[len(r.convs)-1].out.t }
