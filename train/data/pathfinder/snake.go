package pathfinder

import (
	"math"
	"math/rand/v2"
)

// A snake is a row of paddles. Each paddle but the first is found from a pivot, a
// pixel at margin behind the paddle before it: its far end lies on the ring of
// pixels around the pivot that are length + margin away, its near end is length
// closer.

// headings is the number of directions of a first paddle, one for each degree. A
// heading is one of these, or headings + the index of a pixel of the ring.
const headings = 360

// kit is what snakes of one margin are made of.
type kit struct {
	margin  int
	near    bitmap   // where nothing may be taken around the far end of a paddle
	ring    []pixel  // from the pivot
	advance []pixel  // for each heading: from a pivot to the next
	behind  []pixel  // for each heading of a first paddle: from its end to its pivot
	first   []*stamp // for each of them, from its end
	paddle  []*stamp // for each pixel of the ring, from there
	turns   [][]turn // for each heading
}

// pixel is a place in a picture, or the way from one to another.
type pixel struct{ y, x int }

func (p pixel) plus(q pixel) pixel { return pixel{p.y + q.y, p.x + q.x} }

// turn is a pixel of the ring that a snake may go on to, and how likely.
type turn struct {
	ring   int
	weight float64
}

// way returns the pixel that is distance away at an angle.
func way(angle, distance float64) pixel {
	return pixel{int(math.Round(distance * math.Sin(angle))), int(math.Round(distance * math.Cos(angle)))}
}

// newKit makes the stamps of all paddles of one margin.
func (p *parameters) newKit(margin int) *kit {
	k := &kit{margin: margin, near: disc(margin)}
	radius := float64(p.length + margin)
	var angles []float64
	for i := range headings {
		a := float64(i) * (2 * math.Pi / headings)
		angles = append(angles, a)
		k.behind = append(k.behind, way(a, -float64(margin)))
		k.first = append(k.first, p.paddle(math.Sin(a), math.Cos(a), margin))
	}
	seen := make(map[pixel]bool)
	for i := range int(2 * math.Pi * radius) { // a pixel apart
		q := way(float64(i)/radius, radius)
		if seen[q] {
			continue
		}
		seen[q] = true
		k.ring = append(k.ring, q)
		a := math.Atan2(float64(q.y), float64(q.x))
		angles = append(angles, a)
		k.paddle = append(k.paddle, p.paddle(-math.Sin(a), -math.Cos(a), margin))
	}
	for _, a := range angles {
		k.advance = append(k.advance, way(a, float64(p.length+2*margin)))
		var turns []turn
		for i, b := range angles[headings:] {
			// The weight is the squared cosine of the angle times the continuity.
			if by := p.continuity * math.Abs(math.Remainder(b-a, 2*math.Pi)); by < math.Pi/2 {
				turns = append(turns, turn{i, math.Cos(by) * math.Cos(by)})
			}
		}
		k.turns = append(k.turns, turns)
	}
	return k
}

// placed is a stamp in its place.
type placed struct {
	*stamp
	at pixel
}

// snake is one that grows. Its last paddle is not taken in the field yet: the next
// may be closer to it than to others.
type snake struct {
	start   pixel // its end
	pivot   pixel
	heading int
	last    placed
}

// tries is how often a place is sought for a paddle, whose failing ends a snake.
const tries = 3

// begin makes s a snake of one paddle.
func (k *kit) begin(s *snake, at pixel, heading int) {
	*s = snake{start: at, pivot: at.plus(k.behind[heading]), heading: heading, last: placed{k.first[heading], at}}
}

// grow adds a paddle to s. No paddle of the field, nor other's last if there is
// such a snake, is closer to it than twice the margin, but that before it.
func (k *kit) grow(s, other *snake, f *field, rnd *rand.Rand, scratch []float64) bool {
	pivot := s.pivot.plus(k.advance[s.heading])
	turns := k.turns[s.heading]
	sums, total := scratch[:len(turns)], 0.0
	for i, t := range turns {
		at := pivot.plus(k.ring[t.ring])
		if !f.hits(&k.near, at) {
			total += t.weight
		}
		sums[i] = total
	}
	if total < 1e-4 {
		return false
	}
	for range tries {
		r, i := rnd.Float64()*total, 0
		for sums[i] <= r {
			i++
		}
		t := turns[i]
		next := placed{k.paddle[t.ring], pivot.plus(k.ring[t.ring])}
		if f.hits(&next.keep, next.at) || other != nil && next.meets(&other.last) {
			continue
		}
		f.take(&s.last.keep, s.last.at)
		s.pivot, s.heading, s.last = pivot, headings+t.ring, next
		return true
	}
	return false
}

// meets reports whether what two paddles keep to themselves overlaps.
func (p *placed) meets(q *placed) bool {
	return p.keep.overlaps(p.at, &q.keep, q.at)
}
