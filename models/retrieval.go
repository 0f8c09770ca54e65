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

// RetrievalConfig configures a Retrieval.
type RetrievalConfig struct {
	// Exactly one of Vocab and Features is set: the number of token ids of symbolic
	// documents (B, L), or of channels of real-valued ones (B, L, F).
	Vocab    int `json:"vocab,omitempty"`
	Features int `json:"features,omitempty"`
	// Padding, if not nil, is the token id that reads as zero.
	Padding *int `json:"padding,omitempty"`

	Classes int                `json:"classes"` // number of classes of pairs
	Stack   layers.StackConfig `json:"stack"`   // the blocks; their DModel is the width of the model

	Pool ops.PoolMode `json:"pool,omitempty"` // over the steps; "" means ops.PoolMean
	Head int          `json:"head,omitempty"` // width of the hidden layer of the head; 0 means DModel
}

// tower configures what reads one document, as a classifier does.
func (c RetrievalConfig) tower() ClassifierConfig {
	return ClassifierConfig{Vocab: c.Vocab, Features: c.Features, Padding: c.Padding, Classes: c.Classes, Stack: c.Stack, Pool: c.Pool}
}

// Validate reports the first field that is out of range.
func (c RetrievalConfig) Validate() error {
	err := c.tower().validate()
	if err == nil && c.Head < 0 {
		err = fmt.Errorf("want Head >= 1, or 0 for DModel, got %d", c.Head)
	}
	if err == nil {
		err = within("head, with In = 4 DModel", c.head().Validate())
	}
	if err == nil {
		err = within("decoder, with Out = Classes", c.decoder().Validate())
	}
	return within("RetrievalConfig", err)
}

// within says where an error is, unless it is nil.
func within(place string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", place, err)
}

// head and decoder configure the parts of those names.
func (c RetrievalConfig) head() *layers.LinearConfig {
	h := c.Stack.DModel()
	if c.Head > 0 {
		return &layers.LinearConfig{In: 4 * h, Out: c.Head}
	}
	return &layers.LinearConfig{In: 4 * h, Out: h}
}

func (c RetrievalConfig) decoder() layers.LinearConfig {
	return layers.LinearConfig{In: c.head().Out, Out: c.Classes}
}

// Retrieval maps pairs of documents to class scores, such as whether one cites the
// other. One encoder with one set of weights reads both, as one batch of twice as many
// rows, those of documents 1 above those of documents 2:
//
//	tokens (2B, L) or features (2B, L, F)
//	encoder   (2B, H, L)
//	blocks    (2B, H, L), a layers.Stack
//	pool      (2B, H), a above b
//	compare   (B, 4H): [a, b, a - b, a * b]
//	head      (B, Head), a linear layer and GELU
//	decoder   (B, Classes)
//
// Batch normalisation sees the steps of all 2B rows. The parameters are named
// encoder.*, blocks.I.*, blocks.norm.*, head.* and decoder.*.
//
// Tay et al. 2020, "Long Range Arena: A Benchmark for Efficient Transformers",
// arXiv:2011.04006, section 2.2.3.
type Retrieval struct {
	model
	cfg RetrievalConfig
}

// NewRetrieval makes a model of pairs on graph g with parameters of type dt. seed
// chooses the initial parameters and dropout masks.
func NewRetrieval(g *G.ExprGraph, dt tensor.Dtype, cfg RetrievalConfig, seed uint64) (*Retrieval, error) {
	return makeRetrieval(g, dt, cfg, seed)
}

// makeRetrieval is NewRetrieval with options for all layers.
func makeRetrieval(g *G.ExprGraph, dt tensor.Dtype, cfg RetrievalConfig, seed uint64, opts ...layers.Option) (*Retrieval, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	cfg = deepcopy.Of(cfg)
	m, err := newModel(retrieval, g, dt, design{encoder: cfg.tower().encoder(), stack: cfg.Stack, head: cfg.head(), decoder: cfg.decoder()}, seed, opts)
	if err != nil {
		return nil, err
	}
	return &Retrieval{m, cfg}, nil
}

// CloneTo returns a model on another graph that shares this one's tensors, with the
// options of Classifier.CloneTo.
func (m *Retrieval) CloneTo(g *G.ExprGraph, opts ...layers.CloneOption) (*Retrieval, error) {
	c, err := m.cloneTo(g, opts)
	if err != nil {
		return nil, err
	}
	cfg := m.cfg
	cfg.Stack = c.stack.Config()
	return &Retrieval{c, cfg}, nil
}

// copyTo implements copier.
func (m *Retrieval) copyTo(g *G.ExprGraph, opts []layers.CloneOption) (Model, error) {
	return asModel(m.CloneTo(g, opts...))
}

// Config returns the configuration, a RetrievalConfig.
func (m *Retrieval) Config() any { return deepcopy.Of(m.cfg) }

// Fwd maps two batches of documents, x and x2, token ids (B, L) of dtype int or
// features (B, L, F), to logits (B, Classes). lengths and lengths2 (B) of dtype int, or
// nil both, say how many steps of each document are not padding; nothing behind them
// is read. A document of length 0 is a vector of zeros.
func (m *Retrieval) Fwd(x, lengths, x2, lengths2 *G.Node) (*G.Node, error) {
	both, of2, err := m.stacked(x, lengths, x2, lengths2)
	if err != nil {
		return nil, err
	}
	y, err := m.Embed(both, of2)
	if err != nil {
		return nil, err
	}
	if y, err = m.score(y); err != nil {
		return nil, err
	}
	graphop.InLayer(m.title(), y, x, lengths, x2, lengths2)
	return y, nil
}

// stacked returns documents 1 above documents 2, and their lengths likewise.
func (m *Retrieval) stacked(x, lengths, x2, lengths2 *G.Node) (both, of *G.Node, err error) {
	if (lengths == nil) != (lengths2 == nil) {
		return nil, nil, m.wrap(errors.New("want lengths of both documents, or of none"))
	}
	both, err = ops.StackRows(x, x2)
	if err == nil && lengths != nil {
		of, err = ops.StackRows(lengths, lengths2)
	}
	return both, of, m.wrap(err)
}

// Embed maps documents, one batch of any size, to what the head compares, (B, DModel).
func (m *Retrieval) Embed(x, lengths *G.Node) (*G.Node, error) {
	y, err := m.hidden(x, lengths)
	if err != nil {
		return nil, err
	}
	return m.pool(y, lengths)
}

// pool reduces the output of the blocks to (B, H).
func (m *Retrieval) pool(y, lengths *G.Node) (*G.Node, error) {
	y, err := ops.Pool(m.cfg.tower().pool(), y, lengths)
	return y, m.wrap(err)
}

// score maps the vectors of documents, (2B, H), to logits (B, Classes).
func (m *Retrieval) score(y *G.Node) (*G.Node, error) {
	y, err := ops.Compare(y)
	if err == nil {
		y, err = m.head.Fwd(y)
	}
	if err == nil {
		y, err = ops.GELU(y)
	}
	if err == nil {
		y, err = m.decoder.Fwd(y)
	}
	return y, m.wrap(err)
}

// Recurrence returns the encoder as a recurrent network for a batch of documents: Step
// maps a token of each, ids (batch) of dtype int, or features (batch, F), to what
// Embed returns for what has been read so far, (batch, DModel). Score compares the
// results of two. A model with a mixer that cannot step has none: the error names the
// layer.
func (m *Retrieval) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}

// Snapshot implements layers.Stepper.
func (m *Retrieval) Snapshot() (layers.Snapshot, error) { return m.pooled(m.cfg.tower().pool()) }

// Score maps documents as Embed returns them, a and b (B, DModel), to logits (B,
// Classes), without a graph: a document that was read once is compared with any others.
func (m *Retrieval) Score(a, b *tensor.Dense) (*tensor.Dense, error) {
	h := m.cfg.Stack.DModel()
	for _, x := range []struct {
		name string
		t    *tensor.Dense
	}{{"a", a}, {"b", b}} {
		if x.t == nil {
			return nil, m.wrap(fmt.Errorf("Score: want %s (B, %d), got nil", x.name, h))
		}
		if s := x.t.Shape(); len(s) != 2 || s[1] != h || s[0] < 1 || s[0] != a.Shape()[0] || x.t.Dtype() != m.dt || x.t.RequiresIterator() || x.t.DataOrder().IsColMajor() {
			return nil, m.wrap(fmt.Errorf("Score: want a and b (B, %d) of one shape, contiguous, of dtype %v, got %s %v of dtype %v", h, m.dt, x.name, s, x.t.Dtype()))
		}
	}
	y := compared(a, b)
	y, err := m.step(m.head, y)
	if err == nil {
		gelu(y)
		y, err = m.step(m.decoder, y)
	}
	return y, m.wrap(err)
}

// step applies a layer that has no state.
func (m *Retrieval) step(l layers.Stepper, x *tensor.Dense) (*tensor.Dense, error) {
	r, err := layers.NewRecurrence(l, x.Shape()[0])
	if err != nil {
		return nil, err
	}
	return r.Step(x)
}

// compared is ops.Compare of a above b.
func compared(a, b *tensor.Dense) *tensor.Dense {
	n, h := a.Shape()[0], a.Shape()[1]
	if a.Dtype() == tensor.Float32 {
		return tensor.New(tensor.WithShape(n, 4*h), tensor.WithBacking(ops.CompareRows(h, a.Float32s(), b.Float32s())))
	}
	return tensor.New(tensor.WithShape(n, 4*h), tensor.WithBacking(ops.CompareRows(h, a.Float64s(), b.Float64s())))
}

// gelu is ops.GELU in place.
func gelu(x *tensor.Dense) {
	if x.Dtype() == tensor.Float32 {
		v := x.Float32s()
		ops.ActivationFunc[float32](ops.ActGELU)(v, v)
		return
	}
	v := x.Float64s()
	ops.ActivationFunc[float64](ops.ActGELU)(v, v)
}

// Build puts the model on a graph of its own for batches of the given size and
// length, that of the longer document, with placeholders for the fields of task.Pair
// and task.Target, and the cross-entropy loss. It is what package train asks of a
// model, and what is said of Classifier.Build is true of it.
func (m *Retrieval) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	if err := m.checkBuild(batch, length); err != nil {
		return nil, err
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, err
	}
	in, ranges := m.inputs(g, batch, length)
	target := ints(g, task.Target, batch)
	logits, err := c.Fwd(in[task.X], in[task.XLengths], in[task.X2], in[task.X2Lengths])
	if err != nil {
		return nil, err
	}
	loss, err := c.loss(logits, target)
	if err != nil {
		return nil, err
	}
	in[task.Target], ranges[task.Target] = target, task.Range{High: m.cfg.Classes, Ignored: true}
	return &task.Graph{
		G: g, Inputs: in, Ranges: ranges, Loss: loss, Count: task.CountLabels(task.Target),
		Outputs: map[string]*G.Node{task.Logits: logits}, Params: c.Params(), Rows: c.rows(batch), Across: c.across,
	}, nil
}

// inputs returns placeholders for documents and their lengths, and what ids are in
// range.
func (m *Retrieval) inputs(g *G.ExprGraph, batch, length int) (map[string]*G.Node, map[string]task.Range) {
	ranges := map[string]task.Range{}
	return map[string]*G.Node{
		task.X:        m.input(g, task.X, m.cfg.Vocab, m.cfg.Features, batch, length, ranges),
		task.X2:       m.input(g, task.X2, m.cfg.Vocab, m.cfg.Features, batch, length, ranges),
		task.XLengths: ints(g, task.XLengths, batch), task.X2Lengths: ints(g, task.X2Lengths, batch),
	}, ranges
}

// Save writes the model to a directory, as that of a Classifier does.
func (m *Retrieval) Save(dir string) error { return m.save(dir, m.cfg) }

// LoadRetrieval reads a model that Save wrote and puts it on graph g, as
// LoadClassifier does.
func LoadRetrieval(g *G.ExprGraph, dir string, opts ...LoadOption) (*Retrieval, error) {
	return load(retrieval, dir, opts, func(dt tensor.Dtype, cfg RetrievalConfig, limit layers.Option) (*Retrieval, error) {
		return makeRetrieval(g, dt, cfg, 0, limit)
	})
}
