package fftconv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
)

// TestLowerLevels runs the tests of the arithmetic with every instruction set
// below the one that the machine has.
func TestLowerLevels(t *testing.T) {
	for l := range cpu.Detected() {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(l))
			t.Run("LongLengths", TestLongLengths)
			t.Run("EveryBatchAndChannelCount", TestEveryBatchAndChannelCount)
			t.Run("IdentitiesAtLargeLengths", TestIdentitiesAtLargeLengths)
			t.Run("ImpulseResponse", TestImpulseResponse)
			t.Run("Float32AgainstFloat64", TestFloat32AgainstFloat64)
			t.Run("AnyGradientMayBeLeftOut", TestAnyGradientMayBeLeftOut)
			t.Run("SameBitsAgain", TestSameBitsAgain)
			t.Run("SteadyStateDoesNotAllocate", TestSteadyStateDoesNotAllocate)
			t.Run("Golden", TestGolden)
		})
	}
}

// A batch in pieces gives what it gives in one, but for the order of the sums
// over it.
func TestPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, size := range []sizes{{16, 1, 1, 2100, 2100}, {9, 2, 1, 2000, 300}, {12, 1, 2, 3000, 3000}, {2, 5, 1, 4000, 4000}} {
		for _, mode := range modes {
			cfg := config{Mode: mode}
			p := planOf[float64](t, cfg, size, true)
			if got, most := p.geometry.pieces(), p.geometry.pairs(); got > most || (got > 1) != (most > 1) {
				t.Errorf("%+v: %d pieces of %d pairs", size, got, most)
			}
			whole := planOf[float64](t, cfg, size, true)
			whole.method = newSpectralPieces[float64](p.geometry, 1)
			in, dy := randomInputs[float64](rng, &p.geometry), random[float64](rng, size.B*size.CH*size.H*size.L)
			y, grad := forward(t, whole, in), backward(t, whole, in, dy)
			what := fmt.Sprintf("%+v %+v", cfg, size)
			if got := forward(t, p, in); !slices.Equal(got, y) {
				t.Errorf("%s: y differs", what)
			}
			checkPlan(t, what, p, in, dy, y, grad, tol64)
		}
	}
}

func TestNumberOfPieces(t *testing.T) {
	for _, c := range []struct {
		size sizes
		want int
	}{
		{sizes{B: 16, H: 1, CH: 1, L: 4096, LK: 4096}, 8},
		{sizes{B: 15, H: 8, CH: 1, L: 4096, LK: 4096}, 4},
		{sizes{B: 16, H: 128, CH: 1, L: 4096, LK: 4096}, 1},
		{sizes{B: 16, H: 1, CH: 1, L: 100, LK: 100}, 1},
		{sizes{B: 1, H: 1, CH: 1, L: 1 << 17, LK: 1 << 17}, 1},
	} {
		g := newGeometry(config{}, c.size)
		if got := g.pieces(); got != c.want {
			t.Errorf("%+v: %d pieces, want %d", c.size, got, c.want)
		}
	}
}
