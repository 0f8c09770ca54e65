package portrait

import (
	"math/cmplx"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// SystemsOf returns a layer as linear systems, or why it is none.
func SystemsOf(l layers.Layer) (systems layers.Systems, why string) {
	switch l := l.(type) {
	case *layers.LongConv:
		return nil, "the kernels are free: there is no state space"
	case *layers.DSS:
		if c := l.Config(); c.Version == vandermonde.DSSSoftmax && c.LMax == 0 {
			return nil, "DSS softmax without LMax is another system at every length"
		}
	}
	if systems, ok := l.(layers.Systems); ok {
		return systems, ""
	}
	return nil, "the layer has kernels and no state space"
}

// Dense says whether the state matrix of a layer is more than its stored poles:
// its eigenvalues are those of Eigenvalues, not those of Poles.
func Dense(l layers.Layer) bool {
	switch l.(type) {
	case *layers.S4, *layers.LSSL:
		return true
	}
	return false
}

// Spectrum is eigenvalues before and after discretisation.
type Spectrum struct {
	A  []complex128 // 1/time
	Ab []complex128 // in the unit disc if stable
}

// Poles returns the spectrum of the stored poles of a system, both of each
// conjugate pair.
func Poles(s *layers.System) (Spectrum, error) {
	var a []complex128
	for _, l := range s.Lambda {
		a = append(a, l, cmplx.Conj(l))
	}
	return discretized(s, a)
}

// known is how far rounding may have moved an eigenvalue that is drawn, relative
// to the largest.
const known = 1e-2

// Eigenvalues returns the spectrum of the state matrix of a system that is not
// diagonal, and whether it is beyond double precision: see hippo.Eigenvalues.
func Eigenvalues(s *layers.System) (spec Spectrum, beyond bool, err error) {
	a, uncertainty, err := hippo.Eigenvalues(s.Continuous.A)
	if err != nil {
		return Spectrum{}, false, err
	}
	largest := 0.0
	for _, l := range a {
		largest = max(largest, cmplx.Abs(l))
	}
	if uncertainty > known*largest {
		return Spectrum{}, true, nil
	}
	spec, err = discretized(s, a)
	return spec, false, err
}

// discretized adds what the discretisation of a system makes of eigenvalues.
func discretized(s *layers.System, a []complex128) (Spectrum, error) {
	ab, _, err := hippo.DiscretizeDiagonal(a, make([]complex128, len(a)), s.Dt, s.Disc, s.Alpha)
	return Spectrum{A: a, Ab: ab}, err
}
