package graphop_test

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// A state x = (w x0) x0 + w that a run leaves is let be the x0 of the next, as
// it was read or as the value of its node: a read value is overwritten before
// the backward pass, and the value of a node is memory of the op. The cost is
// the sum of x0 w + x.
func TestCarriedInput(t *testing.T) {
	const steps = 4
	x, w := 0.5, 0.3
	var states, grads [][]float64 // by hand, of two equal elements
	for range steps {
		g := x + x*x + 1
		grads = append(grads, []float64{g, g})
		x = w*x*x + w
		states = append(states, []float64{x, x})
	}
	for _, c := range []struct {
		name  string
		vm    testutil.VM
		value bool
	}{
		{"read by a TapeMachine", testutil.Tape, false},
		{"value of a TapeMachine", testutil.Tape, true},
		{"read by a LispMachine", testutil.Lisp, false},
		{"value of a LispMachine", testutil.Lisp, true},
	} {
		t.Run(c.name, func(t *testing.T) { testCarried(t, c.vm, c.value, states, grads) })
	}
}

func testCarried(t *testing.T, vm testutil.VM, value bool, states, grads [][]float64) {
	g := G.NewGraph()
	node := func(name string, v float64) *G.Node {
		return G.NewTensor(g, tensor.Float64, 1, G.WithShape(2), G.WithName(name), G.WithValue(testutil.Dense(tensor.Float64, []float64{v, v}, 2)))
	}
	x0, w := node("x0", 0.5), node("w", 0.3)
	carried := func(a, b, c *G.Node) *G.Node { // a*b + c
		y, err := graphop.Apply(graphop.Spec{Name: "test.Carried", Out: a.Shape(), Carried: []*G.Node{x0}},
			func() graphop.Core[float32] { return mulAdd[float32]{} },
			func() graphop.Core[float64] { return mulAdd[float64]{} }, a, b, c)
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	// Before the op that makes the state, and after it, others read x0 too.
	state := carried(carried(w, x0, node("zero", 0)), x0, w)
	cost := G.Must(G.Sum(carried(x0, w, state)))
	var read G.Value
	G.Read(state, &read)
	var tape G.VM
	if vm == testutil.Tape {
		if _, err := G.Grad(cost, w); err != nil {
			t.Fatal(err)
		}
		tape = G.NewTapeMachine(g, G.BindDualValues(w))
	}
	for i := range states {
		m := tape
		if vm == testutil.Lisp {
			m = G.NewLispMachine(g)
		}
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		grad, err := w.Grad()
		if err != nil {
			t.Fatal(err)
		}
		if got := testutil.Floats(state.Value()); testutil.RelErr(got, states[i]) > 1e-15 {
			t.Errorf("step %d: got state %v, want %v", i, got, states[i])
		}
		if got := testutil.Floats(grad); testutil.RelErr(got, grads[i]) > 1e-15 {
			t.Errorf("step %d: got gradient %v, want %v", i, got, grads[i])
		}
		G.ZeroValue(grad)
		next := read
		if value {
			next = state.Value()
		}
		if err := G.Let(x0, next); err != nil {
			t.Fatal(err)
		}
		m.Reset()
	}
}
