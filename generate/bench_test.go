package generate_test

import (
	"context"
	"fmt"
	"slices"
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

// BenchmarkEngine is an Engine with a reader for each row of its batch: how long the
// model's step takes, and what the Engine does between two of them, which is to choose
// tokens and give them out, both the median of a thousand, in nanoseconds, and how much
// longer the second makes the first.
func BenchmarkEngine(b *testing.B) {
	for _, vocab := range []int{256, 8192} {
		m := benchModel(b, vocab)
		for _, rows := range []int{1, 64} {
			for _, c := range []struct {
				name string
				o    generate.Options
			}{{"greedy", generate.Options{}}, {"sampled", generate.Options{Temperature: 0.8}}, {"top_p", generate.Options{Temperature: 1, TopP: 0.95}}} {
				b.Run(fmt.Sprintf("V%d/B%d/%s", vocab, rows, c.name), func(b *testing.B) {
					clock := &clock{}
					for b.Loop() {
						clock.engine(b, timed{m, clock}, rows, c.o)
					}
					step, between := median(clock.steps), median(clock.between)
					b.ReportMetric(float64(step), "ns/step")
					b.ReportMetric(float64(between), "ns/between")
					b.ReportMetric(100*float64(between)/float64(step), "%more")
				})
			}
		}
	}
}

// clock takes the times of the steps of a model, and of what is between them.
type clock struct {
	rows           int // of the batches that count
	last           time.Time
	steps, between []time.Duration
	enough         chan struct{}
}

// engine lets an Engine take a thousand steps with so many rows.
func (c *clock) engine(b *testing.B, m generate.Model, rows int, o generate.Options) {
	*c = clock{rows: rows, enough: make(chan struct{})}
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
	<-c.enough
	cancel()
	if err := e.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// median is the middle one of durations.
func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// timed is a model whose steps a clock takes the time of.
type timed struct {
	*models.LanguageModel
	clock *clock
}

func (m timed) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}

func (m timed) Snapshot() (layers.Snapshot, error) {
	s, err := m.LanguageModel.Snapshot()
	return timedSnapshot{s, m.clock}, err
}

type timedSnapshot struct {
	layers.Snapshot
	clock *clock
}

func (s timedSnapshot) NewSession(batch int) (layers.Session, error) {
	of, err := s.Snapshot.NewSession(batch)
	return timedSession{of, batch, s.clock}, err
}

// timedSession is a batch. That of one row reads prompts, too, which is over when the
// first step is counted.
type timedSession struct {
	layers.Session
	batch int
	clock *clock
}

func (s timedSession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	c := s.clock
	if s.batch != c.rows || len(c.steps) == 1000 {
		return s.Session.Step(u)
	}
	start := time.Now()
	if !c.last.IsZero() {
		c.between = append(c.between, start.Sub(c.last))
	}
	y, err := s.Session.Step(u)
	c.last = time.Now()
	if c.steps = append(c.steps, c.last.Sub(start)); len(c.steps) == 1000 {
		close(c.enough)
	}
	return y, err
}
