package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/retention"
)

func retentionVariant(c layers.RetentionConfig) variant {
	return variantOf(c.DModel, c, layers.NewRetention, (*layers.Retention).CloneTo)
}

func retNetVariant(c layers.RetNetConfig) variant {
	return variantOf(c.DModel, c, layers.NewRetNet, (*layers.RetNet).CloneTo)
}

// retentions are configurations of the kinds.
func retentions() []variant {
	return []variant{
		retentionVariant(layers.RetentionConfig{DModel: 4, Heads: 2, VWidth: 6, Chunk: 7}),
		retentionVariant(layers.RetentionConfig{DModel: 4, Heads: 1, Positions: retention.XPos, Norm: retention.Group, Decay: retention.Linspace}),
		retNetVariant(layers.RetNetConfig{DModel: 3, Heads: 1, FF: 4, Positions: retention.NoPositions, Dropout: 0.1}),
	}
}

func TestRetentionDefaults(t *testing.T) {
	l, err := layers.NewRetention(G.NewGraph(), tensor.Float64, layers.RetentionConfig{DModel: 8, Heads: 2, Norm: retention.Group})
	if err != nil {
		t.Fatal(err)
	}
	want := layers.RetentionConfig{
		DModel: 8, Heads: 2, VWidth: 16, Chunk: retention.DefaultChunk, Decay: retention.Arange, Positions: retention.RotaryLinspace,
		Norm: retention.Group, NormEps: 1e-5, Scores: retention.Plain,
	}
	if got := l.Config(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	shapes := map[string]tensor.Shape{
		"q_proj.weight": {8, 8}, "k_proj.weight": {8, 8}, "v_proj.weight": {16, 8}, "g_proj.weight": {16, 8}, "out_proj.weight": {8, 16},
		"group_norm.weight": {16}, "group_norm.bias": {16},
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
	r, err := layers.NewRetNet(G.NewGraph(), tensor.Float64, layers.RetNetConfig{DModel: 8, Heads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Config(); got.FF != 16 || got.VWidth != 16 || got.Activation != ops.ActGELU || got.NormEps != 1e-6 || got.HeadNorm != retention.RMS {
		t.Errorf("got %+v", got)
	}
}

// Scores over sums of all steps before have no state that does not grow.
func TestNormalizedRetentionHasNoState(t *testing.T) {
	g := G.NewGraph()
	l, err := layers.NewRetention(g, tensor.Float64, layers.RetentionConfig{DModel: 4, Heads: 2, Scores: retention.Normalized})
	if err != nil {
		t.Fatal(err)
	}
	if s := l.StateShapes(1); s != nil {
		t.Errorf("got a state %v", s)
	}
	x := placeholder(g, tensor.Float64, "x", 1, 4, 3)
	if _, err := l.Fwd(x); err != nil {
		t.Error(err)
	}
	_, _, err = l.FwdState(x, nil)
	wantError(t, err, `layers: Retention "retention": FwdState: scores that are "normalized" need all steps before: want Scores "plain"`)
	_, err = l.Recurrence(1)
	wantError(t, err, `layers: Retention "retention": Recurrence: scores that are "normalized" need all steps before: want Scores "plain"`)
}

func TestRetentionConfigErrors(t *testing.T) {
	for want, c := range map[string]layers.MixerConfig{
		"RetentionConfig: want DModel >= 1, got 0":                                                  layers.RetentionConfig{},
		"RetentionConfig: want Heads >= 1, got 0":                                                   layers.RetentionConfig{DModel: 4},
		"RetentionConfig: want VWidth >= 1, got -1":                                                 layers.RetentionConfig{DModel: 4, Heads: 2, VWidth: -1},
		"RetentionConfig: want Heads that divide the 4 features of keys and the 8 of values, got 3": layers.RetentionConfig{DModel: 4, Heads: 3},
		`RetentionConfig: Norm: want a norm of ["rms" "group"], got "layer"`:                        layers.RetentionConfig{DModel: 4, Heads: 2, Norm: "layer"},
		"RetentionConfig: want a finite NormEps >= 0, got -1":                                       layers.RetentionConfig{DModel: 4, Heads: 2, NormEps: -1},
		"RetNetConfig: RetentionConfig: want Heads >= 1, got 0":                                     layers.RetNetConfig{DModel: 4},
		"RetNetConfig: FeedForwardConfig: want FF >= 1, or 0 for 4*DModel, got -1":                  layers.RetNetConfig{DModel: 4, Heads: 2, FF: -1},
		"RetNetConfig: Dropout: DropoutConfig: want P in [0, 1), got 2":                             layers.RetNetConfig{DModel: 4, Heads: 2, Dropout: 2},
		"want an even number of features of the keys of a head, or Positions \"none\", got 3":       layers.RetentionConfig{DModel: 6, Heads: 2},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
