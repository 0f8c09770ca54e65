package models

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/task"
)

// Hidden reads the residual stream of a model: what its encoder and each of its blocks
// return for a batch, in evaluation. It is for probes, which find out what a model has
// learned to know. It is one graph, for batches of one size, which is run for any number
// of them, on one goroutine; Close gives its memory back.
type Hidden struct {
	batch, length int
	inputs        map[string]*tensor.Dense
	vm            G.VM
	values        []G.Value // of the last run
	states        []task.Array
}

// hiding is a model of one sequence, whose hidden states can be read.
type hiding interface {
	hiddenStates(g *G.ExprGraph, batch, length int) (inputs map[string]*G.Node, states G.Nodes, err error)
}

// errHidden returns an error of hidden states, nil for none.
func errHidden(err error) error { return kind{of: "Hidden"}.wrap(err) }

// NewHidden builds the graph of a Classifier or a LanguageModel for batches of the given
// size and length.
func NewHidden(m Model, batch, length int) (*Hidden, error) {
	of, ok := m.(hiding)
	if !ok {
		return nil, fmt.Errorf("models: Hidden: want a Classifier or a LanguageModel, got %T", m)
	}
	if batch < 1 || length < 1 {
		return nil, errHidden(fmt.Errorf("want batch and length >= 1, got %d and %d", batch, length))
	}
	if err := checkMade(m); err != nil {
		return nil, errHidden(err)
	}
	h := &Hidden{batch: batch, length: length}
	if err := h.build(of); err != nil {
		return nil, errHidden(err)
	}
	return h, nil
}

// build puts the model on a graph and compiles it.
func (h *Hidden) build(of hiding) error {
	g := G.NewGraph()
	inputs, states, err := of.hiddenStates(g, h.batch, h.length)
	if err != nil {
		return err
	}
	if h.inputs, err = placed(inputs); err != nil {
		return err
	}
	h.values, h.states = make([]G.Value, len(states)), make([]task.Array, len(states))
	var reads G.Nodes
	for i, n := range states {
		reads = append(reads, G.Read(n, &h.values[i]))
	}
	prog, locs, err := G.CompileFunction(g, states, reads)
	if err != nil {
		return err
	}
	h.vm = G.NewTapeMachine(g, G.EvalMode(), G.WithPrecompiled(prog, locs))
	return nil
}

// Run returns the hidden states of a batch of the size that the graph is for: what the
// encoder returns, what each block returns, and, behind a norm after the last, what that
// returns, each (B, H, L). What is behind the length of a row means nothing. The result is
// overwritten by the next Run.
func (h *Hidden) Run(b *task.Batch) ([]task.Array, error) {
	switch {
	case h == nil || h.vm == nil:
		return nil, errors.New("models: Hidden: want one that NewHidden made and that was not closed")
	case b == nil || b.B != h.batch || b.L != h.length:
		return nil, errHidden(fmt.Errorf("want a batch (%d, %d), got %s", h.batch, h.length, sizesOf(b)))
	}
	if err := feed(h.inputs, b); err != nil {
		return nil, errHidden(err)
	}
	defer h.vm.Reset()
	if err := h.vm.RunAll(); err != nil {
		return nil, errHidden(fmt.Errorf("%w (%v)", err, b))
	}
	for i, v := range h.values {
		h.states[i] = copied(h.states[i], v)
	}
	return h.states, nil
}

// copied copies a value into an array, whose memory is used again.
func copied(dst task.Array, v G.Value) task.Array {
	dst.Shape = append(dst.Shape[:0], v.Shape()...)
	switch x := v.Data().(type) {
	case []float32:
		dst.Float32s = append(dst.Float32s[:0], x...)
	case []float64:
		dst.Float64s = append(dst.Float64s[:0], x...)
	}
	return dst
}

// Close gives the memory back. A second call does nothing.
func (h *Hidden) Close() error {
	if h == nil || h.vm == nil {
		return nil
	}
	err := h.vm.Close()
	*h = Hidden{}
	return err
}

// states is model.hidden that returns the hidden states of an evaluation.
func (m *model) states(x, lengths *G.Node) (G.Nodes, error) {
	encoded, err := m.encoder.FwdLengths(x, lengths)
	if err != nil {
		return nil, m.wrap(err)
	}
	y, blocks, err := m.stack.FwdAll(encoded, lengths)
	if err != nil {
		return nil, m.wrap(err)
	}
	all := append(G.Nodes{encoded}, blocks...)
	if y != all[len(all)-1] { // a norm is behind the last block
		all = append(all, y)
	}
	return all, nil
}

// hiddenStates implements hiding.
func (m *Classifier) hiddenStates(g *G.ExprGraph, batch, length int) (map[string]*G.Node, G.Nodes, error) {
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, nil, err
	}
	return c.model.statesOf(g, m.cfg.Vocab, m.cfg.Features, batch, length)
}

// hiddenStates implements hiding.
func (m *LanguageModel) hiddenStates(g *G.ExprGraph, batch, length int) (map[string]*G.Node, G.Nodes, error) {
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, nil, err
	}
	return c.model.statesOf(g, m.cfg.Vocab, 0, batch, length)
}

// statesOf is states of placeholders.
func (m *model) statesOf(g *G.ExprGraph, vocab, features, batch, length int) (map[string]*G.Node, G.Nodes, error) {
	x, lengths := m.input(g, task.X, vocab, features, batch, length, map[string]task.Range{}), ints(g, task.Lengths, batch)
	states, err := m.states(x, lengths)
	return map[string]*G.Node{task.X: x, task.Lengths: lengths}, states, err
}
