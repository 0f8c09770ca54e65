package train

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// session is a model on one graph with the machine that runs it.
type session struct {
	graph   *task.Graph
	vm      G.VM
	memory  *graphop.Share
	learn   []param.Param // the parameters that learn; nil for evaluation
	inputs  []input
	states  []carried
	loss    G.Value
	outputs []output
	out     task.Outputs // of the last run
}

// input is a node that gets a field of every batch.
type input struct {
	name   string
	node   *G.Node
	memory *tensor.Dense // what the node holds
}

// carried is a state.
type carried struct {
	task.State
	in      *tensor.Dense // what State.In holds
	out     G.Value
	ordered task.Array // room for one that does not lie in row-major order
}

// output is a result that metrics look at.
type output struct {
	name    string
	value   G.Value
	ordered task.Array // room for one that does not lie in row-major order
}

// newSession builds, differentiates and compiles a graph for batches like b, which
// has memory in common with others that run in turn.
func newSession(m Model, rules param.Rules, mode task.Mode, b *task.Batch, memory *graphop.Arena) (s *session, err error) {
	defer func() {
		if err != nil {
			s, err = nil, fmt.Errorf("%v graph for batches (%d, %d): %w", mode, b.B, b.L, err)
		}
	}()
	defer guard.Panic(&err) // of the model, or of Gorgonia, on a graph that it cannot differentiate
	graph, err := m.Build(mode, b.B, b.L)
	if err != nil {
		return nil, err
	}
	s = &session{graph: graph, out: task.Outputs{Arrays: make(map[string]task.Array)}}
	if err := s.check(m); err != nil {
		return nil, err
	}
	if err := s.place(b); err != nil {
		return nil, err
	}
	if err := rules.Apply(graph.Params); err != nil {
		return nil, err
	}
	if err := s.compile(mode); err != nil {
		return nil, err
	}
	if memory == nil {
		memory = new(graphop.Arena)
	}
	s.memory = memory.Add(graph.G)
	return s, nil
}

// check reports a graph that is not what task.Graph promises.
func (s *session) check(m Model) error {
	g := s.graph
	if g == nil || g.G == nil {
		return errors.New("want a graph, got nil")
	}
	if g.Loss == nil {
		return errors.New("want a node Loss, got nil")
	}
	if !isFloat(g.Loss.Dtype()) || !g.Loss.IsScalar() {
		return fmt.Errorf("want Loss to be a float scalar, got %v of shape %v", g.Loss.Dtype(), g.Loss.Shape())
	}
	for name, n := range g.Outputs {
		if n == nil {
			return fmt.Errorf("want a node for output %q, got nil", name)
		}
	}
	return s.checkParams(m)
}

func isFloat(dt tensor.Dtype) bool { return dt == tensor.Float32 || dt == tensor.Float64 }

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
func (s *session) place(b *task.Batch) error {
	for _, name := range slices.Sorted(maps.Keys(s.graph.Inputs)) {
		n := s.graph.Inputs[name]
		a, err := b.Array(name)
		if err != nil {
			return fmt.Errorf("inputs: %w", err)
		}
		if n == nil {
			return fmt.Errorf("want a node for input %q, got nil", name)
		}
		if isFloat(n.Dtype()) != isFloat(a.Dtype()) || !n.Shape().Eq(a.Shape) {
			return fmt.Errorf("want input %q to be %v, as the data, got %v of shape %v", name, a, n.Dtype(), n.Shape())
		}
		d, err := hold(n)
		if err != nil {
			return fmt.Errorf("input %q: %w", name, err)
		}
		s.inputs = append(s.inputs, input{name, n, d})
	}
	for name := range s.graph.Ranges {
		if n := s.graph.Inputs[name]; n == nil || n.Dtype() != tensor.Int {
			return fmt.Errorf("want a range for inputs of type int only, got one for %q", name)
		}
	}
	return s.placeStates()
}

func (s *session) placeStates() error {
	seen := make(map[string]bool)
	for _, st := range s.graph.States {
		switch {
		case st.Name == "" || seen[st.Name]:
			return fmt.Errorf("state %q: want a name of its own", st.Name)
		case st.In == nil || st.Out == nil || st.In == st.Out:
			return fmt.Errorf("state %q: want two nodes, In and Out, got %v and %v", st.Name, st.In, st.Out)
		case st.In.Dims() == 0:
			return fmt.Errorf("state %q: want a tensor, got a scalar", st.Name)
		case st.In.Dtype() != st.Out.Dtype() || !st.In.Shape().Eq(st.Out.Shape()):
			return fmt.Errorf("state %q: want Out as In, %v of shape %v, got %v of shape %v", st.Name, st.In.Dtype(), st.In.Shape(), st.Out.Dtype(), st.Out.Shape())
		}
		seen[st.Name] = true
		d, err := hold(st.In)
		if err != nil {
			return fmt.Errorf("state %q: %w", st.Name, err)
		}
		s.states = append(s.states, carried{State: st, in: d})
	}
	return nil
}

// hold gives a node a tensor of zeros.
func hold(n *G.Node) (*tensor.Dense, error) {
	d := tensor.New(tensor.Of(n.Dtype()), tensor.WithShape(n.Shape()...))
	return d, G.Let(n, d)
}

// compile differentiates a training graph and makes the machine. Nodes that
// neither the results nor the gradients depend on are left out.
func (s *session) compile(mode task.Mode) error {
	g := s.graph
	outputs := s.read()
	opts := []G.VMOpt{G.EvalMode()}
	if mode == task.Training {
		var learn G.Nodes
		for _, p := range g.Params {
			if !p.Frozen {
				learn = append(learn, p.Node)
				s.learn = append(s.learn, p)
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
	}
	prog, locs, err := G.CompileFunction(g.G, G.Nodes{g.Loss}, outputs)
	if err != nil {
		return err
	}
	s.vm = G.NewTapeMachine(g.G, append(opts, G.WithPrecompiled(prog, locs))...)
	return nil
}

// read returns nodes that read the results of a run: the loss, the outputs and
// the states.
func (s *session) read() G.Nodes {
	nodes := G.Nodes{G.Read(s.graph.Loss, &s.loss)}
	s.outputs = make([]output, len(s.graph.Outputs))
	for i, name := range slices.Sorted(maps.Keys(s.graph.Outputs)) {
		s.outputs[i].name = name
		nodes = append(nodes, G.Read(s.graph.Outputs[name], &s.outputs[i].value))
	}
	for i := range s.states {
		nodes = append(nodes, G.Read(s.states[i].Out, &s.states[i].out))
	}
	return nodes
}

func (s *session) close() error {
	s.memory.Close()
	return s.vm.Close()
}

// run runs the graph on a batch, whose sizes are those it was built for, from
// the states that c holds.
func (s *session) run(b *task.Batch, c *carry) (*task.Outputs, error) {
	if err := s.feed(b); err != nil {
		return nil, err
	}
	if err := c.give(s.states); err != nil {
		return nil, err
	}
	if err := s.begin(b); err != nil {
		return nil, err
	}
	s.memory.Begin()
	defer s.memory.End()
	defer s.vm.Reset()
	if err := s.vm.RunAll(); err != nil {
		return nil, fmt.Errorf("%w (%v)", err, b)
	}
	if err := c.take(s.states); err != nil {
		return nil, err
	}
	if err := s.results(); err != nil {
		return nil, err
	}
	if s.out.Count > 0 && !finite(s.out.Loss) {
		return nil, s.badLoss(b)
	}
	return &s.out, nil
}

// across makes a graph compute what concerns all rows of a batch over those of all
// ranks, which sum adds up.
func (s *session) across(sum func(v []float64) error) error {
	if s.graph.Across == nil {
		return nil
	}
	if err := guarded(func() error { s.graph.Across(sum); return nil }); err != nil {
		return fmt.Errorf("the graph's Across: %w", err)
	}
	return nil
}

// begin tells the graph which rows of a step it gets, and what they weigh.
func (s *session) begin(b *task.Batch) error {
	if err := s.count(b); err != nil || s.graph.Rows == nil {
		return err
	}
	rows := task.Rows{First: b.First, Of: b.Of, Later: b.Later, Weight: s.out.Count}
	if err := guarded(func() error { s.graph.Rows(rows); return nil }); err != nil {
		return fmt.Errorf("the graph's Rows: %w", err)
	}
	return nil
}

// count counts the targets of a batch.
func (s *session) count(b *task.Batch) error {
	s.out.Count = float64(len(b.Examples))
	if s.graph.Count != nil {
		if err := guarded(func() error { s.out.Count = s.graph.Count(b); return nil }); err != nil {
			return fmt.Errorf("the graph's Count: %w", err)
		}
	}
	if !(s.out.Count >= 0) || !finite(s.out.Count) {
		return fmt.Errorf("want Count of the graph to return a number >= 0, got %v of %v", s.out.Count, b)
	}
	return nil
}

// feed copies a batch into the input tensors.
func (s *session) feed(b *task.Batch) error {
	for _, in := range s.inputs {
		a, err := b.Array(in.name)
		if err != nil {
			return err
		}
		if r, ok := s.graph.Ranges[in.name]; ok {
			if err := inRange(b, in.name, a.Ints, r); err != nil {
				return err
			}
		}
		switch {
		case a.Dtype() == tensor.Int:
			copy(in.memory.Ints(), a.Ints)
		case in.memory.Dtype() == tensor.Float32:
			if at := copyFloats(in.memory.Float32s(), a); at >= 0 {
				return overflow(b, in.name, at, a.At(at))
			}
		default:
			copyFloats(in.memory.Float64s(), a)
		}
	}
	return nil
}

// inRange reports a number that the model does not know.
func inRange(b *task.Batch, name string, v []int, r task.Range) error {
	at := slices.IndexFunc(v, func(x int) bool { return !r.Holds(x) })
	if at < 0 {
		return nil
	}
	if isPadding(b, name, at) && name != task.Lengths {
		return fmt.Errorf("%s: want padding with a number in %v, got Pad %d", name, r, v[at])
	}
	return fmt.Errorf("%s: want a number in %v, got %d", b.Element(name, at), r, v[at])
}

// isPadding says whether a number of a field, in row-major order, belongs to no
// example.
func isPadding(b *task.Batch, name string, at int) bool {
	padding := true
	err := b.Counts(name, func(i int) { padding = padding && i != at })
	return err == nil && padding
}

// overflow reports a number that the model's type does not hold.
func overflow(b *task.Batch, name string, at int, v float64) error {
	const want = "a number that float32, the type of the model, can hold"
	if isPadding(b, name, at) {
		return fmt.Errorf("%s: want padding with %s, got Pad %v", name, want, v)
	}
	return fmt.Errorf("%s: want %s, got %v", b.Element(name, at), want, v)
}

// copyFloats copies the numbers of an array of either float type. It returns the
// first that overflows T, or -1.
func copyFloats[T num.Float](dst []T, a task.Array) int {
	if s := floatsOf[T](a); s != nil {
		copy(dst, s)
		return -1
	}
	for i := range dst {
		dst[i] = T(a.At(i))
		if math.IsInf(float64(dst[i]), 0) { // those of an example are finite
			return i
		}
	}
	return -1
}

// results reads what the graph gave.
func (s *session) results() error {
	loss, err := arrayOf(s.loss, nil)
	if err != nil {
		return fmt.Errorf("loss: %w", err)
	}
	s.out.Loss = loss.At(0)
	for i := range s.outputs {
		o := &s.outputs[i]
		if s.out.Arrays[o.name], err = arrayOf(o.value, &o.ordered); err != nil {
			return fmt.Errorf("output %q: %w", o.name, err)
		}
	}
	return nil
}

// badLoss explains a loss that is not finite.
func (s *session) badLoss(b *task.Batch) error {
	where := s.badRows(b)
	if where == "" {
		where = "in " + b.String()
	}
	if e := findNonFinite(s.graph.Params); e != nil {
		return fmt.Errorf("the loss is %v: %s: %w", s.out.Loss, where, e)
	}
	return fmt.Errorf("the loss is %v, though every parameter and gradient is finite: %s", s.out.Loss, where)
}

// badRows names the examples of the last batch whose outputs are not finite,
// unless they are all.
func (s *session) badRows(b *task.Batch) string {
	var names []string
	for row := range b.Examples {
		if !s.finiteRow(row, b.B) {
			names = append(names, b.Example(row))
		}
	}
	if len(names) == 0 || len(names) == len(b.Examples) {
		return ""
	}
	const most = 4
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return "the outputs are not finite of " + strings.Join(names, ", ")
}

// finiteRow says whether the outputs of a row, of rows in all, are finite.
func (s *session) finiteRow(row, rows int) bool {
	for _, a := range s.out.Arrays {
		if len(a.Shape) == 0 || a.Shape[0] != rows {
			continue
		}
		n := a.Len() / rows
		for i := row * n; i < (row+1)*n; i++ {
			if !finite(a.At(i)) {
				return false
			}
		}
	}
	return true
}
