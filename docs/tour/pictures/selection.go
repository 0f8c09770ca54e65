package pictures

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// selection shows two states that read the same sequence, that of the chapter's code: two
// numbers among zeros.
func selection() ([]figure.Panel, error) {
	u := []float64{0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0}
	input := figure.NewPlot("the input: two numbers, and nothing between them", "step", "u")
	figure.AddGrid(input)
	input.Add(figure.Line(whole(len(u)), u, figure.Black, 1.3))
	p := figure.NewPlot("a state with one step width, and one whose step width\ndepends on the input", "step", "x")
	figure.AddGrid(p)
	colours := figure.Series(2)
	for i, width := range []func(u float64) float64{
		func(float64) float64 { return 0.5 },
		func(u float64) float64 {
			if u == 0 {
				return 0
			}
			return 10
		},
	} {
		x, xs := 0.0, make([]float64, len(u))
		for l := range u {
			dt := width(u[l])
			keep := math.Exp(-dt)
			x = keep*x + (1-keep)*u[l] // zero-order hold of A = -1
			xs[l] = x
		}
		line := figure.Line(whole(len(u)), xs, colours[i], 1.5)
		p.Add(line)
		p.Legend.Add([]string{"one width", "a width for each step"}[i], line)
	}
	p.Legend.Top = true
	p.Y.Max = 4 // room for the legend
	return []figure.Panel{input, p}, nil
}
