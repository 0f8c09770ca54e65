package layers_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"weak"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// turn is a copy of a layer, and its successor, on a graph that is run in turn with
// others.
type turn struct {
	vm     G.VM
	graph  *G.ExprGraph
	wrt    G.Nodes // nil for evaluation
	y      G.Value
	memory *graphop.Share
}

// newTurn makes one for sequences of l steps, which go on from a state where stateful
// and the layer has one, and has its gradients for training.
func newTurn(t *testing.T, v variant, of sequenceLayer, b, l int, training, stateful bool) *turn {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(b), uint64(l)))
	g := G.NewGraph()
	c, err := v.clone(of, g, layers.InTurn())
	if err != nil {
		t.Fatal(err)
	}
	lengths := make([]int, b)
	for i := range lengths {
		lengths[i] = l - i
	}
	x := node(g, tensor.Float32, testutil.Normal(rng, "x", b, v.dModel, l))
	ln := G.NewVector(g, tensor.Int, G.WithShape(b), G.WithName("lengths"), G.WithValue(tensor.New(tensor.WithBacking(lengths))))
	var y *G.Node
	var x1 G.Nodes
	shapes := c.StateShapes(b)
	if stateful && len(shapes) > 0 {
		y, x1, err = c.FwdState(x, stateNodes(g, tensor.Float32, states(rng, c, b)))
	} else {
		y, err = c.FwdLengths(x, ln)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := node(g, tensor.Float32, testutil.Normal(rng, "w", y.Shape()...))
	s := &turn{graph: g}
	pooled := G.Must(ops.Pool(ops.PoolMean, G.Must(ops.Add(G.Must(ops.Add(y, w)), y)), ln))
	loss := G.Must(G.Sum(pooled))
	for i, n := range x1 {
		if !isCount(shapes[i].Name) {
			loss = G.Must(G.Add(loss, G.Must(G.Sum(n))))
		}
	}
	outputs := G.Nodes{G.Read(y, &s.y)}
	opts := []G.VMOpt{G.EvalMode()}
	if training {
		s.wrt = append(c.Learnables(), x)
		grads, err := G.Grad(loss, s.wrt...)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, grads...)
		opts = []G.VMOpt{G.BindDualValues(s.wrt...)}
	}
	prog, locs, err := G.CompileFunction(g, G.Nodes{x}, append(outputs, loss))
	if err != nil {
		t.Fatal(err)
	}
	s.vm = G.NewTapeMachine(g, append(opts, G.WithPrecompiled(prog, locs))...)
	return s
}

// run returns the output and the gradients.
func (s *turn) run(t *testing.T) [][]float64 {
	t.Helper()
	s.memory.Begin()
	defer s.memory.End()
	defer s.vm.Reset()
	for _, n := range s.wrt { // the machine adds to it
		if v, err := n.Grad(); err == nil && v != nil {
			v.(*tensor.Dense).Zero()
		}
	}
	if err := s.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	out := [][]float64{testutil.Floats(s.y)}
	for _, n := range s.wrt {
		v, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, testutil.Floats(v))
	}
	return out
}

// Graphs that share their memory compute to the last bit what they compute with
// memory of their own, whatever has run before. What the others have left is NaN
// here. A graph that needs more takes the place of all memory there is.
func TestGraphsInTurnShareMemory(t *testing.T) {
	graphop.Poison(true)
	t.Cleanup(func() { graphop.Poison(false) })
	var mu sync.Mutex
	var all []*shared
	t.Run("variants", func(t *testing.T) {
		eachVariant(t, func(t *testing.T, v variant) {
			s := shareMemory(t, v)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, s)
		})
	})
	inUse := func(s *shared) bool { return slices.ContainsFunc(s.old, isAlive) }
	for i := 0; i < 5 && slices.ContainsFunc(all, inUse); i++ {
		runtime.GC() // once for all
	}
	for _, s := range all {
		if n := slices.IndexFunc(s.old, isAlive); n >= 0 {
			t.Errorf("%s: piece %d of the memory that was given up is in use", s.name, n)
		}
	}
	runtime.KeepAlive(all)
}

// shared is graphs of a variant that share their memory.
type shared struct {
	name  string
	arena graphop.Arena
	turns []*turn
	old   []weak.Pointer[float64] // memory that was given up
}

func isAlive(p weak.Pointer[float64]) bool { return p.Value() != nil }

// shareMemory runs graphs of a variant in turn.
func shareMemory(t *testing.T, v variant) *shared {
	layer := v.on(t, G.NewGraph(), tensor.Float32)
	inside(layer)
	state := buffersOf(layer)
	s := &shared{name: v.name}
	var want [][][]float64
	for i, l := range []int{7, 19, 19} {
		of := func(a *graphop.Arena) *turn {
			n := newTurn(t, v, layer, 2+i, l, i < 2, i == 1)
			n.memory = a.Add(n.graph)
			return n
		}
		want = append(want, of(new(graphop.Arena)).run(t))
		state.restore() // the masks and the statistics
		s.turns = append(s.turns, of(&s.arena))
	}
	for round, i := range []int{0, 1, 0, 2, 0} { // not 1 again, which would let go of what it had
		for k, got := range s.turns[i].run(t) {
			if !slices.Equal(got, want[i][k]) {
				t.Fatalf("run %d, of graph %d: result %d is %v, want %v", round, i, k, got, want[i][k])
			}
		}
		state.restore()
		if round == 1 {
			for _, m := range s.arena.Memory() {
				s.old = append(s.old, weak.Make(&m[0]))
			}
		}
	}
	most := 0
	for _, n := range s.turns {
		most = max(most, n.memory.Bytes())
	}
	if got := s.arena.Bytes(); got != most {
		t.Errorf("want %d bytes, those of the largest graph, got %d", most, got)
	}
	return s
}

// saved is the values of buffers.
type saved struct {
	buffers []*tensor.Dense
	values  []*tensor.Dense
}

func buffersOf(l layers.Layer) saved {
	var s saved
	for _, b := range l.Buffers() {
		s.buffers, s.values = append(s.buffers, b.Value), append(s.values, b.Value.Clone().(*tensor.Dense))
	}
	return s
}

// restore makes them what they were.
func (s saved) restore() {
	for i, b := range s.buffers {
		if err := tensor.Copy(b, s.values[i]); err != nil {
			panic(fmt.Sprint("buffer ", i, ": ", err))
		}
	}
}
