package models_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/task"
)

// The language models that are measured beside each other: all as wide and as deep,
// each block a mixer and a feed-forward network of 4 times the width, both with a
// norm in front and a residual around.
const (
	writerVocab, writerWidth, writerBlocks = 4096, 256, 4
	writerState, writerHeads               = 64, 4
)

// writerConfig returns the configuration of such a model by the name of its mixer.
// lMax is the length that an S4 is tuned to.
func writerConfig(tb testing.TB, mixer string, lMax int) models.LanguageModelConfig {
	const h, n = writerWidth, writerState
	stack := layers.StackConfig{Repeat: writerBlocks}
	block := func(m layers.MixerConfig) layers.BlockConfig { return layers.BlockConfig{Mixer: m, PreNorm: true} }
	feedForward := block(layers.FeedForwardConfig{DModel: h})
	switch mixer {
	case "s4":
		stack.Blocks = []layers.BlockConfig{block(layers.S4Config{DModel: h, DState: n, LMax: lMax}), feedForward}
	case "s4d":
		stack.Blocks = []layers.BlockConfig{block(layers.S4DConfig{DModel: h, DState: n, FixedB: true}), feedForward}
	case "transformer":
		stack.Blocks = []layers.BlockConfig{{
			Mixer: layers.TransformerConfig{DModel: h, Heads: writerHeads, Causal: true, Rotary: attention.RotaryHalf, PreNorm: true},
			Norm:  layers.NoNorm, NoResidual: true,
		}}
		stack.Norm = layers.LayerNorm
	default:
		tb.Fatalf("want s4, s4d or transformer, got %q", mixer)
	}
	return models.LanguageModelConfig{Vocab: writerVocab, Stack: stack}
}

// newWriter makes such a model.
func newWriter(tb testing.TB, mixer string, lMax int) *models.LanguageModel {
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, writerConfig(tb, mixer, lMax), 1)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// BenchmarkGenerate writes a token in each row of a batch behind a context of T
// tokens: a step of a language model, and the choice of the most likely token. A
// Transformer has from 15/16 T to T tokens in its cache. state-B is the size of the
// state of all rows, peak-MB that of the process while it writes.
func BenchmarkGenerate(b *testing.B) {
	for _, mixer := range []string{"s4", "s4d", "transformer"} {
		for _, context := range []int{256, 1024, 4096, 16384} {
			for _, batch := range []int{1, 16, 64} {
				b.Run(fmt.Sprintf("%s/B%d_T%d", mixer, batch, context), func(b *testing.B) {
					benchmarkGenerate(b, newWriter(b, mixer, 1024), batch, context)
				})
			}
		}
	}
}

func benchmarkGenerate(b *testing.B, m *models.LanguageModel, batch, context int) {
	r, err := m.Recurrence(batch)
	if err != nil {
		b.Fatal(err)
	}
	left := 0 // tokens to write until the context is full
	begin := func() {
		if err := fill(r, context-context/16); err != nil {
			b.Fatal(err)
		}
		left = context / 16
	}
	write := writer(r, batch)
	begin()
	peak := testutil.Peak(b, write) // before states are filled again, in a copy
	testutil.Bench(b, func() error {
		if left == 0 {
			b.StopTimer()
			begin()
			b.StartTimer()
		}
		left--
		return write()
	})
	b.ReportMetric(peak, "peak-MB")
	b.ReportMetric(float64(stateBytes(m.StateShapes(batch), context)), "state-B")
	b.ReportMetric(float64(testutil.Size(m.Learnables())), "params")
}

// writer returns a function that writes a token in each row, the most likely one.
func writer(r *layers.Recurrence, batch int) func() error {
	ids := make([]int, batch)
	u := tensor.New(tensor.WithShape(batch), tensor.WithBacking(ids))
	w := make([]float32, writerVocab/2)
	return func() error {
		y, err := r.Step(u)
		if err != nil {
			return err
		}
		scores := y.Data().([]float32)
		for i := range ids {
			ids[i] = greatest(scores[i*writerVocab:][:writerVocab], w)
		}
		return nil
	}
}

// greatest returns the index of the first of the greatest elements. w is scratch memory
// of half the size.
func greatest(x, w []float32) int {
	most := x
	for len(most)%2 == 0 && len(most) > 64 {
		n := len(most) / 2
		vec.Max(w[:n], most[:n], most[n:])
		most = w[:n]
	}
	return slices.Index(x, slices.Max(most))
}

// fill sets a recurrence to a state that has seen as many tokens, with caches of
// normal numbers. Whether a state that does not grow has seen few or many is nothing
// to a step.
func fill(r *layers.Recurrence, seen int) error {
	r.Reset()
	state := r.State()
	var caches *tensor.Dense // of all layers, which are of one shape
	for i, t := range state {
		switch {
		case t.Grows > 0:
			if caches == nil {
				shape := t.Value.Shape().Clone()
				shape[t.Grows] = seen
				caches = testutil.Normal(rand.New(rand.NewPCG(1, 1)), "cache", shape...).Tensor(tensor.Float32)
			}
			state[i].Value = caches
		case strings.HasSuffix(t.Name, "position"):
			p := t.Value.Data().([]float32)
			for k := range p {
				p[k] = float32(seen)
			}
		}
	}
	return r.SetState(state)
}

// stateBytes returns the size of a state in float32 behind a context.
func stateBytes(shapes []layers.StateShape, context int) int {
	n := 0
	for _, s := range shapes {
		size := 4 * s.Shape.TotalSize()
		if s.Grows > 0 {
			size *= context
		}
		n += size
	}
	return n
}

// BenchmarkTrainLanguageModel is one step of training, forward, backward and AdamW,
// of such a language model.
func BenchmarkTrainLanguageModel(b *testing.B) {
	const batch, length = 8, 512
	for _, mixer := range []string{"s4", "s4d", "transformer"} {
		b.Run(fmt.Sprintf("%s/B%d_L%d", mixer, batch, length), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			benchmarkModel(b, newWriter(b, mixer, length), batch, length, func(name string, _ int) float64 {
				if name == task.Lengths {
					return length
				}
				return float64(rng.IntN(writerVocab))
			})
		})
	}
}
