package main

import (
	"image/color"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// picture draws the sums with the model of cost, and the projection.
func (r *results) picture(path string) error {
	first := []figure.Panel{r.sumPanel("float32"), r.sumPanel("bfloat16")}
	var second []figure.Panel
	for _, m := range r.modelled {
		second = append(second, r.projectionPanel(m))
	}
	if second == nil {
		return figure.Save(path, first)
	}
	return figure.Save(path, first, second)
}

// sumPanel draws measured sums as dots and the model as lines, of the ranks that have a
// processor each.
func (r *results) sumPanel(wire string) figure.Panel {
	title := "sum of the gradients as " + wire + ": measured, and model"
	p := figure.NewPlot(title, "parameters", "s")
	figure.AddGrid(p)
	p.Legend.Top, p.Legend.Left = true, true
	colours := figure.Series(len(r.transports))
	drawn := false
	for i, t := range r.transports {
		var x, y, model []float64
		for _, pt := range r.fitted(t) {
			if pt.wire == wire {
				x, y, model = append(x, float64(pt.parameters)), append(y, pt.seconds), append(model, pt.time(r.costs[t]))
			}
		}
		if len(x) == 0 {
			continue
		}
		l := figure.Line(x, model, colours[i], 1.2)
		p.Add(l, dots(x, y, colours[i]))
		p.Legend.Add(t, l)
		drawn = true
	}
	if !drawn {
		return figure.Message(title, "not measured")
	}
	figure.Decades(&p.X)
	figure.Decades(&p.Y)
	return p
}

// dots are points (x[i], y[i]).
func dots(x, y []float64, c color.Color) *plotter.Scatter {
	return &plotter.Scatter{XYs: figure.Line(x, y, c, 1).XYs, GlyphStyle: draw.GlyphStyle{Color: c, Radius: 2, Shape: draw.CircleGlyph{}}}
}

// projectionPanel draws how many machines' work is done, against machines, for several
// batches.
func (r *results) projectionPanel(m modelled) figure.Panel {
	title := "projection, " + m.String()
	ns, err := r.networks(m)
	if err != nil {
		return figure.Message(title, "not known")
	}
	p := figure.NewPlot(title+" (bfloat16 thin)", "machines", "times as fast as one")
	figure.AddGrid(p)
	p.Legend.Top, p.Legend.Left = true, true
	factors := []float64{1, 4, 16}
	colours := figure.Series(len(factors))
	for k, factor := range factors {
		batch := m.batch * factor
		for i, n := range ns {
			var x, y []float64
			for machines := 1; machines <= r.machines && float64(machines) <= batch; machines *= 2 {
				x, y = append(x, float64(machines)), append(y, float64(machines)*n.efficiency(machines, batch))
			}
			line := figure.Line(x, y, colours[k], 1.6)
			if i == 1 {
				line.Width = 0.7
			}
			p.Add(line)
			if i == 0 {
				p.Legend.Add("batch "+whole(batch), line)
			}
		}
	}
	all := []float64{1, float64(r.machines)}
	p.Add(figure.Line(all, all, figure.Grey, 0.7))
	return p
}
