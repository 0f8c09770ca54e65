package layers_test

import (
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

func TestNormGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, kind := range append(layers.NormKinds(), "") {
		for _, plain := range []bool{false, true} {
			for _, shape := range [][]int{{2, 4, 5}, {1, 4, 3}, {3, 4}} {
				testutil.Check(t, func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
					l, err := layers.NewNorm(g, in[0].Dtype(), layers.NormConfig{Kind: kind, DModel: 4, NoAffine: plain})
					if err != nil {
						return nil, err
					}
					return l.Fwd(in[0])
				}, testutil.Normal(rng, "x", shape...))
			}
		}
	}
}

// TestBatchNormEvaluatesByRunningStatistics trains one step and evaluates a
// clone.
func TestBatchNormEvaluatesByRunningStatistics(t *testing.T) {
	const b, h, l, momentum = 2, 3, 5, 0.25
	x := testutil.Normal(rand.New(rand.NewPCG(4, 4)), "x", b, h, l)
	g := G.NewGraph()
	norm, err := layers.NewNorm(g, tensor.Float64, layers.NormConfig{Kind: layers.BatchNorm, DModel: h, Momentum: momentum})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := norm.Fwd(G.NewTensor(g, tensor.Float64, 3, G.WithShape(b, h, l), G.WithName("x"), G.WithValue(x.Tensor(tensor.Float64)))); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	g2 := G.NewGraph()
	eval, err := norm.CloneTo(g2)
	if err != nil {
		t.Fatal(err)
	}
	got := forward(t, eval, g2, tensor.Float64, x)
	want := make([]float64, len(got))
	for j := range h {
		var sum, squares float64
		each := func(f func(i int)) {
			for r := range b {
				for s := range l {
					f((r*h+j)*l + s)
				}
			}
		}
		each(func(i int) { sum += x.F[i] })
		mean := sum / (b * l)
		each(func(i int) { squares += (x.F[i] - mean) * (x.F[i] - mean) })
		runMean := momentum * mean
		runVar := (1 - momentum) + momentum*squares/(b*l-1) // unbiased, as PyTorch keeps it
		each(func(i int) { want[i] = (x.F[i] - runMean) / math.Sqrt(runVar+1e-5) })
	}
	if e := testutil.RelErr(got, want); !(e <= 1e-13) {
		t.Errorf("relative error %.3g", e)
	}
}

func TestNormErrors(t *testing.T) {
	for want, cfg := range map[string]layers.NormConfig{
		`layers: Norm "norm": NormConfig: want DModel >= 1, got 0`:                                  {},
		`layers: Norm "norm": NormConfig: want a finite Eps >= 0, got -1`:                           {DModel: 4, Eps: -1},
		`layers: Norm "norm": NormConfig: want Momentum in [0, 1], got 2`:                           {DModel: 4, Momentum: 2},
		`layers: Norm "norm": NormConfig: want norm "layer", "rms", "batch" or "none", got "group"`: {DModel: 4, Kind: "group"},
	} {
		_, err := layers.NewNorm(G.NewGraph(), tensor.Float64, cfg)
		wantError(t, err, want)
	}
	g := G.NewGraph()
	for _, kind := range layers.NormKinds() {
		l, err := layers.NewNorm(g, tensor.Float64, layers.NormConfig{Kind: kind, DModel: 4}, layers.WithName("n."+string(kind)))
		if err != nil {
			t.Fatal(err)
		}
		for want, x := range map[string]*G.Node{
			`: Fwd: want x (B, 4, L) or (B, 4), got nil`:       nil,
			`: Fwd: want x (B, 4, L) or (B, 4), got (2, 3, 5)`: placeholder(g, tensor.Float64, "a."+string(kind), 2, 3, 5),
			`: Fwd: want x of dtype float64, got float32`:      placeholder(g, tensor.Float32, "b."+string(kind), 2, 4, 5),
		} {
			_, err := l.Fwd(x)
			wantError(t, err, `layers: Norm "n.`+string(kind)+`"`+want)
		}
	}
}
