package pictures

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers"
)

// block shows what a single event in one feature does to all features of a block's output.
func block() ([]figure.Panel, error) {
	const H, L, at = 12, 300, 20
	g := G.NewGraph()
	b, err := layers.NewBlock(g, tensor.Float64, layers.BlockConfig{
		Mixer: layers.S4DConfig{DModel: H, DState: 32, DtMin: 0.005, DtMax: 0.1}, PreNorm: true,
	}, layers.WithSeed(1))
	if err != nil {
		return nil, err
	}
	before, after := make([]float64, H*L), make([]float64, H*L)
	for h := range H {
		for l := range L {
			before[h*L+l] = float64(h%3) - 1 // so that the norm has something to divide by
		}
	}
	copy(after, before)
	after[5*L+at] += 2
	ys, err := through(g, b, H, before, after)
	if err != nil {
		return nil, err
	}
	grid, most := figure.Grid{DX: 1}, 0.0
	for h := range H {
		row := make([]float64, L)
		for l := range row {
			row[l] = ys[1][h*L+l] - ys[0][h*L+l]
			if l > at {
				most = max(most, math.Abs(row[l]))
			}
		}
		grid.Rows = append(grid.Rows, row)
	}
	for _, row := range grid.Rows { // the step itself, with the residual, is far above all else
		row[at] = max(min(row[at], most), -most)
	}
	p := figure.NewPlot("what a change of feature 5 at step 20 changes", "step", "feature")
	return []figure.Panel{figure.NewHeatMap(p, grid, "y")}, nil
}
