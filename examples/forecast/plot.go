package main

import (
	"fmt"
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/report"
)

// Picture is the file of the forecasts of some windows.
const pictureFile = "forecast.png"

// panelRows and panelColumns are the panels of a picture.
const panelRows, panelColumns = 2, 2

// Plot implements experiment.Plotter: a window of the test set in each panel, what
// came, what was forecast, and its quantiles as bands.
func (c *codec) Plot(dir string, test *report.Test) (string, error) {
	var panels []figure.Panel
	for _, s := range test.Samples {
		for _, line := range s.Picture.Series {
			panels = append(panels, panel(s.Origin, line))
		}
	}
	if len(panels) == 0 {
		return "", nil
	}
	var rows [][]figure.Panel
	for len(panels) > 0 && len(rows) < panelRows {
		n := min(panelColumns, len(panels))
		rows, panels = append(rows, panels[:n]), panels[n:]
	}
	path := filepath.Join(dir, pictureFile)
	return path, figure.Save(path, rows...)
}

// Colours of a panel.
var (
	pastColor     = color.Gray{90}
	futureColor   = color.Black
	forecastColor = color.RGBA{178, 24, 43, 255}
)

// panel shows a window of a column: the end of what the model has read, as long as
// twice the horizon, and what follows.
func panel(origin string, s report.Series) *plot.Plot {
	p := figure.NewPlot(fmt.Sprintf("%s, %s", s.Name, filepath.Base(origin)), "step", s.Name)
	figure.AddGrid(p)
	past := s.Past
	if n := max(24, 2*len(s.Forecast)); len(past) > n {
		past = past[len(past)-n:]
	}
	bands := len(s.Quantiles) / 2
	for i := range bands { // from the widest on
		p.Add(band(s.Quantiles[i].Values, s.Quantiles[len(s.Quantiles)-1-i].Values, uint8(60+60*i/bands)))
	}
	before := make([]float64, len(past))
	for i := range before {
		before[i] = float64(i - len(past) + 1)
	}
	line := func(name string, from float64, v []float32, c color.Color, width vg.Length) {
		for _, part := range pieces(from, v) {
			l := figure.Line(part.x, part.y, c, width)
			p.Add(l)
			if name != "" {
				p.Legend.Add(name, l)
				name = ""
			}
		}
	}
	line("read", float64(1-len(past)), past, pastColor, 1)
	line("what came", 1, s.Future, futureColor, 1)
	line("forecast", 1, s.Forecast, forecastColor, 1.5)
	p.Legend.Top, p.Legend.Left = true, true
	return p
}

// piece is a part of a line.
type piece struct{ x, y []float64 }

// pieces returns the parts of a line from x on that have no number missing.
func pieces(x float64, v []float32) []piece {
	var out []piece
	open := false
	for i, y := range v {
		if y != y {
			open = false
			continue
		}
		if !open {
			out, open = append(out, piece{}), true
		}
		last := &out[len(out)-1]
		last.x, last.y = append(last.x, x+float64(i)), append(last.y, float64(y))
	}
	return out
}

// band is the area between two lines from step 1 on.
func band(low, high []float32, alpha uint8) *plotter.Polygon {
	var xy plotter.XYs
	for i, y := range low {
		xy = append(xy, plotter.XY{X: float64(i + 1), Y: float64(y)})
	}
	for i := len(high) - 1; i >= 0; i-- {
		xy = append(xy, plotter.XY{X: float64(i + 1), Y: float64(high[i])})
	}
	return &plotter.Polygon{XYs: []plotter.XYs{xy}, Color: color.NRGBA{178, 24, 43, alpha}}
}
