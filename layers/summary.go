package layers

import (
	"fmt"
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

// Summary returns a table of layers: each with the number of its elements, its
// parameters with their shapes, and totals. The blocks of a Stack have an entry
// each. Layers without parameters have none.
func Summary(of ...Layer) string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\tshape\tparameters")
	total, frozen := 0, 0
	for _, l := range of {
		n, f := count(l.Params())
		total, frozen = total+n, frozen+f
		for _, part := range partsOf(l) {
			summarise(w, part)
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

// summarise writes the rows of a layer.
func summarise(w *tabwriter.Writer, l Layer) {
	ps := l.Params()
	if len(ps) == 0 {
		return
	}
	n, _ := count(ps)
	fmt.Fprintf(w, "%s\t\t%d\n", l.Name(), n)
	for _, p := range ps {
		mark := ""
		if p.Frozen {
			mark = " frozen"
		}
		fmt.Fprintf(w, "  %s\t%v\t%d%s\n", strings.TrimPrefix(p.Name, l.Name()+"."), p.Node.Shape(), p.Node.Shape().TotalSize(), mark)
	}
}
