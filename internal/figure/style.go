package figure

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours of what is not one of a series.
var (
	Black = color.Gray{Y: 0x20}
	Grey  = color.Gray{Y: 0xa0}
	Faint = color.Gray{Y: 0xe4}
)

var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// NewPlot returns an empty plot in the style of all pictures, with a title and
// the labels of the axes.
func NewPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font = font.From(sans, 11)
	p.Title.Padding = 6
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = font.From(sans, 10)
		a.Label.Padding = 3
		a.Tick.Label.Font = font.From(sans, 9)
		a.Tick.Marker = ticks{}
		a.Padding = 0
	}
	p.Legend.TextStyle.Font = font.From(sans, 9)
	p.Legend.Padding = 1
	p.Legend.ThumbnailWidth = 16
	return p
}

// ticks are those of plot.DefaultTicks, without trailing zeros.
type ticks struct{ plot.DefaultTicks }

// Ticks implements plot.Ticker.
func (t ticks) Ticks(lo, hi float64) []plot.Tick {
	ts := t.DefaultTicks.Ticks(lo, hi)
	for i := range ts {
		if ts[i].Label != "" {
			ts[i].Label = strings.Replace(strconv.FormatFloat(ts[i].Value, 'g', 6, 64), "-", "\u2212", 1)
		}
	}
	return ts
}

// rowTicks are those of ticks at whole numbers.
type rowTicks struct{ ticks }

// Ticks implements plot.Ticker.
func (t rowTicks) Ticks(lo, hi float64) []plot.Tick {
	return slices.DeleteFunc(t.ticks.Ticks(lo, hi), func(t plot.Tick) bool { return t.Value != math.Trunc(t.Value) })
}

// Decades makes an axis logarithmic, from one power of ten to another around its
// data, which are positive.
func Decades(a *plot.Axis) {
	d := decades{lo: int(math.Floor(math.Log10(a.Min))), hi: int(math.Ceil(math.Log10(a.Max)))}
	d.hi = max(d.hi, d.lo+1)
	a.Min, a.Max = math.Pow10(d.lo), math.Pow10(d.hi)
	a.Scale, a.Tick.Marker = plot.LogScale{}, d
}

// decades are the ticks of the powers of ten lo to hi, and of their multiples.
type decades struct{ lo, hi int }

// Ticks implements plot.Ticker.
func (d decades) Ticks(_, _ float64) []plot.Tick {
	var ts []plot.Tick
	for e := d.lo; e < d.hi; e++ {
		ts = append(ts, power(e))
		for m := 2.0; m < 10; m++ {
			ts = append(ts, plot.Tick{Value: m * math.Pow10(e)})
		}
	}
	return append(ts, power(d.hi))
}

// power is the tick of a power of ten.
func power(e int) plot.Tick {
	v := math.Pow10(e)
	return plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 6, 64)}
}

// Message returns a panel with a title and a line of text instead of data. It panics
// if one label does not fit one point.
func Message(title, text string) Panel {
	p := NewPlot(title, "", "")
	p.HideAxes()
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{}}, Labels: []string{text}})
	if err != nil {
		panic(err) // one point and one label
	}
	l.TextStyle[0].Font = font.From(sans, 10)
	l.TextStyle[0].XAlign = draw.XCenter
	p.Add(l)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -1, 1, -1, 1
	return p
}

// AddGrid adds faint lines at the ticks; call it before the data are added.
func AddGrid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = Faint, Faint
	p.Add(g)
}

// Series returns n colours from dark to light, of evenly spaced luminance. It panics if
// the colour map does not reach from black to white.
func Series(n int) []color.Color {
	const darkest, lightest = 0.08, 0.8 // of black and white
	m := moreland.Kindlmann()
	m.SetMin(0)
	m.SetMax(1)
	cs := make([]color.Color, n)
	for i := range cs {
		v := darkest
		if n > 1 {
			v += (lightest - darkest) * float64(i) / float64(n-1)
		}
		c, err := m.At(v)
		if err != nil {
			panic(err) // v is in the range set above
		}
		cs[i] = c
	}
	return cs
}

// Line returns a line through (xs[i], ys[i]).
func Line(xs, ys []float64, c color.Color, width vg.Length) *plotter.Line {
	return &plotter.Line{XYs: points(xs, ys), LineStyle: draw.LineStyle{Color: c, Width: width}}
}

// Dots returns glyphs at the points z of the complex plane.
func Dots(z []complex128, shape draw.GlyphDrawer, c color.Color, radius vg.Length) *plotter.Scatter {
	xs, ys := make([]float64, len(z)), make([]float64, len(z))
	for i, v := range z {
		xs[i], ys[i] = real(v), imag(v)
	}
	return &plotter.Scatter{XYs: points(xs, ys), GlyphStyle: draw.GlyphStyle{Color: c, Radius: radius, Shape: shape}}
}

func points(xs, ys []float64) plotter.XYs {
	ps := make(plotter.XYs, len(xs))
	for i := range ps {
		ps[i].X, ps[i].Y = xs[i], ys[i]
	}
	return ps
}

// Square is a plot whose axes have the same unit if they have the same range:
// its data area is square, in the middle of the panel.
type Square struct{ *plot.Plot }

// Draw implements Panel.
func (s Square) Draw(c draw.Canvas) { s.Plot.Draw(s.crop(c)) }

// crop returns the part of c on which the data area is square.
func (s Square) crop(c draw.Canvas) draw.Canvas {
	size := s.DataCanvas(c).Size()
	if d := size.X - size.Y; d > 0 {
		return draw.Crop(c, d/2, -d/2, 0, 0)
	}
	d := size.Y - size.X
	return draw.Crop(c, 0, 0, d/2, -d/2)
}
