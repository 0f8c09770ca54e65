package report

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// A curve of many points keeps their mean and their range, whatever their number.
func TestThin(t *testing.T) {
	for _, n := range []int{1, 2, curvePoints, curvePoints + 1, 10*curvePoints + 7, 100_000} {
		var c thin
		for i := range n {
			c.add(float64(i), float64(i%10))
		}
		if len(c.x) > curvePoints || len(c.x) < min(n, curvePoints/2) {
			t.Errorf("%d points: got %d", n, len(c.x))
		}
		count, sum := 0.0, 0.0
		for i, k := range c.counts {
			count += k
			sum += k * c.mean[i]
			if i > 0 && c.x[i] <= c.x[i-1] {
				t.Errorf("%d points: x %g after %g", n, c.x[i], c.x[i-1])
			}
		}
		want := 0.0
		for i := range n {
			want += float64(i % 10)
		}
		if count != float64(n) || math.Abs(sum-want) > 1e-6*want {
			t.Errorf("%d points: got %g of sum %g, want %g", n, count, sum, want)
		}
		if n >= 10 && (slices.Min(c.lo) != 0 || slices.Max(c.hi) != 9) {
			t.Errorf("%d points: got a range from %g to %g", n, slices.Min(c.lo), slices.Max(c.hi))
		}
	}
}

// What is not finite is a gap where there is nothing else.
func TestThinGaps(t *testing.T) {
	var c thin
	for i := range 2 * curvePoints {
		v := math.NaN()
		if i < 2 || i == 5 {
			v = float64(i)
		}
		c.add(float64(i), v)
	}
	v := c.values()
	if v[0] != 0.5 || !math.IsNaN(v[1]) || v[2] != 5 || !math.IsNaN(v[3]) {
		t.Errorf("got %g", v[:4])
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		log    bool
		want   []string
		whole  bool
	}{
		{0, 1, false, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}, false},
		{1, 4, false, []string{"1", "2", "3", "4"}, true},
		{0, 0.5, false, []string{"0"}, true},
		{0, 20, false, []string{"0", "5", "10", "15", "20"}, true},
		{-3, 12, false, []string{"\u22122", "0", "2", "4", "6", "8", "10", "12"}, false},
		{0, 50000, false, []string{"0", "10k", "20k", "30k", "40k", "50k"}, false},
		{0.001, 100, true, []string{"0.001", "0.01", "0.1", "1", "10", "100"}, false},
		{1e-9, 1e9, true, []string{"1e\u22129", "1e\u22125", "0.1", "1000", "10M"}, false},
		{0.3, 7, true, []string{"0.5", "1", "2", "5"}, false},
		{0.31, 0.32, true, []string{"0.31", "0.32"}, false},
	} {
		a := axis{lo: c.lo, hi: c.hi, log: c.log, whole: c.whole}
		var got []string
		for _, v := range a.ticks(5) {
			got = append(got, a.tick(v))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%g to %g: got %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}

// Whatever the values, an axis has a length, a value on it a place, and few ticks.
func TestAxisOfAnything(t *testing.T) {
	values := []float64{0, 1, -1, 1e308, -1e308, 5e-324, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1), 1e-300}
	for _, v := range values {
		for _, w := range values {
			for _, log := range []bool{false, true} {
				a := axis{log: log, from: 10, to: 100}
				a.span([]float64{v, w}, nil)
				a.pad(0.1)
				if n := len(a.ticks(5)); n > 25 {
					t.Errorf("%g, %g: %d ticks", v, w, n)
				}
				for _, u := range []float64{v, w} {
					if at := a.at(u); finite(u) && finite(at) && (at < 10 || at > 100) {
						t.Errorf("%g on the axis of %g and %g is at %g", u, v, w, at)
					}
				}
				var s svg
				s.line("x", a.at(v), a.at(w), a.at(v), a.at(w))
				if strings.ContainsAny(s.String(), "NI") {
					t.Errorf("%g, %g: %s", v, w, s.String())
				}
			}
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		n, most int
		want    []int
	}{{0, 4, []int{}}, {3, 4, []int{0, 1, 2}}, {10, 4, []int{0, 3, 6, 9}}, {5, 1, []int{0}}} {
		if got := spread(c.n, c.most); !slices.Equal(got, c.want) {
			t.Errorf("%d of %d: got %d, want %d", c.most, c.n, got, c.want)
		}
	}
}

// A picture that is shrunk shows the mean of its pixels and the sum of its saliency,
// wherever its steps are.
func TestShrunkImage(t *testing.T) {
	p := Picture{Kind: Image, Width: 3, Height: 2, Channels: 1, Pixels: []byte{0, 10, 200, 20, 30, 100}, Order: []int{5, 4, 3, 2, 1, 0}}
	img := p.picturePixels(2)
	if b := img.Bounds(); b.Dx() != 2 || b.Dy() != 1 {
		t.Fatalf("got %v", b)
	}
	for x, want := range []uint32{15, 150} {
		if g, _, _, _ := img.At(x, 0).RGBA(); g>>8 != want {
			t.Errorf("pixel %d is %d, want %d", x, g>>8, want)
		}
	}
	if got := p.place(Numbers{1, 2, 4, 8, 16, 32}, 2); got[0][0] != 2+4+16+32 || got[0][1] != 1+8 {
		t.Errorf("got %g", got)
	}
}

func TestLongTextShowsWhatIsSalient(t *testing.T) {
	p := Picture{Kind: Text, Pieces: make([]string, 10000)}
	saliency := make(Numbers, len(p.Pieces))
	for i := range p.Pieces {
		p.Pieces[i] = "x"
	}
	p.Pieces[5000], saliency[5000] = "here", -3
	var text strings.Builder
	skipped := 0
	for _, r := range p.runs(saliency) {
		text.WriteString(r.Text)
		skipped += r.Skipped
		if r.Text == "here" && r.Class != "n6" {
			t.Errorf("the most salient piece has class %q", r.Class)
		}
	}
	if !strings.Contains(text.String(), "here") || skipped != len(p.Pieces)-pieceHead-pieceAround-pieceTail {
		t.Errorf("%d pieces are left out, text %.60q", skipped, text.String())
	}
}
