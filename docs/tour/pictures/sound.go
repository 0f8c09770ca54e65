package pictures

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers"
)

// sound shows what a layer makes of a sound, and of every second sample of it.
func sound() ([]figure.Panel, error) {
	const L, shown = 2000, 400
	chord := func(n int, samples float64) []float64 {
		u := make([]float64, n)
		for l := range u {
			t := float64(l) * samples
			u[l] = math.Sin(t/40) + 0.5*math.Sin(t/9+1) + 0.2*math.Sin(2*math.Pi*t/10)
		}
		return u
	}
	g := G.NewGraph()
	layer, err := layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: 1, DState: 32, DtMin: 0.01, DtMax: 0.01}, layers.WithSeed(2))
	if err != nil {
		return nil, err
	}
	full, err := through(g, layer, 1, chord(L, 1))
	if err != nil {
		return nil, err
	}
	p := figure.NewPlot("a layer on every second sample\ngrey: on all of them", "sample", "y")
	figure.AddGrid(p)
	p.Add(figure.Line(whole(shown), full[0][:shown], figure.Grey, 4))
	colours := figure.Series(2)
	for i, rate := range []float64{1, 2} {
		g := G.NewGraph()
		half, err := layer.CloneTo(g, layers.AtRate(rate))
		if err != nil {
			return nil, err
		}
		y, err := through(g, half, 1, chord(L/2, 2))
		if err != nil {
			return nil, err
		}
		line := figure.Line(positions(0, shown-2, shown/2), y[0][:shown/2], colours[i], 1.3)
		p.Add(line)
		p.Legend.Add([]string{"as it is", "AtRate(2)"}[i], line)
	}
	p.Legend.Top = true
	p.Y.Max += 0.15
	return []figure.Panel{p}, nil
}
