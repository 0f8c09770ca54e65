package layers_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

func TestBlockGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	x := testutil.Normal(rng, "x", 2, 3, 7)
	for _, cfg := range []layers.BlockConfig{
		{},
		{PreNorm: true},
		{Norm: layers.NoNorm},
	} {
		cfg.Mixer = layers.S4DConfig{DModel: 3, DState: 4}
		testutil.Check(t, func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			b, err := layers.NewBlock(g, n[0].Dtype(), cfg)
			if err != nil {
				return nil, err
			}
			return b.Fwd(n[0])
		}, x)
	}
}

func TestBlockErrors(t *testing.T) {
	for want, cfg := range map[string]layers.BlockConfig{
		"want a Mixer, got none":      {},
		"S4DConfig: want DModel >= 1": {Mixer: layers.S4DConfig{}},
		"want Channels 1 or a mixing, got a mixer with 4 features of output":                                {Mixer: layers.S4DConfig{DModel: 2, SSM: layers.SSM{Channels: 2, Mixing: layers.MixNone}}},
		"a block keeps its 2 features: want a mixer with as many of output, got a layers.LSTMConfig with 3": {Mixer: layers.LSTMConfig{DModel: 2, Hidden: 3}},
		`want norm "layer"`:          {Mixer: layers.S4DConfig{DModel: 2}, Norm: "x"},
		"want P in [0, 1), got -0.1": {Mixer: layers.S4DConfig{DModel: 2}, Dropout: -0.1},
	} {
		if _, err := layers.NewBlock(G.NewGraph(), tensor.Float32, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Fwd(nil); err == nil || !strings.Contains(err.Error(), `layers: Block "block": Fwd: want x (B, 2, L), got nil`) {
		t.Errorf("got error %v", err)
	}
}

func TestBlockParameterNames(t *testing.T) {
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, SSM: layers.SSM{Dropout: 0.1}}, Norm: layers.BatchNorm, Dropout: 0.1}, layers.WithName("blocks.3"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range b.Params() {
		got = append(got, p.Name)
	}
	for _, v := range b.Buffers() {
		got = append(got, v.Name)
	}
	want := `blocks.3.layer.kernel.log_dt blocks.3.layer.kernel.A_real blocks.3.layer.kernel.A_imag blocks.3.layer.kernel.B blocks.3.layer.kernel.C blocks.3.layer.D ` +
		`blocks.3.layer.output_linear.weight blocks.3.layer.output_linear.bias blocks.3.norm.weight blocks.3.norm.bias ` +
		`blocks.3.layer.dropout.rng blocks.3.norm.running_mean blocks.3.norm.running_var blocks.3.dropout.rng`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestBlockConfigJSONRoundTrip(t *testing.T) {
	for _, cfg := range []layers.BlockConfig{
		{Mixer: layers.S4Config{DModel: 4, DState: 8, Rank: 2, NSSM: 2, LMax: 100, Init: hippo.InitLegT, SSM: layers.SSM{Bottleneck: 2, Gate: 4, GateActivation: ops.ActSiLU, Frozen: []string{"A"}}}, PreNorm: true},
		{Mixer: layers.S4DConfig{DModel: 4, SSM: layers.SSM{Bidirectional: true, OffByOne: true}}, Norm: layers.BatchNorm},
		{Mixer: layers.DSSConfig{DModel: 4, Version: vandermonde.DSSExp, Dt: layers.DtPerFeature, DetachShift: true, SSM: layers.SSM{LRC: 0.1}}, Dropout: 0.5},
		{Mixer: layers.LSSLConfig{DModel: 4, Init: hippo.LagT, Alpha: 1, SSM: layers.SSM{Channels: 3, FollowLR: []string{"A"}}}},
	} {
		b, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var got layers.BlockConfig
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, cfg) {
			t.Errorf("%s came back as another configuration", b)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		if n := got.DModel(); n != 4 {
			t.Errorf("%s: DModel %d, want 4", b, n)
		}
	}
}

// A block without the sum is the one with it, less its input.
func TestBlockWithoutResidual(t *testing.T) {
	for _, dropped := range []bool{false, true} {
		x := testutil.Normal(rand.New(rand.NewPCG(2, 9)), "x", 2, 3, 7)
		var y [2][]float64
		for i, without := range []bool{false, true} {
			g := G.NewGraph()
			cfg := layers.BlockConfig{Mixer: layers.LinearConfig{In: 3, Out: 3}, PreNorm: true, NoResidual: without}
			if dropped {
				cfg.Mixer = layers.S4DConfig{DModel: 3, DState: 4}
			}
			l, err := layers.NewBlock(g, tensor.Float64, cfg, layers.WithSeed(1))
			if err != nil {
				t.Fatal(err)
			}
			y[i] = forward(t, l, g, tensor.Float64, x)
		}
		for i, v := range y[0] {
			y[0][i] = v - x.F[i]
		}
		if e := testutil.RelErr(y[1], y[0]); !(e <= 1e-14) {
			t.Errorf("off by %.3g", e)
		}
	}
}

// A mixer that has residuals of its own is in a block without.
func TestBlockAroundResiduals(t *testing.T) {
	for kind, m := range map[string]layers.MixerConfig{
		"Transformer": layers.TransformerConfig{DModel: 4, Heads: 2},
		"TCN":         &layers.TCNConfig{In: 4, Out: 4},
		"CKBlock":     layers.CKBlockConfig{In: 4, Out: 4},
	} {
		wantError(t, layers.BlockConfig{Mixer: m}.Validate(), "BlockConfig: a "+kind+" has residuals of its own: want NoResidual, as a rule with NoNorm")
		if err := (layers.BlockConfig{Mixer: m, NoResidual: true}).Validate(); err != nil {
			t.Error(err)
		}
	}
}
