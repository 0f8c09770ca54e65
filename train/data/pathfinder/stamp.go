package pathfinder

import "math"

// Paddles and markers are stamps: what they add to a picture, and the pixels that
// they keep others from, around an anchor.

// antialias is how many points there are on the side of a pixel while a stamp is
// drawn.
const antialias = 2

// bitmap is pixels around an anchor: rows of at most 64 bits, the first of them top
// below the anchor, bit j of each being j + left to its right.
type bitmap struct {
	top, left int
	rows      []uint64
}

// stamp is drawn around its anchor, the pixel in the middle.
type stamp struct {
	keep  bitmap    // the pixels at most margin from a paddle
	shape []float32 // brightness (2 half + 1, 2 half + 1) in [0, 1]
	half  int       // of shape
}

// newBitmap returns the pixels at most half rows and columns away of which in(y, x)
// holds, measured from the anchor. There are some.
func newBitmap(half int, in func(y, x float64) bool) bitmap {
	b := bitmap{-half, -half, make([]uint64, 2*half+1)}
	for i := range b.rows {
		for j := range b.rows {
			if in(float64(i-half), float64(j-half)) {
				b.rows[i] |= 1 << j
			}
		}
	}
	for b.rows[0] == 0 {
		b.rows = b.rows[1:]
		b.top++
	}
	for b.rows[len(b.rows)-1] == 0 {
		b.rows = b.rows[:len(b.rows)-1]
	}
	return b
}

// overlaps reports whether a bitmap around p has a pixel that c around q has.
func (b *bitmap) overlaps(p pixel, c *bitmap, q pixel) bool {
	dy, dx := (q.y+c.top)-(p.y+b.top), (q.x+c.left)-(p.x+b.left)
	first, end := max(dy, 0), min(len(b.rows), len(c.rows)+dy)
	if first >= end || dx >= 64 || dx <= -64 {
		return false
	}
	other := c.rows[first-dy : end-dy]
	for i, r := range b.rows[first:end] {
		o := other[i]
		if dx >= 0 {
			o <<= uint(dx)
		} else {
			o >>= uint(-dx)
		}
		if r&o != 0 {
			return true
		}
	}
	return false
}

// disc returns the pixels at most radius away.
func disc(radius int) bitmap {
	return newBitmap(radius, func(y, x float64) bool { return y*y+x*x <= float64(radius*radius) })
}

// paddle returns the stamp of a paddle that begins at the anchor and goes in the
// direction (dy, dx), of length 1.
func (p *parameters) paddle(dy, dx float64, margin int) *stamp {
	length, thick := float64(p.length), p.thickness
	s := &stamp{half: p.length + int(math.Ceil(thick)) + margin}
	reach := thick/2 + float64(margin)
	s.keep = newBitmap(s.half, func(y, x float64) bool {
		along := min(max(y*dy+x*dx, 0), length)
		return math.Hypot(y-along*dy, x-along*dx) <= reach
	})
	// One of the two sides of the line belongs to it, so that it is as thick as it
	// should be also where points lie on both.
	const half = 0.5 / antialias
	s.shape = sampled(s.half, func(y, x float64) bool {
		along, across := y*dy+x*dx, y*dx-x*dy
		return along >= -half && along < length+half && across > -thick/2+1e-9 && across <= thick/2+1e-9
	})
	return s
}

// marker returns the stamp of a marker.
func (p *parameters) marker() *stamp {
	s := &stamp{half: int(math.Ceil(p.radius)) + 2}
	s.shape = sampled(s.half, func(y, x float64) bool { return y*y+x*x <= p.radius*p.radius })
	return s
}

// sampled returns a shape: the points of a finer grid of which in(y, x) holds, with
// y and x in pixels from the middle, made smaller by a Lanczos filter.
func sampled(half int, in func(y, x float64) bool) []float32 {
	fine := half*antialias + lanczosReach // points from the middle to an edge
	n, side := 2*fine+1, 2*half+1
	points := make([]float64, n*n)
	for i := range n {
		for j := range n {
			if in(float64(i-fine)/antialias, float64(j-fine)/antialias) {
				points[i*n+j] = 1
			}
		}
	}
	wide := make([]float64, n*side) // made smaller in one direction
	for i := range n {
		for j := range side {
			wide[i*side+j] = smaller(points[i*n+j*antialias:], 1)
		}
	}
	shape := make([]float32, side*side)
	for i := range side {
		for j := range side {
			shape[i*side+j] = float32(min(max(smaller(wide[i*antialias*side+j:], side), 0), 1))
		}
	}
	return shape
}

// lanczosReach is how many points a pixel takes from on either side.
const lanczosReach = 3*antialias - 1

// lanczos are the weights of these points.
var lanczos = func() (w [2*lanczosReach + 1]float64) {
	sinc := func(x float64) float64 {
		if x == 0 {
			return 1
		}
		return math.Sin(math.Pi*x) / (math.Pi * x)
	}
	sum := 0.0
	for i := range w {
		x := float64(i-lanczosReach) / antialias
		w[i] = sinc(x) * sinc(x/3)
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}()

// smaller returns a pixel of the points v[0], v[step], ...
func smaller(v []float64, step int) (sum float64) {
	for i, w := range lanczos {
		sum += w * v[i*step]
	}
	return sum
}
