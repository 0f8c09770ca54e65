package layers_test

import (
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// dropped runs a dropout layer once on ones (B, H, L), in training mode.
func dropped(t *testing.T, g *G.ExprGraph, l *layers.Dropout, b, h, steps int) []float64 {
	t.Helper()
	one := make([]float64, b*h*steps)
	for i := range one {
		one[i] = 1
	}
	y, err := l.Fwd(G.NewTensor(g, tensor.Float64, 3, G.WithShape(b, h, steps), G.WithName("x"), G.WithValue(testutil.Dense(tensor.Float64, one, b, h, steps))))
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

func newDropout(t *testing.T, g *G.ExprGraph, cfg layers.DropoutConfig, opts ...layers.Option) *layers.Dropout {
	t.Helper()
	l, err := layers.NewDropout(g, tensor.Float64, cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDropoutDropsFeaturesOrElements(t *testing.T) {
	const b, h, steps, p = 8, 16, 32, 0.25
	for _, untied := range []bool{false, true} {
		g := G.NewGraph()
		y := dropped(t, g, newDropout(t, g, layers.DropoutConfig{P: p, Untied: untied}), b, h, steps)
		zeros, mixed := 0, 0
		for r := range b * h {
			row := y[r*steps : (r+1)*steps]
			z := 0
			for _, v := range row {
				if v == 0 {
					z++
				} else if v != 1/(1-p) {
					t.Fatalf("got %g, want 0 or %g", v, 1/(1-p))
				}
			}
			zeros += z
			if z > 0 && z < steps {
				mixed++
			}
		}
		if untied != (mixed > 0) {
			t.Errorf("untied %v: %d of %d features are dropped at some of their steps only", untied, mixed, b*h)
		}
		draws := float64(b * h) // independent ones
		if untied {
			draws *= steps
		}
		share := float64(zeros) / float64(len(y))
		if d := math.Abs(share - p); d > 5*math.Sqrt(p*(1-p)/draws) {
			t.Errorf("untied %v: %.3f of the elements are zero, want about %g", untied, share, p)
		}
	}
}

func TestDropoutSeedChoosesTheMask(t *testing.T) {
	mask := func(opts ...layers.Option) []float64 {
		g := G.NewGraph()
		return dropped(t, g, newDropout(t, g, layers.DropoutConfig{P: 0.5}, opts...), 4, 16, 1)
	}
	first := mask(layers.WithSeed(1))
	if !slices.Equal(mask(layers.WithSeed(1)), first) {
		t.Error("the same seed drew another mask")
	}
	if slices.Equal(mask(layers.WithSeed(2)), first) {
		t.Error("another seed drew the same mask")
	}
	if slices.Equal(mask(layers.WithSeed(1), layers.WithName("other")), first) {
		t.Error("another layer drew the same mask")
	}
}

func TestDropoutDoesNothingInEvaluation(t *testing.T) {
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 3}, F: []float64{1, 2, 3, 4, 5, 6}}
	for _, p := range []float64{0, 0.5} {
		g := G.NewGraph()
		if y := forward(t, newDropout(t, g, layers.DropoutConfig{P: p}), g, tensor.Float64, x); !slices.Equal(y, x.F) {
			t.Errorf("P = %g: got %v, want %v", p, y, x.F)
		}
	}
}

func TestDropoutErrors(t *testing.T) {
	for want, p := range map[string]float64{
		`layers: Dropout "dropout": DropoutConfig: want P in [0, 1), got 1`:    1,
		`layers: Dropout "dropout": DropoutConfig: want P in [0, 1), got -0.1`: -0.1,
		`layers: Dropout "dropout": DropoutConfig: want P in [0, 1), got NaN`:  math.NaN(),
	} {
		_, err := layers.NewDropout(G.NewGraph(), tensor.Float64, layers.DropoutConfig{P: p})
		wantError(t, err, want)
	}
	for _, p := range []float64{0, 0.5} {
		g := G.NewGraph()
		l := newDropout(t, g, layers.DropoutConfig{P: p})
		for want, x := range map[string]*G.Node{
			`layers: Dropout "dropout": Fwd: want x (B, H, L) or (B, H), got nil`:                                               nil,
			`layers: Dropout "dropout": Fwd: want x (B, H, L) or (B, H), got (5)`:                                               placeholder(g, tensor.Float64, "a", 5),
			`layers: Dropout "dropout": Fwd: want x of dtype float64, got float32`:                                              placeholder(g, tensor.Float32, "b", 2, 3),
			`layers: Dropout "dropout": Fwd: x is on another graph than the layer: make a copy of the layer there with CloneTo`: placeholder(G.NewGraph(), tensor.Float64, "c", 2, 3),
		} {
			_, err := l.Fwd(x)
			wantError(t, err, want)
		}
	}
}
