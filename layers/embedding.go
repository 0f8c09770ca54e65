package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// EmbeddingConfig configures an Embedding layer.
type EmbeddingConfig struct {
	Vocab  int `json:"vocab"`   // number of token ids
	DModel int `json:"d_model"` // features per token (H)
	// Padding, if not nil, is a token id that reads as zero and is not learned.
	Padding *int `json:"padding,omitempty"`

	Std   float64 `json:"std,omitempty"`   // of the normal distribution that the table starts as; 0 means 1
	Scale float64 `json:"scale,omitempty"` // what a row is multiplied by when it is looked up; 0 means 1
}

// withDefaults replaces zero values by what they stand for.
func (c EmbeddingConfig) withDefaults() EmbeddingConfig {
	def(&c.Std, 1)
	def(&c.Scale, 1)
	return c
}

// Validate reports the first field that is out of range.
func (c EmbeddingConfig) Validate() error {
	switch {
	case c.Vocab < 1:
		return fmt.Errorf("EmbeddingConfig: want Vocab >= 1, got %d", c.Vocab)
	case c.DModel < 1:
		return fmt.Errorf("EmbeddingConfig: want DModel >= 1, got %d", c.DModel)
	case c.Padding != nil && (*c.Padding < 0 || *c.Padding >= c.Vocab):
		return fmt.Errorf("EmbeddingConfig: want Padding in [0, %d), got %d", c.Vocab, *c.Padding)
	case !(c.Std >= 0) || math.IsInf(c.Std, 0):
		return fmt.Errorf("EmbeddingConfig: want a finite Std > 0, or 0 for 1, got %g", c.Std)
	case math.IsNaN(c.Scale) || math.IsInf(c.Scale, 0):
		return fmt.Errorf("EmbeddingConfig: want a finite Scale, or 0 for 1, got %g", c.Scale)
	}
	if err := size.First(size.Field("Vocab", c.Vocab), size.Field("DModel", c.DModel), size.Tensor("weight (Vocab, DModel)", c.Vocab, c.DModel)); err != nil {
		return fmt.Errorf("EmbeddingConfig: %w", err)
	}
	return nil
}

// Embedding looks token ids up in a table, parameter weight (Vocab, DModel), and
// multiplies them by Scale.
type Embedding struct {
	*Base
	cfg EmbeddingConfig
	w   *G.Node
}

// NewEmbedding makes an embedding layer. The table starts as N(0, Std^2), the row
// of the padding id as zero.
func NewEmbedding(g *G.ExprGraph, dt tensor.Dtype, cfg EmbeddingConfig, opts ...Option) (*Embedding, error) {
	return newLayer[*Embedding](g, dt, cfg, opts)
}

// Build implements Config.
func (c EmbeddingConfig) Build(b *Builder) (Layer, error) {
	l := &Embedding{cfg: c}
	l.w = b.Param("weight", param.Hint{}, func(rng *rand.Rand, dst []float64) {
		Normal(c.withDefaults().Std)(rng, dst)
		if c.Padding != nil {
			clear(dst[*c.Padding*c.DModel : (*c.Padding+1)*c.DModel])
		}
	}, c.Vocab, c.DModel)
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration.
func (l *Embedding) Config() EmbeddingConfig { return deepcopy.Of(l.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Embedding) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Embedding, error) {
	return Clone(l, g, opts...)
}

// Fwd maps token ids (B, L), dtype int, to (B, DModel, L). An id outside
// [0, Vocab) is an error when the graph runs.
func (l *Embedding) Fwd(ids *G.Node) (*G.Node, error) { return l.FwdLengths(ids, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// ids of row b are read, and only they have to be ids; the output is 0 behind
// them. lengths is (B) of dtype int, or nil. A length that is not in [0, L] is an
// error when the graph runs.
func (l *Embedding) FwdLengths(ids, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkIDs(ids, lengths, l.cfg.DModel); err != nil {
		return nil, err
	}
	opts := []ops.EmbeddingOption{ops.Lengths(lengths), ops.Scaled(l.cfg.withDefaults().Scale)}
	if l.cfg.Padding != nil {
		opts = append(opts, ops.Padding(*l.cfg.Padding))
	}
	y, err := ops.Embedding(ids, l.w, opts...)
	return l.made(y, ids), l.wrap("Fwd", err)
}

// checkIDs checks the arguments of an embedding in h features.
func (l *Base) checkIDs(ids, lengths *G.Node, h int) error {
	if ids == nil {
		return l.errorf("Fwd", "want ids (B, L), got nil")
	}
	s := ids.Shape()
	if len(s) != 2 || slices.Min(s) < 1 || ids.Dtype() != tensor.Int {
		return l.errorf("Fwd", "want ids (B, L) of dtype int, got %v of dtype %v", s, ids.Dtype())
	}
	if err := l.checkGraph("ids", ids); err != nil {
		return err
	}
	if err := l.checkSize("the output (B, DModel, L)", tensor.Shape{s[0], h, s[1]}); err != nil {
		return err
	}
	return l.checkLengths(ids, lengths)
}
