package ndconv_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/ndconv"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func TestBandLimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	c := testutil.Normal(rng, "c", 2, 2, 3, 2)
	// Frequencies dt |Im A| / 2 pi, in the units of the sampling rate, at dt = 1/2 and 1.
	aImag := testutil.Input{Name: "aImag", Shape: tensor.Shape{1, 3}, F: []float64{2 * math.Pi * 0.2, -2 * math.Pi * 0.3, 2 * math.Pi * 0.7}, Fixed: true}
	for _, x := range []struct {
		dt   testutil.Input
		band ndconv.Band
		keep []bool // (H, N)
	}{
		{testutil.Input{Shape: tensor.Shape{2, 1}, F: []float64{math.Log(0.5), 0}}, ndconv.Band{Limit: 0.5}, []bool{true, true, false, true, false, false}},
		{testutil.Input{Shape: tensor.Shape{2}, F: []float64{math.Log(0.5), 0}}, ndconv.Band{Limit: 1}, []bool{true, true, true, true, true, false}},
		{testutil.Input{Shape: tensor.Shape{2, 3}, F: []float64{0.5, 1, 1, 1, 1, 0.1}}, ndconv.Band{Limit: 0.5, DtTransform: ssm.None}, []bool{true, false, false, true, false, true}},
	} {
		x.dt.Name, x.dt.Fixed = "dt", true
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			return ndconv.BandLimit(x.band, in[0], in[1], in[2])
		}
		want := slices.Clone(c.F)
		for i := range want {
			if !x.keep[i/2%6] {
				want[i] = 0
			}
		}
		got, err := testutil.Forward(tensor.Float64, f, c, x.dt, aImag)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, %v, want %v", x.band, got, err, want)
		}
		testutil.Check(t, f, c, x.dt, aImag)
	}
}

func TestBandLimitErrors(t *testing.T) {
	g := G.NewGraph()
	f := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	c, dt, a := f("c", 2, 4, 3, 2), f("dt", 4, 1), f("a", 2, 3)
	for want, x := range map[string]struct {
		b        ndconv.Band
		c, dt, a *G.Node
	}{
		"want a Limit above 0, got 0":           {ndconv.Band{}, c, dt, a},
		"want a Limit above 0, got NaN":         {ndconv.Band{Limit: math.NaN()}, c, dt, a},
		"c: want a node, got nil":               {ndconv.Band{Limit: 1}, nil, dt, a},
		"c: want (CH, H, N, 2), got (4, 3, 2)":  {ndconv.Band{Limit: 1}, f("c3", 4, 3, 2), dt, f("a2", 4, 3)},
		"aImag: want (S, 5), got (2, 3)":        {ndconv.Band{Limit: 1}, f("c2", 2, 4, 5, 2), dt, a},
		"dt: want (4, 1) or (4) or (4, 3), got": {ndconv.Band{Limit: 1}, c, f("dt2", 3, 1), a},
		"got H = 4, S = 3":                      {ndconv.Band{Limit: 1}, c, dt, f("a3", 3, 3)},
		`want transform "exp", "softplus", "relu", "sigmoid" or "none", got "square"`: {ndconv.Band{Limit: 1, DtTransform: "square"}, c, dt, a},
	} {
		_, err := ndconv.BandLimit(x.b, x.c, x.dt, x.a)
		if err == nil || !strings.HasPrefix(err.Error(), "ndconv.BandLimit: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestBandLimitArguments(t *testing.T) {
	args := []testutil.Argument{testutil.Arg("c", 2, 4, 3, 2), testutil.Arg("dt", 4, 1), testutil.Arg("aImag", 2, 3)}
	testutil.CheckArguments(t, "ndconv.BandLimit", args, func(n []*G.Node) (*G.Node, error) {
		return ndconv.BandLimit(ndconv.Band{Limit: 1}, n[0], n[1], n[2])
	})
}
