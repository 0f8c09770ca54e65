package graphop_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// shared is a network on a graph that may share memory.
type shared struct {
	graph  *G.ExprGraph
	vm     G.VM
	leaves []*G.Node
	read   []G.Value
	grads  bool
	memory *graphop.Share
}

// newShared builds a network for arrays of a size, and reads the nodes that are to be
// read, the result, and with grads the gradients of the leaves.
func newShared(t *testing.T, n network, size int, grads bool, a *graphop.Arena) *shared {
	t.Helper()
	s := &shared{graph: G.NewGraph(), grads: grads, read: make([]G.Value, len(n.read)+1)}
	rng := rand.New(rand.NewPCG(3, uint64(size)))
	for k := range n.leaves {
		v := testutil.Uniform(rng, fmt.Sprint("x", k), -0.5, 0.5, size).Tensor(tensor.Float64)
		s.leaves = append(s.leaves, G.NewVector(s.graph, tensor.Float64, G.WithShape(size), G.WithName(fmt.Sprint("x", k)), G.WithValue(v)))
	}
	nodes, err := n.build(s.leaves, true)
	if err != nil {
		t.Fatal(err)
	}
	y := nodes[len(nodes)-1]
	for _, x := range s.leaves { // every leaf has a gradient
		if y, err = apply(x, x, y); err != nil {
			t.Fatal(err)
		}
	}
	cost := G.Must(G.Sum(y))
	outputs := G.Nodes{G.Read(cost, &s.read[0])}
	for i, at := range n.read {
		outputs = append(outputs, G.Read(nodes[at], &s.read[i+1]))
	}
	var opts []G.VMOpt
	if grads {
		g, err := G.Grad(cost, s.leaves...)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, g...)
		opts = append(opts, G.BindDualValues(s.leaves...))
	}
	prog, locs, err := G.CompileFunction(s.graph, s.leaves, outputs)
	if err != nil {
		t.Fatal(err)
	}
	s.vm = G.NewTapeMachine(s.graph, append(opts, G.WithPrecompiled(prog, locs))...)
	if a != nil {
		s.memory = a.Add(s.graph)
	}
	return s
}

func (s *shared) run(t *testing.T) {
	t.Helper()
	if s.memory != nil {
		s.memory.Begin()
		defer s.memory.End()
	}
	defer s.vm.Reset()
	for _, n := range s.leaves {
		if v, err := n.Grad(); s.grads && err == nil && v != nil { // the machine adds to it
			v.(*tensor.Dense).Zero()
		}
	}
	if err := s.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
}

func (s *shared) results(t *testing.T) (r [][]float64) {
	t.Helper()
	for _, v := range s.read {
		r = append(r, testutil.Floats(v))
	}
	for _, n := range s.leaves {
		if !s.grads {
			continue
		}
		v, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		r = append(r, testutil.Floats(v))
	}
	return r
}

// Random networks, with gradients and without, of two sizes run in turn. Each gives
// what it gives by itself.
func TestNetworksInTurn(t *testing.T) {
	graphop.Poison(true)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range 60 {
		n := randomNetwork(rng)
		var arena graphop.Arena
		var turns []*shared
		var want [][][]float64
		for k := range 4 {
			size, grads := 5+20*(k/2), k%2 == 1
			alone := newShared(t, n, size, grads, nil)
			alone.run(t)
			want = append(want, alone.results(t))
			turns = append(turns, newShared(t, n, size, grads, &arena))
		}
		most := 0
		var need [4]int // of the first run, and then of all
		for _, k := range []int{0, 1, 2, 3, 0, 2, 3, 1, 1} {
			s := turns[k]
			s.run(t)
			if need[k] == 0 {
				need[k] = s.memory.Bytes()
			}
			if got := s.memory.Bytes(); got != need[k] {
				t.Fatalf("network %d, graph %d: it needs %d bytes, at first %d", i, k, got, need[k])
			}
			for r, got := range s.results(t) {
				if !slices.Equal(got, want[k][r]) {
					t.Fatalf("network %d %+v, graph %d: result %d is %v, want %v", i, n, k, r, got, want[k][r])
				}
			}
			// The first run of a graph may leave a gap at the end of the slab.
			piece := 8*25 + 64
			if most = max(most, s.memory.Bytes()); arena.Bytes() > most+piece {
				t.Fatalf("network %d, graph %d: %d bytes, want at most %d", i, k, arena.Bytes(), most+piece)
			}
		}
	}
}

// line is a network of n blocks in a row.
func line(n int) network {
	net := network{leaves: 2}
	for i := range n {
		net.kinds = append(net.kinds, 0, 2)
		last := 1 + 2*i
		if i == 0 {
			last = 0
		}
		net.args = append(net.args, [3]int{last, 1, 1}, [3]int{last, 2 + 2*i, 0})
	}
	return net
}

// Without gradients an output is not kept for longer than it is read; with them, what
// no backward pass reads is not.
func TestOutputsAreLent(t *testing.T) {
	const n, size = 20, 1 << 10
	for _, c := range []struct {
		grads bool
		most  int // arrays
	}{{false, 4}, {true, 3*n + 8}} { // of each block its input, and two gradients that Gorgonia sums
		var arena graphop.Arena
		s := newShared(t, line(n), size, c.grads, &arena)
		s.run(t)
		if got := s.memory.Bytes() / (8 * size); got > c.most {
			t.Errorf("with gradients %v: %d arrays, want at most %d", c.grads, got, c.most)
		}
	}
}

// Graphs that alternate allocate no arrays.
func TestTurnsAllocateNothing(t *testing.T) {
	const size = 1 << 14
	var arena graphop.Arena
	var turns []*shared
	for k := range 4 {
		turns = append(turns, newShared(t, line(6), size*(1+k/2), k%2 == 1, &arena))
	}
	round := func() {
		for _, s := range turns {
			s.run(t)
		}
	}
	round()
	round()
	least := uint64(1 << 60)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		round()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	// Gorgonia sums the gradients of x1, read by every block, into memory of its own.
	if limit := uint64(2 * 8 * 3 * size * 7); least > limit {
		t.Errorf("a round allocates %d bytes, want at most %d", least, limit)
	}
}

// A graph that is taken out of the arena leaves no memory behind.
func TestClosedShares(t *testing.T) {
	var arena graphop.Arena
	a, b := newShared(t, line(2), 64, false, &arena), newShared(t, line(2), 128, true, &arena)
	a.run(t)
	b.run(t)
	a.memory.Close()
	b.run(t)
	b.memory.Close()
	if got := arena.Bytes(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}
