package tour_test

import (
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// input puts numbers on a graph.
func input(g *G.ExprGraph, name string, v []float64, shape ...int) *G.Node {
	return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(dense(v, shape...)))
}

func dense(v []float64, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))
}

// values runs a graph, as one that is not in training, and returns what nodes hold then.
func values(g *G.ExprGraph, nodes ...*G.Node) [][]float64 {
	read := make([]G.Value, len(nodes))
	for i, n := range nodes {
		G.Read(n, &read[i])
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	check(vm.RunAll())
	v := make([][]float64, len(nodes))
	for i := range read {
		v[i] = append(v[i], read[i].Data().([]float64)...)
	}
	return v
}

// check ends an Example with an error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
