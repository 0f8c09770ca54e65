package fftconv_test

import (
	"fmt"

	"github.com/gorgonia-s4/s4/ops/fftconv"
)

func ExamplePlan() {
	plan, err := fftconv.NewPlan[float64](fftconv.Config{}, fftconv.Size{B: 1, H: 1, CH: 1, L: 5, LK: 2})
	if err != nil {
		panic(err)
	}
	in := fftconv.Inputs[float64]{
		U: []float64{1, 2, 3, 4, 5},
		K: []float64{1, 10},
		D: []float64{100},
	}
	y := make([]float64, 5)
	if err := plan.Forward(y, in); err != nil {
		panic(err)
	}
	fmt.Println(y)

	grad := fftconv.Inputs[float64]{K: make([]float64, 2), D: make([]float64, 1)}
	if err := plan.Backward(grad, in, []float64{0, 0, 0, 0, 1}); err != nil {
		panic(err)
	}
	fmt.Println(grad.K, grad.D)
	// Output:
	// [101 212 323 434 545]
	// [5 4] [5]
}
