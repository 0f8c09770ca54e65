package hippo

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/size"
)

// Init names how the state matrices of a layer start. [DiagInit] makes
// diagonal ones (S4D), [DPLRInit] diagonal plus low-rank ones (S4).
type Init string

// The diagonal initialisations: A_n for n = 0..N/2-1, and B_n = 1, in the
// convention Im A <= 0.
const (
	InitLin    Init = "lin"    // S4D-Lin: A_n = -1/2 - i pi n
	InitInv    Init = "inv"    // S4D-Inv: A_n = -1/2 - i N/pi (N/(2n+1) - 1)
	InitInv2   Init = "inv2"   // A_n = -1/2 - i N/pi (N/(n+1) - 1)
	InitQuad   Init = "quad"   // A_n = -1/2 - i (2n+1)^2/pi
	InitReal   Init = "real"   // S4D-Real: A_n = -(n+1)
	InitRandom Init = "random" // A_n = -1/2 - i e^g, g ~ N(0, 1)
	InitDiag   Init = "diag"   // the first half of the copies InitInv, the other InitLin
)

// InitLegS is the LegS measure as a DPLR initialisation. As a diagonal one it
// is S4D-LegS: the same Lambda and B = V^H B, without P. (Theory asks for half
// of that B; the reference leaves the factor to C, and so do we.)
const InitLegS Init = "legs"

// The other DPLR initialisations: measures, and mixtures. The diagonal parts
// of InitAll have P = 0. InitRandom is one too, with Re P and Im P from N(0, 1/2): what a
// measure is compared with.
const (
	InitLegT  Init = "legt"
	InitLagT  Init = "lagt"
	InitFouT  Init = "fout"
	InitHiPPO Init = "hippo" // the first half of the copies InitLegS, the other InitFouT
	InitAll   Init = "all"   // a quarter each: InitLegS, InitFouT, InitInv, InitLin
)

// DiagInits lists the initialisations of [DiagInit].
func DiagInits() []Init {
	return []Init{InitLin, InitInv, InitInv2, InitQuad, InitReal, InitLegS, InitRandom, InitDiag}
}

// DPLRInits lists the initialisations of [DPLRInit].
func DPLRInits() []Init {
	return []Init{InitLegS, InitLegT, InitLagT, InitFouT, InitHiPPO, InitAll, InitRandom}
}

// Validate returns an error, which lists what is allowed, unless i is one of
// allowed: DiagInits() or DPLRInits(), as a rule.
func (i Init) Validate(allowed ...Init) error {
	return oneOf("initialisation", i, allowed)
}

// parts returns the initialisations a mixture consists of, or i alone.
func (i Init) parts() []Init {
	switch i {
	case InitDiag:
		return []Init{InitInv, InitLin}
	case InitHiPPO:
		return []Init{InitLegS, InitFouT}
	case InitAll:
		return []Init{InitLegS, InitFouT, InitInv, InitLin}
	}
	return []Init{i}
}

// shares splits the copies of an initialisation among its parts. 0 copies mean
// 1.
func shares(init Init, allowed []Init, n, copies int) (parts []Init, share int, err error) {
	if err := init.Validate(allowed...); err != nil {
		return nil, 0, err
	}
	if n < 2 || n%2 != 0 {
		return nil, 0, fmt.Errorf("hippo: init %q: want an even N >= 2 (conjugate pairs), got %d", init, n)
	}
	if copies == 0 {
		copies = 1
	}
	if err := size.Tensor("the models (copies, N)", max(copies, 0), n); err != nil {
		return nil, 0, fmt.Errorf("hippo: init %q: %w", init, err)
	}
	parts = init.parts()
	if copies < 0 || copies%len(parts) != 0 {
		return nil, 0, fmt.Errorf("hippo: init %q: want the number of copies (n_ssm) a multiple of its %d part(s), got %d", init, len(parts), copies)
	}
	return parts, copies / len(parts), nil
}

// DPLROptions parametrises [DPLRInit].
type DPLROptions struct {
	// Copies is the number of independent models (n_ssm, S). A mixture gives
	// each of its parts a contiguous share of them, so it must divide evenly.
	// Default 1.
	Copies int
	// ClipB is that of [NPLROptions]. Default 0: no clamp.
	ClipB float64
	// Seed is that of InitRandom. The copies differ from each other.
	Seed uint64
}

// DPLRInit returns S models to start an S4 layer from, state size n (N, even),
// each with rank rows of P. The copies of a part are equal, but for InitRandom, and
// share no memory.
func DPLRInit(init Init, n, rank int, opts DPLROptions) ([]*DPLR, error) {
	parts, share, err := shares(init, DPLRInits(), n, opts.Copies)
	if err != nil {
		return nil, err
	}
	for name, dims := range map[string][]int{"P (copies, rank, N)": {share, len(parts), max(rank, 0), n}, "V (copies, N, N/2)": {share, len(parts), n, n / 2}} {
		if err := size.Tensor(name, dims...); err != nil {
			return nil, fmt.Errorf("hippo: init %q: %w", init, err)
		}
	}
	var models []*DPLR
	rng := rand.New(rand.NewPCG(opts.Seed, 0))
	for _, part := range parts {
		if part == InitRandom {
			for range share {
				models = append(models, randomDPLR(n, rank, rng))
			}
			continue
		}
		d, err := dplrPart(part, n, rank, opts.ClipB)
		if err != nil {
			return nil, err
		}
		for range share {
			models = append(models, d.clone())
		}
	}
	return models, nil
}

// dplrPart returns one model of an initialisation that is no mixture.
func dplrPart(part Init, n, rank int, clipB float64) (*DPLR, error) {
	if part != InitInv && part != InitLin {
		return NPLR(Measure(part), n, rank, NPLROptions{ClipB: clipB})
	}
	d := &DPLR{P: make([][]complex128, rank)}
	d.Lambda, d.B = poles(part, n, nil)
	for r := range d.P {
		d.P[r] = make([]complex128, n/2)
	}
	return d, nil
}

// randomDPLR draws a model of InitRandom.
func randomDPLR(n, rank int, rng *rand.Rand) *DPLR {
	d := &DPLR{P: make([][]complex128, rank)}
	d.Lambda, d.B = poles(InitRandom, n, rng)
	for r := range d.P {
		d.P[r] = make([]complex128, n/2)
		for i := range d.P[r] {
			d.P[r][i] = complex(rng.NormFloat64(), rng.NormFloat64()) / complex(math.Sqrt2, 0)
		}
	}
	return d
}
