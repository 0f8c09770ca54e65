package ops_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops"
)

func TestSine(t *testing.T) {
	x := testutil.Uniform(rand.New(rand.NewPCG(1, 1)), "x", -1, 1, 3, 5)
	build := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return ops.Sine(n[0], 7) }
	testutil.Check(t, build, x)
	got, err := testutil.Forward(tensor.Float64, build, x)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range x.F {
		if got[i] != math.Sin(7*v) {
			t.Errorf("sin(7 * %g): got %g", v, got[i])
		}
	}
	n := G.NewVector(G.NewGraph(), tensor.Float64, G.WithShape(2), G.WithName("x"))
	for want, f := range map[string]func() (*G.Node, error){
		"ops.Sine: want a finite omega, got NaN": func() (*G.Node, error) { return ops.Sine(n, math.NaN()) },
		"ops.Sine: ":                             func() (*G.Node, error) { return ops.Sine(nil, 1) },
	} {
		if _, err := f(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestSinusoids(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	w, b := testutil.Normal(rng, "w", 3, 1), testutil.Normal(rng, "b", 3)
	build := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return ops.Sinusoids(n[0], n[1], 4, 1, -0.25, 6) }
	testutil.Check(t, build, w, b)
	got, err := testutil.Forward(tensor.Float64, build, w, b)
	if err != nil {
		t.Fatal(err)
	}
	at := make([]float64, 3)
	for j := range 6 {
		ops.SinusoidsAt(at, w.F, b.F, 4, 1-0.25*float64(j))
		for h, v := range at {
			if want := math.Sin(4 * (w.F[h]*(1-0.25*float64(j)) + b.F[h])); got[h*6+j] != want || v != want {
				t.Errorf("wave %d at %d: got %g and %g, want %g", h, j, got[h*6+j], v, want)
			}
		}
	}
	g := G.NewGraph()
	f := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	wn, bn := f("w", 3, 1), f("b", 3)
	for want, f := range map[string]func() (*G.Node, error){
		"ops.Sinusoids: want w (H, 1), got (3)": func() (*G.Node, error) { return ops.Sinusoids(bn, bn, 1, 0, 1, 2) },
		"ops.Sinusoids: want n >= 1, got 0":     func() (*G.Node, error) { return ops.Sinusoids(wn, bn, 1, 0, 1, 0) },
		"ops.Sinusoids: want finite omega, first and step, got NaN, 0 and 1": func() (*G.Node, error) {
			return ops.Sinusoids(wn, bn, math.NaN(), 0, 1, 2)
		},
		"ops.Sinusoids: want b": func() (*G.Node, error) { return ops.Sinusoids(wn, f("short", 2), 1, 0, 1, 2) },
	} {
		if _, err := f(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
