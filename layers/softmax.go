package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// SoftmaxConfig configures a Softmax layer.
type SoftmaxConfig struct {
	DModel int  `json:"d_model"`           // features of the hidden vectors (H)
	Vocab  int  `json:"vocab"`             // number of classes
	NoBias bool `json:"no_bias,omitempty"` // logits W x instead of W x + b
	// Tie makes the weight that of an Embedding of the same sizes, which TiedTo
	// names. Press, Wolf 2017, "Using the Output Embedding to Improve Language
	// Models", arXiv:1608.05859.
	Tie bool `json:"tie,omitempty"`
}

// Validate reports the first field that is out of range.
func (c SoftmaxConfig) Validate() error {
	switch {
	case c.DModel < 1:
		return fmt.Errorf("SoftmaxConfig: want DModel >= 1, got %d", c.DModel)
	case c.Vocab < 1:
		return fmt.Errorf("SoftmaxConfig: want Vocab >= 1, got %d", c.Vocab)
	}
	if err := size.First(size.Field("DModel", c.DModel), size.Field("Vocab", c.Vocab), size.Tensor("weight (Vocab, DModel)", c.Vocab, c.DModel)); err != nil {
		return fmt.Errorf("SoftmaxConfig: %w", err)
	}
	return nil
}

// Softmax is a head whose scores are linear, with parameters weight (Vocab, DModel),
// unless that is tied, and bias (Vocab).
type Softmax struct {
	*Base
	cfg  SoftmaxConfig
	w, b *G.Node
}

var _ Head = (*Softmax)(nil)

// NewSoftmax makes a head. Weight and bias start uniform in +-1/sqrt(DModel).
func NewSoftmax(g *G.ExprGraph, dt tensor.Dtype, cfg SoftmaxConfig, opts ...Option) (*Softmax, error) {
	return newLayer[*Softmax](g, dt, cfg, opts)
}

// Build implements Config.
func (c SoftmaxConfig) Build(b *Builder) (Layer, error) {
	l := &Softmax{cfg: c}
	if c.Tie {
		l.w = b.Tied("weight", c.Vocab, c.DModel)
	} else {
		l.w = b.Param("weight", param.Hint{}, UniformFanIn(c.DModel), c.Vocab, c.DModel)
	}
	if !c.NoBias {
		l.b = b.Param("bias", param.Hint{}, UniformFanIn(c.DModel), c.Vocab)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Features implements MixerConfig.
func (c SoftmaxConfig) Features() (in, out int) { return c.DModel, c.Vocab }

// Config returns the layer's configuration.
func (l *Softmax) Config() SoftmaxConfig { return l.cfg }

// Vocab implements Head.
func (l *Softmax) Vocab() int { return l.cfg.Vocab }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Softmax) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Softmax, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to logits (B, Vocab, L), or (B, DModel) to (B, Vocab).
func (l *Softmax) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: see Mixer.
func (l *Softmax) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if err := l.checkScores(x, l.cfg.DModel, l.cfg.Vocab, lengths); err != nil {
		return nil, err
	}
	y, err := ops.Linear(x, l.w, l.b, ops.Lengths(lengths))
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// NLL implements Head.
func (l *Softmax) NLL(hidden, labels, lengths *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("NLL", errNotMade)
	}
	if err := l.checkTokens(hidden, l.cfg.DModel, labels, lengths); err != nil {
		return nil, err
	}
	y, err := ops.LinearNLL(hidden, l.w, l.b, labels, ops.Lengths(lengths))
	return l.made(y, hidden, labels, lengths), l.wrap("NLL", err)
}

// Recurrence returns the layer as a recurrent network, which has no state: Step maps
// (batch, DModel) to logits (batch, Vocab).
func (l *Softmax) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *Softmax) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newSoftmaxSnapshot[float32](l)
	}
	return newSoftmaxSnapshot[float64](l)
}

func newSoftmaxSnapshot[T float32 | float64](l *Softmax) (Snapshot, error) {
	w, err := weightsOf[T](l.cfg.DModel, l.cfg.Vocab, l.w, l.b)
	return &linearSnapshot[T]{l.Base, l.cfg.DModel, l.cfg.Vocab, w}, l.wrap("Recurrence", err)
}
