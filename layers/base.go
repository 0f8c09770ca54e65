package layers

import (
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// Layer is what every layer offers.
type Layer interface {
	// Name returns the layer's name, the prefix of its parameters' names.
	Name() string
	// Fwd adds the layer to the graph of x.
	Fwd(x *G.Node) (*G.Node, error)
	// Params returns the parameters, frozen ones included, in the order in
	// which checkpoints list them.
	Params() []param.Param
	// Learnables returns the nodes of the parameters that are not frozen: what
	// to hand to gorgonia.Grad and gorgonia.BindDualValues.
	Learnables() G.Nodes
	// Buffers returns the state that is saved but not learned.
	Buffers() []param.Buffer
}

// errNotMade is what the zero value of a layer returns.
var errNotMade = errors.New("want a layer that its New function made, got the zero value")

// Base is what all layers have in common, and embed: name, parameters, buffers.
// Builder.Done makes it.
type Base struct {
	kind    string
	name    string
	g       *G.ExprGraph
	dt      tensor.Dtype
	seed    uint64
	rate    float64 // see AtRate
	heeds   bool    // it has asked for the rate
	cfg     Config
	params  []param.Param
	buffers []param.Buffer
	masks   map[string]*ops.Masks // of its dropouts, by the names of those
	ranks   []*ops.Ranks          // of its batch normalisations
	inside  []Layer               // those that Builder.Child made
}

// Name returns the layer's name, the prefix of its parameters' names.
func (l *Base) Name() string { return l.orZero().name }

// orZero returns a base that has nothing for the layers whose zero value has none.
func (l *Base) orZero() *Base {
	if l == nil {
		return new(Base)
	}
	return l
}

// Params returns the layer's parameters, frozen ones included, in the order in
// which checkpoints list them. Their nodes are the layer's own, their hints to
// an optimiser are copies.
func (l *Base) Params() []param.Param {
	l = l.orZero()
	ps := make([]param.Param, len(l.params))
	for i, p := range l.params {
		ps[i] = p.Clone()
	}
	return ps
}

// Learnables returns the nodes of the parameters that are not frozen.
func (l *Base) Learnables() G.Nodes {
	var ns G.Nodes
	for _, p := range l.orZero().params {
		if !p.Frozen {
			ns = append(ns, p.Node)
		}
	}
	return ns
}

// Buffers returns the layer's state that is saved with the model but not
// learned.
func (l *Base) Buffers() []param.Buffer { return slices.Clone(l.orZero().buffers) }

// addMasks adds the masks of a dropout.
func (l *Base) addMasks(name string, m *ops.Masks) {
	if l.masks == nil {
		l.masks = map[string]*ops.Masks{}
	}
	l.masks[name] = m
}

// inner returns the base of a layer that embeds it.
func (l *Base) inner() *Base { return l }

// place names the layer and a method, as errors begin.
func (l *Base) place(method string) string {
	if l == nil {
		return "layers: " + method
	}
	return l.title() + ": " + method
}

// title names the layer.
func (l *Base) title() string { return fmt.Sprintf("layers: %s %q", l.kind, l.name) }

// made returns y, which the layer made of the nodes from. Errors of its ops at run
// time name the layer.
func (l *Base) made(y *G.Node, from ...*G.Node) *G.Node {
	graphop.InLayer(l.title(), y, from...)
	return y
}

// errorf returns an error that names the layer and the method.
func (l *Base) errorf(method, format string, args ...any) error {
	return fmt.Errorf("%s: %w", l.place(method), fmt.Errorf(format, args...))
}

// wrap adds the layer and the method to an error.
func (l *Base) wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", l.place(method), err)
}

// checkInput checks a (B, H, L) input, or a (B, H) one if flat is allowed.
func (l *Base) checkInput(x *G.Node, h int, flat bool) error {
	if l == nil {
		return l.wrap("Fwd", errNotMade)
	}
	want := fmt.Sprintf("x (B, %d, L)", h)
	if flat {
		want += fmt.Sprintf(" or (B, %d)", h)
	}
	if x == nil {
		return l.errorf("Fwd", "want %s, got nil", want)
	}
	s := x.Shape()
	if !(len(s) == 3 || flat && len(s) == 2) || s[1] != h || slices.Min(s) < 1 {
		return l.errorf("Fwd", "want %s, got %v", want, s)
	}
	if x.Dtype() != l.dt {
		return l.errorf("Fwd", "want x of dtype %v, got %v", l.dt, x.Dtype())
	}
	if err := l.checkGraph("x", x); err != nil {
		return err
	}
	return l.checkSize("x", s)
}

// checkGraph checks that an input of the layer is on its graph.
func (l *Base) checkGraph(name string, n *G.Node) error {
	if n.Graph() != l.g {
		return l.errorf("Fwd", "%s is on another graph than the layer: make a copy of the layer there with CloneTo", name)
	}
	return nil
}

// checkSize checks the size of a tensor (B, H, L) or (B, H) that Fwd reads or
// makes.
func (l *Base) checkSize(name string, s tensor.Shape) error {
	if len(s) == 3 {
		if err := size.Length("L", s[2]); err != nil {
			return l.wrap("Fwd", err)
		}
	}
	return l.wrap("Fwd", size.Tensor(name, s...))
}

// checkLengths checks the lengths of the rows of x, which may be nil.
func (l *Base) checkLengths(x, lengths *G.Node) error {
	if lengths == nil {
		return nil
	}
	if err := graphop.WantLengths(lengths, x.Shape()[0]); err != nil {
		return l.wrap("Fwd", err)
	}
	return l.checkGraph("lengths", lengths)
}

// checkStart checks the state x0 before the first step, none for the start of a
// sequence.
func (l *Base) checkStart(method string, x0 G.Nodes, want []StateShape) error {
	switch {
	case len(x0) == 0:
		return nil
	case len(want) == 0:
		return l.errorf(method, "want no state, got %d tensors", len(x0))
	case len(x0) != len(want):
		return l.errorf(method, "want a state of %s, or none for zero, got %d tensors", namesOf(want), len(x0))
	}
	for i, n := range x0 {
		w := want[i]
		switch {
		case n == nil:
			return l.errorf(method, "want a state %q %s, got nil", w.Name, w.form())
		case !w.fits(n.Shape()):
			return l.errorf(method, "want a state %q %s, got %v", w.Name, w.form(), n.Shape())
		case n.Dtype() != l.dt:
			return l.errorf(method, "want a state %q of dtype %v, got %v", w.Name, l.dt, n.Dtype())
		}
		if err := l.checkGraph("x0", n); err != nil {
			return err
		}
	}
	return nil
}

// oneState returns the node of a state of at most one tensor, nil for the start of
// a sequence.
func (l *Base) oneState(x0 G.Nodes, want []StateShape) (*G.Node, error) {
	if err := l.checkStart("FwdState", x0, want); err != nil || len(x0) == 0 {
		return nil, err
	}
	return x0[0], nil
}
