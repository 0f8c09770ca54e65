package graphop_test

import (
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// unboundLoop runs a graph of test ops on a LispMachine several times, unbinds
// its nodes after each, and returns the gradients of x.
func unboundLoop(t *testing.T, steps int) (grads [][]float64) {
	t.Helper()
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(3), G.WithName("x"), G.WithValue(testutil.Dense(tensor.Float64, []float64{1, 2, 3}, 3)))
	y, err := apply(x, x, x)
	if err == nil {
		y, err = add(true, true, x, y)
	}
	if err == nil {
		_, err = graphop.Apply(graphop.Spec{Name: "test.Total", NeedsOut: true}, nil,
			func() graphop.Core[float64] { return total[float64]{} }, y)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range steps {
		m := G.NewLispMachine(g)
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		grad, err := x.Grad()
		if err != nil {
			t.Fatal(err)
		}
		grads = append(grads, testutil.Floats(grad))
		G.ZeroValue(grad)
		m.UnbindAll()
		m.Close()
	}
	return grads
}

// With the pool of package tensor in use, what Gorgonia returns to it is not
// touched any more: another takes it, works with it and returns it at the same
// time.
func TestUnboundTensorsGoToThePool(t *testing.T) {
	tensor.UsePool()
	defer tensor.DontUsePool()
	stop, done := make(chan struct{}), make(chan string)
	go func() {
		for {
			select {
			case <-stop:
				done <- ""
				return
			default:
			}
			d := tensor.New(tensor.WithBacking([]float64{0, 1, 2, 3, 4}))
			if v := d.Float64s(); len(v) != 5 || v[4] != 4 {
				done <- "a tensor taken from the pool was overwritten"
				return
			}
			tensor.ReturnTensor(d)
		}
	}()
	grads := unboundLoop(t, 200)
	close(stop)
	if s := <-done; s != "" {
		t.Error(s)
	}
	for i, g := range grads {
		if !slices.Equal(g, grads[0]) {
			t.Fatalf("run %d: gradient %v, in the first run %v", i, g, grads[0])
		}
	}
}

// A tensor that nothing unbound is used again.
func TestTensorsAreKept(t *testing.T) {
	g, x, w, hidden, cost := chain(t, 3, 5)
	if _, err := G.Grad(cost, x, w); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(x, w))
	defer vm.Close()
	nodes := append(G.Nodes{x.Deriv()}, hidden[:2]...)
	var first []G.Value
	for step := range 3 {
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		for i, n := range nodes {
			switch {
			case step == 0:
				first = append(first, n.Value())
			case n.Value() != first[i]:
				t.Errorf("step %d: node %d has a new tensor", step, i)
			}
		}
		vm.Reset()
	}
}
