package scan_test

import (
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/scan"
)

// Sums that leak: on a graph from both ends, from a state, and of sequences that differ
// in length; and without a graph.
func ExampleDiagonal() {
	g := G.NewGraph()
	a, b := sample.Of(g, "a", []float64{0.5}, 1), sample.Of(g, "b", []float64{8, 0, 0, 8, 0, 0}, 2, 1, 3)
	lengths := sample.Of(g, "lengths", []int{3, 1}, 2)
	x, err := scan.Diagonal(a, b, scan.Start(sample.Of(g, "x0", []float64{0, 16}, 2, 1)), scan.Lengths(lengths))
	if err != nil {
		log.Fatal(err)
	}
	back, err := scan.Diagonal(a, b, scan.Reverse())
	if err != nil {
		log.Fatal(err)
	}
	ys := sample.Run(x, back)
	fmt.Println(ys[0], ys[1])

	line := scan.Line{P: 1}
	states := []float64{8, 0, 0}
	scan.Along(line, states, []float64{0.5}, nil)
	da := make([]float64, line.Width())
	scan.GradA(line, da, []float64{1, 1, 1}, []float64{0, 8, 4}) // of gradients 1, from the states before each step
	fmt.Println(states, da)
	// Output:
	// [8 4 2 16 0 0] [8 0 0 8 0 0]
	// [8 4 2] [12]
}

// A quarter turn in every step: real parts, and then imaginary ones.
func ExampleComplex() {
	g := G.NewGraph()
	x, err := scan.Complex(sample.Of(g, "a", []float64{0, 1}, 2), sample.Of(g, "b", []float64{1, 0, 0, 0, 0, 0, 0, 0}, 1, 2, 4))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.0f\n", sample.Run(x)[0])
	// Output: [1 0 -1 0 0 1 0 -1]
}
