package pathfinder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
)

// every calls f for each published data set.
func every(t *testing.T, f func(t *testing.T, side int, d Difficulty)) {
	for _, side := range Resolutions {
		for _, d := range Difficulties {
			t.Run(fmt.Sprintf("%d/%s", side, d), func(t *testing.T) { f(t, side, d) })
		}
	}
}

// some returns how many pictures of a data set are drawn in a test.
func some(side int, d Difficulty) int {
	switch {
	case side == 64 && d == Hard:
		return 5 // the most crowded
	case side == 32:
		return 100
	default:
		return 20
	}
}

// draw draws picture i of seed 1.
func draw(t *testing.T, a *artist, i int) drawing {
	t.Helper()
	d, err := a.draw(context.Background(), 1, uint64(i), a.pixels)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// direction returns the way that a paddle goes from its anchor.
func direction(t *testing.T, a *artist, p placed) (dy, dx float64) {
	for _, k := range a.kits {
		if i := slices.Index(k.first, p.stamp); i >= 0 {
			return math.Sincos(float64(i) * math.Pi / 180)
		}
		if i := slices.Index(k.paddle, p.stamp); i >= 0 {
			q := k.ring[i]
			return math.Sincos(math.Atan2(float64(-q.y), float64(-q.x)))
		}
	}
	t.Fatal("a paddle of no kit")
	return 0, 0
}

// points returns places along the middle of a paddle.
func points(t *testing.T, a *artist, p placed) (at [][2]float64) {
	dy, dx := direction(t, a, p)
	for s := 0.0; s <= float64(a.length); s += 0.5 {
		at = append(at, [2]float64{float64(p.at.y) + s*dy, float64(p.at.x) + s*dx})
	}
	return at
}

// closest returns the distance of two paddles.
func closest(p, q [][2]float64) float64 {
	d := math.Inf(1)
	for _, u := range p {
		for _, v := range q {
			d = min(d, math.Hypot(u[0]-v[0], u[1]-v[1]))
		}
	}
	return d
}

// snakes returns the paddles of a picture by snakes.
func (a *artist) snakes() (all [][]placed) {
	all = make([][]placed, 2)
	targets := 2 * a.paddles
	for i, p := range a.drawn[:targets] {
		all[i%2] = append(all[i%2], p)
	}
	return slices.AppendSeq(all, slices.Chunk(a.drawn[targets:], a.distractor))
}

func TestSnakes(t *testing.T) {
	every(t, func(t *testing.T, side int, d Difficulty) {
		a := newTools(published(side, d)).artist()
		distractors := 0
		for i := range some(side, d) {
			picture := draw(t, a, i)
			snakes := a.snakes()
			distractors += len(snakes) - 2
			a.checkTargets(t, i, picture, snakes)
			for _, s := range snakes {
				a.checkTurns(t, i, picture, s)
			}
			if i < 5 {
				a.checkRoom(t, i, picture, snakes)
			}
		}
		n := some(side, d)
		if mean := float64(distractors) / float64(n); mean > float64(a.distractors) || mean < 0.5*float64(a.distractors) {
			t.Errorf("%g distractors in a picture, want most of %d", mean, a.distractors)
		}
	})
}

// checkTargets checks the first two snakes and the markers.
func (a *artist) checkTargets(t *testing.T, i int, d drawing, snakes [][]placed) {
	t.Helper()
	first, second := snakes[0], snakes[1]
	if len(first) != a.paddles || len(second) != a.paddles {
		t.Fatalf("picture %d: targets of %d and %d paddles, want %d", i, len(first), len(second), a.paddles)
	}
	p, q := first[0].at, second[0].at
	if got := math.Hypot(float64(p.y-q.y), float64(p.x-q.x)); math.Abs(got-float64(a.seedDistance)) > 1 {
		t.Errorf("picture %d: %g between the targets' ends, want %d", i, got, a.seedDistance)
	}
	if border := 2 * a.seedDistance; min(p.y, p.x) < border || max(p.y, p.x) >= a.side-border {
		t.Errorf("picture %d: the first target begins at %v, want %d from the border", i, p, border)
	}
	ends := map[[2]pixel]uint8{}
	for j := range 2 {
		for k := range 2 {
			ends[[2]pixel{snakes[j][0].at, snakes[k][a.paddles-1].at}] = uint8(1 - j ^ k)
		}
	}
	if label, ok := ends[d.markers]; !ok || label != d.label {
		t.Errorf("picture %d: label %d with markers at %v, want them on ends of %v", i, d.label, d.markers, ends)
	}
}

// checkTurns checks the shape of a snake. Ends of paddles and pivots are whole
// pixels, which bends it a little more.
func (a *artist) checkTurns(t *testing.T, i int, d drawing, s []placed) {
	t.Helper()
	for j := 1; j < len(s); j++ {
		by, bx := direction(t, a, s[j-1])
		if j > 1 { // all but the first are drawn from their far ends
			by, bx = -by, -bx
		}
		cy, cx := direction(t, a, s[j])
		if turn := math.Acos(min(-(by*cy + bx*cx), 1)); turn > math.Pi/2/a.continuity+1e-9 {
			t.Errorf("picture %d: a turn of %g, want at most %g", i, turn, math.Pi/2/a.continuity)
		}
		if gap := closest(points(t, a, s[j-1]), points(t, a, s[j])); gap < 0.1 || gap > float64(2*d.margin)+1.5 {
			t.Errorf("picture %d: %g between paddles of a snake, want about %d", i, gap, 2*d.margin)
		}
	}
}

// checkRoom checks that paddles have the margin around them, the lines through their
// middles being half a thickness away from their sides.
func (a *artist) checkRoom(t *testing.T, i int, d drawing, snakes [][]placed) {
	t.Helper()
	var all [][][2]float64
	var next []int // the snake of each, and its place there
	for j, s := range snakes {
		for k, p := range s {
			all, next = append(all, points(t, a, p)), append(next, 1000*j+k)
		}
	}
	for j, p := range all {
		for k, q := range all[:j] {
			if next[j]-next[k] == 1 {
				continue
			}
			if got := closest(p, q); got < float64(d.margin)+a.thickness {
				t.Errorf("picture %d: %g between the middles of paddles, want at least the margin %d and the thickness %g", i, got, d.margin, a.thickness)
			}
		}
		for _, at := range p {
			if to := min(at[0], at[1], float64(a.side-1)-at[0], float64(a.side-1)-at[1]); to < float64(a.padding) {
				t.Errorf("picture %d: a paddle is %g from the border, want at least %d", i, to, a.padding)
			}
		}
	}
}

// The pictures of a version are the same for ever.
func TestPicturesOfTheVersion(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("rounding may differ where products and sums are fused")
	}
	sum := sha256.New()
	for _, side := range Resolutions {
		a := newTools(published(side, Intermediate)).artist()
		for i := range 5 {
			d := draw(t, a, i)
			sum.Write(a.pixels)
			sum.Write([]byte{d.label})
		}
	}
	const want = "0db2522d5df1750b9698e5986897900f0203908bde48cd31112ff48bef9a9693"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("version %d: got pictures of SHA-256 %s, want %s", generatorVersion, got, want)
	}
}

// Picture i is the same whatever an artist has drawn before.
func TestPictureDependsOnItsNumberAlone(t *testing.T) {
	tools := newTools(published(32, Hard))
	a, b := tools.artist(), tools.artist()
	for _, i := range []int{7, 3, 3, 0} {
		draw(t, b, 1000+i)
		if draw(t, a, i) != draw(t, b, i) || !bytes.Equal(a.pixels, b.pixels) {
			t.Errorf("picture %d differs", i)
		}
	}
	draw(t, a, 1)
	draw(t, b, 2)
	if bytes.Equal(a.pixels, b.pixels) {
		t.Error("pictures 1 and 2 are equal")
	}
}

// The picture is black where nothing is, and brightest in the markers.
func TestPixels(t *testing.T) {
	every(t, func(t *testing.T, side int, d Difficulty) {
		a := newTools(published(side, d)).artist()
		for i := range max(1, 64/side) {
			picture := draw(t, a, i)
			var paddles [][2]float64
			for _, p := range a.drawn {
				paddles = append(paddles, points(t, a, p)...)
			}
			for j, v := range a.pixels {
				at := [2]float64{float64(j / side), float64(j % side)}
				mark := math.Inf(1)
				for _, m := range picture.markers {
					mark = min(mark, math.Hypot(at[0]-float64(m.y), at[1]-float64(m.x)))
				}
				line := closest([][2]float64{at}, paddles)
				switch {
				case mark < 1 && v < 200:
					t.Errorf("picture %d: %v is %d, want a marker there", i, at, v)
				case mark > a.radius+3 && line < 0.3 && v < 60:
					t.Errorf("picture %d: %v is %d, want a paddle there", i, at, v)
				case mark > a.radius+3 && line > a.thickness/2+3 && v > 0:
					t.Errorf("picture %d: %v is %d, want nothing there", i, at, v)
				}
			}
			if most := slices.Max(a.pixels); most != 255 {
				t.Errorf("picture %d: the brightest pixel is %d, want 255", i, most)
			}
		}
	})
}

// What one sees without looking along the paths does not tell the label.
func TestStatisticsDoNotTellTheLabel(t *testing.T) {
	const n = 4000
	a := newTools(published(32, Hard)).artist()
	var light, distance [][]float64
	var labels []float64
	ones := 0
	for i := range n {
		d := draw(t, a, i)
		lit, sum := 0, 0
		for _, v := range a.pixels {
			sum += int(v)
			if v > 0 {
				lit++
			}
		}
		light = append(light, []float64{float64(lit), float64(sum)})
		distance = append(distance, []float64{math.Hypot(float64(d.markers[0].y-d.markers[1].y), float64(d.markers[0].x-d.markers[1].x))})
		labels = append(labels, float64(d.label))
		ones += int(d.label)
	}
	if ones < n/2-150 || ones > n/2+150 { // 4.7 deviations
		t.Errorf("%d of %d pictures are of class 1", ones, n)
	}
	// With so many pictures 2.5 points are 2.2 deviations, on pictures the
	// regression has not seen.
	if got := regress(light, labels); got > 0.525 {
		t.Errorf("the light alone tells %.1f %% of the labels", 100*got)
	}
	if got := regress(distance, labels); got > 0.565 { // about 53 % here and in what is published
		t.Errorf("the distance of the markers alone tells %.1f %% of the labels", 100*got)
	}
}

// regress fits a logistic regression on the features and their squares to the first
// half of the examples, by gradient steps, and returns its accuracy on the others.
func regress(features [][]float64, labels []float64) float64 {
	n := len(features)
	var rows [][]float64
	for range features {
		rows = append(rows, []float64{1})
	}
	for j := range features[0] {
		for power := 1.0; power <= 2; power++ {
			sum, square := 0.0, 0.0
			for _, f := range features {
				v := math.Pow(f[j], power)
				sum, square = sum+v, square+v*v
			}
			mean := sum / float64(n)
			dev := math.Sqrt(square/float64(n) - mean*mean)
			for i, f := range features {
				rows[i] = append(rows[i], (math.Pow(f[j], power)-mean)/dev)
			}
		}
	}
	w := make([]float64, len(rows[0]))
	score := func(x []float64) (s float64) {
		for i, v := range x {
			s += w[i] * v
		}
		return s
	}
	for range 300 {
		grad := make([]float64, len(w))
		for i, x := range rows[:n/2] {
			e := 1/(1+math.Exp(-score(x))) - labels[i]
			for j, v := range x {
				grad[j] += e * v / float64(n/2)
			}
		}
		for j := range w {
			w[j] -= grad[j]
		}
	}
	right := 0
	for i, x := range rows[n/2:] {
		if (score(x) > 0) == (labels[n/2+i] == 1) {
			right++
		}
	}
	return float64(right) / float64(n-n/2)
}

// A regression finds what is there.
func TestRegress(t *testing.T) {
	var features [][]float64
	var labels []float64
	for i := range 1000 {
		features = append(features, []float64{float64(i*7919%1000) + 100*float64(i%2)})
		labels = append(labels, float64(i%2))
	}
	if got := regress(features, labels); got < 0.53 || got > 0.6 {
		t.Errorf("accuracy %g, want about 0.55", got)
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, side := range Resolutions {
		for _, d := range Difficulties {
			b.Run(fmt.Sprintf("%d/%s", side, d), func(b *testing.B) {
				a := newTools(published(side, d)).artist()
				for i := range b.N {
					if _, err := a.draw(context.Background(), 1, uint64(i), a.pixels); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
			})
		}
	}
}
