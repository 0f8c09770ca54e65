package fftconv_test

import (
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// One sequence of one feature, with a kernel of two samples and a skip.
func ExampleConv() {
	g := G.NewGraph()
	node := func(name string, v []float64, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))))
	}
	y, err := fftconv.Conv(
		node("u", []float64{1, 2, 3, 4, 5}, 1, 1, 5), node("k", []float64{1, 10}, 1, 2), node("d", []float64{100}, 1))
	if err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(y.Shape(), y.Value().Data())
	// Output: (1, 1, 5) [101 212 323 434 545]
}
