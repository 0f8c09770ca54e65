package layers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// scaleConfig makes a mixer of another package: it multiplies every feature by a
// number. bad says what it does wrong.
type scaleConfig struct {
	DModel int    `json:"d_model"`
	Bad    string `json:"bad,omitempty"`
}

func (c scaleConfig) Validate() error {
	if c.DModel < 1 {
		return fmt.Errorf("want DModel >= 1, got %d", c.DModel)
	}
	return nil
}

func (c scaleConfig) Features() (in, out int) { return c.DModel, c.DModel }

func (c scaleConfig) Build(b *layers.Builder) (layers.Layer, error) {
	l := &scale{cfg: c, w: b.Param("weight", param.Hint{}, layers.Normal(1), c.DModel)}
	switch c.Bad {
	case "nil layer":
		return nil, nil
	case "own parameter":
		w := G.NewVector(b.Graph(), b.Dtype(), G.WithShape(c.DModel), G.WithName(b.Name()+".own"), G.WithInit(G.Ones()))
		l.own = []param.Param{{Name: b.Name() + ".own", Node: w}}
	case "names":
		l.own = []param.Param{{Name: b.Name() + ".weight", Node: l.w}}
	case "fails":
		b.Fail(errors.New("as asked for"))
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

type scale struct {
	*layers.Base
	cfg scaleConfig
	w   *G.Node
	own []param.Param
}

func (l *scale) Params() []param.Param { return append(l.Base.Params(), l.own...) }

func (l *scale) Fwd(x *G.Node) (*G.Node, error) {
	switch l.cfg.Bad {
	case "nil":
		return nil, nil
	case "shape":
		return G.Sum(x, 2)
	case "graph":
		return G.NewTensor(G.NewGraph(), x.Dtype(), 3, G.WithShape(x.Shape()...), G.WithName("away")), nil
	}
	return G.BroadcastHadamardProd(x, G.Must(G.Reshape(l.w, tensor.Shape{1, l.cfg.DModel, 1})), nil, []byte{0, 2})
}

func (l *scale) FwdLengths(x, _ *G.Node) (*G.Node, error) { return l.Fwd(x) }

func TestMixerOfAnotherPackage(t *testing.T) {
	g := G.NewGraph()
	b, err := layers.NewBlock(g, tensor.Float64, layers.BlockConfig{Mixer: scaleConfig{DModel: 2}, Norm: layers.NoNorm})
	if err != nil {
		t.Fatal(err)
	}
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 3}, F: []float64{1, 2, 3, 4, 5, 6}}
	y, err := b.Fwd(node(g, tensor.Float64, x))
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
	w := testutil.Floats(b.Params()[0].Node.Value())
	for i, got := range testutil.Floats(v) {
		if want := x.F[i] * (1 + w[i/3]); math.Abs(got-want) > 1e-12 {
			t.Errorf("element %d: got %g, want %g", i, got, want)
		}
	}
	c, err := b.CloneTo(G.NewGraph())
	if err != nil {
		t.Fatal(err)
	}
	if !weights.Same(c.Params()[0].Node.Value(), b.Params()[0].Node.Value()) {
		t.Error("a copy does not share the parameters")
	}
}

func TestMixersThatDoWrong(t *testing.T) {
	for bad, want := range map[string]string{
		"nil layer": `want its Build to return a layer named "block.layer"`,
		"names":     `want parameters and buffers of different names, got "block.layer.weight" twice`,
		"fails":     `layers: scale "block.layer": as asked for`,
		"nil":       `layers: Block "block": Fwd: want its mixer, a *layers_test.scale, to return a node, got nil`,
		"shape":     "to keep shape and dtype, (1, 2, 3) of float64, got (1, 2) of float64",
		"graph":     "to return a node of the graph of its input",
	} {
		g := G.NewGraph()
		b, err := layers.NewBlock(g, tensor.Float64, layers.BlockConfig{Mixer: scaleConfig{DModel: 2, Bad: bad}})
		if err == nil {
			_, err = b.Fwd(G.NewTensor(g, tensor.Float64, 3, G.WithShape(1, 2, 3), G.WithName("x")))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", bad, err, want)
		}
	}
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: scaleConfig{DModel: 2, Bad: "own parameter"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.CloneTo(G.NewGraph()); err == nil || !strings.Contains(err.Error(), `want the copy to share parameter "block.layer.own": make parameters with Builder.Param`) {
		t.Errorf("got error %v", err)
	}
	if _, err := b.Recurrence(1); err == nil || !strings.Contains(err.Error(), `layers: Block "block": Recurrence: layer "block.layer", a *layers_test.scale, cannot step: it has no layers.Stepper`) {
		t.Errorf("got error %v", err)
	}
	x := G.NewTensor(b.Params()[0].Node.Graph(), tensor.Float64, 3, G.WithShape(1, 2, 3), G.WithName("x"))
	if _, _, err := b.FwdState(x, nil); err == nil || !strings.Contains(err.Error(), "cannot go on from a state: it has no layers.Stateful") {
		t.Errorf("got error %v", err)
	}
}

// A start that is no number, or that the type has no room for, is an error of the layer.
func TestStartsAreFinite(t *testing.T) {
	for want, c := range map[string]struct {
		cfg layers.Config
		dt  tensor.Dtype
	}{
		"esn.weight_ih: want initial values that are finite in float32, got ":               {layers.ESNConfig{DModel: 2, InputScale: 1e300}, tensor.Float32},
		"esn.weight_hh: want initial values that are finite in float32, got ":               {layers.ESNConfig{DModel: 2, SpectralRadius: 1e300, Density: 1}, tensor.Float32},
		"megaattention.v_proj.weight: want initial values that are finite in float32, got ": {layers.MegaAttentionConfig{DModel: 2, InitStd: 1e300}, tensor.Float32},
		"": {layers.MegaAttentionConfig{DModel: 2, InitStd: 1e300}, tensor.Float64},
	} {
		_, err := layers.New(G.NewGraph(), c.dt, c.cfg)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want %q", c.cfg, err, want)
		}
	}
}

// named is a mixer that has a kind, once registered.
type named struct{ scaleConfig }

// registerNamed does so once, however often the tests run.
var registerNamed = sync.OnceValue(func() error { return layers.RegisterMixer[named]("scale") })

func TestMixerKindsInJSON(t *testing.T) {
	if _, err := json.Marshal(layers.BlockConfig{Mixer: scaleConfig{DModel: 2}}); err == nil || !strings.Contains(err.Error(), "layers_test.scaleConfig has no kind: register it with RegisterMixer") {
		t.Errorf("got error %v", err)
	}
	if err := registerNamed(); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		`there is a kind "s4d" already`:         layers.RegisterMixer[scaleConfig]("s4d"),
		`named is of kind "scale" already`:      layers.RegisterMixer[named]("other"),
		"want a name, got an empty one":         layers.RegisterMixer[scaleConfig](""),
		"want a struct, got layers.MixerConfig": layers.RegisterMixer[layers.MixerConfig]("interface"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	cfg := layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{
		{Mixer: named{scaleConfig{DModel: 4}}, PreNorm: true},
		{Mixer: layers.S4Config{DModel: 4, LMax: 8}, Dropout: 0.5},
		{Mixer: layers.LinearConfig{In: 4, Out: 4}},
		{Mixer: layers.LSTMConfig{DModel: 4, Layers: 2, Bidirectional: true, Dropout: 0.1}},
		{Mixer: layers.GRUConfig{DModel: 4, Hidden: 4, NoBias: true}},
		{Mixer: layers.RNNConfig{DModel: 4, ReLU: true}},
	}}
	b, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got layers.StackConfig
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, cfg) {
		t.Errorf("%s came back as %+v", b, got)
	}
	for _, kind := range strings.Fields("attention ckblock ckconv conv1d convnet dss feedforward gru linear longconv lssl lstm position rnn s4 s4d s4nd scale tcn transformer") {
		if !slices.Contains(layers.MixerKinds(), kind) || !slices.IsSorted(layers.MixerKinds()) {
			t.Errorf("kinds %v, want %q among them", layers.MixerKinds(), kind)
		}
	}
	for text, want := range map[string]string{
		`{"mixer":{"kind":"transistor"}}`:              `want a kind, one of ` + strings.Join(layers.MixerKinds(), ", ") + `, got "transistor"`,
		`{"mixer":{"d_model":4}}`:                      `got ""`,
		`{"mixer":{"kind":"s4d","d_modle":4}}`:         `mixer of kind "s4d": json: unknown field "d_modle"`,
		`{"mixer":{"kind":"s4d","d_model":4},"nrm":1}`: `unknown field "nrm"`,
		`{"mixer":3}`: "cannot unmarshal number",
	} {
		var c layers.BlockConfig
		if err := json.Unmarshal([]byte(text), &c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", text, err, want)
		}
	}
}

func TestStackOfDifferentBlocks(t *testing.T) {
	cfg := layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 3, DState: 4}, PreNorm: true},
		{Mixer: layers.LinearConfig{In: 3, Out: 3}, Norm: layers.BatchNorm},
		{Mixer: layers.S4Config{DModel: 3, DState: 4, LMax: 9}, PreNorm: true},
	}}
	g := G.NewGraph()
	s, err := layers.NewStack(g, tensor.Float64, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Norm().Name(); got != "stack.norm" {
		t.Errorf("got %q", got)
	}
	in := testutil.Input{Name: "x", Shape: tensor.Shape{2, 3, 9}}
	for i := range 54 {
		in.F = append(in.F, math.Sin(float64(3*i)))
	}
	y, err := s.Fwd(node(g, tensor.Float64, in))
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	r, err := s.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(stepAll(t, r, tensor.Float64, in), testutil.Floats(v)); !(e <= 1e-12) {
		t.Errorf("steps differ from Fwd by %.3g", e)
	}
	var names []string
	for _, st := range r.State() {
		names = append(names, fmt.Sprint(st.Name, st.Value.Shape()))
	}
	if got := strings.Join(names, " "); got != "0.x(2, 3, 2, 2) 2.x(2, 3, 2, 2)" {
		t.Errorf("state %s", got)
	}
	for want, c := range map[string]layers.StackConfig{
		"want at least one of Blocks":                                {},
		"Blocks[1]: want the DModel of Blocks[0], 3, got 4":          {Blocks: []layers.BlockConfig{cfg.Blocks[0], {Mixer: layers.LinearConfig{In: 4, Out: 4}}}},
		"at most 4096 blocks in all, got 3 blocks and Repeat 100000": {Blocks: cfg.Blocks, Repeat: 100000},
		`Norm: want norm "layer"`:                                    {Blocks: cfg.Blocks, Norm: "x"},
	} {
		if _, err := layers.NewStack(G.NewGraph(), tensor.Float64, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// A configuration may be given by a pointer: it is copied as any other, and has
// the kind of what it points to. A nil pointer is none.
func TestConfigByPointer(t *testing.T) {
	mixer := layers.S4DConfig{DModel: 2, SSM: layers.SSM{Frozen: []string{"A"}}}
	byValue, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: mixer})
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(byValue.Config())
	if err != nil {
		t.Fatal(err)
	}
	changed := mixer
	changed.Frozen = []string{"A"}
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: &changed})
	if err != nil {
		t.Fatal(err)
	}
	changed.DModel, changed.Frozen[0] = 5, "nothing"
	if _, err := b.CloneTo(G.NewGraph()); err != nil {
		t.Error(err)
	}
	got, err := json.Marshal(b.Config())
	if err != nil || string(got) != string(want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for name, err := range map[string]error{
		"New":    second(layers.New(G.NewGraph(), tensor.Float64, nil)),
		"nil":    second(layers.New(G.NewGraph(), tensor.Float64, (*layers.S4DConfig)(nil))),
		"Block":  second(layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: (*layers.S4DConfig)(nil)})),
		"Stack":  second(layers.NewStack(G.NewGraph(), tensor.Float64, layers.StackConfig{Blocks: []layers.BlockConfig{{}, {}}})),
		"inside": second(layers.New(G.NewGraph(), tensor.Float64, outerConfig{})),
	} {
		if err == nil || !strings.Contains(err.Error(), "want a configuration, got nil") && !strings.Contains(err.Error(), "want a Mixer, got none") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// outerConfig makes a layer inside without a configuration.
type outerConfig struct{}

func (outerConfig) Validate() error { return nil }

func (outerConfig) Build(b *layers.Builder) (layers.Layer, error) { return b.Child("inner", nil) }

// rated makes a mixer that has a parameter with hints of the caller's, and returns
// others of its own.
type rated struct {
	DModel int
	hint   param.Hint
}

func (rated) Validate() error { return nil }

func (c rated) Features() (in, out int) { return c.DModel, c.DModel }

func (c rated) Build(b *layers.Builder) (layers.Layer, error) {
	l := &ratedMixer{scale: scale{cfg: scaleConfig{DModel: c.DModel}, w: b.Param("weight", c.hint, layers.Ones, c.DModel)}, hint: c.hint}
	var err error
	l.Base, err = b.Done()
	return l, err
}

type ratedMixer struct {
	scale
	hint param.Hint
}

func (l *ratedMixer) Params() []param.Param {
	ps := l.Base.Params()
	ps[0].Hint = l.hint
	return ps
}

// Hints are copied, those that a mixer made with and those that it returns.
func TestHintsAreCopied(t *testing.T) {
	lr, decay := 0.5, 0.25
	cfg := rated{2, param.Hint{LR: &lr, WeightDecay: &decay}}
	l, err := layers.New(G.NewGraph(), tensor.Float64, cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: cfg})
	if err != nil {
		t.Fatal(err)
	}
	lr, decay = 7, 8
	for _, p := range []param.Param{l.(*ratedMixer).Base.Params()[0], b.Params()[0]} {
		if *p.LR != 0.5 || *p.WeightDecay != 0.25 {
			t.Errorf("%s: the rates became %g and %g with the caller's", p.Name, *p.LR, *p.WeightDecay)
		}
	}
}

func TestNilLayers(t *testing.T) {
	var s4d *layers.S4D
	if _, err := layers.Clone(s4d, G.NewGraph()); err == nil || err.Error() != "layers: Clone: want a layer, got nil" {
		t.Errorf("got error %v", err)
	}
	for _, l := range []layers.Stepper{nil, s4d} {
		if _, err := layers.NewRecurrence(l, 1); err == nil || err.Error() != "layers: NewRecurrence: want a layer, got nil" {
			t.Errorf("got error %v", err)
		}
	}
}

// throughJSON checks that mixers in a block come back from JSON as they were, and that
// the block can be made.
func throughJSON(t *testing.T, mixers ...layers.MixerConfig) {
	t.Helper()
	for _, m := range mixers {
		want := layers.BlockConfig{Mixer: m, Norm: layers.NoNorm, NoResidual: true}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got layers.BlockConfig
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s came back as %+v", text, got)
		}
		b, err := layers.NewBlock(G.NewGraph(), tensor.Float32, got)
		if err != nil {
			t.Fatal(err)
		}
		if text := b.Mixer().(fmt.Stringer).String(); !strings.Contains(text, "parameters of") {
			t.Errorf("got %s", text)
		}
	}
}
