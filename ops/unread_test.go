package ops

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// What an op that only moves or adds numbers reads is not kept for its backward pass.
func TestInputsThatAreNotKept(t *testing.T) {
	for name, f := range map[string]func(x, lengths *G.Node) (*G.Node, error){
		"Add":         func(x, _ *G.Node) (*G.Node, error) { return Add(x, x) },
		"Add lengths": func(x, lengths *G.Node) (*G.Node, error) { return Add(x, x, Lengths(lengths)) },
		"Mask":        Mask,
		"Pool":        func(x, lengths *G.Node) (*G.Node, error) { return Pool(PoolMax, x, lengths) },
		"FirstSteps":  func(x, _ *G.Node) (*G.Node, error) { return FirstSteps(x, 3) },
		"Extend":      func(x, _ *G.Node) (*G.Node, error) { return Extend(x, 3) },
		"SwapHL":      func(x, _ *G.Node) (*G.Node, error) { return SwapHL(x) },
		"Contiguous":  func(x, _ *G.Node) (*G.Node, error) { return Contiguous(x) },
	} {
		g := G.NewGraph()
		leaf := G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 3, 5), G.WithName("x"))
		lengths := G.NewVector(g, tensor.Int, G.WithShape(2), G.WithName("lengths"))
		x, err := LastSteps(leaf, 4)
		if err != nil {
			t.Fatal(err)
		}
		y, err := f(x, lengths)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := G.Grad(G.Must(G.Sum(y)), leaf); err != nil {
			t.Fatal(err)
		}
		if kept := new(graphop.Arena).Add(g).Kept(); kept != 0 {
			t.Errorf("%s: %d bytes are kept", name, kept)
		}
	}
}
