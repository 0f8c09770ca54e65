package layers_test

import (
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

func mambaVariant(c layers.MambaConfig) variant {
	return variantOf(c.DModel, c, layers.NewMamba, (*layers.Mamba).CloneTo)
}

// mambas are configurations of the kind, and blocks around it.
func mambas() []variant {
	return []variant{
		mambaVariant(layers.MambaConfig{DModel: 4, DState: 3}),
		mambaVariant(layers.MambaConfig{DModel: 3, DState: 2, Expand: 1, Kernel: 1, DtRank: 2, Bias: true}),
		mambaVariant(layers.MambaConfig{DModel: 20, DState: 16, Kernel: 2, NoConvBias: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.MambaConfig{DModel: 4, DState: 2, Kernel: 3}, PreNorm: true}),
	}
}

func TestMambaDefaults(t *testing.T) {
	l, err := layers.NewMamba(G.NewGraph(), tensor.Float64, layers.MambaConfig{DModel: 33})
	if err != nil {
		t.Fatal(err)
	}
	want := layers.MambaConfig{DModel: 33, Expand: 2, DState: 16, Kernel: 4, DtRank: 3, DtMin: 0.001, DtMax: 0.1}
	if got := l.Config(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	shapes := map[string]tensor.Shape{
		"A_log": {66, 16}, "D": {66}, "in_proj.weight": {132, 33}, "conv1d.weight": {66, 1, 4}, "conv1d.bias": {66},
		"x_proj.weight": {35, 66}, "dt_proj.weight": {66, 3}, "dt_proj.bias": {66}, "out_proj.weight": {33, 66},
	}
	for _, p := range l.Params() {
		name := strings.TrimPrefix(p.Name, l.Name()+".")
		if !p.Node.Shape().Eq(shapes[name]) {
			t.Errorf("%s: got %v, want %v", name, p.Node.Shape(), shapes[name])
		}
		if decayed := p.WeightDecay == nil; decayed == (name == "A_log" || name == "D") {
			t.Errorf("%s: decayed %t", name, decayed)
		}
		delete(shapes, name)
	}
	if len(shapes) > 0 {
		t.Errorf("no parameters %v", shapes)
	}
}

// The start: step sizes between their bounds, A = -1, -2, .. in every channel.
func TestMambaStart(t *testing.T) {
	l, err := layers.NewMamba(G.NewGraph(), tensor.Float64, layers.MambaConfig{DModel: 64, DtMin: 1e-5, DtMax: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Params() {
		v := testutil.Floats(p.Node.Value())
		switch strings.TrimPrefix(p.Name, l.Name()+".") {
		case "dt_proj.bias":
			least, most := math.Inf(1), 0.0
			for _, x := range v {
				dt := math.Log1p(math.Exp(x))
				least, most = min(least, dt), max(most, dt)
			}
			if !(least > 0.9999e-4 && least < 2e-4 && most > 0.1 && most < 0.2001) {
				t.Errorf("step sizes from %g to %g", least, most)
			}
		case "A_log":
			for i, x := range v {
				if a := math.Exp(x); math.Abs(a-float64(1+i%16)) > 1e-12 {
					t.Errorf("A[%d] = -%g", i, a)
				}
			}
		}
	}
}

func TestMambaConfigErrors(t *testing.T) {
	for want, c := range map[string]layers.MambaConfig{
		"MambaConfig: want DModel >= 1, got 0":                                                                          {},
		"MambaConfig: want Expand >= 1, got -1":                                                                         {DModel: 1, Expand: -1},
		"MambaConfig: want DState >= 1, got -2":                                                                         {DModel: 1, DState: -2},
		"MambaConfig: want Kernel >= 1, got -2":                                                                         {DModel: 1, Kernel: -2},
		"MambaConfig: want DtRank >= 1, got -3":                                                                         {DModel: 1, DtRank: -3},
		"MambaConfig: want 0 < DtMin <= DtMax, finite, got -1 and 0.1":                                                  {DModel: 1, DtMin: -1},
		"MambaConfig: want 0 < DtMin <= DtMax, finite, got 0.2 and 0.1":                                                 {DModel: 1, DtMin: 0.2},
		"MambaConfig: want 0 < DtMin <= DtMax, finite, got 0.001 and +Inf":                                              {DModel: 1, DtMax: math.Inf(1)},
		"MambaConfig: want 0 < DtMin <= DtMax, finite, got NaN and 0.1":                                                 {DModel: 1, DtMin: math.NaN()},
		"MambaConfig: want at most 2147483647 elements in in_proj (2*Expand*DModel, DModel), got 2 x 2 x 65536 x 65536": {DModel: 1 << 16},
	} {
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
