package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/mega"
)

func emaVariant(c layers.EMAConfig) variant {
	return variantOf(c.DModel, c, layers.NewEMA, (*layers.EMA).CloneTo)
}

func megaAttentionVariant(c layers.MegaAttentionConfig) variant {
	return variantOf(c.DModel, c, layers.NewMegaAttention, (*layers.MegaAttention).CloneTo)
}

func megaVariant(c layers.MegaConfig) variant {
	return variantOf(c.DModel, c, layers.NewMega, (*layers.Mega).CloneTo)
}

// megas are configurations of the kinds.
func megas() []variant {
	return []variant{
		emaVariant(layers.EMAConfig{DModel: 3, DState: 2}),
		megaAttentionVariant(layers.MegaAttentionConfig{DModel: 3, DState: 2, ZDim: 2, VDim: 3, Causal: true, Chunk: 5, PreNorm: true, InitStd: 0.7}),
		megaVariant(layers.MegaConfig{DModel: 4, DState: 2, ZDim: 2, VDim: 3, FF: 3, Causal: true, Chunk: 7, Function: mega.Laplace, Bias: layers.RotaryBias, InitStd: 0.7}),
	}
}

func TestMegaDefaults(t *testing.T) {
	l, err := layers.NewMega(G.NewGraph(), tensor.Float64, layers.MegaConfig{DModel: 6})
	if err != nil {
		t.Fatal(err)
	}
	want := layers.MegaConfig{
		DModel: 6, DState: 16, ZDim: 4, VDim: 12, Function: mega.Softmax, Chunk: 128, Bias: layers.SimpleBias, FF: 12, Norm: layers.LayerNorm, NormEps: 1e-5, InitStd: 0.02,
	}
	if got := l.Config(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	shapes := map[string]tensor.Shape{
		"attention.move.delta": {12, 16, 1}, "attention.move.alpha": {12, 16, 1}, "attention.move.beta": {12, 16, 1}, "attention.move.gamma": {12, 16},
		"attention.move.omega": {6}, "attention.norm.weight": {6}, "attention.norm.bias": {6}, "attention.v_proj.weight": {12, 6}, "attention.v_proj.bias": {12},
		"attention.mx_proj.weight": {28, 6}, "attention.mx_proj.bias": {28}, "attention.h_proj.weight": {6, 12}, "attention.h_proj.bias": {6},
		"attention.gamma": {2, 4}, "attention.beta": {2, 4}, "attention.rel_pos_bias.rel_pos_bias": {255},
		"feedforward.layer.linear1.weight": {12, 6}, "feedforward.layer.linear1.bias": {12}, "feedforward.layer.linear2.weight": {6, 12},
		"feedforward.layer.linear2.bias": {6}, "feedforward.norm.weight": {6}, "feedforward.norm.bias": {6},
	}
	for _, p := range l.Params() {
		name := strings.TrimPrefix(p.Name, l.Name()+".")
		if !p.Node.Shape().Eq(shapes[name]) {
			t.Errorf("%s: got %v, want %v", name, p.Node.Shape(), shapes[name])
		}
		delete(shapes, name)
	}
	if len(shapes) > 0 {
		t.Errorf("no %v", shapes)
	}
}

// What sees the future, or has a state that grows or none, has no steps and says so.
func TestMegaWithoutState(t *testing.T) {
	for want, c := range map[string]layers.MixerConfig{
		"an attention that is not causal needs the future: want Causal true":             layers.MegaConfig{DModel: 4},
		"without chunks the state grows: want Chunk >= 1":                                layers.MegaAttentionConfig{DModel: 4, Causal: true, Chunk: mega.Whole, Bias: layers.RotaryBias},
		"a truncated kernel is no recurrence: want Truncation 0, got 3":                  layers.MegaAttentionConfig{DModel: 4, Causal: true, Truncation: 3},
		"a bidirectional average needs the future: want Bidirectional false":             layers.EMAConfig{DModel: 4, Bidirectional: true},
		`EMA "ema": FwdState: a truncated kernel is no recurrence: want Truncation 0, g`: layers.EMAConfig{DModel: 4, Truncation: 2},
	} {
		g := G.NewGraph()
		l, err := layers.New(g, tensor.Float64, c)
		if err != nil {
			t.Fatal(err)
		}
		m := l.(sequenceLayer)
		if s := m.StateShapes(1); s != nil {
			t.Errorf("got a state %v", s)
		}
		x := placeholder(g, tensor.Float64, "x", 1, 4, 3)
		if _, err := m.FwdLengths(x, nil); err != nil {
			t.Error(err)
		}
		if _, _, err := m.FwdState(x, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if _, err := m.Recurrence(1); err == nil {
			t.Errorf("%T has a recurrence", l)
		}
	}
}

func TestMegaConfigErrors(t *testing.T) {
	for want, c := range map[string]layers.MixerConfig{
		"EMAConfig: want DModel >= 1, got 0":                                                        layers.EMAConfig{},
		"EMAConfig: want DState >= 1, got -1":                                                       layers.EMAConfig{DModel: 1, DState: -1},
		"EMAConfig: want Truncation in [0, 1073741824], got -1":                                     layers.EMAConfig{DModel: 1, Truncation: -1},
		"MegaAttentionConfig: want DModel >= 1, got 0":                                              layers.MegaAttentionConfig{},
		"MegaAttentionConfig: want ZDim >= 1, got -1":                                               layers.MegaAttentionConfig{DModel: 1, ZDim: -1},
		`MegaAttentionConfig: want Function one of ["softmax" "laplace"], got "relu"`:               layers.MegaAttentionConfig{DModel: 1, Function: "relu"},
		"MegaAttentionConfig: want Chunk >= 1, or -1 for whole sequences, got -2":                   layers.MegaAttentionConfig{DModel: 1, Chunk: -2},
		`MegaAttentionConfig: want Bias one of ["simple" "rotary"], got "x"`:                        layers.MegaAttentionConfig{DModel: 1, Bias: "x"},
		`MegaAttentionConfig: want an even ZDim with Bias "rotary", got 3`:                          layers.MegaAttentionConfig{DModel: 1, Bias: layers.RotaryBias, ZDim: 3},
		"MegaAttentionConfig: want InitStd > 0, finite, or 0 for 0.02, got -1":                      layers.MegaAttentionConfig{DModel: 1, InitStd: -1},
		`MegaAttentionConfig: want LMax >= 1 with Bias "simple" and no chunks, got 0`:               layers.MegaAttentionConfig{DModel: 1, Chunk: mega.Whole},
		`MegaConfig: MegaAttentionConfig: want norm "layer", "rms", "batch" or "none", got "group"`: layers.MegaConfig{DModel: 1, Norm: "group"},
		"MegaConfig: BlockConfig: FeedForwardConfig: want FF >= 1, or 0 for 4*DModel, got -1":       layers.MegaConfig{DModel: 1, FF: -1},
		"MegaConfig: MegaAttentionConfig: Dropout: DropoutConfig: want P in [0, 1), got 1":          layers.MegaConfig{DModel: 1, Dropout: 1},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	g := G.NewGraph()
	l, err := layers.NewMegaAttention(g, tensor.Float64, layers.MegaAttentionConfig{DModel: 2, Chunk: mega.Whole, LMax: 4})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Fwd(placeholder(g, tensor.Float64, "x", 1, 2, 5))
	wantError(t, err, `layers: MegaAttention "megaattention": Fwd: want at most LMax = 4 steps, got 5`)
}
