package models

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/task"
)

// LanguageModelConfig configures a LanguageModel.
type LanguageModelConfig struct {
	Vocab int                `json:"vocab"` // number of token ids
	Stack layers.StackConfig `json:"stack"` // the blocks; their DModel is the width of the model

	// Carry says that the sequences are pieces of streams, as those of task.Streams
	// are: the state behind each is that before the next one of its row, and
	// gradients end between them. Otherwise every sequence is apart.
	Carry bool `json:"carry,omitempty"`
}

// Validate reports the first field that is out of range.
func (c LanguageModelConfig) Validate() error {
	if err := c.Stack.Validate(); err != nil {
		return fmt.Errorf("LanguageModelConfig: %w", err)
	}
	if err := c.encoder().Validate(); err != nil {
		return fmt.Errorf("LanguageModelConfig: encoder: %w", err)
	}
	if err := c.decoder().Validate(); err != nil {
		return fmt.Errorf("LanguageModelConfig: decoder, with Out = Vocab: %w", err)
	}
	return nil
}

// encoder and decoder configure the parts of those names.
func (c LanguageModelConfig) encoder() layers.EmbeddingConfig {
	return layers.EmbeddingConfig{Vocab: c.Vocab, DModel: c.Stack.DModel()}
}

func (c LanguageModelConfig) decoder() layers.LinearConfig {
	return layers.LinearConfig{In: c.Stack.DModel(), Out: c.Vocab}
}

// LanguageModel maps every token of a sequence to scores of the one that follows,
// from what has been read:
//
//	tokens    (B, L)
//	encoder   (B, H, L)
//	blocks    (B, H, L), a layers.Stack
//	decoder   (B, Vocab, L)
//
// In training it reads whole sequences; Recurrence reads, and writes, token by
// token. The parameters are named encoder.*, blocks.I.*, blocks.norm.* and
// decoder.*.
type LanguageModel struct {
	model
	cfg LanguageModelConfig
}

// NewLanguageModel makes a language model on graph g with parameters of type dt.
// seed chooses the initial parameters and dropout masks. Every mixer has to be a
// layers.Stepper that can step: what cannot, such as a bidirectional layer, would
// see the token that it is to predict.
func NewLanguageModel(g *G.ExprGraph, dt tensor.Dtype, cfg LanguageModelConfig, seed uint64) (*LanguageModel, error) {
	return makeLanguageModel(g, dt, cfg, seed)
}

// makeLanguageModel is NewLanguageModel with options for all layers.
func makeLanguageModel(g *G.ExprGraph, dt tensor.Dtype, cfg LanguageModelConfig, seed uint64, opts ...layers.Option) (*LanguageModel, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	cfg = deepcopy.Of(cfg)
	m, err := newModel(languageModel, g, dt, design{encoder: cfg.encoder(), stack: cfg.Stack, decoder: cfg.decoder()}, seed, opts)
	if err != nil {
		return nil, err
	}
	if err := m.stack.CheckSteps(); err != nil {
		return nil, m.wrap(err)
	}
	return &LanguageModel{m, cfg}, nil
}

// CloneTo returns a model on another graph that shares this one's tensors. The
// options are for its state space layers.
func (m *LanguageModel) CloneTo(g *G.ExprGraph, opts ...layers.CloneOption) (*LanguageModel, error) {
	c, err := m.cloneTo(g, opts)
	if err != nil {
		return nil, err
	}
	cfg := m.cfg
	cfg.Stack = c.stack.Config()
	return &LanguageModel{c, cfg}, nil
}

// copyTo implements copier.
func (m *LanguageModel) copyTo(g *G.ExprGraph, opts []layers.CloneOption) (Model, error) {
	return asModel(m.CloneTo(g, opts...))
}

// Config returns the configuration, a LanguageModelConfig.
func (m *LanguageModel) Config() any { return deepcopy.Of(m.cfg) }

// Fwd maps token ids (B, L) of dtype int to logits (B, Vocab, L), those of step l
// being of the token at l+1. lengths (B) of dtype int, or nil, says how many steps
// of each sequence are not padding; nothing behind them is read.
func (m *LanguageModel) Fwd(ids, lengths *G.Node) (*G.Node, error) {
	y, err := m.hidden(ids, lengths)
	if err != nil {
		return nil, err
	}
	y, err = m.decoder.FwdLengths(y, lengths)
	return y, m.wrap(err)
}

// FwdState is Fwd for sequences that go on from a state: x0 is the state before the
// first token, nil for that of a start, and x1 the one behind the last, both as
// StateShapes describes them.
func (m *LanguageModel) FwdState(ids *G.Node, x0 G.Nodes) (logits *G.Node, x1 G.Nodes, err error) {
	y, err := m.encoder.FwdLengths(ids, nil)
	if err == nil {
		y, x1, err = m.stack.FwdState(y, x0)
	}
	if err == nil {
		y, err = m.decoder.Fwd(y)
	}
	return y, x1, m.wrap(err)
}

// StateShapes describes the state of a batch: that of the blocks.
func (m *LanguageModel) StateShapes(batch int) []layers.StateShape {
	return m.stack.StateShapes(batch)
}

// Recurrence returns the model as a recurrent network for a batch of sequences:
// Step maps a token of each, ids (batch) of dtype int, to the scores of the next,
// (batch, Vocab).
func (m *LanguageModel) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}

// Snapshot implements layers.Stepper.
func (m *LanguageModel) Snapshot() (layers.Snapshot, error) {
	return layers.Chain{m.encoder, m.stack, m.decoder}.Snapshot()
}

// Build puts the model on a graph of its own for batches of the given size and
// length, with placeholders for task.X and task.Target, the token that follows
// each, and the cross-entropy loss over all steps. With Config.Carry the sequences
// of a batch are all as long as it is. It is what package train asks of a model,
// and what is said of Classifier.Build is true of it.
func (m *LanguageModel) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	if err := m.checkBuild(batch, length); err != nil {
		return nil, err
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, err
	}
	ids, lengths, target := ints(g, task.X, batch, length), ints(g, task.Lengths, batch), ints(g, task.Target, batch, length)
	gr := &task.Graph{
		G:      g,
		Inputs: map[string]*G.Node{task.X: ids, task.Lengths: lengths, task.Target: target},
		Ranges: map[string]task.Range{task.X: {High: m.cfg.Vocab}, task.Target: {High: m.cfg.Vocab, Ignored: true}},
		Count:  task.CountLabels(task.Target), Params: c.Params(),
	}
	var logits *G.Node
	if m.cfg.Carry {
		gr.Ranges[task.Lengths] = task.Range{Low: length, High: length + 1}
		logits, gr.States, err = c.carry(ids)
	} else {
		logits, err = c.Fwd(ids, lengths)
	}
	if err != nil {
		return nil, err
	}
	gr.Outputs = map[string]*G.Node{task.Logits: logits}
	gr.Loss, err = c.loss(logits, target)
	return gr, err
}

// carry is FwdState from placeholders.
func (m *LanguageModel) carry(ids *G.Node) (*G.Node, []task.State, error) {
	var x0 G.Nodes
	shapes := m.StateShapes(ids.Shape()[0])
	for _, s := range shapes {
		if s.Grows != 0 {
			return nil, nil, m.wrap(fmt.Errorf("want mixers whose state keeps its size, to carry it from batch to batch, as an attention with a window has: state %q grows", s.Name))
		}
		x0 = append(x0, G.NewTensor(ids.Graph(), m.dt, s.Shape.Dims(), G.WithShape(s.Shape...), G.WithName("state."+s.Name)))
	}
	logits, x1, err := m.FwdState(ids, x0)
	if err != nil {
		return nil, nil, err
	}
	states := make([]task.State, len(shapes))
	for i, s := range shapes {
		states[i] = task.State{Name: s.Name, In: x0[i], Out: x1[i]}
	}
	return logits, states, nil
}

// Save writes the model to a directory, as that of a Classifier does.
func (m *LanguageModel) Save(dir string) error { return m.save(dir, m.cfg) }

// LoadLanguageModel reads a model that Save wrote and puts it on graph g, as
// LoadClassifier does.
func LoadLanguageModel(g *G.ExprGraph, dir string, opts ...LoadOption) (*LanguageModel, error) {
	return load(languageModel, dir, opts, func(dt tensor.Dtype, cfg LanguageModelConfig, limit layers.Option) (*LanguageModel, error) {
		return makeLanguageModel(g, dt, cfg, 0, limit)
	})
}
