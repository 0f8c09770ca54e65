package models

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

// ClassifierConfig configures a Classifier.
type ClassifierConfig struct {
	// Exactly one of Vocab and Features is set: the number of token ids of a
	// symbolic input (B, L), or of channels of a real-valued one (B, L, F).
	Vocab    int `json:"vocab,omitempty"`
	Features int `json:"features,omitempty"`
	// Padding, if not nil, is the token id that reads as zero.
	Padding *int `json:"padding,omitempty"`

	Classes int                `json:"classes"` // number of classes
	Stack   layers.StackConfig `json:"stack"`   // the blocks; their DModel is the width of the model

	Pool ops.PoolMode `json:"pool,omitempty"` // over the steps; "" means ops.PoolMean
}

// Validate reports the first field that is out of range.
func (c ClassifierConfig) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("ClassifierConfig: %w", err)
	}
	return nil
}

// validate is Validate without the name of the configuration.
func (c ClassifierConfig) validate() error {
	switch {
	case (c.Vocab > 0) == (c.Features > 0) || c.Vocab < 0 || c.Features < 0:
		return fmt.Errorf("want one of Vocab and Features positive, got Vocab %d and Features %d", c.Vocab, c.Features)
	case c.Padding != nil && c.Vocab == 0:
		return errors.New("want Vocab too: Padding is a token id")
	case c.Classes < 2:
		return fmt.Errorf("want Classes >= 2, got %d", c.Classes)
	}
	if err := errors.Join(c.Stack.Validate(), c.pool().Validate()); err != nil {
		return err
	}
	return c.validateEnds()
}

// validateEnds checks encoder and decoder, at a DModel that has been checked.
func (c ClassifierConfig) validateEnds() error {
	if err := c.decoder().Validate(); err != nil {
		return fmt.Errorf("decoder, with Out = Classes: %w", err)
	}
	if err := c.encoder().Validate(); err != nil && c.Vocab > 0 {
		return fmt.Errorf("encoder: %w", err)
	} else if err != nil {
		return fmt.Errorf("encoder, with In = Features: %w", err)
	}
	return nil
}

// encoder and decoder configure the parts of those names.
func (c ClassifierConfig) encoder() layers.Config {
	return encoderOf(c.Vocab, c.Features, c.Padding, c.Stack.DModel())
}

// encoderOf configures the layer that reads tokens, if there is a vocabulary, or
// features.
func encoderOf(vocab, features int, padding *int, h int) layers.Config {
	if vocab > 0 {
		return layers.EmbeddingConfig{Vocab: vocab, DModel: h, Padding: padding}
	}
	return layers.LinearConfig{In: features, Out: h, ChannelsLast: true}
}

func (c ClassifierConfig) decoder() layers.LinearConfig {
	return layers.LinearConfig{In: c.Stack.DModel(), Out: c.Classes}
}

func (c ClassifierConfig) pool() ops.PoolMode {
	if c.Pool == "" {
		return ops.PoolMean
	}
	return c.Pool
}

// Classifier maps a sequence to class scores:
//
//	tokens (B, L) or features (B, L, F)
//	encoder   (B, H, L)
//	blocks    (B, H, L), a layers.Stack
//	pool      (B, H)
//	decoder   (B, Classes)
//
// The parameters are named encoder.*, blocks.I.*, blocks.norm.* and decoder.*.
type Classifier struct {
	model
	cfg ClassifierConfig
}

// NewClassifier makes a classifier on graph g with parameters of type dt. seed
// chooses the initial parameters and dropout masks.
func NewClassifier(g *G.ExprGraph, dt tensor.Dtype, cfg ClassifierConfig, seed uint64) (*Classifier, error) {
	return makeClassifier(g, dt, cfg, seed)
}

// makeClassifier is NewClassifier with options for all layers.
func makeClassifier(g *G.ExprGraph, dt tensor.Dtype, cfg ClassifierConfig, seed uint64, opts ...layers.Option) (*Classifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	cfg = deepcopy.Of(cfg)
	m, err := newModel(classifier, g, dt, design{encoder: cfg.encoder(), stack: cfg.Stack, decoder: cfg.decoder()}, seed, opts)
	if err != nil {
		return nil, err
	}
	return &Classifier{m, cfg}, nil
}

// CloneTo returns a model on another graph that shares this one's tensors. The
// options are for its state space layers: layers.WithFrozen makes a model that
// learns other parameters, as for fine-tuning, and layers.AtRate one for sequences
// that were sampled differently, which is an error if a mixer would read them as if
// they were not: see layers.CheckRate.
func (m *Classifier) CloneTo(g *G.ExprGraph, opts ...layers.CloneOption) (*Classifier, error) {
	c, err := m.cloneTo(g, opts)
	if err != nil {
		return nil, err
	}
	cfg := m.cfg
	cfg.Stack = c.stack.Config()
	return &Classifier{c, cfg}, nil
}

// copyTo implements copier.
func (m *Classifier) copyTo(g *G.ExprGraph, opts []layers.CloneOption) (Model, error) {
	return asModel(m.CloneTo(g, opts...))
}

// asModel is a model as an interface, nil where there is an error.
func asModel[M Model](m M, err error) (Model, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Config returns the configuration, a ClassifierConfig.
func (m *Classifier) Config() any { return deepcopy.Of(m.cfg) }

// Fwd maps x, token ids (B, L) of dtype int or features (B, L, F), to logits
// (B, Classes). lengths (B) of dtype int, or nil, says how many steps of each
// sequence are not padding; nothing behind them is read.
func (m *Classifier) Fwd(x, lengths *G.Node) (*G.Node, error) {
	y, err := m.hidden(x, lengths)
	if err != nil {
		return nil, err
	}
	if y, err = m.score(y, lengths); err != nil {
		return nil, err
	}
	graphop.InLayer(m.title(), y, x, lengths)
	return y, nil
}

// score maps the output of the blocks, (B, H, L), to logits (B, Classes).
func (m *Classifier) score(y, lengths *G.Node) (*G.Node, error) {
	y, err := ops.Pool(m.cfg.pool(), y, lengths)
	if err == nil {
		y, err = m.decoder.Fwd(y)
	}
	return y, m.wrap(err)
}

// Recurrence returns the classifier as a recurrent network for a batch of sequences:
// Step maps a token of each, ids (batch) of dtype int, or features (batch, F), to the
// logits (batch, Classes) of what has been read so far, which is what Fwd returns for
// that much. A model with a mixer that cannot step, such as a bidirectional one, has
// none: the error names the layer. The state is that of the layers, "1." before those
// of the blocks and "2." before that of the pool.
func (m *Classifier) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}

// Snapshot implements layers.Stepper.
func (m *Classifier) Snapshot() (layers.Snapshot, error) { return m.pooled(m.cfg.pool(), m.decoder) }

// Build puts the model on a graph of its own for batches of the given size and
// length, with placeholders for the data and the cross-entropy loss. All
// graphs share the model's tensors and the masks of its dropouts, and run in
// turn; those that are to run at the same time are built by models of their own,
// from CloneTo. It is what package train asks of a model.
func (m *Classifier) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	if err := m.checkBuild(batch, length); err != nil {
		return nil, err
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, err
	}
	ranges := map[string]task.Range{task.Target: {High: m.cfg.Classes, Ignored: true}}
	x := m.input(g, task.X, m.cfg.Vocab, m.cfg.Features, batch, length, ranges)
	lengths, target := ints(g, task.Lengths, batch), ints(g, task.Target, batch)
	logits, err := c.Fwd(x, lengths)
	if err != nil {
		return nil, err
	}
	loss, err := c.loss(logits, target)
	if err != nil {
		return nil, err
	}
	return &task.Graph{
		G:      g,
		Inputs: map[string]*G.Node{task.X: x, task.Lengths: lengths, task.Target: target}, Ranges: ranges,
		Loss: loss, Count: task.CountLabels(task.Target),
		Outputs: map[string]*G.Node{task.Logits: logits}, Params: c.Params(), Rows: c.rows(batch), Across: c.across,
	}, nil
}
