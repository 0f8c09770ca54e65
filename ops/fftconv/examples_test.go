package fftconv_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A kernel for each direction: both see the present step, or, as in the reference, only
// the first does.
func ExampleWithMode() {
	g := G.NewGraph()
	u := sample.Of(g, "u", []float64{0, 0, 1, 0, 0}, 1, 1, 5)
	k := sample.Of(g, "k", []float64{1, 2, 10, 20}, 2, 1, 2)
	for _, mode := range []fftconv.Mode{fftconv.Bidirectional, fftconv.BidirectionalReference} {
		y, err := fftconv.Conv(u, k, nil, fftconv.WithMode(mode))
		check(err)
		fmt.Printf("%.0f\n", sample.Run(y)[0])
	}
	// Output:
	// [0 20 11 2 0]
	// [20 10 1 2 0]
}

// A long convolution of all pairs of features.
func ExampleDense() {
	g := G.NewGraph()
	x := sample.Of(g, "x", []float64{1, 0, 0, 0, 0, 0, 1, 0}, 1, 2, 4)
	k := sample.Of(g, "k", []float64{1, 2, 3, 4}, 1, 2, 2) // one output of two inputs, two lags
	y, err := fftconv.Dense(x, k, sample.Of(g, "bias", []float64{100}, 1), 1, nil)
	check(err)
	fmt.Printf("%.0f\n", sample.Run(y)[0])
	// Output: [101 102 103 104]
}

// A convolution step by step: its state is the inputs that the kernels reach back to.
func ExampleStep() {
	const h, lk, length = 2, 3, 5
	k, u := sample.Values(h*lk), sample.Values(length*h) // u (L, H)
	step, err := fftconv.NewStep(1, h, lk, k)
	check(err)
	x, y := make([]float64, step.StateLen(1)), make([]float64, length*h)
	check(step.Scan(y[:4*h], x, u[:4*h]))

	other := step.Fork()
	from, both := make([]float64, other.StateLen(1)), make([]float64, other.StateLen(2))
	check(other.Load(from, step.Store(x))) // (B, H, Lk-1), as it is saved
	other.CopyRows(both, 0, from, []int{0})
	next := make([]float64, 2*h)
	check(other.Advance(next, both, append(u[4*h:], 0, 0)), step.Advance(y[4*h:], x, u[4*h:]))
	fmt.Println("from the state, the same:", sample.Apart(next[:h], y[4*h:]) < 1e-12)

	var last float64 // of feature 0, by the definition
	for j := range lk {
		last += k[j] * u[(4-j)*h]
	}
	fmt.Println("as defined:", sample.Apart([]float64{last}, y[4*h:4*h+1]) < 1e-12)
	// Output:
	// from the state, the same: true
	// as defined: true
}
