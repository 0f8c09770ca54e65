package layers_test

import (
	"fmt"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// opNames returns the names of the ops of a graph that are none of Gorgonia's.
func opNames(g *G.ExprGraph) (names []string) {
	for _, n := range g.AllNodes() {
		if n.Op() == nil {
			continue
		}
		if name := n.Op().String(); strings.Contains(name, "#") {
			names = append(names, name)
		}
	}
	return names
}

// Every op of a layer, and of its gradients, bears the layer's name.
func TestOpsNameTheirLayer(t *testing.T) {
	for _, v := range family() {
		for _, withState := range []bool{false, true} {
			g := G.NewGraph()
			l := v.on(t, g, tensor.Float64)
			x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, v.dModel, 4}, F: make([]float64, 4*v.dModel)})
			var y *G.Node
			var state G.Nodes
			var err error
			if withState {
				y, state, err = l.FwdState(x, stateNodes(g, tensor.Float64, zeroStates(l, 1)))
			} else {
				y, err = l.FwdLengths(x, node(g, tensor.Int, testutil.Ints("lengths", []int{4}, 1)))
			}
			if err != nil {
				t.Fatal(err)
			}
			cost := G.Must(G.Sum(y))
			for i, s := range l.StateShapes(1) {
				if withState && !isCount(s.Name) {
					cost = G.Must(G.Add(cost, G.Must(G.Sum(state[i]))))
				}
			}
			if _, err := G.Grad(cost, l.Learnables()...); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, name := range opNames(g) {
				if !strings.HasPrefix(name, "layers: ") || !strings.Contains(name, fmt.Sprintf("%q", l.Name())) && !strings.Contains(name, fmt.Sprintf(`"%s.`, l.Name())) {
					t.Errorf("%s: op %s does not name the layer", v.name, name)
				}
				if strings.Count(name, "layers: ") > 1 || seen[name] {
					t.Errorf("%s: op %s is named twice", v.name, name)
				}
				seen[name] = true
			}
		}
	}
}

// The ops between layers are in none, and the ops of a layer inside a block are
// the inner layer's.
func TestOpsNameTheInnermostLayer(t *testing.T) {
	g := G.NewGraph()
	x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 4}, F: make([]float64, 8)})
	first, err := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: 2, Out: 2}, layers.WithName("first"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := layers.NewBlock(g, tensor.Float64, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4}, PreNorm: true}, layers.WithName("blocks.0"))
	if err != nil {
		t.Fatal(err)
	}
	y := G.Must(block.Fwd(G.Must(first.Fwd(x))))
	count := map[string]int{}
	for _, name := range opNames(g) {
		layer, _, _ := strings.Cut(strings.TrimPrefix(name, "layers: "), ": ")
		count[layer]++
	}
	want := map[string]int{`Linear "first"`: 1, `Norm "blocks.0.norm"`: 1, `S4D "blocks.0.layer"`: 3, `Block "blocks.0"`: 1}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("got ops %v, want %v, of %v", count, want, y)
	}
}

// An error at run time names the layer. On the TapeMachine alone: where a run
// fails, Gorgonia's LispMachine has a data race of its own.
func TestRunTimeErrorsNameTheLayer(t *testing.T) {
	build := func() (g *G.ExprGraph, ids, lengths *G.Node) {
		g = G.NewGraph()
		ids = node(g, tensor.Int, testutil.Ints("ids", []int{0, 1, 2, 0}, 1, 4))
		lengths = node(g, tensor.Int, testutil.Ints("lengths", []int{3}, 1))
		e, err := layers.NewEmbedding(g, tensor.Float32, layers.EmbeddingConfig{Vocab: 3, DModel: 2}, layers.WithName("encoder"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := layers.NewBlock(g, tensor.Float32, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4}}, layers.WithName("blocks.1"))
		if err != nil {
			t.Fatal(err)
		}
		G.Must(G.Sum(G.Must(b.FwdLengths(G.Must(e.Fwd(ids)), lengths))))
		return g, ids, lengths
	}
	for want, set := range map[string]func(ids, lengths *G.Node) error{
		`layers: Embedding "encoder": `: func(ids, _ *G.Node) error {
			return G.Let(ids, tensor.New(tensor.WithShape(1, 4), tensor.WithBacking([]int{0, 1, 3, 0})))
		},
		`layers: S4D "blocks.1.layer": `: func(_, lengths *G.Node) error {
			return G.Let(lengths, tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{5})))
		},
	} {
		g, ids, lengths := build()
		if err := set(ids, lengths); err != nil {
			t.Fatal(err)
		}
		m := G.NewTapeMachine(g)
		if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		m.Close()
	}
}
