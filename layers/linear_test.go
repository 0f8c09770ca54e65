package layers_test

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// wantError fails unless err is exactly the error wanted.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got error %v\nwant %s", err, want)
	}
}

// placeholder returns a node without a value.
func placeholder(g *G.ExprGraph, dt tensor.Dtype, name string, shape ...int) *G.Node {
	return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(name))
}

func TestLinear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shape := range [][]int{{2, 3, 5}, {1, 3, 1}, {2, 3}} {
		for _, noBias := range []bool{false, true} {
			testutil.Check(t, func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
				l, err := layers.NewLinear(g, in[0].Dtype(), layers.LinearConfig{In: 3, Out: 4, NoBias: noBias})
				if err != nil {
					return nil, err
				}
				return l.Fwd(in[0])
			}, testutil.Normal(rng, "x", shape...))
		}
	}
}

// What is behind an encoder of features learns: the features may be parameters,
// or be computed from some.
func TestLinearFeaturesGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, behind := range []bool{false, true} {
		testutil.Check(t, func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			l, err := layers.NewLinear(g, in[0].Dtype(), layers.LinearConfig{In: 3, Out: 4, ChannelsLast: true})
			if err != nil {
				return nil, err
			}
			x := in[0]
			if behind {
				if x, err = G.Tanh(x); err != nil {
					return nil, err
				}
			}
			return l.Fwd(x)
		}, testutil.Normal(rng, "x", 2, 5, 3))
	}
}

// TestLinearFeaturesIsLinear holds channels-last input against the same data,
// channels first.
func TestLinearFeaturesIsLinear(t *testing.T) {
	const b, l, in = 2, 5, 3
	first := testutil.Normal(rand.New(rand.NewPCG(2, 2)), "x", b, in, l)
	last := testutil.Normal(rand.New(rand.NewPCG(2, 2)), "x", b, l, in)
	for i := range b {
		for j := range in {
			for s := range l {
				last.F[(i*l+s)*in+j] = first.F[(i*in+j)*l+s]
			}
		}
	}
	out := func(x testutil.Input, features bool) []float64 {
		g := G.NewGraph()
		lin, err := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: in, Out: 4, ChannelsLast: features})
		if err != nil {
			t.Fatal(err)
		}
		return forward(t, lin, g, tensor.Float64, x)
	}
	if e := testutil.RelErr(out(last, true), out(first, false)); !(e <= 1e-14) {
		t.Errorf("relative error %.3g", e)
	}
}

func TestLinearErrors(t *testing.T) {
	g := G.NewGraph()
	_, err := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{Out: 1})
	wantError(t, err, `layers: Linear "linear": LinearConfig: want In >= 1, got 0`)
	_, err = layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: 1, Out: -1})
	wantError(t, err, `layers: Linear "linear": LinearConfig: want Out >= 1, got -1`)

	l, err := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: 3, Out: 2}, layers.WithName("head"))
	if err != nil {
		t.Fatal(err)
	}
	feats, err := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: 3, Out: 2, ChannelsLast: true}, layers.WithName("encoder"))
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]struct {
		l *layers.Linear
		x *G.Node
	}{
		`layers: Linear "head": Fwd: want x (B, 3, L) or (B, 3), got nil`:                                               {l, nil},
		`layers: Linear "head": Fwd: want x (B, 3, L) or (B, 3), got (2, 4)`:                                            {l, placeholder(g, tensor.Float32, "a", 2, 4)},
		`layers: Linear "head": Fwd: want x of dtype float32, got float64`:                                              {l, placeholder(g, tensor.Float64, "b", 2, 3)},
		`layers: Linear "head": Fwd: x is on another graph than the layer: make a copy of the layer there with CloneTo`: {l, placeholder(G.NewGraph(), tensor.Float32, "c", 2, 3)},
		`layers: Linear "encoder": Fwd: want x (B, L, 3), got nil`:                                                      {feats, nil},
		`layers: Linear "encoder": Fwd: want x (B, L, 3), got (2, 3, 5)`:                                                {feats, placeholder(g, tensor.Float32, "d", 2, 3, 5)},
		`layers: Linear "encoder": Fwd: want x of dtype float32, got float64`:                                           {feats, placeholder(g, tensor.Float64, "e", 2, 5, 3)},
	} {
		_, err := f.l.Fwd(f.x)
		wantError(t, err, want)
	}
}

// A linear map has no state, and is none in the way of the states of others.
func TestLinearInAStackWithStates(t *testing.T) {
	g := G.NewGraph()
	s, err := layers.NewStack(g, tensor.Float64, layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.LinearConfig{In: 2, Out: 2}, PreNorm: true},
		{Mixer: layers.S4DConfig{DModel: 2, DState: 4}, PreNorm: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 6}}
	for i := range 12 {
		x.F = append(x.F, float64(i*i%7)-3)
	}
	y, x1, err := s.FwdState(node(g, tensor.Float64, x), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.StateShapes(1); len(x1) != 1 || len(want) != 1 || want[0].Name != "1.x" || !x1[0].Shape().Eq(want[0].Shape) {
		t.Errorf("states %v, want %v", x1, want)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	r, err := s.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(stepAll(t, r, tensor.Float64, x), testutil.Floats(v)); !(e <= 1e-12) {
		t.Errorf("steps differ from FwdState by %.3g", e)
	}
	l, err := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: 2, Out: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = l.FwdState(placeholder(g, tensor.Float64, "u", 1, 2, 6), x1)
	wantError(t, err, `layers: Linear "linear": FwdState: want no state, got 1 tensors`)
	_, err = layers.NewBlock(g, tensor.Float64, layers.BlockConfig{Mixer: layers.LinearConfig{In: 2, Out: 2, ChannelsLast: true}})
	wantError(t, err, `layers: Block "block": BlockConfig: want a mixer of (B, H, L), got a LinearConfig with ChannelsLast`)
}
