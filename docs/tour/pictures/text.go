package pictures

import "github.com/gorgonia-s4/s4/internal/figure"

// text shows how many steps it takes to write a text.
func text() ([]figure.Panel, error) {
	p := figure.NewPlot("steps of the layers to write a text", "tokens", "steps")
	figure.AddGrid(p)
	var ts, again, state []float64
	for t := 10.0; t <= 10000; t *= 10 {
		ts, again, state = append(ts, t), append(again, t*(t+1)/2), append(state, t)
	}
	colours := figure.Series(2)
	for i, counts := range [][]float64{again, state} {
		line := figure.Line(ts, counts, colours[i], 1.5)
		p.Add(line)
		p.Legend.Add([]string{"reading again", "with the state"}[i], line)
	}
	figure.Decades(&p.X)
	figure.Decades(&p.Y)
	p.Legend.Top, p.Legend.Left = true, true
	return []figure.Panel{p}, nil
}
