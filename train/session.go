package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
)

// session is a model on one graph with the machine that runs it.
type session struct {
	graph  *Graph
	vm     G.VM
	grads  []G.ValueGrad // the parameters that learn; nil for evaluation
	x      *tensor.Dense // what the input nodes hold
	length *tensor.Dense // nil if the model does not ask for it
	target *tensor.Dense

	loss, logits G.Value // of the last run
	classes      int
}

// newSession builds, differentiates and compiles a graph for batches like b.
func newSession(m Model, mode Mode, b *Batch) (s *session, err error) {
	// Gorgonia panics on some graphs that it cannot differentiate.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			s, err = nil, fmt.Errorf("%v graph for batches (%d, %d): %w", mode, b.B, b.L, err)
		}
	}()
	graph, err := m.Build(mode, b.B, b.L)
	if err != nil {
		return nil, err
	}
	s = &session{graph: graph}
	if err := s.check(m, b); err != nil {
		return nil, err
	}
	if err := s.place(); err != nil {
		return nil, err
	}
	return s, s.compile(mode)
}

// check reports a graph that is not what Graph promises.
func (s *session) check(m Model, b *Batch) error {
	g := s.graph
	for name, n := range map[string]*G.Node{"X": g.X, "Target": g.Target, "Loss": g.Loss, "Logits": g.Logits} {
		if n == nil {
			return fmt.Errorf("want a node %s, got nil", name)
		}
	}
	x, target := tensor.Shape{b.B, b.L}, tensor.Shape{b.B}
	if b.F > 0 {
		x = append(x, b.F)
	}
	if b.PerPosition {
		target = append(target, b.L)
	}
	isFloat := func(n *G.Node) bool { return n.Dtype() == tensor.Float32 || n.Dtype() == tensor.Float64 }
	switch {
	case b.F == 0 && (g.X.Dtype() != tensor.Int || !g.X.Shape().Eq(x)):
		return fmt.Errorf("the data are tokens: want X of dtype int and shape %v, got %v of shape %v", x, g.X.Dtype(), g.X.Shape())
	case b.F > 0 && (!isFloat(g.X) || !g.X.Shape().Eq(x)):
		return fmt.Errorf("the data are features: want X of a float dtype and shape %v, got %v of shape %v", x, g.X.Dtype(), g.X.Shape())
	case g.Lengths != nil && (g.Lengths.Dtype() != tensor.Int || !g.Lengths.Shape().Eq(tensor.Shape{b.B})):
		return fmt.Errorf("want Lengths of dtype int and shape (%d), got %v of shape %v", b.B, g.Lengths.Dtype(), g.Lengths.Shape())
	case g.Target.Dtype() != tensor.Int || !g.Target.Shape().Eq(target):
		return fmt.Errorf("want Target of dtype int and shape %v, got %v of shape %v", target, g.Target.Dtype(), g.Target.Shape())
	case !isFloat(g.Loss) || !g.Loss.IsScalar():
		return fmt.Errorf("want Loss to be a float scalar, got %v of shape %v", g.Loss.Dtype(), g.Loss.Shape())
	case !isFloat(g.Logits) || g.Logits.Dims() != len(target)+1 || !slices.Equal(slices.Delete(g.Logits.Shape().Clone(), 1, 2), target):
		return fmt.Errorf("want Logits of a float dtype and shape (%d, classes) or, with a target for each position, (%d, classes, %d), got %v of shape %v", b.B, b.B, b.L, g.Logits.Dtype(), g.Logits.Shape())
	}
	s.classes = g.Logits.Shape()[1]
	return s.checkParams(m)
}

// checkParams makes sure that an update of the graph's parameters is one of the
// model's.
func (s *session) checkParams(m Model) error {
	params := m.Params()
	if len(params) != len(s.graph.Params) {
		return fmt.Errorf("want the model's %d parameters, got %d", len(params), len(s.graph.Params))
	}
	for i, p := range s.graph.Params {
		switch {
		case p.Name != params[i].Name:
			return fmt.Errorf("want parameter %d to be %q, got %q", i, params[i].Name, p.Name)
		case p.Node == nil || p.Node.Value() == nil || !weights.Same(p.Node.Value(), params[i].Node.Value()):
			return fmt.Errorf("want parameter %q to share the model's tensor", p.Name)
		}
	}
	return nil
}

// place gives the input nodes tensors that every batch is copied into.
func (s *session) place() error {
	let := func(n *G.Node) (*tensor.Dense, error) {
		d := tensor.New(tensor.Of(n.Dtype()), tensor.WithShape(n.Shape()...))
		return d, G.Let(n, d)
	}
	var err1, err2, err3 error
	s.x, err1 = let(s.graph.X)
	s.target, err2 = let(s.graph.Target)
	if s.graph.Lengths != nil {
		s.length, err3 = let(s.graph.Lengths)
	}
	return errors.Join(err1, err2, err3)
}

// compile differentiates a training graph and makes the machine. Nodes that
// neither the results nor the gradients depend on are left out.
func (s *session) compile(mode Mode) error {
	g := s.graph
	outputs := G.Nodes{G.Read(g.Loss, &s.loss), G.Read(g.Logits, &s.logits)}
	opts := []G.VMOpt{G.EvalMode()}
	if mode == Training {
		var learn G.Nodes
		for _, p := range g.Params {
			if !p.Frozen {
				learn = append(learn, p.Node)
			}
		}
		if len(learn) == 0 {
			return errors.New("every parameter is frozen")
		}
		grads, err := G.Grad(g.Loss, learn...)
		if err != nil {
			return err
		}
		outputs = append(outputs, grads...)
		opts = []G.VMOpt{G.BindDualValues(learn...)}
		s.grads = G.NodesToValueGrads(learn)
	}
	prog, locs, err := G.CompileFunction(g.G, G.Nodes{g.X}, outputs)
	if err != nil {
		return err
	}
	s.vm = G.NewTapeMachine(g.G, append(opts, G.WithPrecompiled(prog, locs))...)
	return nil
}

func (s *session) close() error { return s.vm.Close() }

// run runs the graph on a batch, whose sizes are those it was built for.
func (s *session) run(b *Batch) (Tally, error) {
	if err := s.checkLabels(b); err != nil {
		return Tally{}, err
	}
	if err := s.checkTokens(b); err != nil {
		return Tally{}, err
	}
	s.feed(b)
	defer s.vm.Reset()
	if err := s.vm.RunAll(); err != nil {
		return Tally{}, fmt.Errorf("%w (%v)", err, b)
	}
	return s.score(b)
}

// checkLabels reports a label that is none of the model's classes.
func (s *session) checkLabels(b *Batch) error {
	perRow := len(b.Labels) / b.B
	for i, y := range b.Labels {
		if y >= ops.IgnoreLabel && y < s.classes {
			continue
		}
		of := ""
		if b.PerPosition {
			of = fmt.Sprintf("step %d: ", i%perRow)
		}
		return fmt.Errorf("%s: %swant a label in [0, %d), or %d to ignore it, got %d",
			exampleName(b.ds, b.Examples[i/perRow]), of, s.classes, ops.IgnoreLabel, y)
	}
	return nil
}

// checkTokens reports a token that the model does not know.
func (s *session) checkTokens(b *Batch) error {
	if s.graph.Vocab == 0 || b.F > 0 {
		return nil
	}
	for i, id := range b.Tokens {
		if id >= 0 && id < s.graph.Vocab {
			continue
		}
		row, step := i/b.L, i%b.L
		if step >= b.Lengths[row] {
			return fmt.Errorf("PadToken: want an id in [0, %d), got %d", s.graph.Vocab, id)
		}
		return fmt.Errorf("%s: token of step %d: want an id in [0, %d), got %d", exampleName(b.ds, b.Examples[row]), step, s.graph.Vocab, id)
	}
	return nil
}

// badRows names the examples of the last batch whose scores are not finite,
// unless they are all.
func (s *session) badRows(b *Batch) string {
	var names []string
	for row, i := range b.Examples {
		if !s.finiteRow(row, b.B) {
			names = append(names, exampleName(b.ds, i))
		}
	}
	if len(names) == 0 || len(names) == len(b.Examples) {
		return ""
	}
	const most = 4
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return "the scores are not finite of " + strings.Join(names, ", ")
}

// finiteRow says whether the scores of a row, of rows in all, are finite.
func (s *session) finiteRow(row, rows int) bool {
	if v, ok := weights.Memory[float32](s.logits); ok {
		n := len(v) / rows
		return firstNonFinite(v[row*n:(row+1)*n]) < 0
	}
	v, _ := weights.Memory[float64](s.logits)
	n := len(v) / rows
	return firstNonFinite(v[row*n:(row+1)*n]) < 0
}

// feed copies a batch into the input tensors.
func (s *session) feed(b *Batch) {
	copy(s.target.Ints(), b.Labels)
	if s.length != nil {
		copy(s.length.Ints(), b.Lengths)
	}
	switch {
	case b.F == 0:
		copy(s.x.Ints(), b.Tokens)
	case s.x.Dtype() == tensor.Float32:
		copy(s.x.Float32s(), b.Features)
	default:
		x := s.x.Float64s()
		for i, v := range b.Features {
			x[i] = float64(v)
		}
	}
}

// score reads the loss and counts the right answers.
func (s *session) score(b *Batch) (Tally, error) {
	if t, ok := scoreOf[float32](s, b); ok {
		return t, nil
	}
	if t, ok := scoreOf[float64](s, b); ok {
		return t, nil
	}
	return Tally{}, fmt.Errorf("want Loss and Logits of one float dtype, got %v and %v", s.loss.Dtype(), s.logits.Dtype())
}

func scoreOf[T num.Float](s *session, b *Batch) (t Tally, ok bool) {
	loss, ok1 := weights.Memory[T](s.loss)
	logits, ok2 := weights.Memory[T](s.logits)
	if !ok1 || !ok2 {
		return t, false
	}
	perRow := len(b.Labels) / b.B // 1 or L
	for i, y := range b.Labels {
		if y == ops.IgnoreLabel {
			continue
		}
		t.Count++
		row, pos := i/perRow, i%perRow
		if argmax(logits[row*s.classes*perRow+pos:], s.classes, perRow) == y {
			t.Correct++
		}
	}
	if t.Count > 0 {
		t.Loss = float64(loss[0]) * float64(t.Count)
	}
	return t, true
}

// argmax returns which of n elements of s, stride apart, is the largest: the
// first of equals.
func argmax[T num.Float](s []T, n, stride int) int {
	best := 0
	for i := range n {
		if s[i*stride] > s[best*stride] {
			best = i
		}
	}
	return best
}
