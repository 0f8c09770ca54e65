package layers_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// A step of many rows is spread over the workers. It is, to the bit, the steps of rows
// alone, and allocates nothing.
func TestStepsOfManyRows(t *testing.T) {
	const h, rows, steps = 64, 19, 3
	for name, cfg := range map[string]layers.MixerConfig{
		"s5":        layers.S5Config{DModel: h, DState: h},
		"lru":       layers.LRUConfig{DModel: h, DState: h},
		"lstm":      layers.LSTMConfig{DModel: h},
		"hippo-rnn": layers.HiPPORNNConfig{DModel: h, MemoryOrder: 64},
		"retention": layers.RetentionConfig{DModel: h, Heads: 2},
		"group":     layers.RetentionConfig{DModel: h, Heads: 2, Norm: "group"},
		"positions": layers.RetentionConfig{DModel: 63, Heads: 3, VWidth: 66, Positions: "none"},
		"mega":      layers.MegaAttentionConfig{DModel: h, Causal: true},
		"prenorm":   layers.MegaAttentionConfig{DModel: h, Causal: true, PreNorm: true, Function: "laplace"},
		"mamba":     layers.MambaConfig{DModel: h},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := layers.New(G.NewGraph(), tensor.Float32, cfg)
			if err != nil {
				t.Fatal(err)
			}
			in, out := cfg.Features()
			rng := rand.New(rand.NewPCG(7, 3))
			one := make([]*layers.Recurrence, rows)
			all, err := l.(recurrent).Recurrence(rows)
			for b := range one {
				if err == nil {
					one[b], err = l.(recurrent).Recurrence(1)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			for range steps {
				u := testutil.Normal(rng, "u", rows, in)
				y, err := all.Step(u.Tensor(tensor.Float32))
				if err != nil {
					t.Fatal(err)
				}
				got := y.Data().([]float32)
				for b, r := range one {
					row := testutil.Input{Name: "u", Shape: tensor.Shape{1, in}, F: u.F[b*in:][:in]}
					want, err := r.Step(row.Tensor(tensor.Float32))
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(got[b*out:][:out], want.Data().([]float32)) {
						t.Fatalf("row %d: other numbers than alone", b)
					}
				}
			}
			u := testutil.Normal(rng, "u", rows, in).Tensor(tensor.Float32)
			if n := testing.AllocsPerRun(5, func() { _, err = all.Step(u) }); n > 0 || err != nil {
				t.Errorf("a step allocates %g times, error %v", n, err)
			}
		})
	}
}
