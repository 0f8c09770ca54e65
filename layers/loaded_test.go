package layers_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// transfer copies what src keeps into dst, in place, as loading a model does.
func transfer(t *testing.T, dst, src layers.Layer) {
	t.Helper()
	for i, p := range src.Params() {
		from, err := p.Value()
		if err != nil {
			t.Fatal(err)
		}
		to, err := dst.Params()[i].Value()
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.Copy(to, from); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range src.Buffers() {
		if err := tensor.Copy(dst.Buffers()[i].Value, b.Value); err != nil {
			t.Fatal(err)
		}
	}
}

// moved is a layer on a graph that is run again and again.
type moved struct {
	out, state G.Value
	run        func() error
}

// stateGraph puts l on its graph from a state, with its outputs and the
// gradients of its parameters.
func stateGraph(t *testing.T, l *layers.S4, g *G.ExprGraph, dt tensor.Dtype, x, x0 testutil.Input, lisp bool) *moved {
	t.Helper()
	y, s, err := l.FwdState(node(g, dt, x), G.Nodes{node(g, dt, x0)})
	if err != nil {
		t.Fatal(err)
	}
	m := &moved{}
	G.Read(y, &m.out)
	G.Read(s[0], &m.state)
	cost := G.Must(G.Add(G.Must(G.Sum(G.Must(G.Square(y)))), G.Must(G.Sum(G.Must(G.Square(s[0]))))))
	if lisp {
		m.run = func() error {
			zeroGrads(l.Learnables())
			vm := G.NewLispMachine(g)
			defer vm.Close()
			return vm.RunAll()
		}
		return m
	}
	if _, err := G.Grad(cost, l.Learnables()...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(l.Learnables()...))
	t.Cleanup(func() { vm.Close() })
	m.run = func() error {
		defer vm.Reset()
		zeroGrads(l.Learnables())
		return vm.RunAll()
	}
	return m
}

// zeroGrads clears the gradients that a machine would add to.
func zeroGrads(nodes G.Nodes) {
	for _, n := range nodes {
		if g, err := n.Grad(); err == nil && g != nil {
			G.ZeroValue(g)
		}
	}
}

func grads(t *testing.T, l layers.Layer) []float64 {
	t.Helper()
	var all []float64
	for _, n := range l.Learnables() {
		g, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, testutil.Floats(g)...)
	}
	return all
}

// A graph that was built, and run, before values tuned to another length were
// loaded into its layer gives what a layer made with these values gives.
func TestLoadingAfterFwd(t *testing.T) {
	const steps = 50
	rng := rand.New(rand.NewPCG(6, 1))
	x, x0 := testutil.Normal(rng, "x", 2, 3, steps), testutil.Normal(rng, "x0", 2, 3, 2, 2)
	layer := func(g *G.ExprGraph, dt tensor.Dtype, lMax int, seed uint64) *layers.S4 {
		return newS4(t, g, dt, layers.S4Config{DModel: 3, DState: 4, LMax: lMax}, layers.WithSeed(seed))
	}
	for _, lisp := range []bool{false, true} {
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-6} {
			for _, tuned := range []int{50, 64, 63, 1024} {
				t.Run(fmt.Sprintf("%v/lisp=%v/%d", dt, lisp, tuned), func(t *testing.T) {
					gSaved, g := G.NewGraph(), G.NewGraph()
					saved, l := layer(gSaved, dt, tuned, 1), layer(g, dt, steps, 2)
					want := stateGraph(t, saved, gSaved, dt, x, x0, lisp)
					got := stateGraph(t, l, g, dt, x, x0, lisp)
					if err := got.run(); err != nil {
						t.Fatal(err)
					}
					transfer(t, l, saved)
					for _, m := range []*moved{want, got} {
						if err := m.run(); err != nil {
							t.Fatal(err)
						}
					}
					check := func(what string, got, want []float64) {
						t.Helper()
						if e := testutil.RelErr(got, want); !(e <= tol) {
							t.Errorf("%s: relative error %.3g > %.3g", what, e, tol)
						}
					}
					check("output", testutil.Floats(got.out), testutil.Floats(want.out))
					check("state", testutil.Floats(got.state), testutil.Floats(want.state))
					check("gradients", grads(t, l), grads(t, saved))
				})
			}
		}
	}
}

// Nothing of a parameter or buffer stays in a graph: outputs follow what is loaded
// later, of every layer, running statistics and LSSL's frozen parameters
// included.
func TestGraphsFollowWhatIsLoaded(t *testing.T) {
	vs := append(family(), blockVariant(layers.BlockConfig{Mixer: layers.S4Config{DModel: 2, DState: 4, LMax: 12}, Norm: layers.BatchNorm, PreNorm: true, Dropout: 0.1}))
	for _, v := range vs {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			build := func(seed uint64) (sequenceLayer, *G.Value, func()) {
				g := G.NewGraph()
				l, err := v.make(g, tensor.Float64, layers.WithSeed(seed))
				if err != nil {
					t.Fatal(err)
				}
				rng := rand.New(rand.NewPCG(seed, 2))
				for _, b := range l.Buffers() {
					if d, ok := b.Value.Data().([]float64); ok { // statistics
						for i := range d {
							d[i] = 1 + rng.Float64()
						}
					}
				}
				y, err := l.Fwd(node(g, tensor.Float64, testutil.Normal(rand.New(rand.NewPCG(6, 3)), "x", 2, v.dModel, 9)))
				if err != nil {
					t.Fatal(err)
				}
				out := new(G.Value)
				G.Read(y, out)
				vm := G.NewTapeMachine(g, G.EvalMode())
				t.Cleanup(func() { vm.Close() })
				return l, out, func() {
					t.Helper()
					defer vm.Reset()
					if err := vm.RunAll(); err != nil {
						t.Fatal(err)
					}
				}
			}
			saved, want, runSaved := build(1)
			l, got, run := build(2)
			runSaved()
			run()
			transfer(t, l, saved)
			run()
			if e := testutil.RelErr(testutil.Floats(*got), testutil.Floats(*want)); !(e <= 1e-12) {
				t.Errorf("relative error %.3g", e)
			}
		})
	}
}

// A length that the graph cannot follow to is an error when it runs.
func TestLoadingAShorterLengthThanTheGraphs(t *testing.T) {
	g := G.NewGraph()
	l := newS4(t, g, tensor.Float64, layers.S4Config{DModel: 2, DState: 4, LMax: 50})
	if _, err := l.Fwd(placeholder(g, tensor.Float64, "x", 1, 2, 50)); err != nil {
		t.Fatal(err)
	}
	if err := G.Let(g.ByName("x")[0], testutil.Dense(tensor.Float64, make([]float64, 100), 1, 2, 50)); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{
		40: "at most round(LKernel/Rate) = 40, the length that C~ is tuned to, got 50",
		0:  "the length that C~ is tuned to: want at least 1, got 0",
		-1: "the length that C~ is tuned to: want at least 1, got -1",
	} {
		l.Buffers()[0].Value.Data().([]int64)[0] = int64(n)
		vm := G.NewTapeMachine(g)
		if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("l_kernel %d: got error %v, want %q", n, err, want)
		}
		vm.Close()
	}
}

// With l_kernel 0, kernel.C is C, as in some files of the reference: Settle tunes
// it, and nothing else is done with it.
func TestS4Settle(t *testing.T) {
	const steps = 40
	cfg := layers.S4Config{DModel: 2, DState: 4, LMax: steps}
	g := G.NewGraph()
	l := newS4(t, g, tensor.Float64, cfg)
	rng := rand.New(rand.NewPCG(6, 2))
	x := testutil.Normal(rng, "x", 1, 2, steps)
	want := forward(t, l, g, tensor.Float64, x)
	system, err := l.System(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	setC := func(l *layers.S4) { // to C
		for h := range 2 {
			s, err := l.System(0, h)
			if err != nil {
				t.Fatal(err)
			}
			c := l.Params()[5].Node.Value().Data().([]float64)[h*4:][:4]
			for i := range 2 {
				c[2*i], c[2*i+1] = s.Discrete.C[i]/2, -s.Discrete.C[2+i]/2
			}
		}
		l.Buffers()[0].Value.Data().([]int64)[0] = 0
	}
	setC(l)
	g = G.NewGraph()
	c, err := l.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(contents(t, l))
	for what, err := range map[string]error{
		"Kernel":     second(c.Kernel(4)),
		"Recurrence": second(c.Recurrence(1)),
		"System":     second(c.System(0, 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), "kernel.l_kernel") || !strings.Contains(err.Error(), "Settle") {
			t.Errorf("%s of what is not tuned: got error %v", what, err)
		}
	}
	if after := fmt.Sprint(contents(t, l)); after != before {
		t.Errorf("changed from %s to %s", before, after)
	}
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	if n := lKernel(t, l); n != steps {
		t.Errorf("tuned to %d, want %d", n, steps)
	}
	if e := testutil.RelErr(forward(t, c, g, tensor.Float64, x), want); !(e <= 1e-12) {
		t.Errorf("relative error %.3g", e)
	}
	if s, err := l.System(0, 0); err != nil || !(testutil.RelErr(s.Discrete.C, system.Discrete.C) <= 1e-12) {
		t.Errorf("C is %v (%v), want %v", s.Discrete.C, err, system.Discrete.C)
	}
	before = fmt.Sprint(contents(t, l))
	if err := l.Settle(); err != nil || fmt.Sprint(contents(t, l)) != before {
		t.Errorf("a second time: error %v, or a change", err)
	}
}

func second[T any](_ T, err error) error { return err }
