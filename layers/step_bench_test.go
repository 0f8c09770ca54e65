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
				benchmarkStep(b, layer, batch, h, 0)
			})
		}
	}
	benchmarkOtherSteps(b, h)
}

// benchmarkOtherSteps is BenchmarkStep for layers that are no state space. Those with
// a cache have seen enough steps to fill it.
func benchmarkOtherSteps(b *testing.B, h int) {
	const seen = 4096
	for _, c := range []struct {
		name string
		cfg  layers.MixerConfig
		seen int
	}{
		{"s5", layers.S5Config{DModel: h, DState: 256}, 0},
		{"lru", layers.LRUConfig{DModel: h, DState: 128}, 0},
		{"lstm", layers.LSTMConfig{DModel: h}, 0},
		{"gru", layers.GRUConfig{DModel: h}, 0},
		{"rnn", layers.RNNConfig{DModel: h}, 0},
		{"hippo-rnn", layers.HiPPORNNConfig{DModel: h}, 0},
		{"feedforward", layers.FeedForwardConfig{DModel: h}, 0},
		{"mega", layers.MegaAttentionConfig{DModel: h, Causal: true}, 127},
		{"retention", layers.RetentionConfig{DModel: h, Heads: 4}, 0},
		{"mamba", layers.MambaConfig{DModel: h}, 0},
		{"conv1d", layers.Conv1DConfig{In: h, Out: h, Kernel: 4, Groups: h}, 0},
		{"transformer", layers.TransformerConfig{DModel: h, Heads: heads, Causal: true, Window: seen}, seen},
		{"attention", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Window: seen}, seen},
		{"rotary", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Window: seen, Rotary: attention.RotaryHalf}, seen},
		{"window64", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Window: 64}, seen},
		{"linear", layers.AttentionConfig{DModel: h, Heads: heads, Causal: true, Form: attention.Linear}, seen},
	} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/B%d_H%d", c.name, batch, h), func(b *testing.B) {
				l, err := layers.New(G.NewGraph(), tensor.Float32, c.cfg)
				if err != nil {
					b.Fatal(err)
				}
				benchmarkStep(b, l.(recurrent), batch, h, c.seen)
			})
		}
	}
}

// benchmarkStep measures a step of a layer behind as many as seen.
func benchmarkStep(b *testing.B, layer recurrent, batch, h, seen int) {
	r, err := layer.Recurrence(batch)
	if err != nil {
		b.Fatal(err)
	}
	u := testutil.Normal(rand.New(rand.NewPCG(1, 1)), "u", batch, h).Tensor(tensor.Float32)
	step := func() error {
		_, err := r.Step(u)
		return err
	}
	for range seen {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	testutil.Bench(b, step)
	b.ReportMetric(float64(testutil.Size(layer.Learnables())), "params")
}

// recurrent is a layer that can run step by step.
type recurrent interface {
	Learnables() G.Nodes
	Recurrence(batch int) (*layers.Recurrence, error)
}
