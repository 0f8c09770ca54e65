package layers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// carryParts and carrySteps are the parts of a sequence and the steps of one.
const carryParts, carrySteps, carryBatch = 4, 7, 2

// part returns a part of the test sequence, and what its outputs are weighed by.
func part(v variant, dOut, p int) (x, w testutil.Input) {
	rng := rand.New(rand.NewPCG(8, uint64(p)))
	return testutil.Normal(rng, fmt.Sprint("x", p), carryBatch, v.dModel, carrySteps), testutil.Normal(rng, fmt.Sprint("w", p), carryBatch, dOut, carrySteps)
}

// weighed returns sum(w*y).
func weighed(g *G.ExprGraph, y *G.Node, w testutil.Input) *G.Node {
	return G.Must(G.Sum(G.Must(G.HadamardProd(y, node(g, y.Dtype(), w)))))
}

// partNodes adds the state before part p, nil for zero.
func partNodes(g *G.ExprGraph, l sequenceLayer, dt tensor.Dtype, p int, state []testutil.Input) G.Nodes {
	if state == nil {
		state = zeroStates(l, carryBatch)
	}
	named := slices.Clone(state)
	for i := range named {
		named[i].Name += fmt.Sprint(" before part ", p)
	}
	return stateNodes(g, dt, named)
}

// unrolled returns the gradients of the sum of the costs of all parts, in one
// graph, with the state before each part a constant.
func unrolled(t *testing.T, v variant, dt tensor.Dtype) [][]float64 {
	t.Helper()
	states := make([][]testutil.Input, carryParts+1)
	var grads [][]float64
	for range 2 { // the first time for the states
		g := G.NewGraph()
		l := v.on(t, g, dt)
		var cost *G.Node
		var state G.Nodes
		read := make([][]G.Value, carryParts+1)
		for p := range carryParts {
			if state == nil || states[p] != nil {
				state = partNodes(g, l, dt, p, states[p])
			}
			x, _ := part(v, 1, p)
			y, s, err := l.FwdState(node(g, dt, x), state)
			if err != nil {
				t.Fatal(err)
			}
			state = s
			read[p+1] = make([]G.Value, len(s))
			for i, n := range s {
				G.Read(n, &read[p+1][i])
			}
			_, w := part(v, y.Shape()[1], p)
			if c := weighed(g, y, w); cost == nil {
				cost = c
			} else {
				cost = G.Must(G.Add(cost, c))
			}
		}
		ls := l.Learnables()
		if _, err := G.Grad(cost, ls...); err != nil {
			t.Fatal(err)
		}
		m := G.NewTapeMachine(g, G.EvalMode(), G.BindDualValues(ls...))
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		grads = nil
		for _, n := range ls {
			grads = append(grads, gradOf(t, n))
		}
		for p := 1; p <= carryParts; p++ {
			states[p] = zeroStates(l, carryBatch)
			for i, v := range read[p] {
				states[p][i].F = testutil.Floats(v)
			}
		}
		m.Close()
	}
	return grads
}

func gradOf(t *testing.T, n *G.Node) []float64 {
	t.Helper()
	v, err := n.Grad()
	if err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

// inParts returns the sums of the gradients of one graph that runs once for each
// part. next hands the state over.
func inParts(t *testing.T, v variant, dt tensor.Dtype, vm testutil.VM, how string) [][]float64 {
	t.Helper()
	g := G.NewGraph()
	l := v.on(t, g, dt)
	x0 := partNodes(g, l, dt, 0, nil)
	first, _ := part(v, 1, 0)
	xn := node(g, dt, first)
	y, x1, err := l.FwdState(xn, x0)
	if err != nil {
		t.Fatal(err)
	}
	_, w := part(v, y.Shape()[1], 0)
	weights := node(g, dt, w)
	cost := G.Must(G.Sum(G.Must(G.HadamardProd(y, weights))))
	if vm == testutil.Lisp { // which wants every root to be a cost
		zero := G.NewScalar(g, dt, G.WithName("zero"), G.WithValue(0.0))
		for _, state := range x1 {
			cost = G.Must(G.Add(cost, G.Must(G.Mul(zero, G.Must(G.Sum(state))))))
		}
	}
	ls := l.Learnables()
	var carry *layers.Carry
	read := make([]G.Value, len(x1))
	switch {
	case len(x1) == 0: // there is nothing to carry
	case how == "Carry":
		if carry, err = layers.NewCarry(x0, x1); err != nil {
			t.Fatal(err)
		}
	default:
		for i, n := range x1 {
			G.Read(n, &read[i])
		}
	}
	var tape G.VM
	if vm == testutil.Tape {
		if _, err := G.Grad(cost, ls...); err != nil {
			t.Fatal(err)
		}
		tape = G.NewTapeMachine(g, G.EvalMode(), G.BindDualValues(ls...))
		defer tape.Close()
	}
	for p := range carryParts {
		x, w := part(v, y.Shape()[1], p)
		for n, in := range map[*G.Node]testutil.Input{xn: x, weights: w} {
			if err := G.Let(n, in.Tensor(dt)); err != nil {
				t.Fatal(err)
			}
		}
		m := tape
		if vm == testutil.Lisp {
			m = G.NewLispMachine(g, G.EvalMode())
		}
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		m.Reset()
		if carry != nil {
			if err := carry.Next(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for i, n := range x1 {
			value := read[i]
			if how == "Value" {
				value = n.Value()
			}
			if err := G.Let(x0[i], value); err != nil {
				t.Fatal(err)
			}
		}
	}
	var grads [][]float64
	for _, n := range ls { // the machines add them up
		grads = append(grads, gradOf(t, n))
	}
	return grads
}

// cannotCarry checks that there is no carry of a state that grows.
func cannotCarry(t *testing.T, v variant) {
	t.Helper()
	g := G.NewGraph()
	l := v.on(t, g, tensor.Float64)
	x0 := partNodes(g, l, tensor.Float64, 0, nil)
	x, _ := part(v, 1, 0)
	_, x1, err := l.FwdState(node(g, tensor.Float64, x), x0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = layers.NewCarry(x0, x1)
	errorSays(t, "NewCarry", err, "layers: NewCarry: want x0 and x1 of one shape and dtype")
}

// A sequence in parts, each run with the state that the last one left, has the
// gradients of the whole, cut between the parts: by a Carry, and by hand in every
// way that leaves the states as they are.
func TestCarriedStates(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		for _, s := range v.on(t, G.NewGraph(), tensor.Float64).StateShapes(1) {
			if s.Grows > 0 {
				cannotCarry(t, v)
				return
			}
		}
		want := unrolled(t, v, tensor.Float64)
		compare := func(what string, got [][]float64, tol float64) {
			t.Helper()
			for i := range want {
				if e := testutil.RelErr(got[i], want[i]); !(e <= tol) {
					t.Errorf("%s: gradient %d: relative error %.3g > %g", what, i, e, tol)
				}
			}
		}
		for _, how := range []string{"Carry", "Read", "Value"} {
			for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
				compare(how+", "+string(vm), inParts(t, v, tensor.Float64, vm, how), 1e-11)
			}
			compare(how+", float32", inParts(t, v, tensor.Float32, testutil.Tape, how), 1e-3)
		}
	})
}

func TestCarry(t *testing.T) {
	g := G.NewGraph()
	x0, y := placeholder(g, tensor.Float32, "x0", 2, 3), placeholder(g, tensor.Float32, "y", 2, 3)
	state := G.Must(G.Add(x0, y))
	c, err := layers.NewCarry(G.Nodes{x0}, G.Nodes{state})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, c.Next(), "layers: Carry: Next: want a run of the graph first, by a machine made after the Carry")
	if err := G.Let(y, testutil.Dense(tensor.Float32, []float64{1, 2, 3, 4, 5, 6}, 2, 3)); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	for _, want := range []float64{1, 2, 3, 1} {
		if want == 1 {
			c.Reset()
		}
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
		if err := c.Next(); err != nil {
			t.Fatal(err)
		}
		if got := testutil.Floats(x0.Value()); got[0] != want || got[5] != 6*want {
			t.Errorf("got state %v, want %g times y", got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { _ = c.Next() }); n > 0 {
		t.Errorf("Next allocates %g times", n)
	}
}

func TestCarryErrors(t *testing.T) {
	g := G.NewGraph()
	a, b := placeholder(g, tensor.Float32, "a", 2, 3), placeholder(g, tensor.Float32, "b", 2, 3)
	sum := G.Must(G.Add(a, b))
	for want, in := range map[string][2]*G.Node{
		"layers: NewCarry: want nodes x0 and x1, got nil":                                                      {a, nil},
		"layers: NewCarry: want an input x0, got the result of + false":                                        {sum, sum},
		"layers: NewCarry: want x0 and x1 on one graph, got two":                                               {a, placeholder(G.NewGraph(), tensor.Float32, "c", 2, 3)},
		"layers: NewCarry: want x0 and x1 of one shape and dtype, got (2, 3) of float32 and (3) of float32":    {a, placeholder(g, tensor.Float32, "d", 3)},
		"layers: NewCarry: want x0 and x1 of one shape and dtype, got (2, 3) of float32 and (2, 3) of float64": {a, placeholder(g, tensor.Float64, "e", 2, 3)},
	} {
		_, err := layers.NewCarry(G.Nodes{in[0]}, G.Nodes{in[1]})
		wantError(t, err, want)
	}
}
