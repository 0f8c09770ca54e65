package conv1d_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/conv1d"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A convolution that looks ahead and keeps the length, and one of every other step.
func ExampleConv() {
	g := G.NewGraph()
	x := sample.Of(g, "x", []float64{1, 2, 3, 4, 5, 6}, 1, 1, 6)
	w := sample.Of(g, "w", []float64{1, 0, -1}, 1, 1, 3)
	padding, err := conv1d.SamePadding(3, 2)
	check(err)
	same, err := conv1d.Conv(x, w, nil, conv1d.WithDilation(2), conv1d.WithPadding(padding))
	check(err)
	half := conv1d.WithStride(2)
	n, err := conv1d.OutputLength(6, 3, half)
	check(err)
	every, err := conv1d.Conv(x, w, nil, half, conv1d.WithLengths(sample.Of(g, "lengths", []int{4}, 1)))
	check(err)
	ys := sample.Run(same, every)
	fmt.Println(ys[0])
	fmt.Println(ys[1], "of", n, "steps two count")
	// Output:
	// [-3 -4 -4 -4 3 4]
	// [-1 -2 0] of 3 steps two count
}

// A depthwise convolution in two parts on a graph, and step by step without one.
func ExampleStep() {
	const features, length, first = 2, 6, 4
	shape := conv1d.Shape{In: features, Out: features, Groups: features, Kernel: 3, Dilation: 1}
	x, taps := sample.Values(length*features), sample.Values(features*3) // x (L, features)
	g := G.NewGraph()
	part := func(name string, from, to int) *G.Node { // (1, features, to-from)
		var v []float64
		for f := range features {
			for l := from; l < to; l++ {
				v = append(v, x[l*features+f])
			}
		}
		return sample.Of(g, name, v, 1, features, to-from)
	}
	w := sample.Of(g, "w", taps, features, 1, 3)
	state, err := conv1d.FinalState(part("before", 0, first), nil, shape.Reach())
	check(err)
	rest, err := conv1d.Conv(part("after", first, length), w, nil, conv1d.WithGroups(features), conv1d.WithState(state))
	check(err)
	end := sample.Run(rest)[0] // (1, features, length-first)

	weights, err := conv1d.NewWeights(shape, taps, nil)
	check(err)
	step, err := weights.NewStep(1)
	check(err)
	y := make([]float64, length*features)
	check(step.Scan(y[:5*features], x[:5*features]))                              // five steps at once
	check(step.AdvanceRows(0, y[5*features:], x[5*features:5*features+features])) // rows may be shared by goroutines
	step.Next()
	fmt.Println("the same:", sample.Apart([]float64{end[1], end[3]}, y[5*features:]) < 1e-12)

	// Another sequence joins, and the first leaves.
	other, err := weights.NewStep(1)
	check(err)
	check(other.SetState(step.State()))
	other.Reset()
	check(other.Advance(y[:features], x[:features]))
	check(step.CheckRegroup([]int{0}, other.State()), step.Regroup([]int{0}, other.State()), step.Regroup([]int{1}))
	fmt.Println(len(step.State()), "numbers of state:", sample.Apart(step.State(), other.State()) == 0)
	// Output:
	// the same: true
	// 4 numbers of state: true
}
