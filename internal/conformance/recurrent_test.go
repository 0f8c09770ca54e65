package conformance

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
)

// stateArrays are the tensors of the state of a recurrent kind, as the names of its
// arrays begin.
func stateArrays(kind string) []string {
	if kind == "lstm" {
		return []string{"h", "c"}
	}
	return []string{"h"}
}

// formRecurrent: an LSTM, a GRU or a network without gates, from a state.
func formRecurrent(f *form) {
	h, in, n, directions := f.size("H"), f.size("I"), f.size("layers"), 1
	if f.flag("bidirectional") {
		directions = 2
	}
	b, l := f.axis("x", 0, 3), f.axis("x", 2, 3)
	f.agree("B", b)
	f.agree("L", l)
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads", "x", "h0")
	f.arrays([]string{"x", "g_x"}, b, in, l)
	f.arrays([]string{"y", "W"}, b, directions*h, l)
	for _, s := range stateArrays(f.c.Kind) {
		f.arrays([]string{s + "0", "g_" + s + "0", s + "_final", "W_" + s + "_final"}, n*directions, b, h)
	}
	if f.flag("has_lengths") {
		f.lengths("lengths", b, l)
	}
	rows := map[string]int{"lstm": 4 * h, "gru": 3 * h, "rnn_tanh": h}[f.c.Kind]
	for k := range max(n, 0) {
		if k > 0 {
			in = directions * h
		}
		for _, suffix := range []string{"", "_reverse"}[:directions] {
			name := func(p string) []string {
				p = fmt.Sprintf("%s_l%d%s", p, k, suffix)
				return []string{"p_" + p, "g_" + p}
			}
			if !f.c.Has(name("weight_ih")[0]) {
				f.failf("meta.json: want \"layers\" the number of layers, got %d, and no array %q", n, name("weight_ih")[0])
				return
			}
			f.arrays(name("weight_ih"), rows, in)
			f.arrays(name("weight_hh"), rows, h)
			f.arrays(name("bias_ih"), rows)
			f.arrays(name("bias_hh"), rows)
		}
	}
}

// statefulLayer is a recurrent layer.
type statefulLayer interface {
	recurrentLayer
	FwdFrom(x, lengths *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error)
}

// goldenRecurrent makes the layer of a case.
func goldenRecurrent(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (statefulLayer, error) {
	h, n := c.Int("H", 0), c.Int("layers", 0)
	in, bi := c.Int("I", 0), c.Meta["bidirectional"] == true
	var l statefulLayer
	var err error
	switch c.Kind {
	case "lstm":
		l, err = layers.NewLSTM(g, dt, layers.LSTMConfig{DModel: in, Hidden: h, Layers: n, Bidirectional: bi})
	case "gru":
		l, err = layers.NewGRU(g, dt, layers.GRUConfig{DModel: in, Hidden: h, Layers: n, Bidirectional: bi})
	default:
		l, err = layers.NewRNN(g, dt, layers.RNNConfig{DModel: in, Hidden: h, Layers: n, Bidirectional: bi})
	}
	if err != nil {
		return nil, err
	}
	return l, assign(c, l.Params(), paramArray(l, "p_"), paramArray(l, "g_"))
}

// paramArray names the arrays that belong to the parameters of a layer.
func paramArray(l layers.Layer, prefix string) func(param string) string {
	return func(param string) string { return prefix + strings.TrimPrefix(param, l.Name()+".") }
}

// swapped returns an array (M, N, P) as (N, M, P), or the other way round: cases have
// the layers of a state first, layers here the batch.
func swapped(a golden.Array) golden.Array {
	m, n, p := a.Shape[0], a.Shape[1], a.Shape[2]
	s := golden.Array{Shape: []int{n, m, p}, F: make([]float64, len(a.F))}
	for i := range m {
		for j := range n {
			copy(s.F[(j*m+i)*p:][:p], a.F[(i*n+j)*p:])
		}
	}
	return s
}

// runRecurrent runs a recurrent layer from the state of the case, with its lengths,
// and, unless it is bidirectional, step by step.
func runRecurrent(o *outcome, dt tensor.Dtype) error {
	c := o.c
	g := G.NewGraph()
	l, err := goldenRecurrent(g, dt, c)
	if err != nil {
		return err
	}
	node := func(name string, a golden.Array) *G.Node {
		return G.NewTensor(g, dt, len(a.Shape), G.WithShape(a.Shape...), G.WithName(name), G.WithValue(testutil.Dense(dt, a.F, a.Shape...)))
	}
	x := node("x", c.Arrays["x"])
	var x0 G.Nodes
	for _, s := range stateArrays(c.Kind) {
		x0 = append(x0, node(s+"0", swapped(c.Arrays[s+"0"])))
	}
	y, x1, err := l.FwdFrom(x, lengthsOf(g, c), x0)
	if err != nil {
		return err
	}
	loss, err := weighted(y, node("W", c.Arrays["W"]))
	values := make([]G.Value, 1+len(x1))
	G.Read(y, &values[0])
	for i, s := range stateArrays(c.Kind) {
		var more *G.Node
		if err == nil {
			more, err = weighted(x1[i], node("W_"+s, swapped(c.Arrays["W_"+s+"_final"])))
		}
		if err == nil {
			loss, err = G.Add(loss, more)
		}
		G.Read(x1[i], &values[1+i])
	}
	if err != nil {
		return err
	}
	wrt := append(append(l.Learnables(), x), x0...)
	if _, err := G.Grad(loss, wrt...); err != nil {
		return err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(wrt...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	if err := o.recurrentValues(dt, values); err != nil {
		return err
	}
	if err := o.gradient(dt, "g_x", x, 1); err != nil {
		return err
	}
	for i, s := range stateArrays(c.Kind) {
		v, err := x0[i].Grad()
		if err != nil {
			return err
		}
		if err := o.againstState(dt, "g_"+s+"0", v); err != nil {
			return err
		}
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, paramArray(l, "g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	if c.Meta["bidirectional"] == true {
		return nil
	}
	return o.recurrentSteps(dt)
}

// weighted is sum(w * y).
func weighted(y, w *G.Node) (*G.Node, error) {
	prod, err := G.HadamardProd(y, w)
	if err != nil {
		return nil, err
	}
	return G.Sum(prod)
}

// againstState is against for a state.
func (o *outcome) againstState(dt tensor.Dtype, array string, v G.Value) error {
	s := swapped(golden.Array{Shape: v.Shape(), F: testutil.Floats(v)})
	return o.against(dt, array, s.F, 0)
}

// recurrentValues compares an output and the state after it.
func (o *outcome) recurrentValues(dt tensor.Dtype, values []G.Value) error {
	if err := o.against(dt, "y", testutil.Floats(values[0]), 0); err != nil {
		return err
	}
	for i, s := range stateArrays(o.c.Kind) {
		if err := o.againstState(dt, s+"_final", values[1+i]); err != nil {
			return err
		}
	}
	return nil
}

// recurrentSteps feeds the sequence step by step, from the state of the case.
func (o *outcome) recurrentSteps(dt tensor.Dtype) error {
	c := o.c
	l, err := goldenRecurrent(G.NewGraph(), dt, c)
	if err != nil {
		return err
	}
	x := c.Arrays["x"]
	rec, err := l.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	var start layers.State
	for _, s := range stateArrays(c.Kind) {
		a := swapped(c.Arrays[s+"0"])
		start = append(start, layers.StateTensor{Name: s, Value: testutil.Dense(dt, a.F, a.Shape...)})
	}
	if err := rec.SetState(start); err != nil {
		return err
	}
	y, _, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return err
	}
	values := []G.Value{y}
	for _, s := range rec.State() {
		values = append(values, s.Value)
	}
	return o.recurrentValues(dt, values)
}
