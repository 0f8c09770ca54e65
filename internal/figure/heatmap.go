package figure

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Grid is what a heat map shows: Rows[i][k] around x = X0 + k DX and y = i. All
// rows are of one length.
type Grid struct {
	Rows   [][]float64
	X0, DX float64
}

// HeatMap is a plot of values by colour, with a bar that says which colour is
// which. More can be added to the plot.
type HeatMap struct {
	*plot.Plot
	bar *plot.Plot
}

// colours is the number of colours of a heat map, odd: one of them is for 0.
const colours = 255

// NewHeatMap adds signed values to a plot: grey is 0, blue negative and red
// positive, of the same perceived strength for the same magnitude (Moreland
// 2009, "Diverging Color Maps for Scientific Visualization"). z is the label of
// the bar.
func NewHeatMap(p *plot.Plot, g Grid, z string) *HeatMap {
	limit := 0.0
	for _, row := range g.Rows {
		for _, v := range row {
			limit = max(limit, math.Abs(v))
		}
	}
	if limit == 0 {
		limit = 1
	}
	m := moreland.SmoothBlueRed()
	m.SetMin(-limit)
	m.SetMax(limit)
	img := g.image(m.Palette(colours).Colors(), limit)
	p.Y.Tick.Marker = rowTicks{}
	n, left := float64(len(g.Rows[0])), g.X0-g.DX/2
	p.Add(plotter.NewImage(img, left, -0.5, left+n*g.DX, float64(len(g.Rows))-0.5))
	bar := NewPlot("", "", z)
	bar.HideX()
	bar.Add(&plotter.ColorBar{ColorMap: m, Vertical: true, Colors: colours})
	return &HeatMap{Plot: p, bar: bar}
}

// image returns the values in [-limit, limit] as an image, the first row at the
// bottom. Every element is repeated until there are about as many as a panel has
// dots: scaled to them, an image is smoothed, and what is drawn would be no
// longer the data.
func (g Grid) image(palette []color.Color, limit float64) image.Image {
	columns, rows := len(g.Rows[0]), len(g.Rows)
	fx, fy := 1+panelWidth*resolution/columns, 1+panelHeight*resolution/rows
	img := image.NewPaletted(image.Rect(0, 0, columns*fx, rows*fy), palette)
	for y := range rows * fy {
		row := g.Rows[rows-1-y/fy]
		for x := range columns * fx {
			level := (row[x/fx]/limit + 1) / 2 * (colours - 1)
			img.SetColorIndex(x, y, uint8(math.Round(level)))
		}
	}
	return img
}

// Draw implements Panel. The bar is as high as the map.
func (h *HeatMap) Draw(c draw.Canvas) {
	const barWidth, gap = vg.Length(10), vg.Length(10)
	labels := c.Size().X - h.bar.DataCanvas(c).Size().X
	width := barWidth + labels
	left := draw.Crop(c, 0, -width-gap, 0, 0)
	right := draw.Crop(c, c.Size().X-width, 0, 0, 0)
	data, bar := h.DataCanvas(left), h.bar.DataCanvas(right)
	h.Plot.Draw(left)
	h.bar.Draw(draw.Crop(right, 0, 0, data.Min.Y-bar.Min.Y, data.Max.Y-bar.Max.Y))
}
