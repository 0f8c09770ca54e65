package report

import "math"

// curvePoints is the number of points of a curve, at most.
const curvePoints = 320

// thin is a curve of however many points kept as at most curvePoints: each the mean
// of as many points, the smallest and the largest.
type thin struct {
	each   int // points in a point
	x      []float64
	mean   []float64
	lo, hi []float64
	counts []float64 // points in it that are finite
	last   int       // points in the last one
}

// add adds a point. Those that are not finite leave a gap where there are no others.
func (t *thin) add(x, y float64) {
	if t.each == 0 {
		t.each = 1
	}
	if len(t.x) == 0 || t.last == t.each {
		if len(t.x) == curvePoints {
			t.halve()
		}
		if len(t.x) == 0 || t.last == t.each {
			t.x, t.mean, t.counts = append(t.x, 0), append(t.mean, 0), append(t.counts, 0)
			t.lo, t.hi = append(t.lo, math.Inf(1)), append(t.hi, math.Inf(-1))
			t.last = 0
		}
	}
	i := len(t.x) - 1
	t.last++
	t.x[i] += (x - t.x[i]) / float64(t.last)
	if finite(y) {
		t.counts[i]++
		t.mean[i] += (y - t.mean[i]) / t.counts[i]
		t.lo[i], t.hi[i] = min(t.lo[i], y), max(t.hi[i], y)
	}
}

// halve makes one point of every two, which are of the same size.
func (t *thin) halve() {
	n := len(t.x) / 2
	for i := range n {
		a, b := 2*i, 2*i+1
		t.x[i] = t.x[a]/2 + t.x[b]/2
		if c := t.counts[a] + t.counts[b]; c > 0 {
			t.mean[i] = t.mean[a]*(t.counts[a]/c) + t.mean[b]*(t.counts[b]/c)
			t.counts[i] = c
		} else {
			t.mean[i], t.counts[i] = 0, 0
		}
		t.lo[i], t.hi[i] = min(t.lo[a], t.lo[b]), max(t.hi[a], t.hi[b])
	}
	t.x, t.mean, t.counts, t.lo, t.hi = t.x[:n], t.mean[:n], t.counts[:n], t.lo[:n], t.hi[:n]
	t.each *= 2
	t.last = t.each
}

// values returns the means, NaN where there are none.
func (t *thin) values() []float64 {
	ys := make([]float64, len(t.mean))
	for i, y := range t.mean {
		ys[i] = y
		if t.counts[i] == 0 {
			ys[i] = math.NaN()
		}
	}
	return ys
}
