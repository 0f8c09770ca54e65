package models

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// Model is a model of any kind: what Open returns, and package train trains.
type Model interface {
	// Kind returns the name of the kind in files: "classifier", "language_model",
	// "retrieval" or "forecaster".
	Kind() string
	// Config returns a copy of the configuration, such as a ClassifierConfig.
	Config() any
	// Dtype returns the type of the parameters, float32 or float64.
	Dtype() tensor.Dtype
	// Params returns the parameters, frozen ones included, in checkpoint order;
	// Buffers the state that is saved but not learned; Learnables the nodes of the
	// parameters that are not frozen.
	Params() []param.Param
	Buffers() []param.Buffer
	Learnables() G.Nodes
	// Blocks returns the blocks in order.
	Blocks() []*layers.Block
	// Build puts the model on a graph of its own, for batches of the given size and
	// length.
	Build(mode task.Mode, batch, length int) (*task.Graph, error)
	// Settle makes the model consistent after values were put into its parameters.
	Settle() error
	// Save writes the model to a directory.
	Save(dir string) error
	// Summary describes the model to a reader.
	Summary() string
}

// copier is a model that can be copied to another graph.
type copier interface {
	copyTo(g *G.ExprGraph, opts []layers.CloneOption) (Model, error)
}

// Clone returns a copy of a model of any kind on another graph that shares its
// tensors, as the CloneTo of each kind does. A trainer of a copy made with
// layers.AtRate(2) evaluates the model on sequences of half the sampling rate:
//
//	slow, err := models.Clone(model, G.NewGraph(), layers.AtRate(2))
func Clone(m Model, g *G.ExprGraph, opts ...layers.CloneOption) (Model, error) {
	c, ok := m.(copier)
	if !ok {
		return nil, fmt.Errorf("models: Clone: want a model of this package, got %T", m)
	}
	if err := checkMade(m); err != nil {
		return nil, fmt.Errorf("models: Clone: %w", err)
	}
	return c.copyTo(g, opts)
}

// checkMade returns an error for a model that is nil, or the zero value.
func checkMade(m Model) error {
	var made bool
	switch m := m.(type) {
	case *Classifier:
		made = m != nil && m.stack != nil
	case *LanguageModel:
		made = m != nil && m.stack != nil
	case *Retrieval:
		made = m != nil && m.stack != nil
	case *Forecaster:
		made = m != nil && m.stack != nil
	default: // of another package
		made = true
	}
	if !made {
		return fmt.Errorf("want a model that was made or loaded, got a %T that is nil or zero", m)
	}
	return nil
}

// model is what the models of this package have in common. Their parameters are
// named encoder.*, blocks.I.*, blocks.norm.*, of some head.*, and decoder.*.
type model struct {
	kind
	dt      tensor.Dtype
	encoder encoder // of tokens an Embedding, of features a Linear
	stack   *layers.Stack
	head    *layers.Linear // between what was pooled and the decoder; nil: none
	decoder decoder        // of language models a layers.Head, else a Linear
	tied    bool           // the decoder has parameters of the encoder
	// Of what the encoder and the blocks return; nil: none.
	dropFirst, dropLast *layers.Dropout
}

// design is the configurations of the parts of a model, which are valid.
type design struct {
	encoder layers.Config
	stack   layers.StackConfig
	head    *layers.LinearConfig
	decoder layers.Config
	tied    bool
	dropout float64 // of what the encoder and the blocks return, each element by itself
}

// kind is a kind of model: its name in files, and that of its type.
type kind struct{ name, of string }

var (
	classifier    = kind{"classifier", "Classifier"}
	languageModel = kind{"language_model", "LanguageModel"}
	retrieval     = kind{"retrieval", "Retrieval"}
	forecaster    = kind{"forecaster", "Forecaster"}
)

// title is how the errors of ops that are in none of the layers begin, when a
// graph runs.
func (k kind) title() string { return "models: " + k.of }

// wrap names the model in an error, unless it is nil.
func (k kind) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("models: %s: %w", k.of, err)
}

// encoder is the layer that reads the input.
type encoder interface {
	layers.Layer
	layers.Stepper
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
}

// decoder is the layer that makes scores, or numbers, of vectors.
type decoder interface {
	layers.Layer
	layers.Stepper
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
}

// newModel makes the layers of a model, with options for all of them.
func newModel(k kind, g *G.ExprGraph, dt tensor.Dtype, d design, seed uint64, of []layers.Option) (model, error) {
	m := model{kind: k, dt: dt}
	opts := func(name string) []layers.Option {
		return append([]layers.Option{layers.WithName(name), layers.WithSeed(seed)}, of...)
	}
	first, err := layers.New(g, dt, d.encoder, opts("encoder")...)
	if err == nil {
		m.encoder = first.(encoder)
		m.stack, err = layers.NewStack(g, dt, d.stack, opts("blocks")...)
	}
	if err == nil && d.head != nil {
		m.head, err = layers.NewLinear(g, dt, *d.head, opts("head")...)
	}
	if err == nil && d.dropout > 0 {
		err = m.addDropout(g, layers.DropoutConfig{P: d.dropout, Untied: true}, opts)
	}
	if err == nil {
		err = m.addDecoder(g, d, opts("decoder"))
	}
	return m, m.wrap(err)
}

// addDropout makes the dropouts around the blocks.
func (m *model) addDropout(g *G.ExprGraph, cfg layers.DropoutConfig, opts func(name string) []layers.Option) (err error) {
	if m.dropFirst, err = layers.NewDropout(g, m.dt, cfg, opts("dropout.first")...); err == nil {
		m.dropLast, err = layers.NewDropout(g, m.dt, cfg, opts("dropout.last")...)
	}
	return err
}

// addDecoder makes the decoder.
func (m *model) addDecoder(g *G.ExprGraph, d design, opts []layers.Option) error {
	if m.tied = d.tied; m.tied {
		opts = append(opts, layers.TiedTo(m.encoder))
	}
	last, err := layers.New(g, m.dt, d.decoder, opts...)
	if err == nil {
		m.decoder = last.(decoder)
	}
	return err
}

// cloneTo returns the layers on another graph, sharing the tensors.
func (m *model) cloneTo(g *G.ExprGraph, opts []layers.CloneOption) (model, error) {
	c := model{kind: m.kind, dt: m.dt, tied: m.tied}
	var err error
	if c.encoder, err = layers.Clone(m.encoder, g, opts...); err == nil {
		c.stack, err = layers.Clone(m.stack, g, opts...)
	}
	if err == nil && m.head != nil {
		c.head, err = layers.Clone(m.head, g, opts...)
	}
	if err == nil && m.dropFirst != nil {
		if c.dropFirst, err = layers.Clone(m.dropFirst, g, opts...); err == nil {
			c.dropLast, err = layers.Clone(m.dropLast, g, opts...)
		}
	}
	if err == nil && m.tied {
		opts = append(slices.Clone(opts), layers.TiedTo(c.encoder))
	}
	if err == nil {
		c.decoder, err = layers.Clone(m.decoder, g, opts...)
	}
	if err == nil {
		err = layers.CheckRate(c.stack)
	}
	return c, m.wrap(err)
}

// Kind returns the name of the kind of model in files.
func (m *model) Kind() string { return m.name }

// Dtype returns the type of the parameters.
func (m *model) Dtype() tensor.Dtype { return m.dt }

// Blocks returns the blocks in order.
func (m *model) Blocks() []*layers.Block { return m.stack.Blocks() }

// parts lists the layers in order.
func (m *model) parts() []layers.Layer {
	ls := []layers.Layer{m.encoder, m.stack}
	if m.dropFirst != nil {
		ls = []layers.Layer{m.encoder, m.dropFirst, m.stack, m.dropLast}
	}
	if m.head != nil {
		ls = append(ls, m.head)
	}
	return append(ls, m.decoder)
}

// Params returns the parameters in checkpoint order, with the hints of the layers.
func (m *model) Params() []param.Param {
	var ps []param.Param
	for _, p := range m.parts() {
		ps = append(ps, p.Params()...)
	}
	return ps
}

// Learnables returns the nodes of the parameters that are not frozen.
func (m *model) Learnables() G.Nodes {
	var ns G.Nodes
	for _, p := range m.Params() {
		if !p.Frozen {
			ns = append(ns, p.Node)
		}
	}
	return ns
}

// Buffers returns the state that is saved but not learned.
func (m *model) Buffers() []param.Buffer {
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
func (m *model) Settle() error { return m.wrap(m.stack.Settle()) }

// hidden maps the input to the output of the blocks, (B, H, L).
func (m *model) hidden(x, lengths *G.Node) (*G.Node, error) {
	y, err := m.encoder.FwdLengths(x, lengths)
	if err == nil {
		y, err = dropped(m.dropFirst, y)
	}
	if err == nil {
		y, err = m.stack.FwdLengths(y, lengths)
	}
	if err == nil {
		y, err = dropped(m.dropLast, y)
	}
	return y, m.wrap(err)
}

// dropped is a dropout, or nil for none, of x.
func dropped(d *layers.Dropout, x *G.Node) (*G.Node, error) {
	if d == nil {
		return x, nil
	}
	return d.Fwd(x)
}

// pooled is encoder, blocks and pool step by step, and what follows them.
func (m *model) pooled(mode ops.PoolMode, then ...layers.Stepper) (layers.Snapshot, error) {
	if err := m.stack.CheckSteps(); err != nil {
		return nil, m.wrap(err)
	}
	pool, err := layers.NewRunningPool(m.dt, mode, m.stack.Config().DModel())
	if err != nil {
		return nil, m.wrap(err)
	}
	s, err := append(layers.Chain{m.encoder, m.stack, pool}, then...).Snapshot()
	return s, m.wrap(err)
}

// checkBuild reports sizes that no graph can have.
func (m *model) checkBuild(batch, length int) error {
	if batch < 1 || length < 1 {
		return m.wrap(fmt.Errorf("Build: want batch and length >= 1, got %d and %d", batch, length))
	}
	if err := size.Tensor("a batch (B, L)", batch, length); err != nil {
		return m.wrap(fmt.Errorf("Build: %w", err))
	}
	return nil
}

// rows returns a task.Graph.Rows, for graphs of batches of so many rows.
func (m *model) rows(batch int) func(task.Rows) {
	return func(r task.Rows) {
		layers.BeginRows(ops.Rows{First: r.First, N: batch, Of: r.Of, Later: r.Later, Weight: r.Weight}, m.parts()...)
	}
}

// across is a task.Graph.Across.
func (m *model) across(sum func(v []float64) error) { layers.SumAcross(sum, m.parts()...) }

// loss returns the cross-entropy of logits and labels.
func (m *model) loss(logits, target *G.Node) (*G.Node, error) {
	loss, err := ops.CrossEntropy(logits, target)
	if err != nil {
		return nil, m.wrap(err)
	}
	graphop.InLayer(m.title(), loss, logits, target)
	return loss, nil
}

// input returns a placeholder for token ids (B, L), if there is a vocabulary, or for
// features (B, L, F), and what ids are in range.
func (m *model) input(g *G.ExprGraph, name string, vocab, features, batch, length int, ranges map[string]task.Range) *G.Node {
	if vocab > 0 {
		ranges[name] = task.Range{High: vocab}
		return ints(g, name, batch, length)
	}
	return m.floats(g, name, batch, length, features)
}

// floats returns a placeholder for floats.
func (m *model) floats(g *G.ExprGraph, name string, shape ...int) *G.Node {
	return G.NewTensor(g, m.dt, len(shape), G.WithShape(shape...), G.WithName(name))
}

// ints returns a placeholder for ints.
func ints(g *G.ExprGraph, name string, shape ...int) *G.Node {
	return G.NewTensor(g, tensor.Int, len(shape), G.WithShape(shape...), G.WithName(name))
}
