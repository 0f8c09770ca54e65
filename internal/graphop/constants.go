package graphop

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Gorgonia has one node of each constant for all graphs, and a node computes its
// hash when it is first asked for it, without a lock: the first two graphs of a
// program that are made at the same time race for it. So it is asked for here,
// before there is a graph. It panics if Gorgonia cannot differentiate a square.
func init() {
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		g := G.NewGraph()
		x := G.NewScalar(g, dt, G.WithName("x"))
		var all G.Nodes
		for _, f := range []func(*G.Node) (*G.Node, error){G.Rectify, G.Square, G.Cube, G.Log2, G.Tanh} {
			all = append(all, G.Must(f(x)))
		}
		if _, err := G.Grad(G.Must(G.ReduceAdd(all)), x); err != nil {
			panic(err)
		}
	}
}
