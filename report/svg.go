package report

import (
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// svg is a drawing under way. What is put into it is numbers, names of classes of
// the style sheet, and text, which is escaped.
type svg struct{ strings.Builder }

// number writes a coordinate, to a tenth of a dot.
func (s *svg) number(v float64) {
	if !finite(v) {
		v = 0
	}
	text := strconv.FormatFloat(v, 'f', 1, 64)
	s.WriteString(strings.TrimSuffix(text, ".0"))
}

// attr writes an attribute that is a number.
func (s *svg) attr(name string, v float64) {
	s.WriteString(" " + name + `="`)
	s.number(v)
	s.WriteString(`"`)
}

// open begins an element, class is "" for none; end it by >, /> or more attributes.
func (s *svg) open(name, class string) {
	s.WriteString("<" + name)
	if class != "" {
		s.WriteString(` class="` + class + `"`)
	}
}

// line draws a straight line.
func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	s.open("path", class)
	s.WriteString(` d="M`)
	s.pair(x1, y1)
	s.WriteString("L")
	s.pair(x2, y2)
	s.WriteString(`"/>`)
}

// pair writes the coordinates of a point.
func (s *svg) pair(x, y float64) {
	s.number(x)
	s.WriteString(" ")
	s.number(y)
}

// text writes a text at a point. anchor is "start", "middle" or "end".
func (s *svg) text(class, anchor string, x, y float64, text string) {
	s.open("text", class)
	s.attr("x", x)
	s.attr("y", y)
	if anchor != "start" {
		s.WriteString(` text-anchor="` + anchor + `"`)
	}
	s.WriteString(">" + html.EscapeString(text) + "</text>")
}

// rect draws a rectangle with a title, which is shown when it is pointed at, "" for
// none.
func (s *svg) rect(class string, x, y, w, h float64, title string) {
	s.open("rect", class)
	s.attr("x", x)
	s.attr("y", y)
	s.attr("width", max(w, 0))
	s.attr("height", max(h, 0))
	if title == "" {
		s.WriteString("/>")
		return
	}
	s.WriteString("><title>" + html.EscapeString(title) + "</title></rect>")
}

// image draws a picture given as a data URI on a rectangle.
func (s *svg) image(uri template.URL, x, y, w, h float64) {
	s.open("image", "pixels")
	s.attr("x", x)
	s.attr("y", y)
	s.attr("width", w)
	s.attr("height", h)
	s.WriteString(` preserveAspectRatio="none" href="` + html.EscapeString(string(uri)) + `"/>`)
}

// finish returns the drawing, of the given size and with a name for who does not
// see it.
func (s *svg) finish(class, name string, w, h float64) template.HTML {
	var all svg
	all.open("svg", class)
	all.WriteString(` role="img" viewBox="0 0 `)
	all.pair(w, h)
	all.WriteString(`" style="max-width:`)
	all.number(1.3 * w)
	all.WriteString(`px" aria-label="` + html.EscapeString(name) + `">`)
	all.WriteString(s.String())
	all.WriteString("</svg>")
	return template.HTML(all.String())
}

// short writes a number as a label: 1200000 is 1.2M, 0.00001 is 1e-5.
func short(v float64) string {
	a := math.Abs(v)
	suffix := ""
	switch {
	case a >= 1e15:
	case a >= 1e9:
		v, suffix = v/1e9, "G"
	case a >= 1e6:
		v, suffix = v/1e6, "M"
	case a >= 1e4:
		v, suffix = v/1e3, "k"
	}
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if mantissa, exponent, ok := strings.Cut(text, "e"); ok {
		n, _ := strconv.Atoi(exponent) // it is one
		text = mantissa + "e" + strconv.Itoa(n)
	}
	return strings.ReplaceAll(text, "-", "\u2212") + suffix
}
