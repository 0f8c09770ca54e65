package report

import (
	"html"
	"html/template"
	"strconv"
)

// The size of a plot in dots of its drawing, which is scaled to the page, and of
// what lies around its data.
const (
	plotWidth, plotHeight   = 440.0, 270.0
	plotLeft, plotRight     = 52.0, 12.0
	plotTop, plotBottom     = 10.0, 42.0
	tickLength, labelOffset = 4.0, 16.0
)

// plot is a drawing with two axes.
type plot struct {
	svg
	x, y   axis
	height float64
	hover  bool // the script shows the values of its lines
}

// newPlot returns a plot with names for its axes, to which ranges are to be given
// before anything is drawn.
func newPlot(x, y string) *plot {
	p := &plot{height: plotHeight}
	p.x = axis{from: plotLeft, to: plotWidth - plotRight, label: x}
	p.y = axis{from: plotHeight - plotBottom, to: plotTop, label: y}
	return p
}

// setHeight changes the height of a plot.
func (p *plot) setHeight(h float64) {
	p.height = h
	p.y.from = h - plotBottom
}

// frame draws the axes, with lines at the ticks.
func (p *plot) frame() {
	left, right := min(p.x.from, p.x.to), max(p.x.from, p.x.to)
	for _, v := range p.y.ticks(5) {
		y := p.y.at(v)
		p.line("grid", left, y, right, y)
		p.text("tick", "end", left-6, y+4, p.y.tick(v))
	}
	p.level()
}

// level draws the level axis, and the names of both.
func (p *plot) level() {
	bottom, left, right := p.y.from, min(p.x.from, p.x.to), max(p.x.from, p.x.to)
	for _, v := range p.x.ticks(5) {
		x := p.x.at(v)
		p.line("axis", x, bottom, x, bottom+tickLength)
		p.text("tick", "middle", x, bottom+labelOffset, p.x.tick(v))
	}
	p.line("axis", left, bottom, right, bottom)
	p.text("label", "end", right, bottom+labelOffset+17, p.x.label)
	p.text("label", "start", 2, bottom+labelOffset+17, p.y.label)
}

// series draws a line through points, with gaps where a value is not finite. name
// is what the script calls it.
func (p *plot) series(class, name string, xs, ys []float64) {
	p.open("path", "line "+class)
	if name != "" {
		p.hover = true
		p.WriteString(` data-name="` + html.EscapeString(name) + `"`)
	}
	p.WriteString(` d="`)
	gap := true
	for i, v := range ys {
		if !finite(v) || p.y.log && v <= 0 {
			gap = true
			continue
		}
		if gap {
			p.WriteString("M")
		} else {
			p.WriteString("L")
		}
		gap = false
		p.pair(p.x.at(xs[i]), p.y.at(v))
	}
	p.WriteString(`"/>`)
}

// band fills what lies between two lines.
func (p *plot) band(class string, xs, lo, hi []float64) {
	p.open("path", "band "+class)
	p.WriteString(` d="`)
	for from := 0; from < len(xs); {
		for from < len(xs) && !(finite(lo[from]) && finite(hi[from])) {
			from++
		}
		to := from
		for to < len(xs) && finite(lo[to]) && finite(hi[to]) {
			to++
		}
		p.area(xs[from:to], lo[from:to], hi[from:to])
		from = to
	}
	p.WriteString(`"/>`)
}

// area writes the outline of what lies between two lines.
func (p *plot) area(xs, lo, hi []float64) {
	for i, x := range xs {
		p.WriteString(pathStep(i))
		p.pair(p.x.at(x), p.y.at(hi[i]))
	}
	for i := len(xs) - 1; i >= 0; i-- {
		p.WriteString("L")
		p.pair(p.x.at(xs[i]), p.y.at(lo[i]))
	}
	if len(xs) > 0 {
		p.WriteString("Z")
	}
}

func pathStep(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

// dots draws round points.
func (p *plot) dots(class string, xs, ys []float64) {
	p.open("path", "dots "+class)
	p.WriteString(` d="`)
	for i, v := range ys {
		if finite(v) && finite(xs[i]) {
			p.WriteString("M")
			p.pair(p.x.at(xs[i]), p.y.at(v))
			p.WriteString("h0")
		}
	}
	p.WriteString(`"/>`)
}

// drawing returns the plot. What the script needs to read its lines is in
// attributes: the values at the corners.
func (p *plot) drawing(name string) template.HTML {
	if !p.hover {
		return p.finish("plot", name, plotWidth, p.height)
	}
	var all svg
	all.WriteString(`<div class="hover" data-axes="`)
	for i, v := range []float64{p.x.from, p.x.to, p.x.lo, p.x.hi, p.y.from, p.y.to, p.y.lo, p.y.hi} {
		if i > 0 {
			all.WriteString(" ")
		}
		all.WriteString(strconv.FormatFloat(v, 'g', 8, 64))
	}
	all.WriteString(`" data-log="` + strconv.FormatBool(p.x.log) + " " + strconv.FormatBool(p.y.log) + `">`)
	all.WriteString(string(p.finish("plot", name, plotWidth, p.height)))
	all.WriteString("</div>")
	return template.HTML(all.String())
}
