package pictures

import (
	"fmt"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// pixels shows an image of each class of the chapter, and the second as the sequence
// that a model reads.
func pixels() ([]figure.Panel, error) {
	const side = 12
	rng := rand.New(rand.NewPCG(5, 0))
	var panels []figure.Panel
	for class := range 2 {
		image := make([]float64, side*side)
		for p := range image {
			image[p] = 0.1 * rng.NormFloat64()
		}
		column := 7
		for row := 3; row < 9; row++ {
			if class == 0 {
				column = rng.IntN(side)
			}
			image[row*side+column]++
		}
		grid := figure.Grid{DX: 1}
		for row := range side {
			grid.Rows = append(grid.Rows, image[(side-1-row)*side:][:side]) // the first at the top
		}
		p := figure.NewPlot(fmt.Sprintf("class %d", class), "column", "row, from below")
		panels = append(panels, figure.NewHeatMap(p, grid, "pixel"))
		if class == 1 {
			p := figure.NewPlot("class 1, as it is read", "step", "pixel")
			figure.AddGrid(p)
			p.Add(figure.Line(whole(len(image)), image, figure.Black, 1.2))
			panels = append(panels, p)
		}
	}
	return panels, nil
}
