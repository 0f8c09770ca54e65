package ops

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// EmbeddingOption changes how Embedding works: Padding, Scaled or an Option.
type EmbeddingOption interface{ setEmbedding(*embeddingOptions) }

type embeddingOptions struct {
	sequenceOptions
	padding int
	padded  bool // there is a padding id
	scale   float64
}

func (f Option) setEmbedding(o *embeddingOptions) { f(&o.sequenceOptions) }

type embeddingOption func(*embeddingOptions)

func (f embeddingOption) setEmbedding(o *embeddingOptions) { f(o) }

// Padding makes a token id, in [0, V), stand for padding: it reads as zero, and
// its row of the table gets no gradient.
func Padding(id int) EmbeddingOption {
	return embeddingOption(func(o *embeddingOptions) { o.padding, o.padded = id, true })
}

// Scaled multiplies what is looked up by a finite number, as a table that is also the
// weight of a softmax wants it: its rows are small there.
func Scaled(by float64) EmbeddingOption {
	return embeddingOption(func(o *embeddingOptions) { o.scale = by })
}

// Embedding looks up token ids (B, L), of dtype int, in a table w (V, H) and
// returns (B, H, L): step l of sequence b is row ids[b, l] of w. An id that is
// not in [0, V) is an error when the graph runs, unless it is behind one of the
// Lengths.
func Embedding(ids, w *G.Node, opts ...EmbeddingOption) (*G.Node, error) {
	const op = "ops.Embedding"
	if err := checkInts(op, "ids", ids, "(B, L)"); err != nil {
		return nil, err
	}
	if err := checkFloat(op, "w", w, "(V, H)"); err != nil {
		return nil, err
	}
	o := embeddingOptions{scale: 1}
	for _, opt := range opts {
		opt.setEmbedding(&o)
	}
	d := embeddingDims{b: ids.Shape()[0], l: ids.Shape()[1], v: w.Shape()[0], h: w.Shape()[1], padding: o.padding, padded: o.padded, scale: o.scale}
	if err := checkLengths(op, o.lengths, d.b); err != nil {
		return nil, err
	}
	if d.padded && (d.padding < 0 || d.padding >= d.v) {
		return nil, fmt.Errorf("%s: want a padding id in [0, %d), got %d", op, d.v, d.padding)
	}
	if math.IsNaN(d.scale) || math.IsInf(d.scale, 0) {
		return nil, fmt.Errorf("%s: want Scaled by a finite number, got %g", op, d.scale)
	}
	in := inputs{ids, w}
	ints := []int{0, in.add(o.lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{d.b, d.h, d.l}, Ints: ints},
		func() graphop.Core[float32] { return newEmbedding[float32](d) },
		func() graphop.Core[float64] { return newEmbedding[float64](d) }, in...)
}
