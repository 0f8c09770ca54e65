package retention

import (
	"fmt"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/internal/size"
)

// Decay says how fast the heads forget.
type Decay string

// The decays. gamma is that of head h = 0, 1, .. of H.
const (
	Arange   Decay = "arange"   // 1 - 2^(-5-h); also ""
	Linspace Decay = "linspace" // 1 - e^x, x from log 1/32 to log 1/512 in equal steps
)

// Decays lists the decays.
func Decays() []Decay { return []Decay{Arange, Linspace} }

// Positions says how the position n of a step turns the pairs (2i, 2i+1) of the dk
// features of its query and its key: by the angle n theta_i, i < dk/2.
type Positions string

// The positions.
const (
	RotaryLinspace Positions = "rotary_linspace" // theta_i = 10000^(-i/(dk/2-1)); also ""
	// XPos has theta_i = 10000^(-2i/dk) and multiplies queries by zeta_i^(n/512), keys by
	// zeta_i^(-n/512), zeta_i = (2i + 0.4 dk)/(1.4 dk): the longer ago, the less counts a
	// pair of high frequency.
	XPos        Positions = "xpos"
	NoPositions Positions = "none"
)

// AllPositions lists them.
func AllPositions() []Positions { return []Positions{RotaryLinspace, XPos, NoPositions} }

// Scores says what a step gives the steps before it.
type Scores string

// The scores.
const (
	Plain Scores = "plain" // see the package comment; also ""
	// Normalized are those of torchscale's parallel form,
	//
	//	s_nm = gamma^(n-m) / sqrt(sum_m gamma^(n-m)) q_n . k_m,  o_n = sum_m s_nm v_m / z_n,
	//	z_n = min(max(sum_m |s_nm|, 1), 5e4), a constant in the gradient.
	Normalized Scores = "normalized"
)

// AllScores lists them.
func AllScores() []Scores { return []Scores{Plain, Normalized} }

const (
	base      = 10000 // of the angles
	xposScale = 512   // steps
	xposShift = 0.4
)

// DefaultChunk is the number of steps of a chunk. Results differ by rounding alone.
const DefaultChunk = 64

// MaxChunk is the largest number of steps of a chunk: within it, factors of xPos and
// decays neither overflow nor vanish in float32.
const MaxChunk = 4096

// Config describes retention. The zero value of every field but Heads is a default.
type Config struct {
	Heads     int       // H, which divides the features of keys and of values
	Chunk     int       // steps of a chunk, at most MaxChunk; 0: DefaultChunk
	Decay     Decay     // default Arange
	Positions Positions // default RotaryLinspace
	Scores    Scores    // default Plain
	ScaleKeys bool      // keys are multiplied by 1/sqrt(dk)
}

// Validate returns an error unless the configuration is one of retention on so many
// features of keys and of values.
func (c Config) Validate(keys, values int) error {
	switch {
	case keys < 1 || values < 1:
		return fmt.Errorf("want features of keys and values >= 1, got %d and %d", keys, values)
	case c.Heads < 1:
		return fmt.Errorf("want Heads >= 1, got %d", c.Heads)
	case keys%c.Heads != 0 || values%c.Heads != 0:
		return fmt.Errorf("want Heads that divide the %d features of keys and the %d of values, got %d", keys, values, c.Heads)
	case c.Chunk < 0 || c.Chunk > MaxChunk:
		return fmt.Errorf("want Chunk in [1, %d], or 0 for %d, got %d", MaxChunk, DefaultChunk, c.Chunk)
	case c.Decay != "" && !slices.Contains(Decays(), c.Decay):
		return fmt.Errorf("want Decay one of %q, got %q", Decays(), c.Decay)
	case c.Positions != "" && !slices.Contains(AllPositions(), c.Positions):
		return fmt.Errorf("want Positions one of %q, got %q", AllPositions(), c.Positions)
	case c.Scores != "" && !slices.Contains(AllScores(), c.Scores):
		return fmt.Errorf("want Scores one of %q, got %q", AllScores(), c.Scores)
	}
	if dk := keys / c.Heads; c.Positions != NoPositions && dk%2 != 0 {
		return fmt.Errorf("want an even number of features of the keys of a head, or Positions %q, got %d", NoPositions, dk)
	}
	return size.First(
		size.Field("features of keys", keys), size.Field("features of values", values),
		size.Tensor("the state (Heads, dk, dv)", c.Heads, keys/c.Heads, values/c.Heads))
}

// chunk returns the number of steps of a chunk.
func (c Config) chunk() int {
	if c.Chunk == 0 {
		return DefaultChunk
	}
	return c.Chunk
}

// Gammas returns the decay of every head for a step.
func (c Config) Gammas() []float64 {
	g := make([]float64, c.Heads)
	for h := range g {
		if c.Decay == Linspace {
			lo, hi := math.Log(1./32), math.Log(1./512)
			g[h] = 1 - math.Exp(lo+(hi-lo)*part(h, c.Heads))
		} else {
			g[h] = 1 - math.Exp2(float64(-5-h))
		}
	}
	return g
}

// part returns where point i of n is between the first, 0, and the last, 1.
func part(i, n int) float64 {
	if n == 1 {
		return 0
	}
	return float64(i) / float64(n-1)
}

// keyScale returns what keys are multiplied by.
func (c Config) keyScale(dk int) float64 {
	if !c.ScaleKeys {
		return 1
	}
	return 1 / math.Sqrt(float64(dk))
}

// turning is what a step does to pair i of the features of a head.
type turning struct {
	theta float64 // angle
	zeta  float64 // factor, of queries
}

// turnings returns those of all pairs, none without positions.
func (c Config) turnings(dk int) []turning {
	if c.Positions == NoPositions {
		return nil
	}
	t := make([]turning, dk/2)
	for i := range t {
		x := part(i, len(t))
		t[i].zeta = 1
		if c.Positions == XPos {
			x = 2 * float64(i) / float64(dk)
			d := float64(dk)
			t[i].zeta = math.Pow((2*float64(i)+xposShift*d)/((1+xposShift)*d), 1./xposScale)
		}
		t[i].theta = math.Pow(base, -x)
	}
	return t
}
