package pathfinder

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/splitmix"
)

const (
	distractorTries = 5       // snakes that are begun for each distractor
	placeTries      = 64      // places that are tried for the first paddle of one
	targetTries     = 1 << 22 // pairs of snakes that are begun for a picture, thousands of times what it takes
)

// tools are what artists share: the parameters and all stamps.
type tools struct {
	parameters
	kits []*kit // for each margin
	disc *stamp
}

// newTools makes the stamps of pictures.
func newTools(p parameters) *tools {
	t := &tools{parameters: p, disc: p.marker()}
	for _, m := range p.margins {
		t.kits = append(t.kits, p.newKit(m))
	}
	return t
}

// artist draws pictures one after the other.
type artist struct {
	*tools
	field, saved *field
	drawn        []placed  // the paddles of the picture
	canvas       []float32 // (side, side)
	pixels       []uint8   // (side, side), for who has no memory for a picture
	scratch      []float64
	pcg          *rand.PCG
	rnd          *rand.Rand
}

// artist returns one more artist.
func (t *tools) artist() *artist {
	half, ring := 0, 0
	for _, k := range t.kits {
		half, ring = max(half, k.first[0].half), max(ring, len(k.ring))
	}
	a := &artist{tools: t, canvas: make([]float32, t.side*t.side), pixels: make([]uint8, t.side*t.side), scratch: make([]float64, ring), pcg: rand.NewPCG(0, 0)}
	a.field, a.saved = newField(t.side, t.padding, half), newField(t.side, t.padding, half)
	a.rnd = rand.New(a.pcg)
	return a
}

// drawing is what is known of a picture.
type drawing struct {
	label   uint8 // 1: the markers are on the ends of one snake
	margin  int
	markers [2]pixel
}

// draw draws picture i of a seed into pixels, (side, side). It depends on nothing
// else.
func (a *artist) draw(ctx context.Context, seed, i uint64, pixels []uint8) (drawing, error) {
	a.pcg.Seed(splitmix.Mix(seed+splitmix.Golden), splitmix.Mix(splitmix.Mix(seed)+(i+1)*splitmix.Golden))
	label, near := a.rnd.IntN(2), a.rnd.IntN(2)
	k := a.kits[a.rnd.IntN(len(a.kits))]
	var s [2]snake
	for try := 0; !a.targets(k, &s); try++ {
		if try%1024 == 1023 && ctx.Err() != nil {
			return drawing{}, ctx.Err()
		}
		if try == targetTries {
			return drawing{}, fmt.Errorf("picture %d of seed %d: no room for two snakes of %d paddles in %d tries", i, seed, a.paddles, targetTries)
		}
	}
	for range a.distractors {
		a.distract(k)
	}
	far := near
	if label == 0 {
		far = 1 - near
	}
	d := drawing{uint8(label), k.margin, [2]pixel{s[near].start, s[far].last.at}}
	a.render(d.markers, pixels)
	return d, nil
}

// targets empties the picture and draws the two target snakes in turn, if there is
// room for them.
func (a *artist) targets(k *kit, s *[2]snake) bool {
	a.field.reset()
	a.drawn = a.drawn[:0]
	if !a.seeds(k, s) {
		return false
	}
	for range a.paddles - 1 {
		for j := range s {
			if !k.grow(&s[j], &s[1-j], a.field, a.rnd, a.scratch) {
				return false
			}
			a.drawn = append(a.drawn, s[j].last)
		}
	}
	for j := range s {
		a.field.take(&s[j].last.keep, s[j].last.at)
	}
	return true
}

// seeds draws the first paddle of each target: one in the middle of the picture, at
// least two seed distances from the border, the other one such distance from it.
func (a *artist) seeds(k *kit, s *[2]snake) bool {
	border := 2 * a.seedDistance
	at := pixel{border + a.rnd.IntN(a.side-2*border), border + a.rnd.IntN(a.side-2*border)}
	k.begin(&s[0], at, a.rnd.IntN(headings))
	for range tries {
		second := at.plus(way(2*math.Pi*a.rnd.Float64(), float64(a.seedDistance)))
		k.begin(&s[1], second, a.rnd.IntN(headings))
		last := &s[1].last
		if !a.field.hits(&last.keep, last.at) && !last.meets(&s[0].last) {
			a.drawn = append(a.drawn, s[0].last, s[1].last)
			return true
		}
	}
	return false
}

// distract draws a distractor, or nothing where it finds no room for one.
func (a *artist) distract(k *kit) {
	copy(a.saved.bits, a.field.bits)
	n := len(a.drawn)
	for range distractorTries {
		if a.attempt(k) {
			return
		}
		copy(a.field.bits, a.saved.bits)
		a.drawn = a.drawn[:n]
	}
}

// attempt begins a distractor anywhere, and reports whether it could end it.
func (a *artist) attempt(k *kit) bool {
	var s snake
	for range placeTries {
		k.begin(&s, pixel{a.rnd.IntN(a.side), a.rnd.IntN(a.side)}, a.rnd.IntN(headings))
		if a.field.hits(&s.last.keep, s.last.at) {
			continue
		}
		a.drawn = append(a.drawn, s.last)
		for range a.distractor - 1 {
			if !k.grow(&s, nil, a.field, a.rnd, a.scratch) {
				return false
			}
			a.drawn = append(a.drawn, s.last)
		}
		a.field.take(&s.last.keep, s.last.at)
		return true
	}
	return false
}

// render draws what has been placed. The brightest pixel is 255.
func (a *artist) render(markers [2]pixel, pixels []uint8) {
	clear(a.canvas)
	for i := range a.drawn {
		a.lay(a.drawn[i].stamp, a.drawn[i].at, float32(a.contrast))
	}
	for _, m := range markers {
		a.lay(a.disc, m, 1)
	}
	var most float32
	for _, v := range a.canvas {
		most = max(most, v)
	}
	scale := 255 / most
	for i, v := range a.canvas {
		pixels[i] = uint8(v*scale + 0.5)
	}
}

// lay draws a stamp, brighter than what is below it.
func (a *artist) lay(s *stamp, at pixel, contrast float32) {
	n := 2*s.half + 1
	left, top := at.x-s.half, at.y-s.half
	for i := max(0, -top); i < min(n, a.side-top); i++ {
		row := a.canvas[(top+i)*a.side:]
		for j := max(0, -left); j < min(n, a.side-left); j++ {
			row[left+j] = max(row[left+j], contrast*s.shape[i*n+j])
		}
	}
}
