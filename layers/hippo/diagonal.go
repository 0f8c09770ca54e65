package hippo

import (
	"math"
	"math/rand/v2"
)

// DiagOptions parametrises [DiagInit].
type DiagOptions struct {
	// Copies is the number of independent models (n_ssm, S). A mixture gives
	// each of its parts a contiguous share of them, so it must divide evenly.
	// Default 1.
	Copies int
	// ClipB > 0 clamps Im B of InitLegS to [-ClipB, ClipB]. Default 0: no
	// clamp. The reference uses ReferenceClipB.
	ClipB float64
	// Normalize divides B by sqrt(2 sum_n |B_n/A_n|^2), the standard deviation
	// of the response to a constant input 1 under a random C of variance 1.
	Normalize bool
	// Seed is that of InitRandom. The copies differ from each other.
	Seed uint64
}

// DiagInit returns the diagonal state matrices and input vectors of S
// independent models (S4D, section 4; the formulas stand at the Init
// constants), one model after the other:
//
//	a  (S, N/2), Re < 0, Im <= 0
//	b  (S, N/2)
//
// n is the full state size N, even.
func DiagInit(init Init, n int, opts DiagOptions) (a, b []complex128, err error) {
	parts, share, err := shares(init, DiagInits(), n, opts.Copies)
	if err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(opts.Seed, 0))
	for _, part := range parts {
		var pa, pb []complex128
		for i := range share {
			if i == 0 || part == InitRandom {
				if pa, pb, err = diagonal(part, n, rng, opts); err != nil {
					return nil, nil, err
				}
			}
			a, b = append(a, pa...), append(b, pb...)
		}
	}
	return a, b, nil
}

// diagonal returns one model.
func diagonal(init Init, n int, rng *rand.Rand, opts DiagOptions) (a, b []complex128, err error) {
	if init == InitLegS {
		d, err := NPLR(LegS, n, 1, NPLROptions{ClipB: opts.ClipB})
		if err != nil {
			return nil, nil, err
		}
		a, b = d.Lambda, d.B
	} else {
		a, b = poles(init, n, rng)
	}
	if opts.Normalize {
		normalize(a, b)
	}
	return a, b, nil
}

// poles returns A of an initialisation in closed form, and B = 1. rng is that
// of InitRandom.
func poles(init Init, n int, rng *rand.Rand) (a, b []complex128) {
	a, b = make([]complex128, n/2), make([]complex128, n/2)
	N := float64(n)
	for i := range a {
		x := float64(i)
		re, im := -0.5, math.Pi*x // InitLin
		switch init {
		case InitInv:
			im = N / math.Pi * (N/(2*x+1) - 1)
		case InitInv2:
			im = N / math.Pi * (N/(x+1) - 1)
		case InitQuad:
			im = (2*x + 1) * (2*x + 1) / math.Pi
		case InitReal:
			re, im = -(x + 1), 0
		case InitRandom:
			im = math.Exp(rng.NormFloat64())
		}
		a[i], b[i] = complex(re, -im), 1
	}
	return a, b
}

// normalize divides b by sqrt(2 sum |b/a|^2): -b/a is the response of each
// state to a constant input, and the factor 2 counts the conjugate.
func normalize(a, b []complex128) {
	var zeta float64
	for i := range b {
		r := b[i] / a[i]
		zeta += 2 * (real(r)*real(r) + imag(r)*imag(r))
	}
	for i := range b {
		b[i] /= complex(math.Sqrt(zeta), 0)
	}
}
