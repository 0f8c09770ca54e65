package layers_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// feedForwardConfigs are configurations of every kind.
func feedForwardConfigs() []layers.FeedForwardConfig {
	cs := []layers.FeedForwardConfig{{DModel: 3}, {DModel: 4, FF: 5, NoBias: true, Dropout: 0.3}, {DModel: 1, FF: 1, Gate: true}}
	for _, act := range ops.Activations() {
		cs = append(cs, layers.FeedForwardConfig{DModel: 3, FF: 7, Activation: act},
			layers.FeedForwardConfig{DModel: 3, FF: 5, Activation: act, Gate: true, NoBias: true, Dropout: 0.2, UntiedDropout: true})
	}
	return cs
}

// feedForwards are variants of the layer, and of blocks around it.
func feedForwards() []variant {
	gated := layers.FeedForwardConfig{DModel: 3, FF: 5, Activation: ops.ActSiLU, Gate: true, NoBias: true, Dropout: 0.2, UntiedDropout: true}
	return []variant{
		variantOf(4, layers.FeedForwardConfig{DModel: 4}, layers.NewFeedForward, (*layers.FeedForward).CloneTo),
		variantOf(3, gated, layers.NewFeedForward, (*layers.FeedForward).CloneTo),
		blockVariant(layers.BlockConfig{Mixer: gated, PreNorm: true, Dropout: 0.1, UntiedDropout: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.FeedForwardConfig{DModel: 3, Activation: ops.ActGELUTanh, Dropout: 0.1}, Dropout: 0.1}),
	}
}

// naiveFeedForward computes the layer in evaluation from its parameters.
func naiveFeedForward(l *layers.FeedForward, x testutil.Input) []float64 {
	value := map[string][]float64{}
	for _, p := range l.Params() {
		value[p.Name] = p.Node.Value().Data().([]float64)
	}
	cfg, act := l.Config(), ops.ActivationFunc[float64](l.Config().Activation)
	linear := func(name string, out int, x []float64) []float64 {
		y := make([]float64, out)
		copy(y, value["feedforward."+name+".bias"])
		for o := range y {
			for i, v := range x {
				y[o] += value["feedforward."+name+".weight"][o*len(x)+i] * v
			}
		}
		return y
	}
	b, e, n := x.Shape[0], x.Shape[1], x.Shape[2]
	y := make([]float64, len(x.F))
	for r := range b {
		for s := range n {
			v := make([]float64, e)
			for i := range v {
				v[i] = x.F[(r*e+i)*n+s]
			}
			inner := cfg.FF
			if cfg.Gate {
				inner *= 2
			}
			z := linear("linear1", inner, v)
			h := slices.Clone(z[:cfg.FF])
			act(h, h)
			for i, open := range z[cfg.FF:] {
				h[i] *= open
			}
			for i, v := range linear("linear2", e, h) {
				y[(r*e+i)*n+s] = v
			}
		}
	}
	return y
}

func TestFeedForward(t *testing.T) {
	for _, cfg := range feedForwardConfigs() {
		x := testutil.Normal(rand.New(rand.NewPCG(4, 1)), "x", 2, cfg.DModel, 5)
		g := G.NewGraph()
		l, err := layers.NewFeedForward(g, tensor.Float64, cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := naiveFeedForward(l, x)
		if e := testutil.RelErr(forward(t, l, g, tensor.Float64, x), want); !(e <= 1e-14) {
			t.Errorf("%+v: relative error %.3g", cfg, e)
		}
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-14, tensor.Float32: 1e-6} {
			l, err := layers.NewFeedForward(G.NewGraph(), dt, cfg)
			if err != nil {
				t.Fatal(err)
			}
			r, err := l.Recurrence(2)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(stepAll(t, r, dt, x), want); !(e <= tol) {
				t.Errorf("%+v: steps in %v off by %.3g", cfg, dt, e)
			}
		}
		cfg.Dropout = 0
		testutil.Check(t, func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			l, err := layers.NewFeedForward(g, in[0].Dtype(), cfg)
			if err != nil {
				return nil, err
			}
			return l.Fwd(in[0])
		}, x)
	}
}

// Gradients go through the dropouts, of which a block leaves its own to the layer if
// it drops features.
func TestFeedForwardInABlock(t *testing.T) {
	x := testutil.Normal(rand.New(rand.NewPCG(4, 2)), "x", 2, 3, 7)
	for _, cfg := range []layers.BlockConfig{
		{Mixer: layers.FeedForwardConfig{DModel: 3, FF: 4, Gate: true, Dropout: 0.3, UntiedDropout: true}, Dropout: 0.3},
		{Mixer: layers.FeedForwardConfig{DModel: 3, FF: 4, Dropout: 0.3}, Dropout: 0.3, UntiedDropout: true, PreNorm: true},
	} {
		testutil.Check(t, func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			l, err := layers.NewBlock(g, n[0].Dtype(), cfg)
			if err != nil {
				return nil, err
			}
			return l.Fwd(n[0])
		}, x)
	}
}

// As many of the features in between are dropped as should be, at all steps at once
// unless untied.
func TestFeedForwardDropout(t *testing.T) {
	const p, dModel, ff, n = 0.25, 2, 4000, 3
	for _, untied := range []bool{false, true} {
		g := G.NewGraph()
		l, err := layers.NewFeedForward(g, tensor.Float64, layers.FeedForwardConfig{
			DModel: dModel, FF: ff, Activation: ops.ActIdentity, NoBias: true, Dropout: p, UntiedDropout: untied,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Params() { // the output counts what is left
			w := p.Node.Value().Data().([]float64)
			for i := range w {
				w[i] = 1
			}
		}
		one := testutil.Input{Name: "x", Shape: tensor.Shape{1, dModel, n}, F: slices.Repeat([]float64{1}, dModel*n)}
		y, err := l.Fwd(node(g, tensor.Float64, one))
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
		got := testutil.Floats(v)
		for _, sum := range got {
			if left := sum * (1 - p) / (dModel * ff); math.Abs(left-(1-p)) > 0.03 || left == 1-p {
				t.Errorf("untied %v: %.4f of the features are left, want about %.4f", untied, left, 1-p)
			}
		}
		if tied := got[0] == got[1] && got[1] == got[2]; tied == untied {
			t.Errorf("untied %v: sums %v over the steps", untied, got)
		}
	}
}

func TestFeedForwardParams(t *testing.T) {
	for _, c := range []struct {
		cfg  layers.FeedForwardConfig
		want []string
	}{
		{layers.FeedForwardConfig{DModel: 4}, []string{
			"ff.linear1.weight (16, 4)", "ff.linear1.bias (16)", "ff.linear2.weight (4, 16)", "ff.linear2.bias (4)",
		}},
		{layers.FeedForwardConfig{DModel: 4, FF: 8, Gate: true, NoBias: true}, []string{"ff.linear1.weight (16, 4)", "ff.linear2.weight (4, 8)"}},
	} {
		l, err := layers.NewFeedForward(G.NewGraph(), tensor.Float64, c.cfg, layers.WithName("ff"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range l.Params() {
			got = append(got, fmt.Sprint(p.Name, " ", p.Node.Shape()))
			fanIn := p.Node.Shape()[p.Node.Shape().Dims()-1]
			if p.Node.Shape().Dims() == 1 {
				fanIn = map[int]int{16: 4, 4: 16}[p.Node.Shape()[0]]
			}
			bound := 1 / math.Sqrt(float64(fanIn))
			v := p.Node.Value().Data().([]float64)
			if most := max(slices.Max(v), -slices.Min(v)); most > bound || most < bound/2 {
				t.Errorf("%s starts within %g, want %g", p.Name, most, bound)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("parameters %q, want %q", got, c.want)
		}
	}
}

func TestFeedForwardJSON(t *testing.T) {
	want := layers.BlockConfig{Mixer: layers.FeedForwardConfig{
		DModel: 3, FF: 4, Activation: ops.ActSiLU, Gate: true, Dropout: 0.1, UntiedDropout: true, NoBias: true,
	}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const as = `{"mixer":{"kind":"feedforward","d_model":3,"ff":4,"activation":"silu","gate":true,"dropout":0.1,"untied_dropout":true,"no_bias":true}}`
	if string(text) != as {
		t.Errorf("got %s\nwant %s", text, as)
	}
	var got layers.BlockConfig
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestFeedForwardErrors(t *testing.T) {
	for want, cfg := range map[string]layers.FeedForwardConfig{
		"want DModel >= 1, got 0":                 {},
		"want FF >= 1, or 0 for 4*DModel, got -1": {DModel: 1, FF: -1},
		`Activation: want an activation of ["gelu" "gelu_tanh" "relu" "silu" "tanh" "sigmoid" "identity"], got "swish"`: {DModel: 1, Activation: "swish"},
		"Dropout: DropoutConfig: want P in [0, 1), got 1":                                                               {DModel: 1, Dropout: 1},
		"want at most 2147483647 elements in linear1.weight (FF, DModel), got 1048576 x 1048576":                        {DModel: 1 << 20, FF: 1 << 20},
		"want at most 2147483647 elements in linear1.weight (2*FF, DModel), got 2097152 x 1048576":                      {DModel: 1 << 20, FF: 1 << 20, Gate: true},
		"want DModel at most 2147483647, got 4611686018427387904":                                                       {DModel: 1 << 62},
	} {
		_, err := layers.NewFeedForward(G.NewGraph(), tensor.Float32, cfg)
		wantError(t, err, `layers: FeedForward "feedforward": FeedForwardConfig: `+want)
	}
	g := G.NewGraph()
	l, err := layers.NewFeedForward(g, tensor.Float32, layers.FeedForwardConfig{DModel: 3}, layers.WithName("ff"))
	if err != nil {
		t.Fatal(err)
	}
	for want, x := range map[string]*G.Node{
		`layers: FeedForward "ff": Fwd: want x (B, 3, L), got nil`:                                                         nil,
		`layers: FeedForward "ff": Fwd: want x (B, 3, L), got (2, 3)`:                                                      placeholder(g, tensor.Float32, "a", 2, 3),
		`layers: FeedForward "ff": Fwd: want x of dtype float32, got float64`:                                              placeholder(g, tensor.Float64, "b", 2, 3, 4),
		`layers: FeedForward "ff": Fwd: x is on another graph than the layer: make a copy of the layer there with CloneTo`: placeholder(G.NewGraph(), tensor.Float32, "c", 2, 3, 4),
	} {
		_, err := l.Fwd(x)
		wantError(t, err, want)
	}
	x := placeholder(g, tensor.Float32, "x", 2, 3, 4)
	_, err = l.FwdLengths(x, placeholder(g, tensor.Int, "n", 3))
	wantError(t, err, `layers: FeedForward "ff": Fwd: want lengths (2) of dtype int, got (3) of dtype int`)
	_, _, err = l.FwdState(x, G.Nodes{x})
	wantError(t, err, `layers: FeedForward "ff": FwdState: want no state, got 1 tensors`)
}
