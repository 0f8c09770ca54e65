package train

import (
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// probe is an identity that looks around when it runs, and when its gradient does.
type probe struct{ forward, backward func() }

func (p probe) Forward(out []float64, in []graphop.Arg[float64]) error {
	p.forward()
	copy(out, in[0].F)
	return nil
}

func (p probe) Backward(grad [][]float64, in []graphop.Arg[float64], out, gout []float64) error {
	p.backward()
	copy(grad[0], gout)
	return nil
}

// on puts the probe on a node.
func (p probe) on(t *testing.T, x *G.Node) *G.Node {
	t.Helper()
	y, err := graphop.Build(graphop.Spec{Name: "probe", Out: x.Shape()}, nil, func() (graphop.Core[float64], error) { return p, nil }, x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func nothing() {}

// A tape computes the gradients of a layer, and adds them to what the parameters hold,
// before it goes on to the layers in front of it: they could be sent while it runs. But
// what is put on the graph to read them runs behind all of the backward pass: nodes that
// could run next do so in the order in which they were made.
func TestGradientsAreFinalWhileTheTapeRuns(t *testing.T) {
	const layers = 4
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float64, G.WithShape(2, 3), G.WithName("x"), G.WithInit(G.RangedFrom(1)))
	ws := make(G.Nodes, layers)
	gradient := func(k int) []float64 {
		v, err := ws[k].Grad()
		if err != nil || v == nil {
			return nil
		}
		s, ok := weights.Memory[float64](v)
		if !ok {
			_, s, _ = weights.Unordered([]float64{}, v)
		}
		return slices.Clone(s)
	}
	seen := make([][][]float64, layers) // when the gradient in front of layer k is computed
	var missing []int                   // layers whose gradient is not there when one is read
	h := x
	for k := range ws {
		ws[k] = G.NewMatrix(g, tensor.Float64, G.WithShape(3, 3), G.WithName(string(rune('a'+k))), G.WithInit(G.RangedFrom(k)))
		look := func() {
			for j := range ws {
				seen[k] = append(seen[k], gradient(j))
			}
		}
		h = G.Must(G.Mul(probe{nothing, look}.on(t, h), ws[k]))
	}
	loss := G.Must(G.Sum(h))
	grads, err := G.Grad(loss, append(slices.Clone(ws), x)...) // x too, so that the first probe has a gradient
	if err != nil {
		t.Fatal(err)
	}
	outputs := append(G.Nodes{loss}, grads...)
	look := func() {
		for j := range ws {
			if gradient(j) == nil || slices.Max(gradient(j)) == 0 {
				missing = append(missing, j)
			}
		}
	}
	for k := range ws {
		outputs = append(outputs, probe{look, nothing}.on(t, grads[k]))
	}
	prog, locs, err := G.CompileFunction(g, G.Nodes{loss}, outputs)
	if err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(ws...), G.WithPrecompiled(prog, locs))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for k := range ws {
		for j := k + 1; j < layers; j++ {
			if len(seen[k]) != layers || !slices.Equal(seen[k][j], gradient(j)) {
				t.Errorf("in front of layer %d the gradient of layer %d is %v, in the end %v", k, j, seen[k][j], gradient(j))
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("a reader ran before the gradients of layers %v", missing)
	}
}
