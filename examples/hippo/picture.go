package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// save draws what memories of a growing number of coefficients hold.
func (o *options) save(ms []*memory, errs []float64) error {
	growing, err := asStatesGrow(ms)
	if err != nil {
		return err
	}
	times, err := atTimes(middle(ms))
	if err != nil {
		return err
	}
	return figure.Save(o.out,
		[]figure.Panel{growing, times},
		[]figure.Panel{coefficients(middle(ms)), errorOf(ms, errs)})
}

// middle returns the memory that is shown in detail.
func middle(ms []*memory) *memory { return ms[len(ms)/2] }

func (m *memory) states() int {
	_, n := m.x.Dims()
	return n
}

// function returns a plot of the function that was remembered.
func function(m *memory, title string) *plot.Plot {
	p := figure.NewPlot(title, "time (inputs)", "u")
	figure.AddGrid(p)
	p.Add(figure.Line(inputs(0, len(m.u)), m.u, figure.Grey, 4))
	return p
}

// inputs returns from..to-1.
func inputs(from, to int) []float64 {
	xs := make([]float64, to-from)
	for i := range xs {
		xs[i] = float64(from + i)
	}
	return xs
}

// recallLine adds what is remembered after t inputs.
func recallLine(p *plot.Plot, m *memory, t int, c color.Color, name string) error {
	v, err := m.recall(t)
	if err != nil {
		return err
	}
	from, to := m.span(t)
	line := figure.Line(inputs(from, to), v, c, 1.2)
	p.Add(line)
	p.Legend.Add(name, line)
	return nil
}

// beside moves the legend to the right of the data, and gives these some room.
func beside(p *plot.Plot) {
	p.Legend.Top = true
	p.X.Max += 0.2 * (p.X.Max - p.X.Min)
	d := 0.05 * (p.Y.Max - p.Y.Min)
	p.Y.Min, p.Y.Max = p.Y.Min-d, p.Y.Max+d
}

// asStatesGrow shows the memory of the end for every number of coefficients.
func asStatesGrow(ms []*memory) (figure.Panel, error) {
	p := function(ms[0], fmt.Sprintf("%s: remembered at the end, by N coefficients\ngrey: the function", ms[0].measure))
	colours := figure.Series(len(ms))
	for i, m := range ms {
		if err := recallLine(p, m, len(m.u), colours[i], fmt.Sprintf("N = %d", m.states())); err != nil {
			return nil, err
		}
	}
	beside(p)
	return p, nil
}

// atTimes shows what is remembered at several times.
func atTimes(m *memory) (figure.Panel, error) {
	p := function(m, fmt.Sprintf("remembered at several times, N = %d\ngrey: the function; the line ends at the time", m.states()))
	const parts = 4
	colours := figure.Series(parts)
	for i := range parts {
		t := (i + 1) * len(m.u) / parts
		if err := recallLine(p, m, t, colours[i], fmt.Sprintf("t = %d", t)); err != nil {
			return nil, err
		}
	}
	beside(p)
	return p, nil
}

// coefficients shows how the coefficients follow the function.
func coefficients(m *memory) figure.Panel {
	g := figure.Grid{DX: 1}
	for n := range m.states() {
		g.Rows = append(g.Rows, mat.Col(nil, n, m.x))
	}
	p := figure.NewPlot("coefficients", "time (inputs)", "n")
	return figure.NewHeatMap(p, g, "x")
}

// errorOf shows the error at the end.
func errorOf(ms []*memory, errs []float64) figure.Panel {
	p := figure.NewPlot("error at the end", "N", "relative RMS error")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, at(ms)
	var ns []float64
	points := make([]complex128, len(ms))
	for i, m := range ms {
		ns = append(ns, float64(m.states()))
		points[i] = complex(ns[i], errs[i])
	}
	figure.AddGrid(p)
	p.Add(figure.Line(ns, errs, figure.Black, 1), figure.Dots(points, draw.CircleGlyph{}, figure.Black, 3))
	figure.Decades(&p.Y)
	const room = 1.1 // beside the first and the last, and around a single one
	p.X.Min, p.X.Max = p.X.Min/room, p.X.Max*room
	return p
}

// at returns a tick for every number of coefficients.
func at(ms []*memory) plot.ConstantTicks {
	var ts plot.ConstantTicks
	for _, m := range ms {
		ts = append(ts, plot.Tick{Value: float64(m.states()), Label: fmt.Sprint(m.states())})
	}
	return ts
}
