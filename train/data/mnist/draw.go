package mnist

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/train/data"
)

// Draw returns digits of seven segments, each moved, slanted, as thick and as bright
// as it happens, in noise: something to learn where there are no data. It draws at
// least two training images and one test image, of all digits in turn; they depend on
// cfg.Seed alone.
func Draw(cfg Config, training, test int) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if training < 2 || test < 1 || training > maxImages || test > maxImages {
		return nil, fmt.Errorf("mnist: draw: want 2 to %d training images and 1 to as many test images, got %d and %d", maxImages, training, test)
	}
	cfg = cfg.withDefaults()
	s := newSets()
	for i, m := range s.all() {
		r := rand.New(rand.NewPCG(cfg.Seed, uint64(2+i)))
		for j := range [2]int{training, test}[i] {
			m.labels = append(m.labels, uint8(j%Classes))
			m.pixels = appendDigit(m.pixels, j%Classes, r)
		}
	}
	return s.present(cfg, "drawn", data.Room{}), nil
}

// segments of a digit, from (x, y) to (x, y), and which of them each digit has.
var (
	segments = [7][4]float64{{0, 0, 1, 0}, {0, 0, 0, 1}, {1, 0, 1, 1}, {0, 1, 1, 1}, {0, 1, 0, 2}, {1, 1, 1, 2}, {0, 2, 1, 2}}
	shapes   = [Classes]string{"012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356"}
)

// appendDigit draws a digit.
func appendDigit(pixels []uint8, digit int, r *rand.Rand) []uint8 {
	size, thick := 6.5+2*r.Float64(), 0.8+r.Float64()
	left, top := 14-size/2+4*(r.Float64()-0.5), 14-size+4*(r.Float64()-0.5)
	slant, bright := 0.4*(r.Float64()-0.5), 160+95*r.Float64()
	for i := range Length {
		y := (float64(i/Side) - top) / size
		x := (float64(i%Side)-left)/size + slant*(y-1)
		near := math.Inf(1)
		for _, c := range shapes[digit] {
			near = min(near, size*distance(x, y, segments[c-'0']))
		}
		v := bright*min(max(thick+0.5-near, 0), 1) + 25*r.Float64()
		pixels = append(pixels, uint8(min(v, 255)))
	}
	return pixels
}

// distance returns that of a point from a segment, which is upright or level.
func distance(x, y float64, s [4]float64) float64 {
	return math.Hypot(x-min(max(x, s[0]), s[2]), y-min(max(y, s[1]), s[3]))
}
