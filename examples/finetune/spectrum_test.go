package main

import (
	"bytes"
	"math"
	"math/cmplx"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// The A of both layers that is read from the parameters is that of the layers'
// own systems.
func TestReadAIsThatOfTheLayer(t *testing.T) {
	const tol = 1e-6 // of float32 parameters
	for _, layer := range modelNames {
		o, err := parseOptions(small(t.TempDir(), "-model", layer, "-d-state", "6"), &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := models.NewClassifier(G.NewGraph(), train.Float32.Tensor(), o.model(), o.seed)
		if err != nil {
			t.Fatal(err)
		}
		as, err := o.readA(m)
		if err != nil {
			t.Fatal(err)
		}
		dts, err := o.readSteps(m)
		if err != nil {
			t.Fatal(err)
		}
		for h := range o.dModel {
			sys, err := m.Blocks()[0].Mixer().(layers.Systems).System(0, h)
			if err != nil {
				t.Fatal(err)
			}
			s := h % o.nSSM
			real, err := as[s].Real(make([]complex128, 3))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				for k := range 6 {
					if got, want := real.A.At(i, k), sys.Continuous.A.At(i, k); math.Abs(got-want) > tol*(1+math.Abs(want)) {
						t.Errorf("%s: A of feature %d at (%d, %d): got %g, want %g", layer, h, i, k, got, want)
					}
				}
			}
			if sys.Dt < dts[s].least*(1-tol) || sys.Dt > dts[s].most*(1+tol) {
				t.Errorf("%s: step size %g of feature %d, want %g to %g", layer, sys.Dt, h, dts[s].least, dts[s].most)
			}
		}
	}
}

func TestEigenvaluesOfLegS(t *testing.T) {
	init, err := hippo.DPLRInit(hippo.InitLegS, 4, 1, hippo.DPLROptions{})
	if err != nil {
		t.Fatal(err)
	}
	z, largest, err := eigenvalues(init[0])
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(largest+1) > 1e-6 { // float64, of eigenvalues that are not well conditioned
		t.Errorf("largest real part %g, want -1", largest)
	}
	for i, want := range []complex128{-4, -3, -2, -1} {
		if !slices.ContainsFunc(z, func(v complex128) bool { return cmplx.Abs(v-want) < 1e-6 }) {
			t.Errorf("no eigenvalue %d, %g, in %g", i, want, z)
		}
	}
}

// Rounding of a large P P^H does not make a stable A look unstable.
func TestEigenvaluesOfALargeCorrection(t *testing.T) {
	for _, size := range []float64{1e3, 1e9, 1e18} {
		a := &hippo.DPLR{
			Lambda: []complex128{-1e-3 - 5i, -1e-6 - 1i, -1e-9 - 80i},
			B:      make([]complex128, 3),
			P:      [][]complex128{{complex(size, -2*size), complex(size/3, 0), complex(0, size)}},
		}
		z, largest, err := eigenvalues(a)
		if err != nil {
			t.Fatal(err)
		}
		if !(largest <= -1e-9) || largestReal(z) != largest {
			t.Errorf("|P| = %g: largest real part %g, of all %g", size, largest, z)
		}
	}
}

func TestFollow(t *testing.T) {
	last := spectrum{-4, -1, -2 + 3i, -2 - 3i}
	next := spectrum{-2.1 - 3i, -0.8, -2.1 + 3i, -4.3}
	if got, want := follow(last, next), (spectrum{-4.3, -0.8, -2.1 + 3i, -2.1 - 3i}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTimesInSteps(t *testing.T) {
	one, some := steps{0.1, 0.1}, steps{0.1, 0.2}
	for _, c := range []struct{ got, want string }{
		{one.decay(-0.5 + 3i), "20"},
		{some.decay(-0.5 + 3i), "10..20"},
		{one.period(-0.5 + complex(0, math.Pi)), "20"},
		{some.period(-0.5 - complex(0, math.Pi)), "10..20"},
		{one.period(-0.5), "none"},
		{one.period(-0.5 + 0.1i), "none"},
		{format(complex(-0.5, math.Copysign(0, -1))), "-0.5+0i"},
		{format(-1.23456 - 3i), "-1.23-3i"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}
