package attention

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

func normal[T num.Float](n int) []T {
	rng := rand.New(rand.NewPCG(1, 1))
	x := num.Aligned[T](n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

// mask is masks that are always the same.
type mask uint64

func (m mask) Draw() uint64  { return uint64(m) }
func (m mask) Row(i int) int { return i }

// BenchmarkAttend is attention in float32 on 16 sequences of 128 features.
func BenchmarkAttend(b *testing.B) {
	for _, c := range []struct {
		name string
		Config
		l int
	}{
		{"all", Config{Heads: 4}, 1024},
		{"all", Config{Heads: 8}, 1024},
		{"dropout", Config{Heads: 8, Dropout: 0.1, Masks: mask(1)}, 1024},
		{"causal", Config{Heads: 4, Causal: true}, 1024},
		{"rotary", Config{Heads: 4, Causal: true, Rotary: RotaryHalf}, 1024},
		{"window128", Config{Heads: 4, Causal: true, Window: 128}, 4096},
		{"window16", Config{Heads: 4, Causal: true, Window: 16}, 4096},
		{"linear", Config{Heads: 4, Form: Linear}, 1024},
		{"causal_linear", Config{Heads: 4, Form: Linear, Causal: true}, 1024},
	} {
		d := dims{Config: c.Config, b: 16, e: 128, l: c.l, hd: 128 / c.Heads}
		o := operands{k: -1, v: -1, position: -1, lengths: -1}
		var core graphop.Core[float32] = newSoftmax[float32](d, o)
		if c.Form == Linear {
			core = newLinear[float32](d, o)
		}
		in := []graphop.Arg[float32]{{F: normal[float32](d.b * 3 * d.e * d.l)}}
		y, g := make([]float32, d.b*d.e*d.l), normal[float32](d.b*d.e*d.l)
		grad := [][]float32{make([]float32, len(in[0].F))}
		testutil.BenchPlan(b, fmt.Sprintf("%s/heads%d_L%d", c.name, c.Heads, c.l),
			func() error { return core.Forward(y, in) },
			func() error { return core.Backward(grad, in, y, g) })
	}
}

// BenchmarkStep is a step in float32 of 128 features with 4096 steps before it.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name string
		Config
	}{
		{"cache", Config{Heads: 4, Causal: true}},
		{"cache8", Config{Heads: 8, Causal: true}},
		{"window", Config{Heads: 4, Causal: true, Window: 4096}},
		{"linear", Config{Heads: 4, Causal: true, Form: Linear}},
	} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/B%d", c.name, batch), func(b *testing.B) {
				const e, t = 128, 4096
				s, err := NewStep[float32](c.Config, e)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Reset(batch); err != nil {
					b.Fatal(err)
				}
				if c.Form != Linear {
					x := State[float32]{Batch: batch, Slots: t - 1, Tensors: [][]float32{normal[float32](batch * e * (t - 1)), normal[float32](batch * e * (t - 1)), make([]float32, batch)}}
					for i := range x.Tensors[2] {
						x.Tensors[2][i] = t - 1
					}
					if err := s.Load(x); err != nil {
						b.Fatal(err)
					}
				}
				qkv, y := normal[float32](batch*3*e), make([]float32, batch*e)
				b.ReportAllocs()
				for b.Loop() {
					if err := s.Advance(y, qkv); err != nil {
						b.Fatal(err)
					}
					if c.Form != Linear && c.Window == 0 { // stay there
						for i := range s.cached {
							s.cached[i]--
						}
					}
				}
			})
		}
	}
}
