package ops

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naiveEmbedding looks ids up in w (V, H); padding, if it is an id, reads as 0.
func naiveEmbedding(ids []int, nb, nl, nh int, w []float64, padding int) []float64 {
	y := make([]float64, nb*nh*nl)
	for b := range nb {
		for l := range nl {
			id := ids[b*nl+l]
			for h := range nh {
				if id != padding {
					y[(b*nh+h)*nl+l] = w[id*nh+h]
				}
			}
		}
	}
	return y
}

func someIDs(n, v int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (7*i + i*i/3 + 2) % v
	}
	return ids
}

func TestEmbedding(t *testing.T) {
	rng := newRand(1)
	for _, n := range [][4]int{{1, 1, 1, 1}, {2, 17, 3, 5}, {3, 1, 17, 4}, {1, 300, 2, 3}, {4, 5, 40, 9}} {
		B, L, H, V := n[0], n[1], n[2], n[3]
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			ids, w := testutil.Ints("ids", someIDs(B*L, V), B, L), testutil.Normal(rng, "w", V, H)
			f := build(func(n []*G.Node) (*G.Node, error) { return Embedding(n[0], n[1]) })
			checkValue(t, f, naiveEmbedding(ids.I, B, L, H, w.F, -1), ids, w)
			testutil.Check(t, f, ids, w)

			f = build(func(n []*G.Node) (*G.Node, error) { return Embedding(n[0], n[1], Padding(2%V)) })
			checkValue(t, f, naiveEmbedding(ids.I, B, L, H, w.F, 2%V), ids, w)
			testutil.Check(t, f, ids, w)

			f = build(func(n []*G.Node) (*G.Node, error) { return Embedding(n[0], n[1], Scaled(-2.5)) })
			want := naiveEmbedding(ids.I, B, L, H, w.F, -1)
			for i := range want {
				want[i] *= -2.5
			}
			checkValue(t, f, want, ids, w)
			testutil.Check(t, f, ids, w)
		})
	}
}

func TestEmbeddingCore(t *testing.T) {
	d := embeddingDims{b: 3, l: 200, h: 40, v: 19, padding: 4, padded: true, scale: 2}
	p := newPass[float32](newEmbedding[float32](d), d.b*d.h*d.l, nil, someIDs(d.b*d.l, d.v))
	w := newPass[float32](nil, 0, []int{d.v * d.h}) // inputs in the order of the op
	p.in, p.grad = append(p.in, w.in...), append(p.grad, w.grad...)
	checkPass(t, p, once)
}

func TestEmbeddingErrors(t *testing.T) {
	g := newGraph()
	ids, w := g.ints("ids", 2, 5), g.f64("w", 7, 3)
	for _, c := range []struct {
		ids, w *G.Node
		opts   []EmbeddingOption
		want   string
	}{
		{nil, w, nil, "ops.Embedding: want ids (B, L), got nil"},
		{g.ints("i1", 5), w, nil, "ops.Embedding: want ids (B, L), got (5)"},
		{g.f64("f", 2, 5), w, nil, "ops.Embedding: want ids (B, L) of dtype int, got dtype float64"},
		{g.ints("i0", 2, 0), w, nil, "ops.Embedding: want ids (B, L) with every axis at least 1, got (2, 0)"},
		{ids, nil, nil, "ops.Embedding: want w (V, H), got nil"},
		{ids, g.f64("w1", 7), nil, "ops.Embedding: want w (V, H), got (7)"},
		{ids, w, []EmbeddingOption{Padding(7)}, "ops.Embedding: want a padding id in [0, 7), got 7"},
		{ids, w, []EmbeddingOption{Scaled(math.Inf(1))}, "ops.Embedding: want Scaled by a finite number, got +Inf"},
		{ids, w, []EmbeddingOption{Padding(-1)}, "ops.Embedding: want a padding id in [0, 7), got -1"},
	} {
		_, err := Embedding(c.ids, c.w, c.opts...)
		wantError(t, err, c.want)
	}
	for _, id := range []int{7, -1} {
		bad := testutil.Ints("ids", []int{0, 1, 2, 3, 4, 5, 6, 0, id, 0}, 2, 5)
		_, err := testutil.Forward(tensor.Float64, build(func(n []*G.Node) (*G.Node, error) { return Embedding(n[0], n[1]) }),
			bad, testutil.Normal(newRand(2), "w", 7, 3))
		wantError(t, err, fmt.Sprintf("ops.Embedding: ids[1, 3]: want an id in [0, 7), got %d", id))
	}
}

func BenchmarkEmbedding(b *testing.B) {
	d := embeddingDims{b: 50, l: 1024, h: 128, v: 256, scale: 1}
	p := newPass[float32](newEmbedding[float32](d), d.b*d.h*d.l, nil, someIDs(d.b*d.l, d.v))
	w := newPass[float32](nil, 0, []int{d.v * d.h})
	p.in, p.grad = append(p.in, w.in...), append(p.grad, w.grad...)
	bench(b, p)
}
