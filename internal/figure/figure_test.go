package figure

import (
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
)

// panel notes the canvas that it was given.
type panel struct{ c draw.Canvas }

func (p *panel) Draw(c draw.Canvas) { p.c = c }

func TestSaveLaysPanelsOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b.png")
	ps := []*panel{{}, {}, {}}
	if err := Save(path, []Panel{ps[0], ps[1]}, []Panel{ps[2]}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s != image.Pt(1200, 912) {
		t.Errorf("got %v dots", s)
	}
	a, b, c := ps[0].c.Rectangle, ps[1].c.Rectangle, ps[2].c.Rectangle
	if a.Max.X >= b.Min.X || a.Min.Y != b.Min.Y || c.Max.Y >= a.Min.Y || c.Min.X != a.Min.X || a.Size() != b.Size() || a.Size() != c.Size() {
		t.Errorf("want two panels above one, of one size, got %v, %v, %v", a, b, c)
	}
}

func TestSaveErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Save(filepath.Join(file, "a.png"), []Panel{&panel{}}); err == nil || !strings.HasPrefix(err.Error(), "figure: ") {
		t.Errorf("a file as directory: got error %v", err)
	}
}

func TestHeatMapImage(t *testing.T) {
	g := Grid{Rows: [][]float64{{-2, 0, 2}, {1, 0, 0}}, DX: 1}
	palette := moreland.SmoothBlueRed().Palette(colours).Colors()
	img := g.image(palette, 2)
	size := img.Bounds().Size()
	if size.X%3 != 0 || size.Y%2 != 0 || size.X < 600 || size.Y < 456 {
		t.Fatalf("got an image of %v dots", size)
	}
	for _, c := range []struct {
		row, column, want int
	}{{0, 0, 0}, {0, 1, colours / 2}, {0, 2, colours - 1}, {1, 0, 3 * colours / 4}} {
		x, y := (2*c.column+1)*size.X/6, (3-2*c.row)*size.Y/4 // the middle of the element
		if got := img.At(x, y); got != palette[c.want] {
			t.Errorf("element (%d, %d): got colour %v, want %v", c.row, c.column, got, palette[c.want])
		}
	}
}

func TestHeatMapOfZeros(t *testing.T) {
	h := NewHeatMap(NewPlot("", "x", "y"), Grid{Rows: [][]float64{{0, 0}}, X0: 10, DX: 5}, "z")
	if h.X.Min != 7.5 || h.X.Max != 17.5 || h.Y.Min != -0.5 || h.Y.Max != 0.5 {
		t.Errorf("axes from %g to %g and from %g to %g", h.X.Min, h.X.Max, h.Y.Min, h.Y.Max)
	}
	h.Draw(draw.NewCanvas(new(recorder.Canvas), 400, 300))
}

func TestSquare(t *testing.T) {
	p := NewPlot("title", "x", "y")
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	for _, size := range []vg.Point{{X: 400, Y: 200}, {X: 200, Y: 400}} {
		c := draw.NewCanvas(new(recorder.Canvas), size.X, size.Y)
		s := Square{p}
		got := s.DataCanvas(s.crop(c)).Size()
		if math.Abs(float64(got.X-got.Y)) > 1 {
			t.Errorf("panel %v: data area %v", size, got)
		}
		s.Draw(c)
	}
}

func TestTicks(t *testing.T) {
	labels := func(m plot.Ticker, lo, hi float64) (ls []string) {
		for _, tick := range m.Ticks(lo, hi) {
			if tick.Value < lo || tick.Value > hi {
				t.Errorf("tick %g outside of %g to %g", tick.Value, lo, hi)
			}
			if tick.Label != "" {
				ls = append(ls, tick.Label)
			}
		}
		return ls
	}
	if got, want := labels(ticks{}, -300, 755), []string{"\u2212250", "250", "750"}; !slices.Equal(got, want) {
		t.Errorf("got labels %q, want %q", got, want)
	}
	if got, want := labels(rowTicks{}, -0.5, 7.5), []string{"0", "5"}; !slices.Equal(got, want) {
		t.Errorf("of rows: got labels %q, want %q", got, want)
	}
	a := plot.New().Y
	a.Min, a.Max = 0.004, 3
	Decades(&a)
	if a.Min != 0.001 || a.Max != 10 {
		t.Errorf("decades from %g to %g", a.Min, a.Max)
	}
	one := plot.New().Y
	one.Min, one.Max = 1, 1
	if Decades(&one); one.Min != 1 || one.Max != 10 {
		t.Errorf("of 1 alone: decades from %g to %g", one.Min, one.Max)
	}
	two := plot.New().Y
	two.Min, two.Max = 0.64, 1.5
	Decades(&two)
	if got, want := labels(two.Tick.Marker, two.Min, two.Max), []string{"0.1", "1", "10"}; !slices.Equal(got, want) {
		t.Errorf("of 0.64 to 1.5: got labels %q, want %q", got, want)
	}
	if got, want := labels(a.Tick.Marker, a.Min, a.Max), []string{"0.001", "0.01", "0.1", "1", "10"}; !slices.Equal(got, want) {
		t.Errorf("got labels %q, want %q", got, want)
	}
}

func TestSeries(t *testing.T) {
	lightness := func(i, n int) uint32 {
		r, g, b, _ := Series(n)[i].RGBA()
		return 2*r + 7*g + b
	}
	for i := range 4 {
		if lightness(i, 5) >= lightness(i+1, 5) {
			t.Errorf("colour %d of 5 is not darker than the next", i)
		}
	}
	if len(Series(1)) != 1 || len(Series(0)) != 0 {
		t.Error("want as many colours as asked for")
	}
}
