package layers_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Step sizes that the transform of their parameter cannot have are named.
func TestStepSizesOutOfRange(t *testing.T) {
	for want, cfg := range map[string]any{
		`S4DConfig: DtMin: ssm: transform "exp": want a value in [1e-26, 1e+26], got 1e-300`: &layers.S4DConfig{DModel: 1, DState: 2, DtMin: 1e-300},
		`S4Config: DtMax: ssm: transform "exp": want a value in [1e-26, 1e+26], got 1e+300`:  &layers.S4Config{DModel: 1, DState: 2, DtMax: 1e300},
		`DSSConfig: DtMax: ssm: transform "exp": want a value in`:                            &layers.DSSConfig{DModel: 1, DState: 2, DtMax: math.MaxFloat64},
		`LSSLConfig: DtMin: ssm: transform "softplus": want a value in`:                      &layers.LSSLConfig{DModel: 1, DState: 2, DtMin: 5e-324, DtTransform: ssm.Softplus},
	} {
		if _, err := newLayer(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
	// The ends of the range are in it, whatever rounding does.
	for _, dt := range []float64{ssm.Least, ssm.Most} {
		if _, err := newLayer(&layers.S4DConfig{DModel: 50, DState: 2, DtMin: dt, DtMax: dt}); err != nil {
			t.Error(err)
		}
	}
}

func TestNormWantsAFiniteEps(t *testing.T) {
	const want = `layers: Norm "norm": NormConfig: want a finite Eps >= 0, got +Inf`
	if _, err := newLayer(&layers.NormConfig{DModel: 2, Eps: math.Inf(1)}); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestInputsOnAnotherGraph(t *testing.T) {
	g, away := G.NewGraph(), G.NewGraph()
	layer := newS4D(t, g, tensor.Float64, layers.S4DConfig{DModel: 2, DState: 4})
	x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 3}, F: make([]float64, 6)})
	_, _, state := layer.FwdState(x, G.Nodes{node(away, tensor.Float64, testutil.Input{Name: "x0", Shape: tensor.Shape{1, 2, 2, 2}, F: make([]float64, 8)})})
	_, lengths := layer.FwdLengths(x, G.NewVector(away, tensor.Int, G.WithShape(1), G.WithName("n")))
	for want, err := range map[string]error{"x0 is on another graph than the layer": state, "lengths is on another graph than the layer": lengths} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// A layer that is a recurrence goes on from a state in a graph too, with as many
// tensors as it says; one that is none has no state.
func TestStateShapeIsThatOfAState(t *testing.T) {
	vs := family()
	stateless := []variant{
		s4Variant(layers.S4Config{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, LMax: 8, SSM: layers.SSM{Bidirectional: true}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		gruVariant(layers.GRUConfig{DModel: 2, Bidirectional: true}),
		attentionVariant(layers.AttentionConfig{DModel: 2, Heads: 1}),
		transformerVariant(layers.TransformerConfig{DModel: 2, Heads: 1, Positions: layers.SinusoidalPositions}),
		blockVariant(layers.BlockConfig{Mixer: layers.AttentionConfig{DModel: 2, Heads: 1}}),
		blockVariant(layers.BlockConfig{Mixer: layers.DSSConfig{DModel: 2, DState: 4}}),
		blockVariant(layers.BlockConfig{Mixer: layers.LSSLConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}}),
	}
	stateless = slices.Concat(stateless, aheadConvolutions(), bidirectionalSharedStates())
	for i, v := range append(vs, stateless...) {
		g := G.NewGraph()
		l := v.on(t, g, tensor.Float64)
		want := i < len(vs)
		shapes := l.StateShapes(3)
		if shapes != nil && !want {
			t.Errorf("%s: got state shapes %v", v.name, shapes)
		}
		if _, err := l.Recurrence(3); (err == nil) != want {
			t.Errorf("%s: Recurrence: got error %v", v.name, err)
		}
		x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{3, v.dModel, 2}, F: make([]float64, 3*v.dModel*2)})
		if _, x1, err := l.FwdState(x, nil); (err == nil) != want || len(x1) != len(shapes) {
			t.Errorf("%s: FwdState: got a state of %d tensors, error %v", v.name, len(x1), err)
		}
	}
}

func TestZeroValuesOfLayers(t *testing.T) {
	g := G.NewGraph()
	x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 3}, F: make([]float64, 6)})
	check := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), "layers: ") || !strings.Contains(err.Error(), "want a layer that its New function made, got the zero value") {
			t.Errorf("%s: got error %v", what, err)
		}
	}
	all := []layers.Layer{
		new(layers.S4D), new(layers.S4), new(layers.DSS), new(layers.LSSL), new(layers.S5), new(layers.LRU), new(layers.S4ND), new(layers.Block), new(layers.FeedForward),
		new(layers.Linear), new(layers.Norm), new(layers.Embedding), new(layers.Dropout),
		new(layers.Softmax), new(layers.AdaptiveEmbedding), new(layers.AdaptiveSoftmax),
		new(layers.Conv1D), new(layers.TCN), new(layers.CKConv), new(layers.CKBlock), new(layers.ConvNet), new(layers.LongConv),
		new(layers.Attention), new(layers.Position), new(layers.Transformer),
		new(layers.LSTM), new(layers.GRU), new(layers.RNN), new(layers.HiPPORNN), new(layers.ESN), new(layers.Stack),
		new(layers.Mamba), new(layers.Retention), new(layers.RetNet), new(layers.EMA), new(layers.MegaAttention), new(layers.Mega),
	}
	wantEveryKind(t, "layers", all...)
	for _, l := range all {
		_, err := l.Fwd(x)
		check(fmt.Sprintf("%T.Fwd", l), err)
		if name, ps, ns, bs := l.Name(), l.Params(), l.Learnables(), l.Buffers(); name != "" || len(ps)+len(ns)+len(bs) > 0 {
			t.Errorf("%T: got name %q, parameters %v, %v, buffers %v", l, name, ps, ns, bs)
		}
		if l, ok := l.(interface {
			Recurrence(batch int) (*layers.Recurrence, error)
		}); ok {
			_, err := l.Recurrence(1)
			check(fmt.Sprintf("%T.Recurrence", l), err)
		}
		if l, ok := l.(interface {
			StateShapes(batch int) []layers.StateShape
		}); ok {
			if s := l.StateShapes(1); s != nil {
				t.Errorf("%T.StateShapes: got %v, want nil", l, s)
			}
		}
		if l, ok := l.(layers.StateSpaceLayer); ok {
			_, err := l.Kernel(3)
			check(fmt.Sprintf("%T.Kernel", l), err)
			_, err = l.System(0, 0)
			check(fmt.Sprintf("%T.System", l), err)
			_, _, err = l.FwdState(x, nil)
			check(fmt.Sprintf("%T.FwdState", l), err)
		}
	}
}

// The zero value of a Recurrence has no state, and none to begin anew.
func TestZeroValueOfARecurrence(t *testing.T) {
	r := new(layers.Recurrence)
	r.Reset()
	if s := r.State(); s != nil {
		t.Errorf("got state %v", s)
	}
}

func TestScanStatesOfNothing(t *testing.T) {
	u := tensor.New(tensor.WithShape(1, 2, 3), tensor.Of(tensor.Float64))
	if _, _, err := layers.ScanStates(nil, u); err == nil || err.Error() != "layers: ScanStates: want a recurrence, got nil" {
		t.Errorf("got error %v", err)
	}
}

// What the documentation of S4Config.Rank says of rows of P beyond the least.
func TestRowsOfPBeyondTheLeastHaveNoGradient(t *testing.T) {
	g := G.NewGraph()
	layer := newS4(t, g, tensor.Float64, layers.S4Config{DModel: 2, DState: 4, Rank: 2, LMax: 8})
	k, err := layer.Kernel(8)
	if err != nil {
		t.Fatal(err)
	}
	var p *G.Node
	for _, q := range layer.Params() {
		if strings.HasSuffix(q.Name, ".P") {
			p = q.Node
		}
	}
	grads, err := G.Grad(G.Must(G.Sum(G.Must(G.Square(k)))), p)
	if err != nil {
		t.Fatal(err)
	}
	grad := run(t, g, grads[0])
	value := p.Value().Data().([]float64)
	first := 0.0
	for i, d := range grad {
		if i < len(grad)/2 {
			first = max(first, math.Abs(d))
		} else if d != 0 || value[i] != 0 {
			t.Errorf("element %d of the second row: value %g, gradient %g, want 0", i, value[i], d)
		}
	}
	if first == 0 {
		t.Error("the first row has no gradient either")
	}
}
