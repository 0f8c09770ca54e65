package models

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/gorgonia-s4/s4/layers"
)

// Summary returns a table of the model: every layer with the shape of its
// output, every parameter with its shape and number of elements, and totals.
// B is the batch, L the sequence length.
func (m *Classifier) Summary() string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\toutput\tshape\tparameters")
	seq := fmt.Sprintf("(B, %d, L)", m.cfg.Block.DModel())
	total, frozen := 0, 0
	row := func(l layers.Layer, shape string) {
		ps := l.Params()
		if len(ps) == 0 {
			return
		}
		n := 0
		for _, p := range ps {
			n += p.Node.Shape().TotalSize()
		}
		fmt.Fprintf(w, "%s\t%s\t\t%d\n", l.Name(), shape, n)
		for _, p := range ps {
			k := p.Node.Shape().TotalSize()
			total += k
			mark := ""
			if p.Frozen {
				frozen += k
				mark = " frozen"
			}
			fmt.Fprintf(w, "  %s\t\t%v\t%d%s\n", strings.TrimPrefix(p.Name, l.Name()+"."), p.Node.Shape(), k, mark)
		}
	}
	parts := m.parts()
	for _, l := range parts[:len(parts)-1] {
		row(l, seq)
	}
	fmt.Fprintf(w, "pool (%s)\t(B, %d)\t\t0\n", m.cfg.pool(), m.cfg.Block.DModel())
	row(m.decoder, fmt.Sprintf("(B, %d)", m.cfg.Classes))
	_ = w.Flush() // a strings.Builder does not fail
	fmt.Fprintf(&s, "parameters: %d, of which frozen: %d\n", total, frozen)
	return s.String()
}
