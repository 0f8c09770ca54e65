package rnn_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/rnn"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// weights are those of a recurrence of h features over in inputs.
func weights(c rnn.Cell, in, h int) rnn.Params[[]float64] {
	return rnn.Params[[]float64]{WeightIH: sample.Values(c.Gates() * h * in), WeightHH: sample.Values(c.Gates() * h * h)}
}

// on puts them on a graph.
func on(g *G.ExprGraph, name string, c rnn.Cell, in, h int) rnn.Params[*G.Node] {
	w := weights(c, in, h)
	return rnn.Params[*G.Node]{
		WeightIH: sample.Of(g, name+".weight_ih", w.WeightIH, c.Gates()*h, in), WeightHH: sample.Of(g, name+".weight_hh", w.WeightHH, c.Gates()*h, h),
	}
}

// Each cell in two parts on a graph, and step by step without one.
func ExampleSequenceState() {
	const in, h, length, first = 2, 3, 6, 4
	x := sample.Values(length * in) // (L, in)
	for _, cell := range []rnn.Cell{rnn.LSTM, rnn.GRU, rnn.Tanh, rnn.ReLU} {
		g := G.NewGraph()
		part := func(name string, from, to int) *G.Node {
			var v []float64
			for f := range in {
				for l := from; l < to; l++ {
					v = append(v, x[l*in+f])
				}
			}
			return sample.Of(g, name, v, 1, in, to-from)
		}
		cfg, p := rnn.Config{Cell: cell}, []rnn.Params[*G.Node]{on(g, "w", cell, in, h)}
		whole, err := rnn.Sequence(cfg, part("x", 0, length), p, rnn.State[*G.Node]{}, nil)
		check(err)
		_, state, err := rnn.SequenceState(cfg, part("before", 0, first), p, rnn.State[*G.Node]{}, nil)
		check(err)
		rest, err := rnn.Sequence(cfg, part("after", first, length), p, state, nil)
		check(err)
		ys := sample.Run(whole, rest)

		w, err := rnn.NewWeights(cell, in, h, weights(cell, in, h))
		check(err)
		step := w.NewStep()
		now := rnn.State[[]float64]{H: make([]float64, h)}
		if cell.HasC() {
			now.C = make([]float64, h)
		}
		y := make([]float64, first*h)
		check(step.Scan(y, now, x[:first*in]), step.Advance(now, x[first*in:(first+1)*in]))
		at := []float64{ys[0][first], ys[0][length+first], ys[0][2*length+first]}
		fmt.Println(cell, cell.Gates(), sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-12, sample.Apart(now.H, at) < 1e-12)
	}
	// Output:
	// lstm 4 true true
	// gru 3 true true
	// tanh 1 true true
	// relu 1 true true
}

// Two directions, and two layers whose states are in one tensor.
func ExampleConfig() {
	const in, h, length = 2, 2, 5
	g := G.NewGraph()
	x := sample.Node(g, "x", 1, in, length)
	fmt.Println(rnn.Config{Cell: rnn.GRU, Leak: 0.5}.Validate())
	back, err := rnn.Sequence(rnn.Config{Cell: rnn.GRU, Direction: rnn.Backward}, x, []rnn.Params[*G.Node]{on(g, "back", rnn.GRU, in, h)}, rnn.State[*G.Node]{}, nil)
	check(err)
	both, end, err := rnn.SequenceState(rnn.Config{Cell: rnn.GRU, Direction: rnn.Both}, x,
		[]rnn.Params[*G.Node]{on(g, "forward", rnn.GRU, in, h), on(g, "back", rnn.GRU, in, h)}, rnn.State[*G.Node]{}, nil)
	check(err)
	_, second, err := rnn.SequenceState(rnn.Config{Cell: rnn.GRU, Direction: rnn.Forward}, back, []rnn.Params[*G.Node]{on(g, "second", rnn.GRU, h, h)}, rnn.State[*G.Node]{}, nil)
	check(err)
	joined, err := rnn.JoinStates(end.H, second.H)
	check(err)
	fmt.Println(back.Shape(), both.Shape(), joined.Shape())
	// Output:
	// want Leak 0 with cell "gru", got 0.5
	// (1, 2, 5) (1, 4, 5) (1, 3, 2)
}

// A leaky unit takes a part of its new state only: an echo state network has them.
func ExampleNewLeakyWeights() {
	w, err := rnn.NewLeakyWeights(rnn.Tanh, 0.25, 1, 1, rnn.Params[[]float64]{WeightIH: []float64{100}, WeightHH: []float64{0}})
	check(err)
	state := rnn.State[[]float64]{H: []float64{0}}
	for range 3 {
		check(w.NewStep().Advance(state, []float64{1}))
		fmt.Printf("%.4f ", state.H[0])
	}
	fmt.Println()
	// Output: 0.2500 0.4375 0.5781
}
