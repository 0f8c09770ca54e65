package fftconv

import (
	"cmp"
	"fmt"
)

// Mode says which samples of u a sample of y depends on.
type Mode string

const (
	// Causal: y[l] = sum_{j<=l} k[l-j] u[j].
	Causal Mode = "causal"
	// Bidirectional: Causal, plus sum_{j>=l} k1[j-l] u[j] with a second kernel
	// k1. Lag zero has a part of both kernels.
	Bidirectional Mode = "bidirectional"
	// BidirectionalReference is what state-spaces/s4 calls bidirectional:
	// Causal, plus sum_{j>l} k1[j-l-1] u[j]. Lag zero belongs to the causal
	// kernel alone. Use it with weights that were trained so.
	BidirectionalReference Mode = "bidirectional-reference"
)

// config says what a convolution does. The zero value is causal.
type config struct {
	// Mode is Causal, Bidirectional or BidirectionalReference. Empty: Causal.
	Mode Mode
}

// validate returns an error that names the first field out of range.
func (c config) validate() error {
	switch c.mode() {
	case Causal, Bidirectional, BidirectionalReference:
		return nil
	}
	return fmt.Errorf("Mode: want %q, %q or %q, got %q", Causal, Bidirectional, BidirectionalReference, c.Mode)
}

func (c config) mode() Mode { return cmp.Or(c.Mode, Causal) }

// directions returns the number of kernels of each channel: 1 or 2.
func (c config) directions() int {
	if c.mode() == Causal {
		return 1
	}
	return 2
}

// sizes is the shape of a convolution.
type sizes struct {
	B  int // rows of each feature (batch)
	H  int // features
	CH int // outputs of each feature (channels)
	L  int // length of u and y
	LK int // length of the kernels; shorter or longer than L
}

// validate returns an error that names the first size out of range.
func (s sizes) validate() error {
	for _, x := range []struct {
		name string
		v    int
	}{{"B", s.B}, {"H", s.H}, {"CH", s.CH}, {"L", s.L}, {"LK", s.LK}} {
		if x.v < 1 {
			return fmt.Errorf("%s: want at least 1, got %d", x.name, x.v)
		}
	}
	return nil
}

// geometry is what the arithmetic needs to know of config and sizes.
type geometry struct {
	sizes
	directions int // kernels of each channel
	// taps is the number of samples of each kernel that reach from one end of
	// a row to the other, by direction; the rest of the kernel has no effect.
	taps [2]int
	// skip is the lag of sample 0 of the anticausal kernel: 0 or 1.
	skip int
}

func newGeometry(c config, s sizes) geometry {
	g := geometry{sizes: s, directions: c.directions(), taps: [2]int{min(s.LK, s.L), 0}}
	switch c.mode() {
	case Bidirectional:
		g.taps[1] = min(s.LK, s.L)
	case BidirectionalReference:
		g.taps[1], g.skip = min(s.LK, s.L-1), 1
	}
	return g
}

// reach returns the largest lag in either direction.
func (g *geometry) reach() int { return max(g.taps[0]-1, g.taps[1]-1+g.skip) }

// Row numbers: u is (B, H) rows of L, y (B, CH, H) rows of L, k (directions*CH,
// H) rows of LK, d (CH, H).
func (g *geometry) uRow(b, h int) int      { return b*g.H + h }
func (g *geometry) yRow(b, c, h int) int   { return (b*g.CH+c)*g.H + h }
func (g *geometry) kRow(dir, c, h int) int { return (dir*g.CH+c)*g.H + h }
func (g *geometry) dAt(c, h int) int       { return c*g.H + h }

// row returns row i, of n elements, of x, and nil if x is nil.
func row[T any](x []T, n, i int) []T {
	if x == nil {
		return nil
	}
	return x[i*n:][:n:n]
}
