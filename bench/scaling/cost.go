package main

import (
	"math"

	"github.com/gorgonia-s4/s4/train"
)

// cost is a model of what the sum of gradients takes on a transport (Thakur et al. 2005).
// A message of m bytes takes alpha + beta m; p ranks that add up m bytes each
//
//	by recursive doubling     log2(p) (alpha + beta m)
//	round a ring              2 (p-1) alpha + 2 (p-1)/p beta m
//
// and MPI takes what is faster. As bfloat16 the blocks go round by two exchanges, which
// cost as the ring does, and every number takes gamma to be rounded, added and read. A
// call begins with a short message of every rank to every other: log2(p) alpha.
type cost struct {
	alpha float64 // seconds
	beta  float64 // seconds of a byte
	gamma float64 // seconds of a number
}

func log2(p int) float64 { return math.Ceil(math.Log2(float64(p))) }

// vote is the time of an exchange of short messages.
func (c cost) vote(p int) float64 { return 2*log2(p)*c.alpha + c.beta*float64(p*messageSize) }

// ring is the time of m bytes round a ring, and doubling by recursive doubling.
func (c cost) ring(p int, m float64) float64 {
	n := float64(p)
	return 2*(n-1)*c.alpha + 2*(n-1)/n*c.beta*m
}

func (c cost) doubling(p int, m float64) float64 { return log2(p) * (c.alpha + c.beta*m) }

// sum is the time of the sum of the gradients of a model whose messages are given.
func (c cost) sum(p int, half bool, messages []float64) float64 {
	t := c.vote(p)
	for _, m := range messages {
		if half {
			t += 2*log2(p)*c.alpha + c.ring(p, m) + c.gamma*m/2
		} else {
			t += log2(p)*c.alpha + min(c.ring(p, m), c.doubling(p, m))
		}
	}
	return t
}

// messages are the bytes of the calls that add up the gradients of a model.
func messages(parameters int, half bool, bucket float64) ([]float64, error) {
	if half {
		var ms []float64
		for left := 2 * float64(parameters); left > 0; left -= bucket {
			ms = append(ms, min(left, bucket))
		}
		return ms, nil
	}
	log := &recorder{}
	r, err := train.NewReducer(log, train.GroupConfig{BucketBytes: int(bucket)})
	if err != nil {
		return nil, err
	}
	_, err = r.Sum(gradientsOf(parameters), 1)
	return log.messages, err
}

// recorder is a group of two ranks that are not there; it keeps how much they add up.
type recorder struct {
	train.Group
	messages []float64
}

func (r *recorder) Rank() int { return 0 }
func (r *recorder) Size() int { return 2 }

func (r *recorder) Gather(m []byte) ([][]byte, error) { return [][]byte{m, m}, nil }

func (r *recorder) SumFloat32(v []float32) error {
	r.messages = append(r.messages, 4*float64(len(v)))
	return nil
}

// point is a measured sum with its messages.
type point struct {
	sample
	messages []float64
}

// time is what a cost model says of a point.
func (p point) time(c cost) float64 { return c.sum(p.ranks, p.wire == "bfloat16", p.messages) }

// least is the smallest of a cost's numbers in a fit, in seconds: where one does not
// matter, it is this.
var least = cost{alpha: 1e-8, beta: 1e-12, gamma: 1e-12}

// fit returns the cost model that is nearest to points: the squares of the logarithms of
// the ratios are least. It searches along each number, by smaller and smaller steps.
func fit(points []point) cost {
	x := [3]float64{7, 7, 7} // powers of e above the least
	of := func() cost { return least.plus(x) }
	best := misfit(of(), points)
	for step := 2.0; step > 1e-4; {
		better := false
		for i := range x {
			for _, d := range []float64{step, -step} {
				x[i] += d
				if e := misfit(of(), points); e < best && x[i] >= 0 {
					best, better = e, true
				} else {
					x[i] -= d
				}
			}
		}
		if !better {
			step /= 2
		}
	}
	return of()
}

// plus is c times e to the powers x.
func (c cost) plus(x [3]float64) cost {
	return cost{c.alpha * math.Exp(x[0]), c.beta * math.Exp(x[1]), c.gamma * math.Exp(x[2])}
}

// misfit is the root of the mean of those squares: 0.1 is a tenth.
func misfit(c cost, points []point) float64 {
	sum := 0.0
	for _, p := range points {
		d := math.Log(p.time(c) / p.seconds)
		sum += d * d
	}
	return math.Sqrt(sum / float64(max(1, len(points))))
}

// line is the time of a step: base + row times the rows.
type line struct{ base, row float64 }

func (l line) at(rows float64) float64 { return l.base + l.row*rows }

// fitLine returns the line through steps of least squares; ok is false without two
// numbers of rows.
func fitLine(steps []sample) (l line, ok bool) {
	var n, x, y, xx, xy float64
	for _, s := range steps {
		r := float64(s.rows)
		n, x, y, xx, xy = n+1, x+r, y+s.seconds, xx+r*r, xy+r*s.seconds
	}
	d := n*xx - x*x
	if d <= 0 {
		return l, false
	}
	l.row = (n*xy - x*y) / d
	l.base = max(0, (y-l.row*x)/n)
	return l, l.row > 0
}
