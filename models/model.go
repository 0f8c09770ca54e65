package models

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// model is what the models of this package have in common. Their parameters are
// named encoder.*, blocks.I.*, blocks.norm.* and decoder.*.
type model struct {
	kind
	dt      tensor.Dtype
	encoder encoder // of tokens an Embedding, of features a Linear
	stack   *layers.Stack
	decoder *layers.Linear
}

// kind is a kind of model: its name in files, and that of its type.
type kind struct{ name, of string }

var (
	classifier    = kind{"classifier", "Classifier"}
	languageModel = kind{"language_model", "LanguageModel"}
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

// newModel makes the layers of a model, of configurations that are valid.
func newModel(k kind, g *G.ExprGraph, dt tensor.Dtype, enc layers.Config, stack layers.StackConfig, dec layers.LinearConfig, seed uint64) (model, error) {
	m := model{kind: k, dt: dt}
	opts := func(name string) []layers.Option {
		return []layers.Option{layers.WithName(name), layers.WithSeed(seed)}
	}
	first, err1 := layers.New(g, dt, enc, opts("encoder")...)
	var err2, err3 error
	m.stack, err2 = layers.NewStack(g, dt, stack, opts("blocks")...)
	m.decoder, err3 = layers.NewLinear(g, dt, dec, opts("decoder")...)
	if err := errors.Join(err1, err2, err3); err != nil {
		return m, m.wrap(err)
	}
	m.encoder = first.(encoder)
	return m, nil
}

// cloneTo returns the layers on another graph, sharing the tensors.
func (m *model) cloneTo(g *G.ExprGraph, opts []layers.CloneOption) (model, error) {
	c := model{kind: m.kind, dt: m.dt}
	var err1, err2, err3 error
	c.encoder, err1 = layers.Clone(m.encoder, g, opts...)
	c.stack, err2 = layers.Clone(m.stack, g, opts...)
	c.decoder, err3 = layers.Clone(m.decoder, g, opts...)
	return c, m.wrap(errors.Join(err1, err2, err3))
}

// Blocks returns the blocks in order.
func (m *model) Blocks() []*layers.Block { return m.stack.Blocks() }

// parts lists the layers in order.
func (m *model) parts() []layers.Layer { return []layers.Layer{m.encoder, m.stack, m.decoder} }

// Params returns the parameters in checkpoint order.
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
	for _, p := range m.parts() {
		ns = append(ns, p.Learnables()...)
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
		y, err = m.stack.FwdLengths(y, lengths)
	}
	return y, m.wrap(err)
}

// checkBuild reports sizes that no graph can have.
func (m *model) checkBuild(batch, length int) error {
	if batch < 1 || length < 1 {
		return m.wrap(fmt.Errorf("Build: want batch and length >= 1, got %d and %d", batch, length))
	}
	return nil
}

// loss returns the cross-entropy of logits and labels.
func (m *model) loss(logits, target *G.Node) (*G.Node, error) {
	loss, err := ops.CrossEntropy(logits, target)
	if err != nil {
		return nil, m.wrap(err)
	}
	graphop.InLayer(m.title(), loss, logits, target)
	return loss, nil
}

// ints returns a placeholder for ints.
func ints(g *G.ExprGraph, name string, shape ...int) *G.Node {
	return G.NewTensor(g, tensor.Int, len(shape), G.WithShape(shape...), G.WithName(name))
}
