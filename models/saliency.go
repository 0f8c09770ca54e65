package models

import (
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

// Saliency says how much each step of a sequence speaks for a class: the gradient of
// the class's score by the encoder's output, times that output, summed over its
// features. To first order it is what the score would lose without the step. It is
// that of evaluation: without dropout, with the running statistics of a BatchNorm. It
// is one graph, for batches of one size, which is run for any number of them, on one
// goroutine; Close gives its memory back.
//
// Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks",
// arXiv:1312.6034; Shrikumar et al. 2016, "Not Just a Black Box", arXiv:1605.01713.
type Saliency struct {
	batch, length int
	h             int // features of the encoder's output
	sequences     []sequence
	inputs        map[string]*tensor.Dense
	class         *tensor.Dense
	vm            G.VM

	encoded, grad, logits G.Value // of the last run
	last                  Salient
}

// Salient is the saliency of a batch.
type Salient struct {
	// Classes are those whose scores were differentiated, (B).
	Classes []int
	// Logits are the scores, (B, Classes).
	Logits task.Array
	// Steps are by input, task.X and of a Retrieval task.X2 too, the saliency of each
	// step, (B, L): 0 behind a length.
	Steps map[string][]float64
}

// scored is what a saliency differentiates, on a graph.
type scored struct {
	inputs    map[string]*G.Node
	sequences []sequence
	encoded   *G.Node // (B, H, L) for each of sequences, one above the other
	nothing   *G.Node // zeros that are added to it: Gorgonia differentiates by inputs only
	logits    *G.Node // (B, Classes)
}

// sequence names an input and that of its lengths.
type sequence struct{ input, lengths string }

// scorer is a model whose scores can be differentiated.
type scorer interface {
	scores(g *G.ExprGraph, batch, length int) (scored, error)
}

// errSaliency returns an error of a saliency, nil for none.
func errSaliency(err error) error { return kind{of: "Saliency"}.wrap(err) }

// NewSaliency builds the graph of a Classifier or a Retrieval for batches of the given
// size and length.
func NewSaliency(m Model, batch, length int) (*Saliency, error) {
	of, ok := m.(scorer)
	if !ok {
		return nil, fmt.Errorf("models: Saliency: want a Classifier or a Retrieval, got %T", m)
	}
	s := &Saliency{batch: batch, length: length}
	if batch < 1 || length < 1 {
		return nil, errSaliency(fmt.Errorf("want batch and length >= 1, got %d and %d", batch, length))
	}
	if err := checkMade(m); err != nil {
		return nil, errSaliency(err)
	}
	if err := s.build(of); err != nil {
		return nil, errSaliency(err)
	}
	return s, nil
}

// build puts the model on a graph, differentiates and compiles it.
func (s *Saliency) build(of scorer) error {
	g := G.NewGraph()
	m, err := of.scores(g, s.batch, s.length)
	if err != nil {
		return err
	}
	s.h, s.sequences = m.encoded.Shape()[1], m.sequences
	class := ints(g, "class", s.batch)
	picked, err := ops.Pick(m.logits, class)
	if err != nil {
		return err
	}
	sum, err := G.Sum(picked)
	if err != nil {
		return err
	}
	grads, err := G.Grad(sum, m.nothing)
	if err != nil {
		return err
	}
	m.inputs["class"], m.inputs["nothing"] = class, m.nothing
	if s.inputs, err = placed(m.inputs); err != nil {
		return err
	}
	s.class = s.inputs["class"]
	delete(s.inputs, "class")
	delete(s.inputs, "nothing")
	prog, locs, err := G.CompileFunction(g, G.Nodes{m.logits}, G.Nodes{G.Read(m.logits, &s.logits), G.Read(m.encoded, &s.encoded), G.Read(grads[0], &s.grad)})
	if err != nil {
		return err
	}
	s.vm = G.NewTapeMachine(g, G.EvalMode(), G.WithPrecompiled(prog, locs))
	return nil
}

// Run returns the saliency of a batch of the size that the graph is for, of its rows
// for classes (B), of which -1 stands for the one of the highest score, as nil does for
// all. The result is overwritten by the next Run.
func (s *Saliency) Run(b *task.Batch, classes []int) (*Salient, error) {
	switch {
	case s == nil || s.vm == nil:
		return nil, errors.New("models: Saliency: want one that NewSaliency made and that was not closed")
	case b == nil || b.B != s.batch || b.L != s.length:
		return nil, errSaliency(fmt.Errorf("want a batch (%d, %d), got %s", s.batch, s.length, sizesOf(b)))
	case classes != nil && len(classes) != s.batch:
		return nil, errSaliency(fmt.Errorf("want a class of each of %d rows, or nil, got %d", s.batch, len(classes)))
	}
	if err := s.feed(b, classes); err != nil {
		return nil, errSaliency(err)
	}
	defer s.vm.Reset()
	if err := s.vm.RunAll(); err != nil {
		return nil, errSaliency(fmt.Errorf("%w (%v)", err, b))
	}
	s.read()
	return &s.last, nil
}

func sizesOf(b *task.Batch) string {
	if b == nil {
		return "nil"
	}
	return fmt.Sprintf("(%d, %d)", b.B, b.L)
}

// placed gives placeholders tensors, which it returns by the same names.
func placed(inputs map[string]*G.Node) (map[string]*tensor.Dense, error) {
	all := make(map[string]*tensor.Dense)
	for name, n := range inputs {
		all[name] = tensor.New(tensor.Of(n.Dtype()), tensor.WithShape(n.Shape()...))
		if err := G.Let(n, all[name]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// feed copies a batch into the inputs.
func (s *Saliency) feed(b *task.Batch, classes []int) error {
	if err := feed(s.inputs, b); err != nil {
		return err
	}
	for i := range s.batch {
		s.class.Ints()[i] = -1
	}
	copy(s.class.Ints(), classes)
	return nil
}

// feed copies the fields of a batch into the tensors of the same names.
func feed(inputs map[string]*tensor.Dense, b *task.Batch) error {
	for name, t := range inputs {
		a, err := b.Array(name)
		if err != nil {
			return err
		}
		if !t.Shape().Eq(a.Shape) || (t.Dtype() == tensor.Int) != (a.Dtype() == tensor.Int) {
			return fmt.Errorf("want field %q of dtype %v and shape %v, got %v", name, t.Dtype(), t.Shape(), a)
		}
		switch t.Dtype() {
		case tensor.Int:
			copy(t.Ints(), a.Ints)
		case tensor.Float32:
			copyArray(t.Float32s(), a)
		default:
			copyArray(t.Float64s(), a)
		}
	}
	return nil
}

// copyArray copies the numbers of an array.
func copyArray[T num.Float](dst []T, a task.Array) {
	for i := range dst {
		dst[i] = T(a.At(i))
	}
}

// read makes the result of what the graph gave.
func (s *Saliency) read() {
	if s.encoded.Dtype() == tensor.Float32 {
		readSaliency[float32](s)
		return
	}
	readSaliency[float64](s)
}

func readSaliency[T num.Float](s *Saliency) {
	logits := s.logits.Data().([]T)
	shape := s.logits.Shape()
	s.last.Logits = arrayOf(shape.Clone(), slices.Clone(logits))
	s.last.Classes = append(s.last.Classes[:0], s.class.Ints()...)
	for i, k := range s.last.Classes {
		if k < 0 {
			s.last.Classes[i] = winner(logits[i*shape[1] : (i+1)*shape[1]])
		}
	}
	if s.last.Steps == nil {
		s.last.Steps = map[string][]float64{}
		for _, of := range s.sequences {
			s.last.Steps[of.input] = make([]float64, s.batch*s.length)
		}
	}
	x, g := s.encoded.Data().([]T), s.grad.Data().([]T)
	n := s.batch * s.h * s.length
	for i, of := range s.sequences {
		products(s.last.Steps[of.input], x[i*n:(i+1)*n], g[i*n:(i+1)*n], s.inputs[of.lengths].Ints(), s.h)
	}
}

// products writes to steps (B, L) the sums over the features of x g, both (B, H, L), and
// 0 behind the lengths.
func products[T num.Float](steps []float64, x, g []T, lengths []int, h int) {
	l := len(steps) / len(lengths)
	clear(steps)
	for b, n := range lengths {
		for r := b * h; r < (b+1)*h; r++ {
			for i := range n {
				steps[b*l+i] += float64(x[r*l+i]) * float64(g[r*l+i])
			}
		}
	}
}

// arrayOf returns numbers as an array.
func arrayOf[T num.Float](shape tensor.Shape, v []T) task.Array {
	a := task.Array{Shape: shape}
	switch v := any(v).(type) {
	case []float32:
		a.Float32s = v
	case []float64:
		a.Float64s = v
	}
	return a
}

// winner returns the class of the highest score, the first of equal ones.
func winner[T num.Float](scores []T) int {
	k := 0
	for i, v := range scores {
		if v > scores[k] {
			k = i
		}
	}
	return k
}

// Close gives the memory back. A second call does nothing.
func (s *Saliency) Close() error {
	if s == nil || s.vm == nil {
		return nil
	}
	err := s.vm.Close()
	*s = Saliency{}
	return err
}

// hidden is model.hidden, with what a saliency needs on the way.
func (s *scored) hidden(m *model, x, lengths *G.Node) (*G.Node, error) {
	var err error
	if s.encoded, err = m.encoder.FwdLengths(x, lengths); err != nil {
		return nil, err
	}
	shape := s.encoded.Shape()
	if err := size.Tensor("the encoder's output (B, H, L)", shape...); err != nil {
		return nil, err
	}
	s.nothing = m.floats(x.Graph(), "nothing", shape...)
	y, err := ops.Add(s.encoded, s.nothing)
	if err != nil {
		return nil, err
	}
	return m.stack.FwdLengths(y, lengths)
}

// scores implements scorer.
func (m *Classifier) scores(g *G.ExprGraph, batch, length int) (s scored, err error) {
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return s, err
	}
	x, lengths := m.input(g, task.X, m.cfg.Vocab, m.cfg.Features, batch, length, map[string]task.Range{}), ints(g, task.Lengths, batch)
	s.inputs, s.sequences = map[string]*G.Node{task.X: x, task.Lengths: lengths}, []sequence{{task.X, task.Lengths}}
	y, err := s.hidden(&c.model, x, lengths)
	if err == nil {
		s.logits, err = c.score(y, lengths)
	}
	return s, err
}

// scores implements scorer.
func (m *Retrieval) scores(g *G.ExprGraph, batch, length int) (s scored, err error) {
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return s, err
	}
	s.inputs, _ = m.inputs(g, batch, length)
	s.sequences = []sequence{{task.X, task.XLengths}, {task.X2, task.X2Lengths}}
	x, lengths, err := c.stacked(s.inputs[task.X], s.inputs[task.XLengths], s.inputs[task.X2], s.inputs[task.X2Lengths])
	if err != nil {
		return s, err
	}
	y, err := s.hidden(&c.model, x, lengths)
	if err == nil {
		y, err = c.pool(y, lengths)
	}
	if err == nil {
		s.logits, err = c.score(y)
	}
	return s, err
}
