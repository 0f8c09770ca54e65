package mega

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/size"
)

// Function makes weights of scores.
type Function string

// The functions.
const (
	Softmax Function = "softmax" // also ""
	// Laplace is for each score by itself, so that weights have no sum of 1: the
	// distribution function of a normal variable, which approximates relu squared.
	Laplace Function = "laplace"
)

// Functions lists the functions.
func Functions() []Function { return []Function{Softmax, Laplace} }

// Mean and deviation of Laplace, as published.
const (
	laplaceMean = 0.707107
	laplaceStd  = 0.282095
)

// Whole is the Chunk that is a whole sequence.
const Whole = -1

// Config describes attention.
type Config struct {
	Function Function // default Softmax
	Causal   bool     // a step sees itself and those before it in its chunk
	Chunk    int      // steps of a chunk, >= 1, or Whole
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	switch {
	case c.Function != "" && !slices.Contains(Functions(), c.Function):
		return fmt.Errorf("want Function one of %q, got %q", Functions(), c.Function)
	case c.Chunk < 1 && c.Chunk != Whole:
		return fmt.Errorf("want Chunk >= 1, or %d for whole sequences, got %d", Whole, c.Chunk)
	}
	return size.Length("Chunk", max(1, c.Chunk))
}

// chunk returns the number of steps of a chunk of a sequence of l.
func (c Config) chunk(l int) int {
	if c.Chunk == Whole {
		return l
	}
	return c.Chunk
}
