package models_test

import (
	"context"
	"fmt"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// benchmarked are language models of 4 layers of 256 features: a mixer and a
// feed-forward layer, pre-norm.
func benchmarked(vocab int) []struct {
	name string
	cfg  models.LanguageModelConfig
} {
	const h, depth = 256, 4
	inner := func(m layers.MixerConfig) layers.BlockConfig { return layers.BlockConfig{Mixer: m, PreNorm: true} }
	ff := inner(layers.FeedForwardConfig{DModel: h})
	transformer := layers.BlockConfig{Mixer: layers.TransformerConfig{DModel: h, Heads: 4, Causal: true, PreNorm: true, Positions: layers.SinusoidalPositions}, NoResidual: true, Norm: layers.NoNorm}
	var all []struct {
		name string
		cfg  models.LanguageModelConfig
	}
	for _, m := range []struct {
		name   string
		blocks []layers.BlockConfig
	}{
		{"s4", []layers.BlockConfig{inner(layers.S4Config{DModel: h, LMax: 1024}), ff}},
		{"s4d", []layers.BlockConfig{inner(layers.S4DConfig{DModel: h}), ff}},
		{"lstm", []layers.BlockConfig{inner(layers.LSTMConfig{DModel: h})}},
		{"transformer", []layers.BlockConfig{transformer}},
	} {
		all = append(all, struct {
			name string
			cfg  models.LanguageModelConfig
		}{m.name, models.LanguageModelConfig{Vocab: vocab, Stack: layers.StackConfig{Blocks: m.blocks, Repeat: depth}}})
	}
	return all
}

// BenchmarkLanguageModelStep is a token of each row of a batch.
func BenchmarkLanguageModelStep(b *testing.B) {
	for _, vocab := range []int{4096, 50_000} {
		for _, c := range benchmarked(vocab) {
			r, err := newLanguageModel(b, c.cfg, tensor.Float32).Recurrence(1)
			if err != nil {
				b.Fatal(err)
			}
			for _, batch := range []int{1, 16, 64} {
				b.Run(fmt.Sprintf("%s/V%d/B%d", c.name, vocab, batch), func(b *testing.B) {
					f, err := r.Fork(batch)
					if err != nil {
						b.Fatal(err)
					}
					ids := tensor.New(tensor.WithShape(batch), tensor.WithBacking(make([]int, batch)))
					testutil.Bench(b, func() error {
						_, err := f.Step(ids)
						return err
					})
					b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
				})
			}
		}
	}
}

// BenchmarkPrompt is a prompt of 10,000 tokens.
func BenchmarkPrompt(b *testing.B) {
	const n = 10_000
	for _, c := range benchmarked(4096) {
		b.Run(fmt.Sprintf("%s/L%d", c.name, n), func(b *testing.B) {
			r, err := newLanguageModel(b, c.cfg, tensor.Float32).Recurrence(1)
			if err != nil {
				b.Fatal(err)
			}
			ids := prompt(n)
			testutil.Bench(b, func() error {
				_, _, err := readFrom(context.Background(), r, nil, ids)
				return err
			})
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkRegroup is a row that leaves a batch of 64 and another that joins it.
func BenchmarkRegroup(b *testing.B) {
	const batch = 64
	for _, c := range benchmarked(4096) {
		b.Run(fmt.Sprintf("%s/B%d", c.name, batch), func(b *testing.B) {
			r, err := newLanguageModel(b, c.cfg, tensor.Float32).Recurrence(batch)
			if err != nil {
				b.Fatal(err)
			}
			f, err := r.Fork(1)
			if err != nil {
				b.Fatal(err)
			}
			x := f.State()
			keep := make([]int, batch-1)
			for i := range keep {
				keep[i] = i + 1
			}
			testutil.Bench(b, func() error { return r.Regroup(keep, x) })
		})
	}
}
