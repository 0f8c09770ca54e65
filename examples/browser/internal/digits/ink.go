package digits

import "math"

// Point is a place on a drawing, in units of its side: 0 to 1, from left to right and
// from the top down.
type Point struct{ X, Y float64 }

// Stroke is what a pen drew without being lifted.
type Stroke []Point

// Sizes on a page, in pixels. The images of MNIST are digits in a box of 20 pixels, moved
// until the centre of mass of their ink is that of the page (LeCun et al. 1998).
const (
	box = 20.0
	pen = 2.6 // width of a line
)

// least is the part of a drawing's side that is enlarged to the box at most: a dot stays one.
const least = 0.25

// Ink draws strokes on a page: the longer side of what is drawn becomes that of the box,
// and its centre of mass the centre. The grey values are 0 to 255, row by row.
func Ink(strokes []Stroke) []uint8 {
	fitted := fit(strokes)
	page := render(fitted)
	dx, dy := offCentre(page)
	for _, s := range fitted {
		for i := range s {
			s[i].X, s[i].Y = s[i].X-dx, s[i].Y-dy
		}
	}
	page = render(fitted)
	grey := make([]uint8, Length)
	for i, v := range page {
		grey[i] = uint8(math.Round(255 * v))
	}
	return grey
}

// fit returns the strokes in pixels, their box in the middle of the page.
func fit(strokes []Stroke) []Stroke {
	low, high := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, s := range strokes {
		for _, p := range s {
			low.X, low.Y = min(low.X, p.X), min(low.Y, p.Y)
			high.X, high.Y = max(high.X, p.X), max(high.Y, p.Y)
		}
	}
	scale := (box - pen) / max(high.X-low.X, high.Y-low.Y, least)
	fitted := make([]Stroke, len(strokes))
	for i, s := range strokes {
		for _, p := range s {
			fitted[i] = append(fitted[i], Point{
				Side/2 + scale*(p.X-(low.X+high.X)/2),
				Side/2 + scale*(p.Y-(low.Y+high.Y)/2),
			})
		}
	}
	return fitted
}

// render returns how much of each pixel is under ink, 0 to 1, of strokes in pixels.
func render(strokes []Stroke) []float64 {
	page := make([]float64, Length)
	for _, s := range strokes {
		for i, p := range s {
			line(page, s[max(i-1, 0)], p)
		}
	}
	return page
}

// line draws a line with round ends.
func line(page []float64, a, b Point) {
	const reach = pen/2 + 1
	first := func(v float64) int { return int(max(0, math.Floor(v-reach))) }
	last := func(v float64) int { return int(min(Side-1, math.Floor(v+reach))) }
	for y := first(min(a.Y, b.Y)); y <= last(max(a.Y, b.Y)); y++ {
		for x := first(min(a.X, b.X)); x <= last(max(a.X, b.X)); x++ {
			d := distance(Point{float64(x) + 0.5, float64(y) + 0.5}, a, b)
			v := &page[y*Side+x]
			*v = max(*v, min(1, pen/2+0.5-d))
		}
	}
}

// distance returns that of p from the line from a to b.
func distance(p, a, b Point) float64 {
	dx, dy := b.X-a.X, b.Y-a.Y
	t := 0.0
	if n := dx*dx + dy*dy; n > 0 {
		t = min(max(((p.X-a.X)*dx+(p.Y-a.Y)*dy)/n, 0), 1)
	}
	return math.Hypot(p.X-a.X-t*dx, p.Y-a.Y-t*dy)
}

// offCentre returns how far the centre of mass of a page is from its centre, in pixels.
func offCentre(page []float64) (dx, dy float64) {
	var mass, x, y float64
	for i, v := range page {
		mass += v
		x += v * (float64(i%Side) + 0.5)
		y += v * (float64(i/Side) + 0.5)
	}
	if mass == 0 {
		return 0, 0
	}
	return x/mass - Side/2, y/mass - Side/2
}
