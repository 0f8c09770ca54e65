package ops

import (
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestWeightNorm(t *testing.T) {
	rng := newRand(1)
	f := build(func(n []*G.Node) (*G.Node, error) { return WeightNorm(n[0], n[1]) })
	for _, shape := range [][]int{{1, 3}, {3, 4}, {2, 3, 5}, {4, 1, 20}} {
		v, g := testutil.Normal(rng, "v", shape...), testutil.Normal(rng, "g", shape[0])
		m := len(v.F) / shape[0]
		var want []float64
		for n := range shape[0] {
			var s float64
			for _, x := range v.F[n*m : (n+1)*m] {
				s += x * x
			}
			for _, x := range v.F[n*m : (n+1)*m] {
				want = append(want, g.F[n]*x/math.Sqrt(s))
			}
		}
		checkValue(t, f, want, v, g)
		testutil.Check(t, f, v, g)
	}
}

// Weights of a direction that is none are 0, and have no gradient.
func TestWeightNormOfZeros(t *testing.T) {
	v := testutil.Input{Name: "v", Shape: tensor.Shape{2, 2}, F: []float64{0, 0, 3, 4}}
	g := testutil.Input{Name: "g", Shape: tensor.Shape{2}, F: []float64{2, 10}}
	f := build(func(n []*G.Node) (*G.Node, error) { return WeightNorm(n[0], n[1]) })
	r, err := testutil.Run(testutil.Tape, tensor.Float64, f, []float64{5, 6, 1, 0}, v, g)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string][2][]float64{
		"w": {r.Out, {0, 0, 6, 8}}, "dv": {r.Grads[0], {0, 0, 2 * 0.64, -2 * 0.48}}, "dg": {r.Grads[1], {0, 0.6}},
	} {
		if e := testutil.RelErr(c[0], c[1]); !(e <= 1e-15) {
			t.Errorf("%s: got %v, want %v", what, c[0], c[1])
		}
	}
}

func TestWeightNormErrors(t *testing.T) {
	g := newGraph()
	v := g.f64("v", 2, 3)
	_, err := WeightNorm(nil, g.f64("g", 2))
	wantError(t, err, "ops.WeightNorm: want v, got nil")
	_, err = WeightNorm(g.f64("v1", 2), g.f64("g1", 2))
	wantError(t, err, "ops.WeightNorm: want v (N, ...) of at least two axes, got (2)")
	_, err = WeightNorm(v, g.f64("g3", 3))
	wantError(t, err, "ops.WeightNorm: want g (2), got (3)")
	_, err = WeightNorm(v, nil)
	wantError(t, err, "ops.WeightNorm: want g (2), got nil")
	_, err = WeightNorm(v, g.f32("g2", 2))
	wantError(t, err, "ops.WeightNorm: want g (2) of dtype float64, got dtype float32")
}
