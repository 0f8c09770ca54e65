package cifar

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/train/data"
)

// Draw returns images of a shape in a colour somewhere before another colour, in
// noise: something to learn where there are no data. The classes are five shapes in
// two colours. It draws at least two training images and one test image, of all
// classes in turn; they depend on cfg.Seed alone.
func Draw(cfg Config, training, test int) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if most := trainBatches * batchImages; training < 2 || test < 1 || training > most || test > most {
		return nil, fmt.Errorf("cifar: draw: want 2 to %d training images and 1 to as many test images, got %d and %d", most, training, test)
	}
	cfg = cfg.withDefaults()
	channels := max(cfg.Encoding.Features(), 1)
	s := sets{train: newImages(training, channels), test: newImages(test, channels)}
	stream := uint64(1)
	for name, m := range s.all() {
		m.path, m.name = "drawn", name
		r := rand.New(rand.NewPCG(cfg.Seed, stream))
		for i := range m.len() {
			m.labels[i] = uint8(i % Classes)
			m.draw(i, i%Classes, r)
		}
		stream++
	}
	return newData(cfg, s.train, s.test, data.Room{}), nil
}

// DrawnNames are the classes of what is drawn, by label.
var DrawnNames = [Classes]string{
	"warm disc", "warm square", "warm cross", "warm ring", "warm triangle", "cool disc", "cool square", "cool cross", "cool ring", "cool triangle",
}

// forms are the shapes: whether one of size 1 has a point.
var forms = [Classes / 2]func(x, y float64) bool{
	func(x, y float64) bool { return math.Hypot(x, y) < 1 },
	func(x, y float64) bool { return max(math.Abs(x), math.Abs(y)) < 0.9 },
	func(x, y float64) bool { return min(math.Abs(x), math.Abs(y)) < 0.3 && math.Hypot(x, y) < 1.2 },
	func(x, y float64) bool { d := math.Hypot(x, y); return d > 0.6 && d < 1.1 },
	func(x, y float64) bool { return y > -0.8 && y < 0.8 && math.Abs(x) < (y+0.8)/1.6 },
}

// draw draws an image of a class.
func (m *images) draw(i, class int, r *rand.Rand) {
	size := 6 + 5*r.Float64()
	cx, cy := Side/2+8*(r.Float64()-0.5), Side/2+8*(r.Float64()-0.5)
	fore := [3]float64{200, 120, 60}
	if class >= len(forms) {
		fore = [3]float64{60, 120, 200}
	}
	back := [3]float64{100 * r.Float64(), 100 * r.Float64(), 100 * r.Float64()}
	for j := range Length {
		c := back
		if forms[class%len(forms)]((float64(j%Side)-cx)/size, (float64(j/Side)-cy)/size) {
			c = fore
		}
		noise := 50 * r.Float64()
		m.set(i, j, uint8(c[0]+noise), uint8(c[1]+noise), uint8(c[2]+noise))
	}
}
