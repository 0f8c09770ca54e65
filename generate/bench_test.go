package generate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"

	G "gorgonia.org/gorgonia"
)

// benchModel is a small language model: four blocks of S4D and feed-forward, 128
// features.
func benchModel(b *testing.B, vocab int) *models.LanguageModel {
	b.Helper()
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{
		Vocab: vocab,
		Stack: layers.StackConfig{Repeat: 4, Blocks: []layers.BlockConfig{
			{Mixer: layers.S4DConfig{DModel: 128, DState: 64}, PreNorm: true}, {Mixer: layers.FeedForwardConfig{DModel: 128, FF: 512}, PreNorm: true},
		}},
	}, 1)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkEngine compares a batch that is stepped by a Recurrence alone with one that an
// Engine steps, chooses tokens for, and gives to a reader for each row: in turns, a
// hundred steps each, in nanoseconds for a step, and their ratio.
func BenchmarkEngine(b *testing.B) {
	for _, vocab := range []int{256, 8192} {
		m := benchModel(b, vocab)
		for _, rows := range []int{1, 64} {
			for _, c := range []struct {
				name string
				o    generate.Options
			}{{"greedy", generate.Options{}}, {"sampled", generate.Options{Temperature: 0.8}}, {"top_p", generate.Options{Temperature: 1, TopP: 0.95}}} {
				b.Run(fmt.Sprintf("V%d/B%d/%s", vocab, rows, c.name), func(b *testing.B) {
					var bare, engine time.Duration
					n := 0
					for b.Loop() {
						bare += bareSteps(b, m, rows)
						engine += engineSteps(b, m, rows, c.o)
						n += benchSteps
					}
					b.ReportMetric(float64(bare)/float64(n), "ns/bare")
					b.ReportMetric(float64(engine)/float64(n), "ns/engine")
					b.ReportMetric(float64(engine)/float64(bare), "engine/bare")
				})
			}
		}
	}
}

const benchSteps = 100

// bareSteps is the time of steps of a Recurrence.
func bareSteps(b *testing.B, m *models.LanguageModel, rows int) time.Duration {
	r, err := m.Recurrence(rows)
	if err != nil {
		b.Fatal(err)
	}
	ids := tensor.New(tensor.WithShape(rows), tensor.Of(tensor.Int))
	start := time.Now()
	for i := range benchSteps + 10 {
		if i == 10 {
			start = time.Now()
		}
		if _, err := r.Step(ids); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// engineSteps is the time of as many steps of an Engine, from when all rows are there.
func engineSteps(b *testing.B, m generate.Model, rows int, o generate.Options) time.Duration {
	e, err := generate.NewEngine(m, nil, generate.EngineConfig{MaxTokens: 1 << 24, MaxRows: rows, Buffer: 1 << 24})
	if err != nil {
		b.Fatal(err)
	}
	o.MaxTokens = 1 << 24
	ctx, cancel := context.WithCancel(context.Background())
	for range rows {
		s := submit(b, ctx, e, generate.Request{Prompt: []int{1}, Options: o})
		go readAll2(s)
	}
	for e.Stats().Rows < rows {
		time.Sleep(time.Millisecond)
	}
	from, start := e.Stats().Steps, time.Now()
	for e.Stats().Steps < from+benchSteps {
		time.Sleep(2 * time.Millisecond)
	}
	took := time.Since(start) * benchSteps / time.Duration(e.Stats().Steps-from)
	cancel()
	if err := e.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	return took
}

// constant is a model whose steps take no time.
type constant struct {
	vocab  int
	scores *tensor.Dense
}

func (m constant) Vocab() int { return m.vocab }
func (m constant) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}
func (m constant) Snapshot() (layers.Snapshot, error) { return m, nil }
func (m constant) NewSession(batch int) (layers.Session, error) {
	x := make([]float32, batch*m.vocab)
	for i := range x {
		x[i] = float32(i*7919%m.vocab) / 64
	}
	return constant{m.vocab, tensor.New(tensor.WithShape(batch, m.vocab), tensor.WithBacking(x))}, nil
}
func (m constant) Step(u *tensor.Dense) (*tensor.Dense, error) { return m.scores, nil }
func (m constant) State() layers.State                         { return nil }
func (m constant) SetState(x layers.State) error               { return nil }
func (m constant) Reset()                                      {}

// BenchmarkEngineAlone is what an Engine takes for a step besides that of the model.
func BenchmarkEngineAlone(b *testing.B) {
	for _, vocab := range []int{256, 8192} {
		for _, rows := range []int{1, 64} {
			b.Run(fmt.Sprintf("V%d/B%d", vocab, rows), func(b *testing.B) {
				best := time.Hour
				for b.Loop() {
					best = min(best, engineSteps(b, constant{vocab: vocab}, rows, generate.Options{Temperature: 0.8}))
				}
				b.ReportMetric(float64(best)/benchSteps, "best-ns/step")
			})
		}
	}
}
