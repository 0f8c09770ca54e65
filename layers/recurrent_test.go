package layers_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/hippornn"
	"github.com/gorgonia-s4/s4/param"
)

func lstmVariant(c layers.LSTMConfig) variant {
	return variantOf(c.DModel, c, layers.NewLSTM, (*layers.LSTM).CloneTo)
}

func gruVariant(c layers.GRUConfig) variant {
	return variantOf(c.DModel, c, layers.NewGRU, (*layers.GRU).CloneTo)
}

func rnnVariant(c layers.RNNConfig) variant {
	return variantOf(c.DModel, c, layers.NewRNN, (*layers.RNN).CloneTo)
}

func hippoRNNVariant(c layers.HiPPORNNConfig) variant {
	return variantOf(c.DModel, c, layers.NewHiPPORNN, (*layers.HiPPORNN).CloneTo)
}

func esnVariant(c layers.ESNConfig) variant {
	return variantOf(c.DModel, c, layers.NewESN, (*layers.ESN).CloneTo)
}

// recurrents are the recurrent networks of the family, and blocks around them.
func recurrents() []variant {
	return []variant{
		lstmVariant(layers.LSTMConfig{DModel: 4}),
		lstmVariant(layers.LSTMConfig{DModel: 3, Layers: 3, Dropout: 0.2}),
		gruVariant(layers.GRUConfig{DModel: 4, NoBias: true}),
		gruVariant(layers.GRUConfig{DModel: 3, Layers: 2}),
		rnnVariant(layers.RNNConfig{DModel: 4, Layers: 2}),
		rnnVariant(layers.RNNConfig{DModel: 5, ReLU: true}),
		hippoRNNVariant(layers.HiPPORNNConfig{DModel: 3, MemorySize: 2, MemoryOrder: 4, MemoryToSignal: true, HiddenToHidden: true}),
		hippoRNNVariant(layers.HiPPORNNConfig{DModel: 2, MemoryOrder: 3, Measure: hippo.LegT, Step: 0.1, UpdateOrder: hippornn.Paper}),
		esnVariant(layers.ESNConfig{DModel: 3, Reservoir: 5, Density: 0.5, Leak: 0.3}),
		blockVariant(layers.BlockConfig{Mixer: layers.LSTMConfig{DModel: 3, Layers: 2, Dropout: 0.1}, PreNorm: true, Dropout: 0.1}),
		blockVariant(layers.BlockConfig{Mixer: layers.GRUConfig{DModel: 3}, Norm: layers.BatchNorm}),
	}
}

// bidirectionalRecurrents look at the whole sequence.
func bidirectionalRecurrents() []variant {
	return []variant{
		lstmVariant(layers.LSTMConfig{DModel: 4, Bidirectional: true}),
		gruVariant(layers.GRUConfig{DModel: 3, Hidden: 2, Layers: 2, Bidirectional: true}),
		rnnVariant(layers.RNNConfig{DModel: 2, Layers: 2, Bidirectional: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.GRUConfig{DModel: 4, Layers: 2, Bidirectional: true, Dropout: 0.1}, PreNorm: true}),
	}
}

// recurrentLayer is what the recurrent layers have in common.
type recurrentLayer interface {
	sequenceLayer
	FwdFrom(x, lengths *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error)
}

// makeRecurrent makes one of each kind.
func makeRecurrent(t *testing.T, kind string, g *G.ExprGraph, dt tensor.Dtype, dModel, hidden, n int, bidirectional bool) recurrentLayer {
	t.Helper()
	var l recurrentLayer
	var err error
	name := layers.WithName("a")
	switch kind {
	case "lstm":
		l, err = layers.NewLSTM(g, dt, layers.LSTMConfig{DModel: dModel, Hidden: hidden, Layers: n, Bidirectional: bidirectional}, name)
	case "gru":
		l, err = layers.NewGRU(g, dt, layers.GRUConfig{DModel: dModel, Hidden: hidden, Layers: n, Bidirectional: bidirectional}, name)
	case "rnn":
		l, err = layers.NewRNN(g, dt, layers.RNNConfig{DModel: dModel, Hidden: hidden, Layers: n, Bidirectional: bidirectional}, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Parameters have the names and shapes of torch.nn, and start in +-1/sqrt(Hidden).
func TestRecurrentParameters(t *testing.T) {
	for kind, gates := range map[string]int{"lstm": 4, "gru": 3, "rnn": 1} {
		l := makeRecurrent(t, kind, G.NewGraph(), tensor.Float64, 5, 6, 2, true)
		var want, got []string
		for _, k := range []int{0, 1} {
			in := []int{5, 12}[k]
			for _, suffix := range []string{"", "_reverse"} {
				end := fmt.Sprintf("_l%d%s", k, suffix)
				want = append(want,
					fmt.Sprintf("a.weight_ih%s (%d, %d)", end, 6*gates, in), fmt.Sprintf("a.weight_hh%s (%d, 6)", end, 6*gates),
					fmt.Sprintf("a.bias_ih%s (%d)", end, 6*gates), fmt.Sprintf("a.bias_hh%s (%d)", end, 6*gates))
			}
		}
		var most float64
		for _, p := range l.Params() {
			got = append(got, fmt.Sprintf("%s %v", p.Name, p.Node.Shape()))
			for _, v := range p.Node.Value().Data().([]float64) {
				most = max(most, math.Abs(v))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: parameters\n%v, want\n%v", kind, got, want)
		}
		if bound := 1 / math.Sqrt(6); !(most <= bound && most > 0.9*bound) {
			t.Errorf("%s: initial parameters up to %g, want %g", kind, most, bound)
		}
	}
}

func TestRecurrentWithoutBias(t *testing.T) {
	l, err := layers.NewGRU(G.NewGraph(), tensor.Float32, layers.GRUConfig{DModel: 3, NoBias: true})
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(l.Params(), func(p param.Param) bool { return strings.Contains(p.Name, "bias") }) {
		t.Errorf("parameters %v", l.Params())
	}
}

// The output has DModel features unless Hidden says otherwise.
func TestRecurrentFeatures(t *testing.T) {
	for _, c := range []struct {
		cfg     layers.MixerConfig
		in, out int
	}{
		{layers.LSTMConfig{DModel: 6}, 6, 6},
		{layers.LSTMConfig{DModel: 6, Bidirectional: true}, 6, 6},
		{layers.GRUConfig{DModel: 6, Hidden: 5}, 6, 5},
		{layers.RNNConfig{DModel: 6, Hidden: 5, Layers: 2, Bidirectional: true}, 6, 10},
	} {
		if in, out := c.cfg.Features(); in != c.in || out != c.out {
			t.Errorf("%+v: features %d, %d, want %d, %d", c.cfg, in, out, c.in, c.out)
		}
		g := G.NewGraph()
		l, err := layers.New(g, tensor.Float64, c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		y, err := l.Fwd(node(g, tensor.Float64, testutil.Normal(rand.New(rand.NewPCG(1, 1)), "x", 2, c.in, 3)))
		if err != nil {
			t.Fatal(err)
		}
		if want := (tensor.Shape{2, c.out, 3}); !y.Shape().Eq(want) {
			t.Errorf("%+v: output %v, want %v", c.cfg, y.Shape(), want)
		}
	}
}

func TestRecurrentConfigErrors(t *testing.T) {
	for want, cfg := range map[string]layers.Config{
		"LSTMConfig: want DModel >= 1, got 0":                                             layers.LSTMConfig{},
		"GRUConfig: want Hidden >= 1, or 0 for the default, got -1":                       layers.GRUConfig{DModel: 3, Hidden: -1},
		"RNNConfig: want Layers >= 1, or 0 for the default, got -2":                       layers.RNNConfig{DModel: 3, Layers: -2},
		"LSTMConfig: want DModel even, or Hidden, the features of each direction":         layers.LSTMConfig{DModel: 3, Bidirectional: true},
		"GRUConfig: Dropout: DropoutConfig: want P in [0, 1), got 1":                      layers.GRUConfig{DModel: 3, Layers: 2, Dropout: 1},
		"GRUConfig: Dropout: DropoutConfig: want P in [0, 1), got -0.5":                   layers.GRUConfig{DModel: 3, Dropout: -0.5},
		"RNNConfig: Dropout is between layers: want Layers >= 2 too, got 1":               layers.RNNConfig{DModel: 3, Dropout: 0.5},
		"LSTMConfig: want at most 2147483647 elements in weight_hh (gates*Hidden, Hidden": layers.LSTMConfig{DModel: 1, Hidden: 1 << 20},
		"LSTMConfig: want at most 2147483647 elements in weight_ih":                       layers.LSTMConfig{DModel: 1 << 30, Hidden: 2},
		"LSTMConfig: want Layers at most 1024, got 1025":                                  layers.LSTMConfig{DModel: 2, Hidden: 2, Layers: 1025},
		"LSTMConfig: want Layers at most 1024, got 9223372036854775807":                   layers.LSTMConfig{DModel: 2, Layers: math.MaxInt},
		"RNNConfig: want Hidden at most 2147483647, got 9223372036854775807":              layers.RNNConfig{DModel: 2, Hidden: math.MaxInt, Bidirectional: true},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
}

func TestRecurrentErrors(t *testing.T) {
	g := G.NewGraph()
	f := func(dt tensor.Dtype, name string, shape ...int) *G.Node {
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	x := f(tensor.Float64, "x", 2, 3, 5)
	h, c := f(tensor.Float64, "h", 2, 1, 3), f(tensor.Float64, "c", 2, 1, 3)
	l := makeRecurrent(t, "lstm", g, tensor.Float64, 3, 3, 1, false)
	bi, err := layers.NewGRU(g, tensor.Float64, layers.GRUConfig{DModel: 3, Hidden: 2, Bidirectional: true}, layers.WithName("b"))
	if err != nil {
		t.Fatal(err)
	}
	away := G.NewTensor(G.NewGraph(), tensor.Float64, 3, G.WithShape(2, 1, 3), G.WithName("away"))
	for want, run := range map[string]func() error{
		`layers: LSTM "a": Fwd: want x (B, 3, L), got (2, 4, 5)`: func() error { _, err := l.Fwd(f(tensor.Float64, "wide", 2, 4, 5)); return err },
		`layers: LSTM "a": Fwd: want x (B, 3, L), got (2, 3)`:    func() error { _, err := l.Fwd(f(tensor.Float64, "flat", 2, 3)); return err },
		`layers: LSTM "a": Fwd: want x (B, 3, L), got nil`:       func() error { _, err := l.Fwd(nil); return err },
		`layers: LSTM "a": Fwd: want x of dtype float64, got float32`: func() error {
			_, err := l.Fwd(f(tensor.Float32, "x32", 2, 3, 5))
			return err
		},
		`layers: LSTM "a": Fwd: want lengths (2) of dtype int, got (3) of dtype int`: func() error {
			_, err := l.FwdLengths(x, f(tensor.Int, "three", 3))
			return err
		},
		`layers: LSTM "a": FwdState: want a state of ["h" "c"], or none for zero, got 1`: func() error { _, _, err := l.FwdState(x, G.Nodes{h}); return err },
		`layers: LSTM "a": FwdState: want a state "c" (2, 1, 3), got nil`:                func() error { _, _, err := l.FwdState(x, G.Nodes{h, nil}); return err },
		`layers: LSTM "a": FwdState: want a state "c" (2, 1, 3), got (2, 2, 3)`: func() error {
			_, _, err := l.FwdState(x, G.Nodes{h, f(tensor.Float64, "two", 2, 2, 3)})
			return err
		},
		`layers: LSTM "a": FwdFrom: want a state "h" (2, 1, 3), got (1, 1, 3)`: func() error {
			_, _, err := l.FwdFrom(x, nil, G.Nodes{f(tensor.Float64, "one", 1, 1, 3), c})
			return err
		},
		`layers: LSTM "a": FwdFrom: want a state "c" of dtype float64, got float32`: func() error {
			_, _, err := l.FwdFrom(x, nil, G.Nodes{h, f(tensor.Float32, "c32", 2, 1, 3)})
			return err
		},
		`x0 is on another graph than the layer`:                               func() error { _, _, err := l.FwdFrom(x, nil, G.Nodes{away, c}); return err },
		`layers: GRU "b": FwdState: a bidirectional layer has no state`:       func() error { _, _, err := bi.FwdState(x, nil); return err },
		`layers: GRU "b": Recurrence: a bidirectional layer needs the future`: func() error { _, err := bi.Recurrence(2); return err },
		`want a layer that its New function made, got the zero value`:         func() error { _, err := new(layers.RNN).Recurrence(1); return err },
		`layers: FwdState: want a layer`:                                      func() error { _, _, err := new(layers.RNN).FwdState(x, nil); return err },
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "layers: FwdState: ")) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if s := bi.StateShapes(2); s != nil {
		t.Errorf("state of a bidirectional layer: %v", s)
	}
}

// A state of another layer or batch is refused, and the session keeps its own.
func TestRecurrentSetStateErrors(t *testing.T) {
	l := makeRecurrent(t, "lstm", G.NewGraph(), tensor.Float64, 3, 3, 2, false)
	r, err := l.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	x := testutil.Normal(rand.New(rand.NewPCG(2, 1)), "x", 2, 3, 4)
	stepAll(t, r, tensor.Float64, x)
	before := numbers(r.State())
	h := testutil.Dense(tensor.Float64, make([]float64, 12), 2, 2, 3)
	h32 := testutil.Dense(tensor.Float32, make([]float64, 12), 2, 2, 3)
	turned := testutil.Dense(tensor.Float64, make([]float64, 12), 4, 1, 3)
	for want, s := range map[string]layers.State{
		`want a state of ["h" "c"], got ["h"]`:                            {{Name: "h", Value: h}},
		`got ["h" "d"]`:                                                   {{Name: "h", Value: h}, {Name: "d", Value: h}},
		`want a state "c" (2, 2, 3), got (4, 1, 3)`:                       {{Name: "h", Value: h}, {Name: "c", Value: turned}},
		`want a contiguous row-major state "c" of dtype float64, got dty`: {{Name: "h", Value: h}, {Name: "c", Value: h32}},
	} {
		if err := r.SetState(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if !slices.Equal(numbers(r.State()), before) {
		t.Error("the state has changed")
	}
}

// A bidirectional layer from a state, with lengths: the gradients are those of finite
// differences, and what a row is padded with does not matter.
func TestFwdFrom(t *testing.T) {
	for _, kind := range []string{"lstm", "gru", "rnn"} {
		rng := rand.New(rand.NewPCG(4, 1))
		in := []testutil.Input{testutil.Normal(rng, "x", 3, 2, 4), testutil.Normal(rng, "h0", 3, 4, 3)}
		if kind == "lstm" {
			in = append(in, testutil.Normal(rng, "c0", 3, 4, 3))
		}
		in = append(in, testutil.Ints("lengths", []int{2, 0, 4}, 3))
		last := len(in) - 1
		f := func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			l := makeRecurrent(t, kind, g, n[0].Dtype(), 2, 3, 2, true)
			y, x1, err := l.FwdFrom(n[0], n[last], n[1:last])
			if err != nil {
				return nil, err
			}
			sum := G.Must(G.Sum(G.Must(G.Square(y))))
			for _, s := range x1 {
				sum = G.Must(G.Add(sum, G.Must(G.Sum(G.Must(G.Square(s))))))
			}
			return sum, nil
		}
		testutil.Check(t, f, in...)
		testutil.CheckPadding(t, kind, testutil.RunnerOf(f), []int{2}, in...)
	}
}

// A row without steps leaves the state that it was given, and zeros without one.
func TestFwdFromWithoutSteps(t *testing.T) {
	for _, kind := range []string{"lstm", "gru", "rnn"} {
		for _, given := range []bool{false, true} {
			g := G.NewGraph()
			l := makeRecurrent(t, kind, g, tensor.Float64, 2, 3, 2, true)
			rng := rand.New(rand.NewPCG(5, 1))
			start := testutil.Normal(rng, "h0", 2, 4, 3)
			var x0 G.Nodes
			want := make([]float64, 12)
			if given {
				x0 = G.Nodes{node(g, tensor.Float64, start)}
				if kind == "lstm" {
					x0 = append(x0, node(g, tensor.Float64, testutil.Normal(rng, "c0", 2, 4, 3)))
				}
				want = start.F[:12]
			}
			lengths := G.NewVector(g, tensor.Int, G.WithShape(2), G.WithName("lengths"), G.WithValue(tensor.New(tensor.WithBacking([]int{0, 3}))))
			_, x1, err := l.FwdFrom(node(g, tensor.Float64, testutil.Normal(rng, "x", 2, 2, 3)), lengths, x0)
			if err != nil {
				t.Fatal(err)
			}
			if got := run(t, g, x1[0]); !slices.Equal(got[:12], want) || slices.Equal(got[12:], start.F[12:]) {
				t.Errorf("%s, given %t: state %v, want that of row 0 %v", kind, given, got, want)
			}
		}
	}
}
