package layers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// BenchmarkStep is one step of a whole layer, mixing included, and of a
// block with a norm around it, as a recurrence: (B, H) to (B, H) in float32.
func BenchmarkStep(b *testing.B) {
	const h, n = 128, 64
	for _, c := range []struct {
		name  string
		layer func(g *G.ExprGraph) (recurrent, error)
	}{
		{"s4d", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: h, DState: n, FixedB: true})
		}},
		{"s4", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewS4(g, tensor.Float32, layers.S4Config{DModel: h, DState: n, LMax: 1024})
		}},
		{"dss", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewDSS(g, tensor.Float32, layers.DSSConfig{DModel: h, DState: n, LMax: 1024})
		}},
		{"lssl", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewLSSL(g, tensor.Float32, layers.LSSLConfig{DModel: h, DState: n})
		}},
		{"lstm", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewLSTM(g, tensor.Float32, layers.LSTMConfig{DModel: h})
		}},
		{"gru", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewGRU(g, tensor.Float32, layers.GRUConfig{DModel: h})
		}},
		{"rnn", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewRNN(g, tensor.Float32, layers.RNNConfig{DModel: h})
		}},
		{"block", func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewBlock(g, tensor.Float32, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: h, DState: n, FixedB: true}, PreNorm: true})
		}},
	} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/B%d_H%d_N%d", c.name, batch, h, n), func(b *testing.B) {
				layer, err := c.layer(G.NewGraph())
				if err != nil {
					b.Fatal(err)
				}
				r, err := layer.Recurrence(batch)
				if err != nil {
					b.Fatal(err)
				}
				u := testutil.Normal(rand.New(rand.NewPCG(1, 1)), "u", batch, h).Tensor(tensor.Float32)
				testutil.Bench(b, func() error {
					_, err := r.Step(u)
					return err
				})
			})
		}
	}
}

// BenchmarkCachedStep is one step of an attention and of a Transformer layer behind
// 4,096 others, of which the keys and values are in a cache.
func BenchmarkCachedStep(b *testing.B) {
	const h, heads, seen = 128, 8, 4096
	for _, c := range []struct {
		name string
		cfg  layers.MixerConfig
	}{
		{"attention", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true}},
		{"rotary", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Rotary: attention.RotaryHalf}},
		{"window64", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Window: 64}},
		{"linear", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Form: attention.Linear}},
		{"transformer", layers.TransformerConfig{DModel: h, Heads: heads, Causal: true}},
	} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/B%d_H%d_T%d", c.name, batch, h, seen), func(b *testing.B) {
				l, err := layers.New(G.NewGraph(), tensor.Float32, c.cfg)
				if err != nil {
					b.Fatal(err)
				}
				r, err := layers.NewRecurrence(l.(layers.Stepper), batch)
				if err != nil {
					b.Fatal(err)
				}
				u := testutil.Normal(rand.New(rand.NewPCG(1, 1)), "u", batch, h).Tensor(tensor.Float32)
				for range seen {
					if _, err := r.Step(u); err != nil {
						b.Fatal(err)
					}
				}
				testutil.Bench(b, func() error {
					_, err := r.Step(u)
					return err
				})
			})
		}
	}
}

// recurrent is a layer that can run step by step.
type recurrent interface {
	Recurrence(batch int) (*layers.Recurrence, error)
}
