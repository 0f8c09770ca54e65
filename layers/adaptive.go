package layers

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/adaptive"
	"github.com/gorgonia-s4/s4/param"
)

// clusters is how a vocabulary is divided: a shortlist, which is cluster 0, and those
// behind it.
type clusters struct {
	vocab, features, divVal int
	cutoffs                 []int
}

// n returns the number of clusters.
func (c clusters) n() int { return len(c.cutoffs) + 1 }

// bounds returns the tokens [lo, hi) of a cluster.
func (c clusters) bounds(i int) (lo, hi int) {
	lo, hi = 0, c.vocab
	if i > 0 {
		lo = c.cutoffs[i-1]
	}
	if i < len(c.cutoffs) {
		hi = c.cutoffs[i]
	}
	return lo, hi
}

// size returns the number of tokens of a cluster.
func (c clusters) size(i int) int {
	lo, hi := c.bounds(i)
	return hi - lo
}

// d returns the number of features of the tokens of a cluster.
func (c clusters) d(i int) int {
	d := c.features
	for range i {
		d /= c.divVal
	}
	return d
}

// validate returns an error unless every cluster has tokens, and its tokens features.
func (c clusters) validate() error {
	if c.divVal < 1 {
		return fmt.Errorf("want DivVal >= 1, or 0 for 1, got %d", c.divVal)
	}
	if err := adaptive.ValidCutoffs(c.vocab, c.cutoffs); err != nil {
		return fmt.Errorf("field Cutoffs: %w", err)
	}
	if k := len(c.cutoffs); c.d(k) < 1 {
		return fmt.Errorf("want DivVal of at most the %dth root of the %d features, so that the last cluster has one, got %d", k, c.features, c.divVal)
	}
	return nil
}

// AdaptiveEmbeddingConfig configures an AdaptiveEmbedding.
type AdaptiveEmbeddingConfig struct {
	Vocab  int `json:"vocab"`             // number of token ids, sorted by frequency
	DModel int `json:"d_model"`           // features of the output (H)
	DEmbed int `json:"d_embed,omitempty"` // features of the rows of the shortlist; 0 means DModel
	// Cutoffs are the first tokens of the clusters behind the shortlist, increasing.
	Cutoffs []int `json:"cutoffs,omitempty"`
	// DivVal is what the features of a row are divided by from cluster to cluster,
	// rounded down; 0 means 1.
	DivVal int `json:"div_val,omitempty"`
	// InitScale is that of the start of all parameters; 0 means 0.5.
	InitScale float64 `json:"init_scale,omitempty"`
	// Scale is what the result is multiplied by; 0 means sqrt(DModel).
	Scale float64 `json:"scale,omitempty"`
}

// withDefaults returns the configuration with its defaults.
func (c AdaptiveEmbeddingConfig) withDefaults() AdaptiveEmbeddingConfig {
	def(&c.DEmbed, c.DModel)
	def(&c.DivVal, 1)
	def(&c.InitScale, 0.5)
	def(&c.Scale, math.Sqrt(float64(c.DModel)))
	return c
}

// clusters is for a configuration with its defaults.
func (c AdaptiveEmbeddingConfig) clusters() clusters {
	return clusters{c.Vocab, c.DEmbed, c.DivVal, c.Cutoffs}
}

// Validate reports the first field that is out of range.
func (c AdaptiveEmbeddingConfig) Validate() error {
	d := c.withDefaults()
	if err := validAdaptive(c.Vocab, c.DModel, c.DEmbed, d.clusters()); err != nil {
		return fmt.Errorf("AdaptiveEmbeddingConfig: %w", err)
	}
	switch {
	case !(d.InitScale > 0 && d.InitScale < math.Inf(1)):
		return fmt.Errorf("AdaptiveEmbeddingConfig: want a finite InitScale > 0, or 0 for 0.5, got %g", c.InitScale)
	case !(d.Scale > 0 && d.Scale < math.Inf(1)):
		return fmt.Errorf("AdaptiveEmbeddingConfig: want a finite Scale > 0, or 0 for sqrt(DModel), got %g", c.Scale)
	}
	return nil
}

// validAdaptive checks what both layers are configured by.
func validAdaptive(vocab, h, embed int, c clusters) error {
	switch {
	case vocab < 1:
		return fmt.Errorf("want Vocab >= 1, got %d", vocab)
	case h < 1:
		return fmt.Errorf("want DModel >= 1, got %d", h)
	case embed < 0:
		return fmt.Errorf("want DEmbed >= 1, or 0 for DModel, got %d", embed)
	}
	if err := size.First(size.Field("Vocab", vocab), size.Field("DModel", h), size.Field("DEmbed", embed),
		size.Tensor("the largest table (Vocab, DEmbed)", vocab, c.features), size.Tensor("a projection (DModel, DEmbed)", h, c.features)); err != nil {
		return err
	}
	return c.validate()
}

// AdaptiveEmbedding looks token ids up in tables of fewer features the rarer a token is:
// of cluster i, with P_i and E_i the parameters emb_projs.i (DModel, D_i) and
// emb_layers.i.weight (tokens, D_i), D_i being DEmbed div DivVal^i,
//
//	y = Scale P_i E_i[token].
//
// With a DivVal of 1 all tokens have one table and one projection, those of i = 0, and
// no projection if DEmbed is DModel. It is that of Transformer-XL as in the public code of
// S4, without a dropout. Baevski, Auli 2019, arXiv:1809.10853; Dai et al. 2019,
// arXiv:1901.02860.
type AdaptiveEmbedding struct {
	*Base
	cfg   AdaptiveEmbeddingConfig
	table adaptive.Table
}

// NewAdaptiveEmbedding makes an embedding. Rows of D features start as N(0, s^2/D) and
// projections as N(0, s^2/DModel), where s is InitScale.
func NewAdaptiveEmbedding(g *G.ExprGraph, dt tensor.Dtype, cfg AdaptiveEmbeddingConfig, opts ...Option) (*AdaptiveEmbedding, error) {
	return newLayer[*AdaptiveEmbedding](g, dt, cfg, opts)
}

// Build implements Config.
func (c AdaptiveEmbeddingConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &AdaptiveEmbedding{cfg: c, table: adaptive.Table{Vocab: c.Vocab, Cutoffs: slices.Clone(c.Cutoffs), Scale: c.Scale}}
	k := c.clusters()
	if c.DivVal == 1 {
		l.table.Cutoffs, k.cutoffs = nil, nil
	}
	for i := range k.n() {
		w := b.Param(tableName(i), param.Hint{}, Normal(c.InitScale/math.Sqrt(float64(k.d(i)))), k.size(i), k.d(i))
		l.table.Weights = append(l.table.Weights, adaptive.Rows{Node: w})
	}
	for i := range k.n() {
		var p *G.Node
		if projects(c.DModel, c.DEmbed, c.DivVal) {
			p = b.Param(projName(i), param.Hint{}, Normal(c.InitScale/math.Sqrt(float64(c.DModel))), c.DModel, k.d(i))
		}
		l.table.Projs = append(l.table.Projs, p)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// projects says whether there are projections.
func projects(h, embed, divVal int) bool { return divVal > 1 || embed != h }

// tableName and projName name the parameters of a cluster of an AdaptiveEmbedding.
func tableName(i int) string { return fmt.Sprintf("emb_layers.%d.weight", i) }
func projName(i int) string  { return fmt.Sprintf("emb_projs.%d", i) }

// Config returns the layer's configuration, with its defaults.
func (l *AdaptiveEmbedding) Config() AdaptiveEmbeddingConfig { return deepcopy.Of(l.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *AdaptiveEmbedding) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*AdaptiveEmbedding, error) {
	return Clone(l, g, opts...)
}

// Fwd maps token ids (B, L), dtype int, to (B, DModel, L). An id outside [0, Vocab) is an
// error when the graph runs.
func (l *AdaptiveEmbedding) Fwd(ids *G.Node) (*G.Node, error) { return l.FwdLengths(ids, nil) }

// FwdLengths is Fwd for sequences padded on the right, as that of an Embedding.
func (l *AdaptiveEmbedding) FwdLengths(ids, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkIDs(ids, lengths, l.cfg.DModel); err != nil {
		return nil, err
	}
	y, err := adaptive.Embedding(ids, lengths, l.table, l.cfg.DModel)
	return l.made(y, ids), l.wrap("Fwd", err)
}
