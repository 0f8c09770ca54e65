package models_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// BenchmarkToken is where the time of BenchmarkGenerate goes: the same layers one by
// one, with a clock between them, behind a context of T tokens. name-ns is the time of
// all layers of a name in a step. choice is that of the likeliest token, and sampling
// that of one by package generate, which draws it at temperature 1 and top-p 0.95.
func BenchmarkToken(b *testing.B) {
	for _, c := range []struct {
		mixer   string
		context int
	}{{"s4", 1024}, {"s4d", 1024}, {"transformer", 1024}, {"transformer", 16384}} {
		for _, batch := range []int{1, 16, 64} {
			if batch*c.context > 16*16384 {
				continue // as at the batch before, but of more memory than most machines have
			}
			b.Run(fmt.Sprintf("%s/B%d_T%d", c.mixer, batch, c.context), func(b *testing.B) {
				benchmarkToken(b, c.mixer, batch, c.context)
			})
		}
	}
}

func benchmarkToken(b *testing.B, mixer string, batch, context int) {
	p := &parts{tb: b, batch: batch, context: context, spent: map[string]time.Duration{}}
	step := p.model(mixer)
	runs := 0
	testutil.Bench(b, func() error {
		if runs++; runs == 1 {
			clear(p.spent)
		}
		return step()
	})
	for _, name := range p.names {
		b.ReportMetric(float64(p.spent[name].Nanoseconds())/float64(runs), name+"-ns")
	}
}

// parts are the layers of a model, by name.
type parts struct {
	tb             testing.TB
	batch, context int
	names          []string // in the order of their first use
	spent          map[string]time.Duration
}

// step maps what a layer reads to what it returns.
type step func(u *tensor.Dense) *tensor.Dense

// timed measures a step under a name.
func (p *parts) timed(name string, f step) step {
	if _, ok := p.spent[name]; !ok {
		p.names = append(p.names, name)
		p.spent[name] = 0
	}
	return func(u *tensor.Dense) *tensor.Dense {
		begin := time.Now()
		y := f(u)
		p.spent[name] += time.Since(begin)
		return y
	}
}

// layer is a layer under a name, its caches full but for the steps of a measurement.
func (p *parts) layer(name string, cfg layers.Config) step {
	l, err := layers.New(G.NewGraph(), tensor.Float32, cfg)
	if err != nil {
		p.tb.Fatal(err)
	}
	r, err := layers.NewRecurrence(l.(layers.Stepper), p.batch)
	if err == nil {
		err = fill(r, p.context-p.context/16)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
	left, grows := p.context/16, slices.ContainsFunc(r.State(), func(t layers.StateTensor) bool { return t.Grows > 0 })
	return p.timed(name, func(u *tensor.Dense) *tensor.Dense {
		if left--; grows && left == 0 {
			left = p.context / 16
			if err := fill(r, p.context-left); err != nil {
				p.tb.Fatal(err)
			}
		}
		y, err := r.Step(u)
		if err != nil {
			p.tb.Fatal(err)
		}
		return y
	})
}

// model returns a step of a language model of writerConfig.
func (p *parts) model(mixer string) func() error {
	const h = writerWidth
	chain := []step{p.layer("embedding", layers.EmbeddingConfig{Vocab: writerVocab, DModel: h})}
	for range writerBlocks {
		chain = append(chain, p.residual(p.mixer(mixer)...),
			p.residual(p.layer("norm", layers.NormConfig{DModel: h, Kind: layers.LayerNorm}), p.layer("feed-forward", layers.FeedForwardConfig{DModel: h})))
	}
	chain = append(chain, p.layer("norm", layers.NormConfig{DModel: h, Kind: layers.LayerNorm}), p.layer("head", layers.LinearConfig{In: h, Out: writerVocab}))
	ids, w := make([]int, p.batch), make([]float32, writerVocab/2)
	u := tensor.New(tensor.WithShape(p.batch), tensor.WithBacking(ids))
	choose := p.timed("choice", func(scores *tensor.Dense) *tensor.Dense {
		for i := range ids {
			ids[i] = greatest(scores.Data().([]float32)[i*writerVocab:][:writerVocab], w)
		}
		return u
	})
	sample := p.timed("sampling", p.sampler())
	return func() error {
		y := u
		for _, f := range chain {
			y = f(y)
		}
		choose(y)
		sample(y)
		return nil
	}
}

// sampler draws a token of each row.
func (p *parts) sampler() step {
	rows := make([]*generate.Sampler, p.batch)
	for i := range rows {
		var err error
		if rows[i], err = generate.NewSampler(writerVocab, generate.Options{Temperature: 1, TopP: 0.95, Seed: uint64(i)}); err != nil {
			p.tb.Fatal(err)
		}
	}
	return func(scores *tensor.Dense) *tensor.Dense {
		for i, r := range rows {
			if _, err := r.Choose(scores, i); err != nil {
				p.tb.Fatal(err)
			}
		}
		return scores
	}
}

// mixer is a norm and a mixer, an S4 in two parts: its state with skip and
// activation, and its linear map with the gate.
func (p *parts) mixer(mixer string) []step {
	const h, n = writerWidth, writerState
	all := []step{p.layer("norm", layers.NormConfig{DModel: h, Kind: layers.LayerNorm})}
	ssm := layers.SSM{Mixing: layers.MixNone}
	switch mixer {
	case "s4":
		all = append(all, p.layer("state", layers.S4Config{DModel: h, DState: n, LMax: 1024, SSM: ssm}))
	case "s4d":
		all = append(all, p.layer("state", layers.S4DConfig{DModel: h, DState: n, FixedB: true, SSM: ssm}))
	default:
		return append(all, p.layer("attention", layers.AttentionConfig{DModel: h, Heads: writerHeads, Causal: true, Rotary: attention.RotaryHalf}))
	}
	y := make([]float32, p.batch*h)
	out := tensor.New(tensor.WithShape(p.batch, h), tensor.WithBacking(y))
	return append(all, p.layer("mixing", layers.LinearConfig{In: h, Out: 2 * h}), p.timed("gate", func(z *tensor.Dense) *tensor.Dense {
		for i := range p.batch {
			z := z.Data().([]float32)[2*i*h:][:2*h]
			vec.GLU(y[i*h:][:h], z[:h], z[h:])
		}
		return out
	}))
}

// residual is steps with a residual around them.
func (p *parts) residual(inner ...step) step {
	y := make([]float32, p.batch*writerWidth)
	out := tensor.New(tensor.WithShape(p.batch, writerWidth), tensor.WithBacking(y))
	add := p.timed("residual", func(*tensor.Dense) *tensor.Dense { return out })
	return func(u *tensor.Dense) *tensor.Dense {
		v := u
		for _, f := range inner {
			v = f(v)
		}
		vec.Add(y, u.Data().([]float32), v.Data().([]float32))
		return add(out)
	}
}
