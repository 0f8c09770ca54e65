package main

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/train/data/markov"
)

// save draws the beliefs that are true and those that are read, and what became of them
// in the training.
func (o *options) save(p *markov.Process, r *reader, readings []*reading) error {
	last, truth := readings[len(readings)-1], r.truth()
	return figure.Save(o.out,
		[]figure.Panel{
			simplex(fmt.Sprintf("%s: the exact beliefs", p.Name()), truth, truth),
			simplex(fmt.Sprintf("%s: read from the last layer, R\u00b2 = %.3f", o.kind, last.last()), last.beliefs, truth),
		},
		[]figure.Panel{unread(readings), losses(readings[1:], r.best)})
}

// simplex draws beliefs (n, S), each in the colour of the one that is true.
func simplex(title string, beliefs, truth *mat.Dense) figure.Panel {
	const radius = 0.9
	n, states := beliefs.Dims()
	points, colours := make(plotter.XYs, n), make([]color.Color, n)
	for i := range points {
		points[i].X, points[i].Y = place(beliefs.RawRowView(i))
		colours[i] = mixture(truth.RawRowView(i))
	}
	p := figure.NewPlot(title, "", "")
	p.HideAxes()
	p.Add(outline(states), &plotter.Scatter{XYs: points, GlyphStyleFunc: func(i int) draw.GlyphStyle {
		return draw.GlyphStyle{Color: colours[i], Radius: radius, Shape: draw.CircleGlyph{}}
	}})
	const room = 0.05
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -room, 1+room, -room, 1+room
	return figure.Square{Plot: p}
}

// corner returns where the belief in one state is drawn: of three states the corners of a
// triangle on its side, otherwise of a regular polygon.
func corner(state, states int) (x, y float64) {
	if states == 3 {
		return [3]float64{0, 1, 0.5}[state], [3]float64{0, 0, math.Sqrt(3) / 2}[state]
	}
	angle := 2*math.Pi*float64(state)/float64(states) + math.Pi/2
	return 0.5 + math.Cos(angle)/2, 0.5 + math.Sin(angle)/2
}

// place returns where a belief is drawn: at the mean of the corners.
func place(belief []float64) (x, y float64) {
	for i, b := range belief {
		cx, cy := corner(i, len(belief))
		x, y = x+b*cx, y+b*cy
	}
	return x, y
}

// mixture returns the colour of a belief: of three states red, green and blue, otherwise
// colours around the circle, in the parts that it has.
func mixture(belief []float64) color.Color {
	var rgb [3]float64
	for i, b := range belief {
		for c := range rgb {
			away := math.Abs(math.Mod(float64(i)/float64(len(belief))-float64(c)/3+1.5, 1) - 0.5) // round the circle
			rgb[c] += b * max(0, 1-3*away)
		}
	}
	return color.NRGBA{level(rgb[0]), level(rgb[1]), level(rgb[2]), 0xff}
}

func level(v float64) uint8 { return uint8(math.Round(255 * min(1, max(0, v)))) }

// outline draws the edges between the corners.
func outline(states int) *plotter.Line {
	var xs, ys []float64
	for i := range states + 1 {
		x, y := corner(i%states, states)
		xs, ys = append(xs, x), append(ys, y)
	}
	return figure.Line(xs, ys, figure.Grey, 0.5)
}

// over returns a plot of some numbers over the steps of the training.
func over(title, y string, readings []*reading, lines ...series) *plot.Plot {
	p := figure.NewPlot(title, "step", y)
	figure.AddGrid(p)
	var xs []float64
	for _, r := range readings {
		xs = append(xs, float64(r.step))
	}
	for _, l := range lines {
		var ys []float64
		for _, r := range readings {
			ys = append(ys, l.of(r))
		}
		line := figure.Line(xs, ys, l.colour, 1.2)
		p.Add(line)
		p.Legend.Add(l.name, line)
	}
	return p
}

// series is a line of a plot.
type series struct {
	name   string
	colour color.Color
	of     func(r *reading) float64
}

// unread draws 1 - R2 over the training.
func unread(readings []*reading) figure.Panel {
	const least = 1e-6 // that is drawn
	of := func(r2 func(r *reading) float64) func(r *reading) float64 {
		return func(r *reading) float64 { return max(least, 1-r2(r)) }
	}
	colours := figure.Series(3)
	p := over("of the beliefs' variance, what a linear map does not read", "1 \u2212 R\u00b2", readings,
		series{"from all layers", colours[0], of(func(r *reading) float64 { return r.all })},
		series{"from the last layer", colours[1], of((*reading).last)},
		series{"shuffled beliefs", figure.Grey, of(func(r *reading) float64 { return r.shuffled })})
	figure.Decades(&p.Y)
	p.Legend.Top = true
	return p
}

// losses draws the loss over the training, and that of who knows the process.
func losses(readings []*reading, best float64) figure.Panel {
	p := over("loss on the test sequences", "nats a token", readings,
		series{"of the model", figure.Black, func(r *reading) float64 { return r.loss }},
		series{"of who knows the process", figure.Grey, func(*reading) float64 { return best }})
	d := 0.05 * (p.Y.Max - p.Y.Min)
	p.Y.Min, p.Y.Max = p.Y.Min-d, p.Y.Max+d
	p.Legend.Top = true
	return p
}
