package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/weights"
)

// Clone returns a copy of a layer on another graph that shares its tensors: for
// evaluation, for sequences of another length or rate, for another part of the
// parameters to learn.
func Clone[L Layer](l L, g *G.ExprGraph, opts ...CloneOption) (L, error) {
	var none L
	if isNil(l) {
		return none, errors.New("layers: Clone: want a layer, got nil")
	}
	base, ok := any(l).(interface{ inner() *Base })
	if !ok {
		return none, fmt.Errorf("layers: Clone: want a layer that embeds the *layers.Base of its builder, got %T", l)
	}
	of := base.inner()
	if of == nil {
		return none, of.wrap("Clone", errNotMade)
	}
	b := of.cloneBuilder(g, opts...)
	if b.err != nil {
		return none, b.err
	}
	c, err := build(b, of.cfg)
	if err != nil {
		return none, err
	}
	if err := of.checkShared(c, b.from); err != nil {
		return none, err
	}
	return as[L](b, c)
}

// cloneBuilder starts a copy of the layer on another graph that shares its
// tensors.
func (l *Base) cloneBuilder(g *G.ExprGraph, opts ...CloneOption) *Builder {
	b := &Builder{g: g, dt: l.dt, kind: l.kind, path: l.name, seed: l.seed, rate: l.rate, cfg: l.cfg, nodes: &nodeNames{g: g}, from: make(map[string]*tensor.Dense), fromMasks: l.masks}
	for _, o := range opts {
		o(b)
	}
	for _, p := range l.params {
		t, err := p.Value()
		if err != nil {
			b.Fail(err)
			continue
		}
		b.from[p.Name] = weights.Share(t)
	}
	for _, v := range l.buffers {
		b.from[v.Name] = v.Value
	}
	if b.err == nil {
		b.start()
	}
	return b
}

// checkShared makes sure that an update of a copy is one of the original: a
// mixer from elsewhere may not have made its parameters with the builder.
func (l *Base) checkShared(c Layer, from map[string]*tensor.Dense) error {
	for _, p := range c.Params() {
		t, err := p.Value()
		if err != nil {
			return err
		}
		if !weights.Same(t, from[p.Name]) {
			return l.errorf("Clone", "want the copy to share parameter %q: make parameters with Builder.Param", p.Name)
		}
	}
	return nil
}
