package digits

import (
	"fmt"
	"math"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/portrait"
	"github.com/gorgonia-s4/s4/models"
)

// Blocks returns how many blocks the model has.
func (r *Reader) Blocks() int { return len(r.model.Blocks()) }

// Kernels returns the convolution kernels of a block for a whole page, that which reaches
// least far first.
func (r *Reader) Kernels(block int) ([]portrait.Kernel, error) {
	if block < 0 || block >= r.Blocks() {
		return nil, fmt.Errorf("digits: want a block 0 to %d, got %d", r.Blocks()-1, block)
	}
	g := G.NewGraph()
	m, err := models.Clone(r.model, g)
	if err != nil {
		return nil, err
	}
	l, ok := m.Blocks()[block].Mixer().(portrait.Convolution)
	if !ok {
		return nil, fmt.Errorf("digits: want a block around a layer with kernels, got %T", m.Blocks()[block].Mixer())
	}
	return portrait.Kernels(g, l, Length)
}

// Sizes of a drawing of kernels: of each, and of the marks below all.
const (
	drawnWidth  = 360.0
	drawnHeight = 34.0
	marksHeight = 18.0
	strips      = 8 // kernels that are drawn
)

// marked are the lags that are marked.
var marked = []struct {
	lag    int
	text   string
	anchor string
}{{1, "1 pixel", "middle"}, {Side, "a row", "middle"}, {4 * Side, "4 rows", "middle"}, {Length - 1, "the page", "end"}}

// Draw returns some of the kernels that Kernels returned as curves in SVG, from the first to
// the last, one above the other: each divided by its largest magnitude, over the logarithm of
// 1 + its lag. The curves have the class "kernel", lines the class "mark"; colours are for
// the page to say.
func Draw(ks []portrait.Kernel) string {
	n := min(strips, len(ks))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%d of %d convolution kernels by their lag">`, drawnWidth, float64(n)*drawnHeight+marksHeight, n, len(ks))
	for _, m := range marked {
		end := float64(n) * drawnHeight
		fmt.Fprintf(&b, `<path class="mark" d="M%.1f 0V%g"/><text x="%.1f" y="%g" text-anchor="%s">%s</text>`, across(m.lag), end, across(m.lag), end+marksHeight-5, m.anchor, m.text)
	}
	for i := range n {
		middle := (float64(i) + 0.5) * drawnHeight
		fmt.Fprintf(&b, `<path class="mark" d="M0 %gH%g"/>`, middle, drawnWidth)
		curve(&b, ks[i*(len(ks)-1)/max(n-1, 1)].K, middle)
	}
	b.WriteString("</svg>")
	return b.String()
}

// curve draws a kernel around a height, no finer than can be seen.
func curve(b *strings.Builder, k []float64, middle float64) {
	peak := 0.0
	for _, v := range k {
		peak = max(peak, math.Abs(v))
	}
	b.WriteString(`<path class="kernel" d="`)
	before := math.Inf(-1)
	for lag, v := range k {
		x, y := across(lag), middle
		if x-before < 0.3 && lag < len(k)-1 {
			continue
		}
		if peak > 0 {
			y -= (drawnHeight/2 - 2) * v / peak
		}
		fmt.Fprintf(b, "%c%.1f %.1f", "ML"[min(lag, 1)], x, y)
		before = x
	}
	b.WriteString(`"/>`)
}

// across returns where a lag is in a drawing.
func across(lag int) float64 {
	return drawnWidth * math.Log(float64(1+lag)) / math.Log(Length)
}
