package bfloat16

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// bitsOf are those of numbers: NaN is itself.
func bitsOf(v []float32) []uint32 {
	b := make([]uint32, len(v))
	for i, x := range v {
		b[i] = math.Float32bits(x)
	}
	return b
}

// numbersOf are numbers of all kinds.
func numbersOf(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
		if rng.IntN(4) == 0 {
			v[i] = math.Float32frombits(rng.Uint32()) // also NaN, infinite, subnormal
		}
	}
	return v
}

// Every level gives the same bits at every length, wherever the operands are, and
// touches nothing else.
func TestLevels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for l := cpu.Generic + 1; l <= cpu.Detected(); l++ {
		for n := range 100 {
			x, rest := numbersOf(rng, n), make([]float32, n)
			for i := range rest {
				rest[i] = float32(rng.NormFloat64()) / 256
			}
			offset := n % 16
			type result struct {
				split            []byte
				rest, read, sums *fence.Buffer[float32]
			}
			run := func(l cpu.Level) (r result) {
				defer cpu.SetActive(cpu.SetActive(l))
				memory := make([]byte, Size*n+2*Size)
				r.split = memory[offset%3:][:Size*n]
				r.rest, r.read, r.sums = fence.Of(rest, offset), fence.Of(rest, offset+1), fence.Of(rest, offset+2)
				Split(r.split, r.rest.V, 0.75, fence.Of(x, offset+3).V)
				Read(r.read.V, r.split)
				Add(r.sums.V, r.split)
				for i, b := range memory {
					if b != 0 && (i < offset%3 || i >= offset%3+Size*n) {
						t.Fatalf("%v: byte %d is written", l, i-offset%3)
					}
				}
				return r
			}
			got, want := run(l), run(cpu.Generic)
			if !bytes.Equal(got.split, want.split) || !slices.Equal(bitsOf(got.rest.V), bitsOf(want.rest.V)) {
				t.Fatalf("%v: Split of %d: got %x and %v, want %x and %v", l, n, got.split, got.rest.V, want.split, want.rest.V)
			}
			if !slices.Equal(bitsOf(got.read.V), bitsOf(want.read.V)) || !slices.Equal(bitsOf(got.sums.V), bitsOf(want.sums.V)) {
				t.Fatalf("%v: Read or Add of %d", l, n)
			}
			for _, b := range []*fence.Buffer[float32]{got.rest, got.read, got.sums} {
				b.Check(t, l.String())
			}
		}
	}
}
