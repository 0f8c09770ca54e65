package pictures

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// memory shows a function and what N coefficients recall of it.
func memory() ([]figure.Panel, error) {
	const L = 1000
	u := make([]float64, L)
	for l := range u {
		s := (float64(l) + 0.5) / L
		u[l] = math.Sin(2*math.Pi*2*s) + 0.5*math.Cos(2*math.Pi*5*s*s)
	}
	ts := positions(0.5, L-0.5, L)
	p := figure.NewPlot("what N coefficients recall after 1000 inputs\ngrey: the function", "input", "u")
	figure.AddGrid(p)
	p.Add(figure.Line(ts, u, figure.Grey, 4))
	sizes := []int{8, 16, 32}
	colours := figure.Series(len(sizes))
	for i, n := range sizes {
		m, err := hippo.NewMemory(hippo.LegS, n, hippo.MemoryOptions{})
		if err != nil {
			return nil, err
		}
		for _, v := range u {
			if err := m.Push(v); err != nil {
				return nil, err
			}
		}
		ages := positions(L-0.5, 0.5, L)
		recalled, err := m.Reconstruct(ages)
		if err != nil {
			return nil, err
		}
		line := figure.Line(ts, recalled, colours[i], 1.3)
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("N = %d", n), line)
	}
	p.Legend.Top = true
	p.Y.Max += 0.6 // for the legend
	return []figure.Panel{p}, nil
}
