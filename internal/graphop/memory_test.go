package graphop_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// sum is a test core: a + b, or (a + b)² / 2.
type sum[T num.Float] struct{ square bool }

func (c sum[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for i := range out {
		out[i] = in[0].F[i] + in[1].F[i]
		if c.square {
			out[i] *= out[i] / 2
		}
	}
	return nil
}

func (c sum[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	for k := range grad {
		for i := range grad[k] {
			grad[k][i] = gout[i]
			if c.square {
				grad[k][i] *= in[0].F[i] + in[1].F[i]
			}
		}
	}
	return nil
}

// add applies sum, as a residual connection or with two gradients of its own.
func add(square, residual bool, a, b *G.Node) (*G.Node, error) {
	spec := graphop.Spec{Name: "test.Sum", Out: a.Shape(), Residual: residual, GradIsGout: residual && !square}
	if !square {
		spec.Unread = []int{0, 1}
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return sum[float32]{square} },
		func() graphop.Core[float64] { return sum[float64]{square} }, a, b)
}

// network is a random graph of the test ops, as instructions: op i takes the
// nodes of args[i], of which the first are the leaves.
type network struct {
	leaves int
	kinds  []int
	args   [][3]int
	read   []int // nodes whose gradients are read too
}

func randomNetwork(rng *rand.Rand) network {
	n := network{leaves: 1 + rng.IntN(3)}
	for i := range 3 + rng.IntN(10) {
		last := n.leaves + i
		pick := func() int { // mostly what was made just now
			if rng.IntN(2) == 0 {
				return last - 1 - rng.IntN(min(last, 3))
			}
			return rng.IntN(last)
		}
		n.kinds = append(n.kinds, rng.IntN(3))
		n.args = append(n.args, [3]int{pick(), last - 1, pick()})
		if rng.IntN(4) == 0 {
			n.read = append(n.read, last)
		}
	}
	return n
}

// build returns all nodes, the leaves first.
func (n network) build(leaves []*G.Node, residual bool) ([]*G.Node, error) {
	nodes := append([]*G.Node{}, leaves...)
	for i, kind := range n.kinds {
		a := n.args[i]
		var y *G.Node
		var err error
		if kind == 0 {
			y, err = apply(nodes[a[0]], nodes[a[1]], nodes[a[2]])
		} else {
			y, err = add(kind == 1, residual, nodes[a[0]], nodes[a[1]])
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, y)
	}
	return nodes, nil
}

// TestRandomNetworks compares gradients in lent memory, with residual
// connections, with those of networks without, and lets nothing read memory
// that was given back.
func TestRandomNetworks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		n := randomNetwork(rng)
		var in []testutil.Input
		for k := range n.leaves {
			x := testutil.Uniform(rng, fmt.Sprint("x", k), -0.5, 0.5, 2, 3)
			in = append(in, x)
		}
		f := func(residual bool) testutil.Build {
			return func(_ *G.ExprGraph, leaves []*G.Node) (*G.Node, error) {
				nodes, err := n.build(leaves, residual)
				if err != nil {
					return nil, err
				}
				// Every leaf has a gradient, and the output is not the last op.
				y := nodes[len(nodes)-1]
				for _, x := range leaves {
					if y, err = apply(x, x, y); err != nil {
						return nil, err
					}
				}
				return y, nil
			}
		}
		graphop.Poison(true)
		want, err := testutil.Run(testutil.Tape, tensor.Float64, f(false), nil, in...)
		if err != nil {
			t.Fatal(err)
		}
		for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
			got, err := testutil.Run(vm, tensor.Float64, f(true), nil, in...)
			if err != nil {
				t.Fatalf("network %d %+v: %v", i, n, err)
			}
			for k := range in {
				if e := testutil.RelErr(got.Grads[k], want.Grads[k]); !(e <= 1e-12) {
					t.Fatalf("network %d %+v, %s: gradient of %s: relative error %.3g", i, n, vm, in[k].Name, e)
				}
			}
		}
	}
}

// chain returns a graph of n residual blocks y + (y*w+w)²+w, after an op on x alone,
// its nodes and its cost.
func chain(t *testing.T, n, size int) (g *G.ExprGraph, x, w *G.Node, hidden []*G.Node, cost *G.Node) {
	t.Helper()
	g = G.NewGraph()
	rng := rand.New(rand.NewPCG(2, 2))
	node := func(name string, scale float64) *G.Node {
		v := make([]float64, size)
		for i := range v {
			v[i] = scale * rng.NormFloat64()
		}
		return G.NewTensor(g, tensor.Float64, 1, G.WithShape(size), G.WithName(name), G.WithValue(testutil.Dense(tensor.Float64, v, size)))
	}
	x, w = node("x", 0.5), node("w", 0.1)
	y, err := apply(x, x, x)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		z, err := apply(y, w, w)
		if err == nil {
			z, err = apply(z, z, w)
		}
		if err == nil {
			y, err = add(false, true, y, z)
		}
		if err != nil {
			t.Fatal(err)
		}
		hidden = append(hidden, y)
	}
	return g, x, w, hidden, G.Must(G.Sum(y))
}

// TestGradientsThatAreRead reads gradients of nodes inside a chain in every way
// there is but a late Value, and runs several steps.
func TestGradientsThatAreRead(t *testing.T) {
	graphop.Poison(true)
	const n, size, steps = 6, 5, 3
	run := func(read bool) (leaf, inner [][]float64) {
		g, x, w, hidden, cost := chain(t, n, size)
		if _, err := G.Grad(cost, x, w); err != nil {
			t.Fatal(err)
		}
		wrt := G.Nodes{x, w}
		var values [2]G.Value
		if read {
			wrt = append(wrt, hidden[1], hidden[3])
			G.Read(hidden[1].Deriv(), &values[0])
			G.Read(hidden[3].Deriv(), &values[1])
		}
		vm := G.NewTapeMachine(g, G.BindDualValues(wrt...))
		defer vm.Close()
		for range steps {
			for _, n := range wrt { // the virtual machine adds to it
				if v, err := n.Grad(); err == nil && v != nil {
					v.(*tensor.Dense).Zero()
				}
			}
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			leaf, inner = nil, nil
			for i, n := range wrt {
				v, err := n.Grad()
				if err != nil {
					t.Fatal(err)
				}
				if i < 2 {
					leaf = append(leaf, testutil.Floats(v))
					continue
				}
				inner = append(inner, testutil.Floats(v))
				if e := testutil.RelErr(testutil.Floats(values[i-2]), inner[i-2]); e != 0 {
					t.Errorf("gorgonia.Read of an inner gradient differs from the dual value by %g", e)
				}
			}
			vm.Reset()
		}
		return leaf, inner
	}
	want, _ := run(false)
	got, inner := run(true)
	for i := range want {
		if e := testutil.RelErr(got[i], want[i]); !(e <= 1e-14) {
			t.Errorf("gradient %d: relative error %g when others are read", i, e)
		}
	}
	for i, v := range inner {
		if e := testutil.RelErr(v, v); e != 0 { // NaN
			t.Errorf("inner gradient %d is not finite: %v", i, v)
		}
	}
}

// TestReaderAddedLater compiles a second machine, for a graph that has got a
// reader since the first ran.
func TestReaderAddedLater(t *testing.T) {
	graphop.Poison(true)
	g, x, w, hidden, cost := chain(t, 4, 5)
	if _, err := G.Grad(cost, x, w); err != nil {
		t.Fatal(err)
	}
	if err := G.NewTapeMachine(g, G.BindDualValues(hidden[0])).RunAll(); err != nil {
		t.Fatal(err)
	}
	dual, err := hidden[0].Grad()
	if err != nil {
		t.Fatal(err)
	}
	want := testutil.Floats(dual)
	var got G.Value
	G.Read(hidden[0].Deriv(), &got)
	if err := G.NewTapeMachine(g).RunAll(); err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(testutil.Floats(got), want); e != 0 {
		t.Errorf("relative error %g", e)
	}
}

// TestPrunedProgram leaves out the reader of a gradient: its memory is not given
// back, and not lost.
func TestPrunedProgram(t *testing.T) {
	graphop.Poison(true)
	const size, steps = 1 << 16, 20
	g, x, w, _, cost := chain(t, 4, size)
	grads, err := G.Grad(cost, x, w)
	if err != nil {
		t.Fatal(err)
	}
	run := func(outputs ...*G.Node) []float64 {
		prog, locs, err := G.CompileFunction(g, G.Nodes{x, w}, append(G.Nodes{cost}, outputs...))
		if err != nil {
			t.Fatal(err)
		}
		vm := G.NewTapeMachine(g, G.WithPrecompiled(prog, locs))
		defer vm.Close()
		var v []float64
		least := uint64(1 << 60)
		for range steps {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
			v = testutil.Floats(outputs[0].Value())
			vm.Reset()
		}
		// Gorgonia adds the four gradients of w, into memory of its own.
		if limit := uint64(8 * 8 * size); least > limit {
			t.Errorf("a step with %d outputs allocates %d bytes, want at most %d", len(outputs), least, limit)
		}
		return v
	}
	want := run(grads[1], grads[0])
	for range 2 {
		if e := testutil.RelErr(run(grads[1]), want); e != 0 {
			t.Errorf("relative error %g", e)
		}
	}
}

// TestMemoryIsLent checks that the gradients of a long chain take little memory
// beside the outputs.
func TestMemoryIsLent(t *testing.T) {
	const n, size = 40, 1 << 16
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(size), G.WithName("x"), G.WithValue(testutil.Dense(tensor.Float64, make([]float64, size), size)))
	w := G.NewTensor(g, tensor.Float64, 1, G.WithShape(size), G.WithName("w"), G.WithValue(testutil.Dense(tensor.Float64, make([]float64, size), size)))
	y := x
	for range n {
		z, err := add(true, true, y, w)
		if err == nil {
			y, err = add(false, true, y, z)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cost := G.Must(G.Sum(y))
	if _, err := G.Grad(cost, x); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	arrays := float64(after.TotalAlloc-before.TotalAlloc) / (8 * size)
	// 2n outputs, n gradients of w, which end here, n copies of the gradient of
	// the sum beside them, and a few that are lent.
	if arrays > 4*n+10 {
		t.Errorf("a step takes %.1f arrays", arrays)
	}
}

// TestSplitBranch differentiates the branch of a residual connection before the
// connection, which would lose a gradient.
func TestSplitBranch(t *testing.T) {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 1, G.WithShape(3), G.WithName("x"), G.WithValue(testutil.Dense(tensor.Float64, []float64{1, 2, 3}, 3)))
	z, err := apply(x, x, x)
	if err != nil {
		t.Fatal(err)
	}
	y, err := add(false, true, x, z)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := G.Grad(G.Must(G.Sum(z)), x); err != nil {
		t.Fatal(err)
	}
	_, err = G.Grad(G.Must(G.Sum(y)), x)
	if err == nil || !strings.Contains(err.Error(), "was differentiated before") {
		t.Errorf("got error %v", err)
	}
}
