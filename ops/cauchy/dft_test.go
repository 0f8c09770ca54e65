package cauchy

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

const tolDFT = 1e-13

// Both transforms against the definition, at lengths with and without large
// prime factors.
func TestDFT(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	lengths := []int{256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048} // halves that internal/fft may have
	for n := 1; n <= 160; n++ {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		kinds := map[string]*dft[float64]{"chosen": newDFT[float64](n), "chirp": {fft: newChirp(n), seq: make([]float64, n)}}
		bins := randomBins(rng, n)
		for name, d := range kinds {
			l := 1 + rng.IntN(n) // only so many samples matter
			got, want := make([]float64, l), make([]float64, l)
			d.inverse(got, bins)
			for i := range want {
				want[i] = sample(bins, n, i)
			}
			if e := distance(got, want); !(e <= tolDFT) {
				t.Errorf("n = %d, %s: inverse off by %.3g", n, name, e)
			}
			// The adjoint: sum_l g_l k_l = Re sum_k adjoint_k bins_k.
			g := make([]float64, l)
			var lhs, rhs float64
			for i := range g {
				g[i] = rng.NormFloat64()
				lhs += g[i] * got[i]
			}
			adj := randomBins(rng, n)
			d.adjoint(adj, g)
			for k := range adj.re {
				rhs += real(adj.at(k) * bins.at(k))
			}
			if math.Abs(lhs-rhs) > tolDFT*float64(n) {
				t.Errorf("n = %d, %s: adjoint: %g, want %g", n, name, rhs, lhs)
			}
		}
	}
}

// randomBins returns bins of a transform of length n, and a few more.
func randomBins(rng *rand.Rand, n int) row {
	bins := newRowList(1, wholeVectors(n))[0]
	for k := range bins.re {
		bins.set(k, complex(rng.NormFloat64(), rng.NormFloat64()))
	}
	return bins
}

// sample is element l of the real signal of length n with the given bins.
func sample(bins row, n, l int) float64 {
	var s float64
	for k := range n/2 + 1 {
		b := bins.at(k)
		v := b * cmplx.Exp(complex(0, 2*math.Pi*float64(k*l%n)/float64(n)))
		s += occurrences(k, n) * real(v)
		if occurrences(k, n) == 1 { // the imaginary part of the bin is not read
			s += imag(b) * math.Sin(2*math.Pi*float64(k*l%n)/float64(n))
		}
	}
	return s / float64(n)
}

func distance(a, b []float64) float64 {
	var d float64
	for i := range a {
		d = max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

// A long prime length, by the chirp, against single samples of the definition.
func TestLongPrimeLength(t *testing.T) {
	const n = 16381
	rng := rand.New(rand.NewPCG(1, 2))
	bins := randomBins(rng, n)
	got := make([]float64, n)
	newDFT[float64](n).inverse(got, bins)
	for _, l := range []int{0, 1, 77, n / 2, n - 1} {
		if want := sample(bins, n, l); math.Abs(got[l]-want) > tolDFT {
			t.Errorf("sample %d: %g, want %g", l, got[l], want)
		}
	}
}

func TestLargestPrime(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 12: 3, 97: 97, 1024: 2, 16000: 5, 15999: 5333, 16381: 16381, 71 * 71: 71} {
		if got := largestPrime(n); got != want {
			t.Errorf("largestPrime(%d) = %d, want %d", n, got, want)
		}
	}
}
