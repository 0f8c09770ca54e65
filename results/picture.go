package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// pictureFile is the name of the picture of a recipe.
func (f *found) pictureFile() string { return f.Name + ".png" }

// picture draws the training loss and the accuracy on the validation data against steps,
// a line for each row, in the colour of its variant; every second variant has dashes, so
// that neighbours are told apart. Hours are left to the table: some rows had one core
// and some two.
func (f *found) picture(rows, path string) error {
	loss := figure.NewPlot(f.Title, "steps", "training loss")
	acc := figure.NewPlot("", "steps", "accuracy on the validation data, %")
	loss.Legend.Top = true
	var shown []recipes.Variant
	for _, v := range f.Variants {
		if len(f.rows[v.Name]) > 0 {
			shown = append(shown, v)
		}
	}
	for _, p := range []*plot.Plot{loss, acc} {
		figure.AddGrid(p)
		p.X.Min = 0
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
			if line := c.draw(loss, style, trainLoss, 1); k == 0 && line != nil {
				loss.Legend.Add(v.Name, line)
			}
			c.draw(acc, style, ofVal+accuracy, 100)
		}
	}
	return figure.Save(path, []figure.Panel{loss, acc})
}

// draw adds a curve, its values times scale, to a plot and returns the line, nil
// where the curve has no points.
func (c *curves) draw(p *plot.Plot, style draw.LineStyle, curve string, scale float64) *plotter.Line {
	var xs, ys []float64
	for _, q := range c.points {
		if q.curve == curve {
			xs, ys = append(xs, float64(q.step)), append(ys, scale*q.value)
		}
	}
	if len(xs) == 0 {
		return nil
	}
	line := figure.Line(xs, ys, style.Color, style.Width)
	line.Dashes = style.Dashes
	p.Add(line)
	return line
}
