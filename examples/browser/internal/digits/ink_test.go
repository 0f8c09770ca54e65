package digits

import (
	"math"
	"slices"
	"testing"
)

// arc is a stroke along an ellipse, from one angle to another in turns, clockwise from the
// top.
func arc(x, y, rx, ry, from, to float64) Stroke {
	var s Stroke
	for i := range 41 {
		a := 2 * math.Pi * (from + (to-from)*float64(i)/40)
		s = append(s, Point{x + rx*math.Sin(a), y - ry*math.Cos(a)})
	}
	return s
}

// drawn are digits as a hand may draw them.
var drawn = map[int][]Stroke{
	0: {arc(0.5, 0.5, 0.22, 0.35, 0, 1)},
	1: {{{0.5, 0.15}, {0.5, 0.85}}},
	2: {append(arc(0.5, 0.33, 0.2, 0.18, -0.25, 0.35), Point{0.3, 0.82}, Point{0.72, 0.82})},
	3: {append(arc(0.48, 0.33, 0.18, 0.17, -0.2, 0.5), arc(0.48, 0.67, 0.2, 0.18, 0, 0.7)...)},
	4: {{{0.35, 0.15}, {0.3, 0.55}, {0.72, 0.55}}, {{0.64, 0.2}, {0.6, 0.88}}},
	7: {{{0.28, 0.2}, {0.7, 0.2}, {0.45, 0.85}}},
}

// What a hand draws is read, wherever it is and however large.
func TestDrawnDigitsAreRead(t *testing.T) {
	r := open(t)
	for class, strokes := range drawn {
		for _, scale := range []float64{1, 0.5} {
			var moved []Stroke
			for _, s := range strokes {
				var m Stroke
				for _, p := range s {
					m = append(m, Point{scale * p.X, scale * p.Y})
				}
				moved = append(moved, m)
			}
			if got := guess(t, r, Ink(moved)); got != class {
				t.Errorf("a %d at scale %g is read as %d", class, scale, got)
			}
		}
	}
}

// A page does not depend on where the strokes are, nor on their size.
func TestInkIsNormalised(t *testing.T) {
	want := Ink(drawn[7])
	var moved Stroke
	for _, p := range drawn[7][0] {
		moved = append(moved, Point{0.1 + 0.7*p.X, 0.05 + 0.7*p.Y})
	}
	if got := Ink([]Stroke{moved}); !near(got, want) {
		t.Error("moved and smaller, it is another page")
	}
	page := make([]float64, Length)
	for i, v := range want {
		page[i] = float64(v)
	}
	if dx, dy := offCentre(page); math.Hypot(dx, dy) > 0.05 {
		t.Errorf("the centre of mass is off by %g, %g pixels", dx, dy)
	}
	top, bottom := slices.IndexFunc(want, func(v uint8) bool { return v > 127 })/Side, 0
	for i, v := range want {
		if v > 127 {
			bottom = i / Side
		}
	}
	if n := bottom - top + 1; n < 18 || n > 21 {
		t.Errorf("it is %d pixels high, want about 20", n)
	}
}

// near says whether two pages are the same but for rounding.
func near(a, b []uint8) bool {
	for i := range a {
		if math.Abs(float64(a[i])-float64(b[i])) > 2 {
			return false
		}
	}
	return true
}

// A dot stays one, in the middle, and no ink is a blank page.
func TestLittleInk(t *testing.T) {
	for _, none := range [][]Stroke{nil, {nil}, {{}, {}}} {
		if slices.Max(Ink(none)) != 0 {
			t.Errorf("%v: want a blank page", none)
		}
	}
	dot := Ink([]Stroke{{{0.9, 0.1}}})
	sum := 0
	for i, v := range dot {
		sum += int(v)
		if v > 0 && (math.Abs(float64(i%Side)-13.5) > 3 || math.Abs(float64(i/Side)-13.5) > 3) {
			t.Errorf("ink of %d in row %d, column %d", v, i/Side, i%Side)
		}
	}
	if sum < 3*255 || sum > 10*255 {
		t.Errorf("a dot of %d pixels", sum/255)
	}
	if far := Ink([]Stroke{{{-5, 3}, {9, 3}}, {{math.MaxFloat32, 0}}}); len(far) != Length {
		t.Error("strokes beyond the drawing")
	}
}
