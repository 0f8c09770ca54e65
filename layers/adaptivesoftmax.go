package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/ops/adaptive"
	"github.com/gorgonia-s4/s4/param"
)

// AdaptiveVariant is one of the published forms of an adaptive softmax.
type AdaptiveVariant string

const (
	// AdaptiveProjected is that of Transformer-XL, as in the public code of S4: weights
	// and projections may be those of an embedding.
	AdaptiveProjected AdaptiveVariant = "projected"
	// AdaptiveTorch is AdaptiveLogSoftmaxWithLoss of PyTorch.
	AdaptiveTorch AdaptiveVariant = "torch"
)

// AdaptiveSoftmaxConfig configures an AdaptiveSoftmax.
type AdaptiveSoftmaxConfig struct {
	Variant AdaptiveVariant `json:"variant,omitempty"` // "" means AdaptiveProjected
	Vocab   int             `json:"vocab"`             // number of token ids, sorted by frequency
	DModel  int             `json:"d_model"`           // features of the hidden vectors (H)
	// DEmbed is the number of features that the logits of the shortlist are of; 0
	// means DModel, and AdaptiveTorch has no other.
	DEmbed int `json:"d_embed,omitempty"`
	// Cutoffs are the first tokens of the clusters behind the shortlist, increasing.
	Cutoffs []int `json:"cutoffs,omitempty"`
	// DivVal is what the features are divided by from cluster to cluster, rounded
	// down; 0 means 1.
	DivVal int `json:"div_val,omitempty"`

	// Tie makes the weights those of an AdaptiveEmbedding of the same sizes, which
	// TiedTo names.
	Tie bool `json:"tie,omitempty"`
	// TieProjs says of each cluster behind the shortlist, in order, whether its
	// projection is that of the embedding; nil means Tie for all. That of the shortlist
	// never is.
	TieProjs []bool `json:"tie_projs,omitempty"`

	NoBias   bool `json:"no_bias,omitempty"`   // no biases; AdaptiveTorch has none but HeadBias
	HeadBias bool `json:"head_bias,omitempty"` // AdaptiveTorch: the head has biases

	InitScale float64 `json:"init_scale,omitempty"` // of the start of weights that are not tied; 0 means 0.5
	BiasScale float64 `json:"bias_scale,omitempty"` // of the start of biases; 0 means 1
}

// withDefaults returns the configuration with its defaults.
func (c AdaptiveSoftmaxConfig) withDefaults() AdaptiveSoftmaxConfig {
	def(&c.Variant, AdaptiveProjected)
	def(&c.DEmbed, c.DModel)
	def(&c.DivVal, 1)
	if c.Variant == AdaptiveProjected {
		def(&c.InitScale, 0.5)
		def(&c.BiasScale, 1)
	}
	if c.TieProjs == nil && c.Tie {
		c.TieProjs = slices.Repeat([]bool{true}, len(c.Cutoffs))
	}
	return c
}

// clusters is for a configuration with its defaults.
func (c AdaptiveSoftmaxConfig) clusters() clusters {
	return clusters{c.Vocab, c.DEmbed, c.DivVal, c.Cutoffs}
}

// tiesProj says whether the projection of a cluster is that of the embedding.
func (c AdaptiveSoftmaxConfig) tiesProj(i int) bool {
	return i > 0 && i <= len(c.TieProjs) && c.TieProjs[i-1]
}

// Validate reports the first field that is out of range.
func (c AdaptiveSoftmaxConfig) Validate() error {
	if err := c.withDefaults().validate(c.DEmbed); err != nil {
		return fmt.Errorf("AdaptiveSoftmaxConfig: %w", err)
	}
	return nil
}

// validate is for a configuration with its defaults, but for DEmbed.
func (c AdaptiveSoftmaxConfig) validate(embed int) error {
	if err := validAdaptive(c.Vocab, c.DModel, embed, c.clusters()); err != nil {
		return err
	}
	if c.TieProjs != nil && len(c.TieProjs) != len(c.Cutoffs) {
		return fmt.Errorf("want TieProjs of the %d clusters behind the shortlist, or none, got %d", len(c.Cutoffs), len(c.TieProjs))
	}
	switch c.Variant {
	case AdaptiveProjected:
		switch {
		case c.HeadBias:
			return fmt.Errorf("want HeadBias with Variant %q only: %q has biases unless NoBias is set", AdaptiveTorch, AdaptiveProjected)
		case !(c.InitScale > 0 && c.InitScale < math.Inf(1)):
			return fmt.Errorf("want a finite InitScale > 0, or 0 for 0.5, got %g", c.InitScale)
		case !(c.BiasScale > 0 && c.BiasScale < math.Inf(1)):
			return fmt.Errorf("want a finite BiasScale > 0, or 0 for 1, got %g", c.BiasScale)
		}
		return nil
	case AdaptiveTorch:
		switch {
		case c.Tie || slices.Contains(c.TieProjs, true):
			return fmt.Errorf("want Tie and TieProjs with Variant %q only, got %q", AdaptiveProjected, AdaptiveTorch)
		case c.DEmbed != c.DModel:
			return fmt.Errorf("want DEmbed of DModel = %d, or 0, with Variant %q, got %d", c.DModel, AdaptiveTorch, embed)
		case c.NoBias || c.InitScale != 0 || c.BiasScale != 0:
			return fmt.Errorf("want NoBias, InitScale and BiasScale with Variant %q only, got %q", AdaptiveProjected, AdaptiveTorch)
		}
		return nil
	}
	return fmt.Errorf("want Variant %q or %q, got %q", AdaptiveProjected, AdaptiveTorch, c.Variant)
}

// d returns the number of features of the logits of a cluster.
func (c AdaptiveSoftmaxConfig) d(i int) int { return c.clusters().d(i) }

// AdaptiveSoftmax is a head for a large vocabulary: see package adaptive. What it calls
// scores are logarithms of probabilities.
//
// With K clusters behind a shortlist of S tokens, and D_i features of cluster i (DEmbed div
// DivVal^i), the parameters of AdaptiveProjected are
//
//	out_layers_weights.i  (tokens, D_i)   unless Tie: emb_layers.i.weight of the embedding
//	out_layers_biases.i   (tokens)
//	out_projs.i           (DModel, D_i)   where not tied: emb_projs.i of the embedding
//	cluster_weight        (K, DEmbed)
//	cluster_bias          (K)
//
// where with a DivVal of 1 weights and biases are one tensor, that of i = 0, and there are
// no projections if DEmbed is DModel. Those of AdaptiveTorch are
//
//	head.weight           (S+K, DModel)
//	head.bias             (S+K)           with HeadBias
//	tail.i.0.weight       (D_i+1, DModel)
//	tail.i.1.weight       (tokens, D_i+1)
type AdaptiveSoftmax struct {
	*Base
	cfg AdaptiveSoftmaxConfig
	of  adaptive.Softmax
}

var _ Head = (*AdaptiveSoftmax)(nil)

// NewAdaptiveSoftmax makes a head. With AdaptiveProjected, biases start uniform in
// +-BiasScale/sqrt(DModel), weights that are not tied as N(0, s^2/D_i), s being InitScale,
// and all else as 0, as published: so the first logits of the head are its biases. With
// AdaptiveTorch everything starts uniform in +-1/sqrt(inputs).
func NewAdaptiveSoftmax(g *G.ExprGraph, dt tensor.Dtype, cfg AdaptiveSoftmaxConfig, opts ...Option) (*AdaptiveSoftmax, error) {
	return newLayer[*AdaptiveSoftmax](g, dt, cfg, opts)
}

// Build implements Config.
func (c AdaptiveSoftmaxConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &AdaptiveSoftmax{cfg: c, of: adaptive.Softmax{Vocab: c.Vocab, Cutoffs: slices.Clone(c.Cutoffs)}}
	if c.Variant == AdaptiveTorch {
		l.of.Clusters = c.torch(b)
	} else {
		l.of.Clusters, l.of.Reversed = c.projected(b), true
		if k := len(c.Cutoffs); k > 0 {
			l.of.ClusterWeight = b.Param("cluster_weight", param.Hint{}, Zeros, k, c.DEmbed)
			if !c.NoBias {
				l.of.ClusterBias = b.Param("cluster_bias", param.Hint{}, Zeros, k)
			}
		}
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// torch makes the parameters of AdaptiveTorch.
func (c AdaptiveSoftmaxConfig) torch(b *Builder) []adaptive.Cluster {
	k := c.clusters()
	head := k.size(0) + len(c.Cutoffs)
	of := []adaptive.Cluster{{Weight: adaptive.Rows{Node: b.Param("head.weight", param.Hint{}, UniformFanIn(c.DModel), head, c.DModel)}}}
	if c.HeadBias {
		of[0].Bias.Node = b.Param("head.bias", param.Hint{}, UniformFanIn(c.DModel), head)
	}
	for i := 1; i < k.n(); i++ {
		d := k.d(i)
		of = append(of, adaptive.Cluster{
			Proj:     b.Param(fmt.Sprintf("tail.%d.0.weight", i-1), param.Hint{}, UniformFanIn(c.DModel), d, c.DModel),
			ProjRows: true,
			Weight:   adaptive.Rows{Node: b.Param(fmt.Sprintf("tail.%d.1.weight", i-1), param.Hint{}, UniformFanIn(d), k.size(i), d)},
		})
	}
	return of
}

// projected makes the parameters of AdaptiveProjected but for the rows of the clusters.
func (c AdaptiveSoftmaxConfig) projected(b *Builder) []adaptive.Cluster {
	k := c.clusters()
	of := make([]adaptive.Cluster, k.n())
	tables := k
	if c.DivVal == 1 {
		tables.cutoffs = nil
	}
	for i := range tables.n() {
		n, d := tables.size(i), tables.d(i)
		w := c.weight(b, i, n, d)
		var bias *G.Node
		if !c.NoBias {
			bias = b.Param(fmt.Sprintf("out_layers_biases.%d", i), param.Hint{}, uniform(c.BiasScale/math.Sqrt(float64(c.DModel))), n)
		}
		of[i].Weight, of[i].Bias = adaptive.Rows{Node: w}, adaptive.Rows{Node: bias}
	}
	for i := range of {
		if c.DivVal == 1 {
			lo, _ := k.bounds(i)
			of[i].Weight, of[i].Bias = of[0].Weight, of[0].Bias
			of[i].Weight.From, of[i].Bias.From = lo, lo
		}
		of[i].Proj = c.proj(b, i)
	}
	return of
}

// weight returns the weight of a cluster, or of all.
func (c AdaptiveSoftmaxConfig) weight(b *Builder, i, n, d int) *G.Node {
	if c.Tie {
		return b.Tied(tableName(i), n, d)
	}
	return b.Param(fmt.Sprintf("out_layers_weights.%d", i), param.Hint{}, Normal(c.InitScale/math.Sqrt(float64(d))), n, d)
}

// proj returns the projection of a cluster, nil for none.
func (c AdaptiveSoftmaxConfig) proj(b *Builder, i int) *G.Node {
	switch d := c.d(i); {
	case !projects(c.DModel, c.DEmbed, c.DivVal):
		return nil
	case !c.tiesProj(i):
		return b.Param(fmt.Sprintf("out_projs.%d", i), param.Hint{}, Zeros, c.DModel, d)
	case c.DivVal == 1:
		return b.Tied(projName(0), c.DModel, d)
	default:
		return b.Tied(projName(i), c.DModel, d)
	}
}

// uniform draws from U(-bound, bound).
func uniform(bound float64) Init {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = bound * (2*rng.Float64() - 1)
		}
	}
}

// Features implements MixerConfig.
func (c AdaptiveSoftmaxConfig) Features() (in, out int) { return c.DModel, c.Vocab }

// Config returns the layer's configuration, with its defaults.
func (l *AdaptiveSoftmax) Config() AdaptiveSoftmaxConfig { return deepcopy.Of(l.cfg) }

// Vocab implements Head.
func (l *AdaptiveSoftmax) Vocab() int { return l.cfg.Vocab }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *AdaptiveSoftmax) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*AdaptiveSoftmax, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to the logarithms of the probabilities of all tokens, (B,
// Vocab, L), or (B, DModel) to (B, Vocab).
func (l *AdaptiveSoftmax) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: see Mixer.
func (l *AdaptiveSoftmax) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkScores(x, l.cfg.DModel, l.cfg.Vocab, lengths); err != nil {
		return nil, err
	}
	y, err := adaptive.LogProbs(x, lengths, l.of)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// NLL implements Head. Only the clusters that there are labels of are computed.
func (l *AdaptiveSoftmax) NLL(hidden, labels, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("NLL", errNotMade)
	}
	if err := l.checkTokens(hidden, l.cfg.DModel, labels, lengths); err != nil {
		return nil, err
	}
	y, err := adaptive.NLL(hidden, labels, lengths, l.of)
	return l.made(y, hidden, labels, lengths), l.wrap("NLL", err)
}
