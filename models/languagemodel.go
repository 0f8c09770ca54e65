package models

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
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

	// Tie makes the table of the embedding the weight of the scores too: one
	// parameter, encoder.weight, whose gradient is the sum of both. Press, Wolf 2017,
	// "Using the Output Embedding to Improve Language Models", arXiv:1608.05859.
	Tie    bool `json:"tie,omitempty"`
	NoBias bool `json:"no_bias,omitempty"` // the scores have no biases

	// Dropout is that of what the embedding and the blocks return, each element by
	// itself.
	Dropout float64 `json:"dropout,omitempty"`

	// InitScale is s of the start of the table, whose rows of D features are drawn from
	// N(0, s^2/D), and Scale is what rows are multiplied by when they are looked up. 0
	// means sqrt(D) and 1: N(0, 1). With Tie it means 1 and sqrt(DModel): features and
	// scores begin near N(0, 1). With Cutoffs it means 0.5 and sqrt(DModel), as
	// published, and InitScale is that of the projections too.
	InitScale float64 `json:"init_scale,omitempty"`
	Scale     float64 `json:"scale,omitempty"`

	// Cutoffs make embedding and scores adaptive, for a large vocabulary whose ids are
	// sorted by frequency: they are the first ids of the clusters behind the shortlist,
	// increasing, and the features of a token are divided by DivVal from cluster to
	// cluster, DEmbed being those of the shortlist. See layers.AdaptiveEmbeddingConfig
	// and layers.AdaptiveSoftmaxConfig, whose fields of these names they are. Scores are
	// logarithms of probabilities then.
	Cutoffs []int `json:"cutoffs,omitempty"`
	DivVal  int   `json:"div_val,omitempty"`
	DEmbed  int   `json:"d_embed,omitempty"`
	// TieProjs says of each cluster behind the shortlist whether its projection is that
	// of the embedding; nil means Tie for all.
	TieProjs []bool `json:"tie_projs,omitempty"`
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
		return fmt.Errorf("LanguageModelConfig: decoder: %w", err)
	}
	if err := (layers.DropoutConfig{P: c.Dropout}).Validate(); err != nil {
		return fmt.Errorf("LanguageModelConfig: %w", err)
	}
	if !c.adaptive() && (c.DivVal != 0 || c.DEmbed != 0 || c.TieProjs != nil) {
		return fmt.Errorf("LanguageModelConfig: want DivVal, DEmbed and TieProjs with Cutoffs only, got %d, %d and %v without", c.DivVal, c.DEmbed, c.TieProjs)
	}
	return nil
}

// adaptive says whether the vocabulary is in clusters.
func (c LanguageModelConfig) adaptive() bool { return len(c.Cutoffs) > 0 }

// encoder and decoder configure the parts of those names.
func (c LanguageModelConfig) encoder() layers.Config {
	if c.adaptive() {
		return layers.AdaptiveEmbeddingConfig{Vocab: c.Vocab, DModel: c.Stack.DModel(), DEmbed: c.DEmbed, Cutoffs: c.Cutoffs, DivVal: c.DivVal, InitScale: c.InitScale, Scale: c.Scale}
	}
	e := layers.EmbeddingConfig{Vocab: c.Vocab, DModel: c.Stack.DModel(), Scale: c.Scale}
	root := math.Sqrt(float64(e.DModel))
	switch {
	case c.InitScale != 0:
		e.Std = c.InitScale / root
	case c.Tie:
		e.Std = 1 / root
	}
	if c.Tie && c.Scale == 0 {
		e.Scale = root
	}
	return e
}

func (c LanguageModelConfig) decoder() layers.Config {
	if c.adaptive() {
		return layers.AdaptiveSoftmaxConfig{Vocab: c.Vocab, DModel: c.Stack.DModel(), DEmbed: c.DEmbed, Cutoffs: c.Cutoffs, DivVal: c.DivVal,
			Tie: c.Tie, TieProjs: c.TieProjs, NoBias: c.NoBias, InitScale: c.InitScale}
	}
	return layers.SoftmaxConfig{DModel: c.Stack.DModel(), Vocab: c.Vocab, NoBias: c.NoBias, Tie: c.Tie}
}

// head says in words what kind of scores there are.
func (c LanguageModelConfig) head() string {
	text := ""
	if c.adaptive() {
		text += fmt.Sprintf(", adaptive in %d clusters", len(c.Cutoffs)+1)
	}
	if c.Tie {
		text += ", tied to the encoder"
	}
	return text
}

// design configures all parts.
func (c LanguageModelConfig) design() design {
	return design{encoder: c.encoder(), stack: c.Stack, decoder: c.decoder(), tied: c.Tie || slices.Contains(c.TieProjs, true), dropout: c.Dropout}
}

// LanguageModel maps every token of a sequence to scores of the one that follows,
// from what has been read:
//
//	tokens    (B, L)
//	encoder   (B, H, L)
//	blocks    (B, H, L), a layers.Stack
//	decoder   (B, Vocab, L)
//
// In training it reads whole sequences, and the scores of a vocabulary are not held
// for all their steps: its graphs go from what the blocks return to the
// log-probability of each target (see WithLogits). Recurrence reads, and writes, token
// by token. The parameters are named encoder.*, blocks.I.*, blocks.norm.* and
// decoder.*; what the decoder has in common with the encoder is the encoder's.
type LanguageModel struct {
	model
	cfg    LanguageModelConfig
	scores bool // its graphs have task.Logits among their outputs
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
	m, err := newModel(languageModel, g, dt, cfg.design(), seed, opts)
	if err != nil {
		return nil, err
	}
	if err := m.stack.CheckSteps(); err != nil {
		return nil, m.wrap(err)
	}
	return &LanguageModel{model: m, cfg: cfg}, nil
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
	return &LanguageModel{c, cfg, m.scores}, nil
}

// copyTo implements copier.
func (m *LanguageModel) copyTo(g *G.ExprGraph, opts []layers.CloneOption) (Model, error) {
	return asModel(m.CloneTo(g, opts...))
}

// Config returns the configuration, a LanguageModelConfig.
func (m *LanguageModel) Config() any { return deepcopy.Of(m.cfg) }

// Vocab returns the number of token ids.
func (m *LanguageModel) Vocab() int { return m.cfg.Vocab }

// WithLogits returns the model with graphs that have task.Logits, the scores (B, Vocab,
// L), among their outputs, for metrics that look at them, such as train.Accuracy. It is
// the same model in all else, and shares everything with it.
func (m *LanguageModel) WithLogits() *LanguageModel {
	c := *m
	c.scores = true
	return &c
}

// WithCarry returns the model with graphs that carry the state from batch to batch, or
// do not, whatever Config.Carry says, such as for train.Evaluator.EvaluateText. It
// shares everything but that with the model.
func (m *LanguageModel) WithCarry(carry bool) *LanguageModel {
	c := *m
	c.cfg.Carry = carry
	return &c
}

// Fwd maps token ids (B, L) of dtype int to logits (B, Vocab, L), those of step l
// being of the token at l+1. lengths (B) of dtype int, or nil, says how many steps
// of each sequence are not padding; nothing behind them is read.
func (m *LanguageModel) Fwd(ids, lengths *G.Node) (*G.Node, error) {
	y, err := m.hidden(ids, lengths)
	if err != nil {
		return nil, err
	}
	return m.score(y, lengths)
}

// score maps what the blocks return to scores (B, Vocab, L).
func (m *LanguageModel) score(y, lengths *G.Node) (*G.Node, error) {
	y, err := m.decoder.FwdLengths(y, lengths)
	return y, m.wrap(err)
}

// FwdState is Fwd for sequences that go on from a state: x0 is the state before the
// first token, nil for that of a start, and x1 the one behind the last, both as
// StateShapes describes them.
func (m *LanguageModel) FwdState(ids *G.Node, x0 G.Nodes) (logits *G.Node, x1 G.Nodes, err error) {
	y, x1, err := m.hiddenFrom(ids, x0)
	if err != nil {
		return nil, nil, err
	}
	logits, err = m.score(y, nil)
	return logits, x1, err
}

// hiddenFrom is hidden from a state.
func (m *LanguageModel) hiddenFrom(ids *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	y, err = m.encoder.FwdLengths(ids, nil)
	if err == nil {
		y, err = dropped(m.dropFirst, y)
	}
	if err == nil {
		y, x1, err = m.stack.FwdState(y, x0)
	}
	if err == nil {
		y, err = dropped(m.dropLast, y)
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
// each. The output task.NLL (B, L) is the negative log-probability of each target, 0
// where it is task.Ignore or padding, and the loss its mean over the others. With
// Config.Carry the sequences of a batch are all as long as it is. It is what package
// train asks of a model, and what is said of Classifier.Build is true of it.
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
		Count:  task.CountLabels(task.Target), Params: c.Params(), Rows: c.rows(batch), Across: c.across,
	}
	var y *G.Node
	if m.cfg.Carry {
		gr.Ranges[task.Lengths] = task.Range{Low: length, High: length + 1}
		y, gr.States, err = c.carry(ids)
		lengths = nil // all as long as the batch
	} else {
		y, err = c.hidden(ids, lengths)
	}
	if err != nil {
		return nil, err
	}
	return gr, c.finish(gr, y, lengths, target)
}

// finish puts the outputs and the loss on a graph that computes y, what the blocks
// return.
func (m *LanguageModel) finish(gr *task.Graph, y, lengths, target *G.Node) error {
	nll, err := m.decoder.(layers.Head).NLL(y, target, lengths)
	if err != nil {
		return m.wrap(err)
	}
	gr.Outputs = map[string]*G.Node{task.NLL: nll}
	if m.scores {
		if gr.Outputs[task.Logits], err = m.score(y, lengths); err != nil {
			return err
		}
	}
	if gr.Loss, err = ops.MeanNLL(nll, target); err != nil {
		return m.wrap(err)
	}
	graphop.InLayer(m.title(), gr.Loss, nll, target)
	return nil
}

// carry is hiddenFrom placeholders.
func (m *LanguageModel) carry(ids *G.Node) (*G.Node, []task.State, error) {
	var x0 G.Nodes
	shapes := m.StateShapes(ids.Shape()[0])
	for _, s := range shapes {
		if s.Grows != 0 {
			return nil, nil, m.wrap(fmt.Errorf("want mixers whose state keeps its size, to carry it from batch to batch, as an attention with a window has: state %q grows", s.Name))
		}
		x0 = append(x0, G.NewTensor(ids.Graph(), m.dt, s.Shape.Dims(), G.WithShape(s.Shape...), G.WithName("state."+s.Name)))
	}
	y, x1, err := m.hiddenFrom(ids, x0)
	if err != nil {
		return nil, nil, err
	}
	states := make([]task.State, len(shapes))
	for i, s := range shapes {
		states[i] = task.State{Name: s.Name, In: x0[i], Out: x1[i]}
	}
	return y, states, nil
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
