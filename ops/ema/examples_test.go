package ema_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/ema"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// Averages of a sequence: as a convolution, in two parts, and step by step.
func ExampleKernel() {
	const n, length, first = 3, 10, 6 // of one feature
	g := G.NewGraph()
	p := ema.Params[*G.Node]{
		Delta: sample.Node(g, "delta", 1, n), Alpha: sample.Node(g, "alpha", 1, n), Beta: sample.Node(g, "beta", 1, n),
		Gamma: sample.Node(g, "gamma", 1, n),
	}
	x := sample.Values(length)
	k, err := ema.Kernel(p, length)
	check(err)
	whole, err := fftconv.Conv(sample.Of(g, "x", x, 1, 1, length), k, nil)
	check(err)
	state, err := ema.FinalState(p, sample.Of(g, "before", x[:first], 1, 1, first), nil)
	check(err)
	since, err1 := fftconv.Conv(sample.Of(g, "after", x[first:], 1, 1, length-first), k, nil)
	before, err2 := ema.StateOutput(p, state, length-first)
	check(err1, err2)
	ys := sample.Run(whole, G.Must(G.Add(since, before)))
	fmt.Println("in two parts:", sample.Apart(ys[0][first:], ys[1]) < 1e-12)

	v := sample.Values(n)
	step, err := ema.NewStep(1, n, ema.Params[[]float64]{Delta: v, Alpha: v, Beta: v, Gamma: v}, []float64{0})
	check(err)
	h, y := make([]float64, step.StateLen(1)), make([]float64, length)
	check(step.Scan(y[:first], h, x[:first]))
	saved := step.Store(h) // (B, D, N)
	check(step.Load(h, saved))
	for l := first; l < length; l++ {
		check(step.Advance(y[l:l+1], h, x[l:l+1]))
	}
	fmt.Println("step by step:", sample.Apart(ys[0], y) < 1e-12)
	// Output:
	// in two parts: true
	// step by step: true
}
