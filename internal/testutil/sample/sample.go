// Package sample has what Examples begin and end with: numbers that are the same in
// every run, nodes of a graph with such numbers, and a run of the graph.
package sample

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Values returns n numbers in [-1, 1].
func Values(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = math.Sin(float64(3*i + 1))
	}
	return v
}

// Dense returns a tensor of Values.
func Dense(shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(Values(tensor.Shape(shape).TotalSize())))
}

// Node puts Values on a graph.
func Node(g *G.ExprGraph, name string, shape ...int) *G.Node {
	return G.NodeFromAny(g, Dense(shape...), G.WithName(name))
}

// Of puts numbers, []float64 or []int, on a graph.
func Of(g *G.ExprGraph, name string, values any, shape ...int) *G.Node {
	return G.NodeFromAny(g, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values)), G.WithName(name))
}

// Run runs the graph of nodes in evaluation, and returns what it gives for each. It
// panics with the error of the run.
func Run(ys ...*G.Node) [][]float64 {
	values := make([]G.Value, len(ys))
	for i, y := range ys {
		G.Read(y, &values[i])
	}
	vm := G.NewTapeMachine(ys[0].Graph(), G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		panic(err)
	}
	var all [][]float64
	for _, v := range values {
		if x, ok := v.Data().(float64); ok {
			all = append(all, []float64{x})
			continue
		}
		all = append(all, append([]float64(nil), v.Data().([]float64)...))
	}
	return all
}

// Apart returns how far apart two results are at most: infinity if they are not as long.
func Apart(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var most float64
	for i := range a {
		if d := math.Abs(a[i] - b[i]); !(d <= most) {
			most = d
		}
	}
	return most
}
