package layers_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

func newEmbedding(t *testing.T, g *G.ExprGraph, padding *int) *layers.Embedding {
	t.Helper()
	l, err := layers.NewEmbedding(g, tensor.Float64, layers.EmbeddingConfig{Vocab: 4, DModel: 3, Padding: padding})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ids returns a node of token ids.
func ids(g *G.ExprGraph, b, l int, v ...int) *G.Node {
	return G.NewMatrix(g, tensor.Int, G.WithShape(b, l), G.WithName("ids"),
		G.WithValue(tensor.New(tensor.WithShape(b, l), tensor.WithBacking(v))))
}

func TestEmbeddingReadsTheTable(t *testing.T) {
	padding := 2
	g := G.NewGraph()
	l := newEmbedding(t, g, &padding)
	table := testutil.Floats(l.Params()[0].Node.Value())
	tokens := []int{0, 3, 2, 1, 1, 0}
	y, err := l.Fwd(ids(g, 2, 3, tokens...))
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, g, y) // (2, 3, 3)
	for b := range 2 {
		for h := range 3 {
			for s := range 3 {
				id := tokens[b*3+s]
				want := table[id*3+h]
				if id == padding {
					want = 0
				}
				if got := out[(b*3+h)*3+s]; got != want {
					t.Errorf("row %d, feature %d, step %d: got %g, want %g", b, h, s, got, want)
				}
			}
		}
	}
}

// A table that is small, looked up times what makes up for it, is another with the same
// rows, in a graph and step by step.
func TestEmbeddingScale(t *testing.T) {
	const std, scale = 0.125, 8
	g := G.NewGraph()
	small, err := layers.NewEmbedding(g, tensor.Float64, layers.EmbeddingConfig{Vocab: 4, DModel: 3, Std: std, Scale: scale})
	if err != nil {
		t.Fatal(err)
	}
	table := testutil.Floats(newEmbedding(t, G.NewGraph(), nil).Params()[0].Node.Value()) // of Std 1
	for i, v := range testutil.Floats(small.Params()[0].Node.Value()) {
		if v != std*table[i] {
			t.Errorf("element %d: got %g, want %g", i, v, std*table[i])
		}
	}
	y, err := small.Fwd(ids(g, 1, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	r, err := small.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	step, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{2})))
	if err != nil {
		t.Fatal(err)
	}
	want := table[2*3 : 3*3]
	if got := run(t, g, y); !slices.Equal(got, want) || !slices.Equal(step.Float64s(), want) {
		t.Errorf("got %v, and %v step by step, want %v", got, step, want)
	}
}

func TestEmbeddingErrors(t *testing.T) {
	bad := 4
	for want, cfg := range map[string]layers.EmbeddingConfig{
		`layers: Embedding "embedding": EmbeddingConfig: want Vocab >= 1, got 0`:                    {DModel: 3},
		`layers: Embedding "embedding": EmbeddingConfig: want DModel >= 1, got 0`:                   {Vocab: 4},
		`layers: Embedding "embedding": EmbeddingConfig: want Padding in [0, 4), got 4`:             {Vocab: 4, DModel: 3, Padding: &bad},
		`layers: Embedding "embedding": EmbeddingConfig: want a finite Std > 0, or 0 for 1, got -1`: {Vocab: 4, DModel: 3, Std: -1},
		`layers: Embedding "embedding": EmbeddingConfig: want a finite Scale, or 0 for 1, got NaN`:  {Vocab: 4, DModel: 3, Scale: math.NaN()},
	} {
		_, err := layers.NewEmbedding(G.NewGraph(), tensor.Float64, cfg)
		wantError(t, err, want)
	}
	g := G.NewGraph()
	l := newEmbedding(t, g, nil)
	for want, x := range map[string]*G.Node{
		`layers: Embedding "embedding": Fwd: want ids (B, L), got nil`:                                                            nil,
		`layers: Embedding "embedding": Fwd: want ids (B, L) of dtype int, got (5) of dtype int`:                                  placeholder(g, tensor.Int, "a", 5),
		`layers: Embedding "embedding": Fwd: want ids (B, L) of dtype int, got (2, 5) of dtype float64`:                           placeholder(g, tensor.Float64, "b", 2, 5),
		`layers: Embedding "embedding": Fwd: ids is on another graph than the layer: make a copy of the layer there with CloneTo`: placeholder(G.NewGraph(), tensor.Int, "c", 2, 5),
	} {
		_, err := l.Fwd(x)
		wantError(t, err, want)
	}
	g = G.NewGraph()
	y, err := newEmbedding(t, g, nil).Fwd(ids(g, 1, 2, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), "ids[0, 1]: want an id in [0, 4), got 4") {
		t.Errorf("an id out of range: got error %v", err)
	}
}
