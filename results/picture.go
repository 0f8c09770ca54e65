package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// pictureFile is the name of the picture of a recipe.
func (f *found) pictureFile() string { return f.Name + ".png" }

// picture draws the accuracy on the validation data against hours and against steps, a
// line for each row, in the colour of its variant; every second variant has dashes, so
// that neighbours are told apart.
func (f *found) picture(rows, path string) error {
	hours := figure.NewPlot(f.Title, "hours of training", "accuracy on the validation data, %")
	steps := figure.NewPlot("", "steps", "")
	figure.AddGrid(hours)
	figure.AddGrid(steps)
	var shown []recipes.Variant
	for _, v := range f.Variants {
		if len(f.rows[v.Name]) > 0 {
			shown = append(shown, v)
		}
	}
	colours := figure.Series(len(shown))
	for i, v := range shown {
		style := draw.LineStyle{Color: colours[i], Width: vg.Points(1.2)}
		if i%2 == 1 {
			style.Dashes = []vg.Length{vg.Points(5), vg.Points(2)}
		}
		for k, w := range f.rows[v.Name] {
			c, err := readCurves(rows, w)
			if err != nil {
				return err
			}
			name := ""
			if k == 0 {
				name = v.Name
			}
			c.draw(hours, style, "", func(p point) float64 { return p.elapsed / 3600 })
			c.draw(steps, style, name, func(p point) float64 { return float64(p.step) })
		}
	}
	for _, p := range []*plot.Plot{hours, steps} {
		p.X.Min = 0
	}
	return figure.Save(path, []figure.Panel{hours, steps})
}

// draw adds the accuracy to a plot, with a name in the legend unless it is "".
func (c *curves) draw(p *plot.Plot, style draw.LineStyle, name string, x func(point) float64) {
	var xs, ys []float64
	for _, q := range c.points {
		if q.curve == ofVal+accuracy {
			xs, ys = append(xs, x(q)), append(ys, 100*q.value)
		}
	}
	if len(xs) == 0 {
		return
	}
	line := figure.Line(xs, ys, style.Color, style.Width)
	line.Dashes = style.Dashes
	p.Add(line)
	if name != "" {
		p.Legend.Add(name, line)
	}
}
