package adaptive

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Table is the parameters of an adaptive embedding.
type Table struct {
	Vocab   int
	Cutoffs []int  // none: one table for all tokens
	Weights []Rows // of each cluster, (tokens, D)
	// Projs are of each cluster, (H, D). A node may be of several. nil: the identity,
	// D = H.
	Projs []*G.Node
	Scale float64 // what the result is multiplied by
}

// Embedding looks token ids (B, L) of dtype int up and returns (B, H, L). Behind one of
// the lengths (B) of dtype int, which may be nil, nothing is read and the result is 0.
// An id that is not in [0, Vocab) is an error when the graph runs.
func Embedding(ids, lengths *G.Node, t Table, h int) (*G.Node, error) {
	a := &arguments{op: "adaptive.Embedding"}
	d := embeddingDims{vocab: t.Vocab, h: h, scale: t.Scale, cutoffs: slices.Clone(t.Cutoffs)}
	if err := t.check(a, &d); err != nil {
		return nil, err
	}
	if ids == nil || ids.Shape().Dims() != 2 {
		return nil, a.errorf("ids: want (B, L) of dtype int, got %v", shapeOf(ids))
	}
	s := ids.Shape()
	if slices.Min(s) < 1 {
		return nil, a.errorf("ids: want (B, L) with every axis at least 1, got %v", s)
	}
	if err := a.intsOf("ids", ids, s[0], s[1]); err != nil {
		return nil, err
	}
	d.b, d.l, d.ids = s[0], s[1], a.add(ids)
	var err error
	if d.lengths, err = a.lengths(lengths, d.b); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: a.op, Out: tensor.Shape{d.b, h, d.l}, Ints: a.ints},
		func() graphop.Core[float32] { return newEmbedding[float32](d) },
		func() graphop.Core[float64] { return newEmbedding[float64](d) }, a.in...)
}

// check checks the parameters and adds them to the inputs.
func (t Table) check(a *arguments, d *embeddingDims) error {
	if d.h < 1 {
		return a.errorf("want at least one feature, got %d", d.h)
	}
	if err := ValidCutoffs(t.Vocab, t.Cutoffs); err != nil {
		return a.errorf("%w", err)
	}
	at := bounds(t.Vocab, t.Cutoffs)
	if n := len(at) - 1; len(t.Weights) != n || len(t.Projs) != n {
		return a.errorf("want the weights and projections, or nil, of %d clusters, got %d and %d", n, len(t.Weights), len(t.Projs))
	}
	for i, w := range t.Weights {
		name := fmt.Sprintf("cluster %d", i)
		if err := a.weight(name+": Weights", w, at[i+1]-at[i]); err != nil {
			return err
		}
		c := embeddingCluster{first: at[i], row: w.From, d: w.Node.Shape()[1], weight: a.add(w.Node)}
		if err := a.proj(name+": Projs", t.Projs[i], false, d.h, c.d); err != nil {
			return err
		}
		c.proj = a.add(t.Projs[i])
		d.clusters = append(d.clusters, c)
	}
	return nil
}

// shapeOf returns the shape of a node, nil for none.
func shapeOf(n *G.Node) any {
	if n == nil {
		return nil
	}
	return n.Shape()
}
