package layers

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/gorgonia-s4/s4/param"
)

// String names the layer and counts its parameters: S4D "blocks.0.layer": 8
// parameters of 1234 elements.
func (l *Base) String() string {
	if l == nil {
		return "layers: no layer"
	}
	total, _ := count(l.params)
	return fmt.Sprintf("%s %q: %d parameters of %d elements", l.kind, l.name, len(l.params), total)
}

// count returns the number of elements of parameters, and of the frozen ones.
func count(ps []param.Param) (total, frozen int) {
	for _, p := range ps {
		n := p.Node.Shape().TotalSize()
		total += n
		if p.Frozen {
			frozen += n
		}
	}
	return total, frozen
}

// Summary returns a table of layers: each with its kind, the number of its elements,
// its parameters with their shapes, and the same of every layer inside it; and
// totals. The blocks of a Stack have an entry each. Layers without parameters have
// none, and one that is nothing but the layer inside it is listed as that.
func Summary(of ...Layer) string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\tkind\tshape\tparameters")
	total, frozen := 0, 0
	for _, l := range of {
		n, f := count(l.Params())
		total, frozen = total+n, frozen+f
		for _, part := range partsOf(l) {
			summarise(w, "", "", part)
		}
	}
	_ = w.Flush() // a strings.Builder does not fail
	fmt.Fprintf(&s, "parameters: %d, of which frozen: %d\n", total, frozen)
	return s.String()
}

// partsOf returns what a layer is listed as.
func partsOf(l Layer) []Layer {
	stack, ok := l.(*Stack)
	if !ok {
		return []Layer{l}
	}
	var ls []Layer
	for _, b := range stack.blocks {
		ls = append(ls, b)
	}
	return append(ls, stack.norm)
}

// summarise writes the rows of a layer, whose name begins with prefix, and of those
// inside it.
func summarise(w io.Writer, indent, prefix string, l Layer) {
	ps := l.Params()
	if len(ps) == 0 {
		return
	}
	kind, inside := insideOf(l)
	if only := inside[ps[0].Name]; only != nil && len(only.Params()) == len(ps) {
		summarise(w, indent, prefix, only)
		return
	}
	n, _ := count(ps)
	fmt.Fprintf(w, "%s%s\t%s\t\t%d\n", indent, strings.TrimPrefix(l.Name(), prefix), kind, n)
	indent, prefix = indent+"  ", l.Name()+"."
	for i := 0; i < len(ps); {
		p := ps[i]
		if inner := inside[p.Name]; inner != nil {
			summarise(w, indent, prefix, inner)
			i += len(inner.Params())
			continue
		}
		mark := ""
		if p.Frozen {
			mark = " frozen"
		}
		fmt.Fprintf(w, "%s%s\t\t%v\t%d%s\n", indent, strings.TrimPrefix(p.Name, prefix), p.Node.Shape(), p.Node.Shape().TotalSize(), mark)
		i++
	}
}

// insideOf returns the kind of a layer and the layers inside it that have
// parameters, by the names of their first ones.
func insideOf(l Layer) (kind string, inside map[string]Layer) {
	b, ok := l.(interface{ inner() *Base })
	if !ok {
		return "", nil
	}
	inside = map[string]Layer{}
	for _, l := range b.inner().inside {
		if ps := l.Params(); len(ps) > 0 {
			inside[ps[0].Name] = l
		}
	}
	return b.inner().kind, inside
}
