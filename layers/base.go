package layers

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Layer is what every layer offers.
type Layer interface {
	// Name returns the layer's name, the prefix of its parameters' names.
	Name() string
	// Fwd adds the layer to the graph of x.
	Fwd(x *G.Node) (*G.Node, error)
	// Params returns the parameters, frozen ones included, in the order in
	// which checkpoints list them.
	Params() []Param
	// Learnables returns the nodes of the parameters that are not frozen: what
	// to hand to gorgonia.Grad and gorgonia.BindDualValues.
	Learnables() G.Nodes
	// Buffers returns the state that is saved but not learned.
	Buffers() []Buffer
}

// base is what all layers have in common.
type base struct {
	kind    string
	name    string
	g       *G.ExprGraph
	dt      tensor.Dtype
	seed    uint64
	rate    float64 // see AtRate
	params  []Param
	buffers []Buffer
}

// Name returns the layer's name, the prefix of its parameters' names.
func (l *base) Name() string { return l.name }

// Params returns the layer's parameters, frozen ones included, in the order in
// which checkpoints list them.
func (l *base) Params() []Param { return slices.Clone(l.params) }

// Learnables returns the nodes of the parameters that are not frozen.
func (l *base) Learnables() G.Nodes {
	var ns G.Nodes
	for _, p := range l.params {
		if !p.Frozen {
			ns = append(ns, p.Node)
		}
	}
	return ns
}

// Buffers returns the layer's state that is saved with the model but not
// learned.
func (l *base) Buffers() []Buffer { return slices.Clone(l.buffers) }

// inner returns the layer itself, for those it is embedded in.
func (l *base) inner() *base { return l }

// cloneBuilder starts a copy of the layer on another graph that shares its
// tensors.
func (l *base) cloneBuilder(g *G.ExprGraph, opts ...CloneOption) *builder {
	b := &builder{g: g, dt: l.dt, kind: l.kind, path: l.name, seed: l.seed, rate: l.rate, from: make(map[string]*tensor.Dense)}
	for _, o := range opts {
		o(b)
	}
	for _, p := range l.params {
		t, err := p.Value()
		if err != nil {
			b.fail(err)
			continue
		}
		b.from[p.Name] = t
	}
	for _, v := range l.buffers {
		b.from[v.Name] = v.Value
	}
	if b.err == nil {
		b.start()
	}
	return b
}

// errorf returns an error that names the layer and the method.
func (l *base) errorf(method, format string, args ...any) error {
	return fmt.Errorf("layers: %s %q: %s: %w", l.kind, l.name, method, fmt.Errorf(format, args...))
}

// wrap adds the layer and the method to an error.
func (l *base) wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("layers: %s %q: %s: %w", l.kind, l.name, method, err)
}

// checkInput checks a (B, H, L) input, or a (B, H) one if flat is allowed.
func (l *base) checkInput(x *G.Node, h int, flat bool) error {
	want := fmt.Sprintf("x (B, %d, L)", h)
	if flat {
		want += fmt.Sprintf(" or (B, %d)", h)
	}
	if x == nil {
		return l.errorf("Fwd", "want %s, got nil", want)
	}
	s := x.Shape()
	if !(len(s) == 3 || flat && len(s) == 2) || s[1] != h || s.TotalSize() == 0 {
		return l.errorf("Fwd", "want %s, got %v", want, s)
	}
	if x.Dtype() != l.dt {
		return l.errorf("Fwd", "want x of dtype %v, got %v", l.dt, x.Dtype())
	}
	return l.checkGraph(x)
}

func (l *base) checkGraph(x *G.Node) error {
	if x.Graph() != l.g {
		return l.errorf("Fwd", "x is on another graph than the layer: make a copy of the layer there with CloneTo")
	}
	return nil
}
