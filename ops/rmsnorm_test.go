package ops

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naiveRMSNorm normalises x (B, H, L) over H.
func naiveRMSNorm(x []float64, nh, nl int, weight []float64, eps float64) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		b, h, l := i/(nh*nl), i/nl%nh, i%nl
		var square float64
		for j := range nh {
			v := x[(b*nh+j)*nl+l]
			square += v * v / float64(nh)
		}
		y[i] = x[i] / math.Sqrt(square+eps)
		if weight != nil {
			y[i] *= weight[h]
		}
	}
	return y
}

// Squares that float32 has no room for are no reason for an output of 0.
func TestNormsOfLargeInputs(t *testing.T) {
	rng := newRand(12)
	w, x := testutil.Normal(rng, "w", 3), testutil.Normal(rng, "x", 2, 3, 5)
	for i := range x.F {
		x.F[i] *= 1e25
	}
	for name, f := range map[string]testutil.Build{
		"RMSNorm":   build(func(n []*G.Node) (*G.Node, error) { return RMSNorm(n[0], n[1], 1e-5) }),
		"LayerNorm": build(func(n []*G.Node) (*G.Node, error) { return LayerNorm(n[0], n[1], n[1], 1e-5) }),
	} {
		got, err := testutil.Forward(tensor.Float32, f, x, w)
		if err != nil {
			t.Fatal(err)
		}
		want, err := testutil.Forward(tensor.Float64, f, x, w)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(got, want); !(e <= 1e-5) {
			t.Errorf("%s: off by %.3g", name, e)
		}
	}
}

func TestRMSNorm(t *testing.T) {
	const eps = 0.1 // at one feature a gradient is eps/x² of its terms
	rng := newRand(11)
	for _, n := range bhlSizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w, x := testutil.Normal(rng, "w", n[1]), testutil.Normal(rng, "x", n[0], n[1], n[2])
			f := build(func(n []*G.Node) (*G.Node, error) { return RMSNorm(n[0], n[1], eps) })
			checkValue(t, f, naiveRMSNorm(x.F, n[1], n[2], w.F, eps), x, w)
			testutil.Check(t, f, x, w)
			f = build(func(n []*G.Node) (*G.Node, error) { return RMSNorm(n[0], nil, eps) })
			checkValue(t, f, naiveRMSNorm(x.F, n[1], n[2], nil, eps), x)
			testutil.Check(t, f, x)

			y := testutil.Normal(rng, "y", n[0], n[1], n[2])
			sum := build(func(n []*G.Node) (*G.Node, error) { return AddRMSNorm(n[0], n[1], n[2], eps) })
			apart := build(func(n []*G.Node) (*G.Node, error) {
				s, err := Add(n[0], n[1])
				if err != nil {
					return nil, err
				}
				return RMSNorm(s, n[2], eps)
			})
			testutil.Check(t, sum, x, y, w)
			sameResults(t, sum, apart, x, y, w)
		})
	}
}

func TestRMSNormStep(t *testing.T) {
	const h, eps = 5, 1e-6
	rng := newRand(12)
	x, w := testutil.Normal(rng, "x", 1, h, 1), testutil.Normal(rng, "w", h)
	for _, weight := range [][]float64{w.F, nil} {
		got := make([]float64, h)
		NewRMSNormStep(weight, eps).Apply(got, x.F)
		if e := testutil.RelErr(got, naiveRMSNorm(x.F, h, 1, weight, eps)); !(e <= 1e-15) {
			t.Errorf("relative error %.3g", e)
		}
	}
}

func TestRMSNormErrors(t *testing.T) {
	g := newGraph()
	x, w := g.f64("x", 2, 3, 5), g.f64("w", 3)
	_, err := RMSNorm(w, w, 0)
	wantError(t, err, "ops.RMSNorm: want x (B, H, L) or (B, H), got (3)")
	_, err = RMSNorm(x, x, 0)
	wantError(t, err, "ops.RMSNorm: want weight (3), got (2, 3, 5)")
	_, err = AddRMSNorm(x, w, w, 0)
	wantError(t, err, "ops.AddRMSNorm: want y (2, 3, 5), got (3)")
	_, err = AddRMSNorm(x, x, w, -1)
	wantError(t, err, "ops.AddRMSNorm: want eps finite and at least 0, got -1")
}
