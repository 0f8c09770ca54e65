package ndconv

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// MaxAxes is the largest number of axes.
const MaxAxes = 3

// Config says what a convolution does.
type Config struct {
	Shape []int          // lengths of the axes, the last of them contiguous: L is their product
	Modes []fftconv.Mode // of each axis; none: all are causal, and so is an empty one
	Rank  int            // terms of the kernel (R); 0: 1
}

// validate returns an error that names the first field out of range.
func (c Config) validate() error {
	if n := len(c.Shape); n < 1 || n > MaxAxes {
		return fmt.Errorf("want Shape of 1 to %d axes, got %d", MaxAxes, n)
	}
	for _, n := range c.Shape {
		if n < 1 {
			return fmt.Errorf("want Shape of axes of length 1 or more, got %v", c.Shape)
		}
	}
	if len(c.Modes) != 0 && len(c.Modes) != len(c.Shape) {
		return fmt.Errorf("want Modes for each of %d axes, or none, got %d", len(c.Shape), len(c.Modes))
	}
	for a := range c.Shape {
		switch c.mode(a) {
		case fftconv.Causal, fftconv.Bidirectional, fftconv.BidirectionalReference:
		default:
			return fmt.Errorf("want Modes of %q, %q or %q, got %q", fftconv.Causal, fftconv.Bidirectional, fftconv.BidirectionalReference, c.Modes[a])
		}
	}
	if c.Rank < 0 {
		return fmt.Errorf("want Rank 1 or more, or 0 for 1, got %d", c.Rank)
	}
	return size.First(size.Field("Rank", c.Rank), size.Tensor("Shape", c.Shape...))
}

func (c Config) rank() int { return max(1, c.Rank) }

func (c Config) mode(axis int) fftconv.Mode {
	if len(c.Modes) == 0 || c.Modes[axis] == "" {
		return fftconv.Causal
	}
	return c.Modes[axis]
}

// directions returns the number of kernels of a term along an axis: 1 or 2.
func (c Config) directions(axis int) int {
	if c.mode(axis) == fftconv.Causal {
		return 1
	}
	return 2
}

// geometry is what the arithmetic needs to know: sizes.
type geometry struct {
	B, H, CH, R, L int
	axes           []line
	skip           bool // there is d
}

// line is one axis: its lines of n samples, and the lags of its kernels.
type line struct {
	n            int // samples
	outer, inner int // products of the axes before it and behind it
	lk           int // samples of a kernel
	directions   int
	// taps is the number of samples of each kernel, by direction, that reach from one
	// sample of a line to another; the rest have no effect.
	taps [2]int
	skip int // lag of sample 0 of the second kernel, to the other side: 0 or 1
}

// newLine returns an axis of a shape, with kernels of lk samples.
func newLine(c Config, axis, lk int) line {
	a := line{n: c.Shape[axis], outer: 1, inner: 1, lk: lk, directions: c.directions(axis)}
	for i, n := range c.Shape {
		switch {
		case i < axis:
			a.outer *= n
		case i > axis:
			a.inner *= n
		}
	}
	a.taps[0] = min(lk, a.n)
	switch c.mode(axis) {
	case fftconv.Bidirectional:
		a.taps[1] = min(lk, a.n)
	case fftconv.BidirectionalReference:
		a.taps[1], a.skip = min(lk, a.n-1), 1
	}
	return a
}

// lag returns by how much sample m of the kernel of a direction delays.
func (a *line) lag(direction, m int) int {
	if direction == 0 {
		return m
	}
	return -m - a.skip
}

// reach returns the largest lag to either side.
func (a *line) reach() int { return max(a.taps[0]-1, a.taps[1]-1+a.skip) }

// kernels is the number of kernels of an axis, of all features.
func (g *geometry) kernels(a *line) int { return a.directions * g.R * g.CH * g.H }

// kernel returns the kernels of each direction of a term, channel and feature, of k (n,
// H, Lk).
func kernel[E any](g *geometry, a *line, k []E, r, c, h int) (of [2][]E) {
	for d := range a.directions {
		row := ((d*g.R+r)*g.CH+c)*g.H + h
		of[d] = k[row*a.lk:][:a.lk:a.lk]
	}
	return of
}

// uRow and yRow return a row of what is like u (B, H, L) and like y (B, CH, H, L).
func uRow[T any](g *geometry, u []T, b, h int) []T    { return u[(b*g.H+h)*g.L:][:g.L:g.L] }
func yRow[T any](g *geometry, y []T, b, c, h int) []T { return y[((b*g.CH+c)*g.H+h)*g.L:][:g.L:g.L] }

const (
	// minTasks is the number of tasks to make of features and pieces of the batch.
	minTasks = 32
	// minSamples is the size of u from which a batch is split.
	minSamples = 1 << 15
)

// pieces returns the number of pieces to make of the batch of each feature. It does not
// depend on the number of workers, because results depend on it.
func (g *geometry) pieces() int {
	if g.B*g.H*g.L < minSamples {
		return 1
	}
	return max(1, min(minTasks/g.H, g.B))
}
