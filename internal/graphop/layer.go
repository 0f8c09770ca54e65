package graphop

import G "gorgonia.org/gorgonia"

// InLayer records that the ops of this package that y is computed with, from
// nodes on, are parts of a layer, which their errors and their names in a graph
// then name. An op that is part of a layer already stays what it is, so that
// the layers inside others come first. Nodes may be nil.
func InLayer(layer string, y *G.Node, from ...*G.Node) {
	seen := map[*G.Node]bool{nil: true}
	for _, n := range from {
		seen[n] = true
	}
	var walk func(n *G.Node)
	walk = func(n *G.Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if o, ok := n.Op().(interface{ setLayer(string) }); ok {
			o.setLayer(layer)
		}
		for inputs := y.Graph().From(n.ID()); inputs != nil && inputs.Next(); {
			walk(inputs.Node().(*G.Node))
		}
	}
	walk(y)
}

// setLayer sets the layer that the op is part of, unless that is known.
func (b *base) setLayer(layer string) {
	if b.layer == "" {
		b.layer = layer
	}
}
