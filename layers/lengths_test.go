package layers_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// lengthsVariants lists layers that need the lengths of their rows and layers
// that do not.
func lengthsVariants() []variant {
	return []variant{
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4}),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true, Frozen: []string{"D"}}}),
		s4Variant(layers.S4Config{DModel: 2, DState: 4, SSM: layers.SSM{Gate: 2, Bottleneck: 2}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, Version: vandermonde.DSSExp, LMax: 4}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 4}),
		s5Variant(layers.S5Config{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true, Mixing: layers.MixHalfGLU2}}),
		lruVariant(layers.LRUConfig{DModel: 2, DState: 2}),
		s4ndVariant(layers.S4NDConfig{DModel: 2, Shape: []int{2, 4}, S4NDAxis: layers.S4NDAxis{DState: 4}, SSM: layers.SSM{Bidirectional: true}}),
		lstmVariant(layers.LSTMConfig{DModel: 2, Layers: 2}),
		gruVariant(layers.GRUConfig{DModel: 2, Bidirectional: true}),
		hippoRNNVariant(layers.HiPPORNNConfig{DModel: 2}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4Config{DModel: 2, DState: 4}, Norm: layers.BatchNorm, PreNorm: true}),
	}
}

// fwdLengths returns what runs a layer on x and lengths.
func fwdLengths(t *testing.T, v variant) testutil.Build {
	return func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		return v.on(t, g, in[0].Dtype()).FwdLengths(in[0], in[1])
	}
}

// On the TapeMachine alone: where a run fails, Gorgonia's LispMachine has a data
// race of its own.
func TestWrongLengthsFailTheRun(t *testing.T) {
	const batch, l = 2, 8
	for _, v := range lengthsVariants() {
		x := testutil.Normal(rand.New(rand.NewPCG(1, 0)), "x", batch, 2, l)
		for want, lengths := range map[string][]int{
			"lengths[0]: want a length in [0, 8], got -1":                  {-1, 3},
			"lengths[0]: want a length in [0, 8], got 9":                   {9, 3},
			"lengths[1]: want a length in [0, 8], got 9223372036854775807": {1, math.MaxInt},
		} {
			_, err := testutil.Run(testutil.Tape, tensor.Float64, fwdLengths(t, v), nil, x, testutil.Ints("lengths", lengths, batch))
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "layers: ") {
				t.Errorf("%s: got error %v, want %q", v.name, err, want)
			}
		}
	}
}

// Lengths move no step that counts, and neither machine stumbles over them.
func TestLengthsOnBothMachines(t *testing.T) {
	const batch, l = 2, 8
	for _, v := range lengthsVariants() {
		x := testutil.Normal(rand.New(rand.NewPCG(1, 0)), "x", batch, 2, l)
		full := testutil.Ints("lengths", []int{l, l}, batch)
		tape, err := testutil.Run(testutil.Tape, tensor.Float64, fwdLengths(t, v), nil, x, full)
		if err != nil {
			t.Fatal(err)
		}
		lisp, err := testutil.Run(testutil.Lisp, tensor.Float64, fwdLengths(t, v), nil, x, full)
		if err != nil {
			t.Fatal(err)
		}
		without, err := testutil.Run(testutil.Tape, tensor.Float64, func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			return v.on(t, g, tensor.Float64).Fwd(in[0])
		}, nil, x)
		if err != nil {
			t.Fatal(err)
		}
		for what, r := range map[string]*testutil.Result{"LispMachine": lisp, "without lengths": without} {
			if e := testutil.RelErr(r.Out, tape.Out); !(e <= 1e-12) {
				t.Errorf("%s: %s: output off by %.3g", v.name, what, e)
			}
			if e := testutil.RelErr(r.Grads[0], tape.Grads[0]); !(e <= 1e-12) {
				t.Errorf("%s: %s: gradient off by %.3g", v.name, what, e)
			}
		}
	}
}

// The parameter that lengths are tied to gets the gradient it has without them.
func TestLengthsKeepTheGradientOfD(t *testing.T) {
	x := testutil.Normal(rand.New(rand.NewPCG(1, 0)), "x", 2, 2, 8)
	var grads [2][]float64
	for k, withLengths := range []bool{false, true} {
		g := G.NewGraph()
		layer := newS4D(t, g, tensor.Float64, layers.S4DConfig{DModel: 2, DState: 4})
		var n *G.Node
		if withLengths {
			n = G.NewVector(g, tensor.Int, G.WithShape(2), G.WithName("lengths"), G.WithValue(tensor.New(tensor.WithBacking([]int{8, 8}))))
		}
		y, err := layer.FwdLengths(node(g, tensor.Float64, x), n)
		if err != nil {
			t.Fatal(err)
		}
		var d *G.Node
		for _, p := range layer.Params() {
			if strings.HasSuffix(p.Name, ".D") {
				d = p.Node
			}
		}
		ds, err := G.Grad(G.Must(G.Sum(y)), d)
		if err != nil {
			t.Fatal(err)
		}
		grads[k] = run(t, g, ds[0])
	}
	if e := testutil.RelErr(grads[1], grads[0]); !(e <= 1e-13) {
		t.Errorf("gradient of D: %v with lengths, %v without", grads[1], grads[0])
	}
}
