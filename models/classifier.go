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
	"github.com/gorgonia-s4/s4/param"
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
	switch {
	case (c.Vocab > 0) == (c.Features > 0) || c.Vocab < 0 || c.Features < 0:
		return fmt.Errorf("ClassifierConfig: want one of Vocab and Features positive, got Vocab %d and Features %d", c.Vocab, c.Features)
	case c.Padding != nil && c.Vocab == 0:
		return errors.New("ClassifierConfig: Padding is a token id: want Vocab too")
	case c.Classes < 2:
		return fmt.Errorf("ClassifierConfig: want Classes >= 2, got %d", c.Classes)
	}
	if err := errors.Join(c.Stack.Validate(), c.pool().Validate()); err != nil {
		return fmt.Errorf("ClassifierConfig: %w", err)
	}
	return c.validateEnds()
}

// validateEnds checks encoder and decoder, at a DModel that has been checked.
func (c ClassifierConfig) validateEnds() error {
	if err := c.decoder().Validate(); err != nil {
		return fmt.Errorf("ClassifierConfig: decoder, with Out = Classes: %w", err)
	}
	if c.Vocab > 0 {
		if err := c.tokens().Validate(); err != nil {
			return fmt.Errorf("ClassifierConfig: encoder: %w", err)
		}
		return nil
	}
	if err := c.feats().Validate(); err != nil {
		return fmt.Errorf("ClassifierConfig: encoder, with In = Features: %w", err)
	}
	return nil
}

// tokens, feats and decoder configure the parts of those names.
func (c ClassifierConfig) tokens() layers.EmbeddingConfig {
	return layers.EmbeddingConfig{Vocab: c.Vocab, DModel: c.Stack.DModel(), Padding: c.Padding}
}

func (c ClassifierConfig) feats() layers.LinearConfig {
	return layers.LinearConfig{In: c.Features, Out: c.Stack.DModel(), ChannelsLast: true}
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
	cfg     ClassifierConfig
	g       *G.ExprGraph
	dt      tensor.Dtype
	encoder encoder // of tokens an Embedding, of features a Linear
	stack   *layers.Stack
	decoder *layers.Linear
}

// NewClassifier makes a classifier on graph g with parameters of type dt. seed
// chooses the initial parameters and dropout masks.
func NewClassifier(g *G.ExprGraph, dt tensor.Dtype, cfg ClassifierConfig, seed uint64) (*Classifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	cfg = deepcopy.Of(cfg)
	m := &Classifier{cfg: cfg, g: g, dt: dt}
	opts := func(name string) []layers.Option {
		return []layers.Option{layers.WithName(name), layers.WithSeed(seed)}
	}
	var err1, err2, err3 error
	m.encoder, err1 = newEncoder(g, dt, cfg, opts("encoder"))
	m.stack, err2 = layers.NewStack(g, dt, cfg.Stack, opts("blocks")...)
	m.decoder, err3 = layers.NewLinear(g, dt, cfg.decoder(), opts("decoder")...)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("models: Classifier: %w", err)
	}
	return m, nil
}

// encoder is the layer that reads the input.
type encoder interface {
	layers.Layer
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
}

func newEncoder(g *G.ExprGraph, dt tensor.Dtype, cfg ClassifierConfig, opts []layers.Option) (encoder, error) {
	if cfg.Vocab > 0 {
		return layers.NewEmbedding(g, dt, cfg.tokens(), opts...)
	}
	return layers.NewLinear(g, dt, cfg.feats(), opts...)
}

// CloneTo returns a model on another graph that shares this one's tensors. The
// options are for its state space layers: layers.WithFrozen makes a model that
// learns other parameters, as for fine-tuning.
func (m *Classifier) CloneTo(g *G.ExprGraph, opts ...layers.CloneOption) (*Classifier, error) {
	c := &Classifier{cfg: m.cfg, g: g, dt: m.dt}
	var err1, err2, err3 error
	c.encoder, err1 = layers.Clone(m.encoder, g, opts...)
	c.stack, err2 = layers.Clone(m.stack, g, opts...)
	c.decoder, err3 = layers.Clone(m.decoder, g, opts...)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("models: Classifier: %w", err)
	}
	c.cfg.Stack = c.stack.Config()
	return c, nil
}

// Blocks returns the blocks in order.
func (m *Classifier) Blocks() []*layers.Block { return m.stack.Blocks() }

// parts lists the layers in order.
func (m *Classifier) parts() []layers.Layer { return []layers.Layer{m.encoder, m.stack, m.decoder} }

// Params returns the parameters in checkpoint order.
func (m *Classifier) Params() []param.Param {
	var ps []param.Param
	for _, p := range m.parts() {
		ps = append(ps, p.Params()...)
	}
	return ps
}

// Learnables returns the nodes of the parameters that are not frozen.
func (m *Classifier) Learnables() G.Nodes {
	var ns G.Nodes
	for _, p := range m.parts() {
		ns = append(ns, p.Learnables()...)
	}
	return ns
}

// Buffers returns the state that is saved but not learned.
func (m *Classifier) Buffers() []param.Buffer {
	var bs []param.Buffer
	for _, p := range m.parts() {
		bs = append(bs, p.Buffers()...)
	}
	return bs
}

// Settle makes the model consistent after values from elsewhere were put into its
// parameters and buffers: where an S4 layer has C itself in kernel.C, with a
// kernel.l_kernel of 0, it tunes it. Loading a model ends with it. It returns the
// first error, with the blocks before it settled.
func (m *Classifier) Settle() error {
	if err := m.stack.Settle(); err != nil {
		return fmt.Errorf("models: Classifier: %w", err)
	}
	return nil
}

// title is how the errors of ops that are in none of the layers begin, when a
// graph runs.
const title = "models: Classifier"

// Config returns the configuration, a ClassifierConfig.
func (m *Classifier) Config() any { return deepcopy.Of(m.cfg) }

// Fwd maps x, token ids (B, L) of dtype int or features (B, L, F), to logits
// (B, Classes). lengths (B) of dtype int, or nil, says how many steps of each
// sequence are not padding; nothing behind them is read.
func (m *Classifier) Fwd(x, lengths *G.Node) (*G.Node, error) {
	y, err := m.encoder.FwdLengths(x, lengths)
	if err == nil {
		y, err = m.stack.FwdLengths(y, lengths)
	}
	if err != nil {
		return nil, fmt.Errorf("models: Classifier: %w", err)
	}
	if y, err = ops.Pool(m.cfg.pool(), y, lengths); err != nil {
		return nil, fmt.Errorf("models: Classifier: %w", err)
	}
	if y, err = m.decoder.Fwd(y); err != nil {
		return nil, fmt.Errorf("models: Classifier: %w", err)
	}
	graphop.InLayer(title, y, x, lengths)
	return y, nil
}

// Build puts the model on a graph of its own for batches of the given size and
// length, with placeholders for the data and the cross-entropy loss. All
// graphs share the model's tensors and the masks of its dropouts, and run in
// turn; those that are to run at the same time are built by models of their own,
// from CloneTo. It is what package train asks of a model.
func (m *Classifier) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	if batch < 1 || length < 1 {
		return nil, fmt.Errorf("models: Classifier: Build: want batch and length >= 1, got %d and %d", batch, length)
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, err
	}
	var x *G.Node
	if m.cfg.Vocab > 0 {
		x = G.NewMatrix(g, tensor.Int, G.WithShape(batch, length), G.WithName("x"))
	} else {
		x = G.NewTensor(g, m.dt, 3, G.WithShape(batch, length, m.cfg.Features), G.WithName("x"))
	}
	lengths := G.NewVector(g, tensor.Int, G.WithShape(batch), G.WithName("lengths"))
	target := G.NewVector(g, tensor.Int, G.WithShape(batch), G.WithName("target"))
	logits, err := c.Fwd(x, lengths)
	if err != nil {
		return nil, err
	}
	loss, err := ops.CrossEntropy(logits, target)
	if err != nil {
		return nil, fmt.Errorf("models: Classifier: %w", err)
	}
	graphop.InLayer(title, loss, logits, target)
	ranges := map[string]task.Range{task.Target: {High: m.cfg.Classes, Ignored: true}}
	if m.cfg.Vocab > 0 {
		ranges[task.X] = task.Range{High: m.cfg.Vocab}
	}
	return &task.Graph{
		G:      g,
		Inputs: map[string]*G.Node{task.X: x, task.Lengths: lengths, task.Target: target}, Ranges: ranges,
		Loss: loss, Count: task.CountLabels(task.Target),
		Outputs: map[string]*G.Node{task.Logits: logits}, Params: c.Params(),
	}, nil
}
