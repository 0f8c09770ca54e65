package layers_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// droppers are configurations of all layers that drop, of 4 features, without anything
// that rows have in common.
func droppers() (all []layers.Config) {
	for _, untied := range []bool{false, true} {
		for _, mixing := range []layers.Mixing{layers.MixGLU, layers.MixLinear, layers.MixNone} {
			ssm := layers.SSM{Mixing: mixing, Dropout: 0.3, UntiedDropout: untied}
			all = append(all, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: ssm}, Dropout: 0.2, UntiedDropout: untied})
		}
		ff := layers.FeedForwardConfig{DModel: 4, FF: 6, Dropout: 0.3, UntiedDropout: untied}
		gated := ff
		gated.Gate, gated.Activation = true, ops.ActSiLU
		all = append(all, layers.DropoutConfig{P: 0.3, Untied: untied}, ff, gated,
			layers.BlockConfig{Mixer: ff, Dropout: 0.2, PreNorm: true},
			layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true, PreNorm: true, FF: 6, Dropout: 0.2, AttentionDropout: 0.3, FFDropout: 0.3, UntiedDropout: untied},
			layers.TCNConfig{In: 4, Out: 4, Kernel: 3, Levels: 2, Dropout: 0.3, UntiedDropout: untied},
			layers.CKBlockConfig{In: 4, Out: 4, Hidden: 3, LMax: 7, Dropout: 0.3, UntiedDropout: untied},
			layers.ConvNetConfig{DModel: 4, Depth: 2, Kernel: 3, Norm: layers.LayerNorm, Dropout: 0.3, UntiedDropout: untied},
			layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{{Mixer: gated, Dropout: 0.2, UntiedDropout: untied}}},
		)
	}
	return append(all,
		layers.AttentionConfig{DModel: 4, Heads: 2, Dropout: 0.3},
		layers.LSTMConfig{DModel: 4, Layers: 3, Dropout: 0.3},
		layers.GRUConfig{DModel: 4, Layers: 2, Bidirectional: true, Dropout: 0.3},
		layers.RNNConfig{DModel: 4, Layers: 2, Dropout: 0.3},
	)
}

// Rows that run one after the other, and rows that run elsewhere, drop what one graph
// of all rows drops: outputs are its own, and gradients add up to its own, in every
// step.
func TestRowsDropWhatTheBatchDrops(t *testing.T) {
	const b, h, l, steps, tol = 5, 4, 7, 2, 1e-12
	x := testutil.Normal(rand.New(rand.NewPCG(4, 6)), "x", b, h, l)
	for _, cfg := range droppers() {
		text, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("%T%s", cfg, text), func(t *testing.T) {
			t.Parallel()
			newLayer := func() layers.Layer {
				l, err := layers.New(G.NewGraph(), tensor.Float64, cfg, layers.WithSeed(2))
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			run := func(original layers.Layer, lo, hi int) results {
				g := G.NewGraph()
				c, err := layers.Clone(original, g, layers.InTurn())
				if err != nil {
					t.Fatal(err)
				}
				in := testutil.Input{Name: "x", Shape: tensor.Shape{hi - lo, h, l}, F: x.F[lo*h*l : hi*h*l]}
				return trainAlone(t, testutil.Tape, g, c, in, 1)
			}
			whole, here, there := newLayer(), newLayer(), newLayer()
			var before results
			for step := range steps {
				want := run(whole, 0, b)
				if step > 0 && testutil.RelErr(want[0], before[0]) < tol {
					t.Error("two steps drop the same")
				}
				before = want
				var parts []results
				for i, lo := range []int{0, 1, 3} {
					at, hi := here, min(b, lo+2)
					if i == 0 {
						hi = 1
					}
					if i == 2 {
						at = there
					}
					layers.BeginRows(ops.Rows{First: lo, N: hi - lo, Of: b, Later: i == 1}, at)
					parts = append(parts, run(at, lo, hi))
				}
				for k := range want {
					var got []float64
					for _, p := range parts {
						switch {
						case k == 0:
							got = append(got, p[0]...)
						case got == nil:
							got = p[k]
						default:
							for i, v := range p[k] {
								got[i] += v
							}
						}
					}
					if e := testutil.RelErr(got, want[k]); !(e <= tol) {
						t.Errorf("step %d, result %d (0 is the output): relative error %.3g", step, k, e)
					}
				}
			}
		})
	}
	layers.BeginRows(ops.Rows{}, nil, (*layers.Dropout)(nil), &layers.Dropout{}) // nothing to do
}
