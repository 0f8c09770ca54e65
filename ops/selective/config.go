package selective

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Config says what a selective scan computes.
type Config struct {
	// Softplus makes the step size log(1 + e^v) of what is given, v, which is any number
	// then.
	Softplus bool
	// LogA makes A -e^v of what is given, v: negative, whatever is learned.
	LogA bool
}

// decayRates replaces what is given for A by A.
func decayRates[T num.Float](cfg Config, a []T) {
	if cfg.LogA {
		vec.Exp(a, a)
		vec.Scale(a, -1, a)
	}
}

// Inputs are the operands of a scan over L steps of D channels with N states each: V is
// *gorgonia.Node or a slice.
type Inputs[V any] struct {
	U     V // (B, D, L): the input
	Delta V // (B, D, L): the step sizes
	A     V // (D, N)
	B, C  V // (B, N, L), (B, G, N, L) where channel d is of group d div (D/G), or (D, N)
	D     V // (D): the part of the input in the output, or nil for none
	Z     V // (B, D, L): the gate, or nil for none
	Bias  V // (D): of the step sizes, or nil for none
}

// sizes are the sizes of a scan.
type sizes struct {
	B int // rows
	D int // channels
	N int // states of each
	L int // steps
	G int // groups of channels that share B and C
}

// validate returns an error that names the first size out of range, or the first of
// the tensors that a scan computes with.
func (s sizes) validate() error {
	return size.First(
		size.Positive("B", s.B), size.Positive("D", s.D), size.Positive("N", s.N), size.Length("L", s.L),
		size.Tensor("the input (B, D, L)", s.B, s.D, s.L),
		size.Tensor("the states (B, D, N)", s.B, s.D, s.N),
		size.Tensor("the states at the starts of chunks (B, L/64, D, N)", s.B, (s.L+chunkSteps-1)/chunkSteps, s.D+maxLanes*s.G, s.N),
		size.Tensor("B and C (B, G, N, L)", s.B, s.G, s.N, s.L),
	)
}
