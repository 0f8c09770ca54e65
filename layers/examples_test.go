package layers_test

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// check ends an Example with an error.
func check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
}

// sines returns a tensor of some numbers, the same in every run.
func sines(shape ...int) *tensor.Dense {
	v := make([]float64, tensor.Shape(shape).TotalSize())
	for i := range v {
		v[i] = math.Sin(float64(3*i + 1))
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))
}

// input puts a tensor on a graph.
func input(g *G.ExprGraph, name string, v *tensor.Dense) *G.Node {
	return G.NodeFromAny(g, v, G.WithName(name))
}

// evaluate runs a graph, and returns what it gives for y.
func evaluate(y *G.Node) []float64 {
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(y.Graph(), G.EvalMode())
	defer vm.Close()
	check(vm.RunAll())
	if x, ok := v.Data().(float64); ok {
		return []float64{x}
	}
	return append([]float64(nil), v.Data().([]float64)...)
}

// apart returns how far apart two results are at most.
func apart(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var most float64
	for i := range a {
		most = max(most, math.Abs(a[i]-b[i]))
	}
	return most
}

// sameInSteps says whether a layer gives the same for a sequence all at once, on a
// graph, as step by step without one.
func sameInSteps(g *G.ExprGraph, l interface {
	layers.Layer
	layers.Stepper
}, features int) bool {
	const steps = 12
	u := sines(1, features, steps)
	y, err := l.Fwd(input(g, l.Name()+".u", u))
	check(err)
	rnn, err := layers.NewRecurrence(l, 1)
	check(err)
	ys, _, err := layers.ScanStates(rnn, u)
	check(err)
	return apart(evaluate(y), ys.Float64s()) < 1e-9
}
