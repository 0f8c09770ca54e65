package hippornn_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/hippornn"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A recurrence with a LegS memory of one signal: on a graph in two parts, between whose
// steps is any time, and step by step.
func ExampleSequence() {
	const in, hidden, n, length, first = 2, 3, 4, 8, 5
	cfg := hippornn.Config{Order: hippornn.Code, N: n}
	check(cfg.Validate())
	write, map1 := sample.Values(in+hidden), sample.Values(hidden*(in+n))
	g := G.NewGraph()
	p := hippornn.Params[*G.Node]{Write: sample.Of(g, "write", write, 1, in+hidden), Hidden: sample.Of(g, "hidden", map1, hidden, in+n)}
	x, times := sample.Values(length*in), []float64{1, 1, 2, 1, 0.5, 1, 3, 1} // x (L, in)
	inputs := func(name string, from, to int) (x1, dt *G.Node) {
		var v []float64
		for f := range in {
			for l := from; l < to; l++ {
				v = append(v, x[l*in+f])
			}
		}
		return sample.Of(g, name, v, 1, in, to-from), sample.Of(g, name+".dt", times[from:to], 1, to-from)
	}
	x1, dt := inputs("x", 0, length)
	whole, err := hippornn.Sequence(cfg, x1, p, hippornn.State[*G.Node]{}, dt, nil)
	check(err)
	x1, dt = inputs("before", 0, first)
	_, state, err := hippornn.SequenceState(cfg, x1, p, hippornn.State[*G.Node]{}, dt, nil)
	check(err)
	if state.Position, err = hippornn.NextPosition(x1, nil, dt); err != nil {
		log.Fatal(err)
	}
	x1, dt = inputs("after", first, length)
	rest, err := hippornn.Sequence(cfg, x1, p, state, dt, nil)
	check(err)
	ys := sample.Run(whole, rest)
	fmt.Println("in two parts:", sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-12)

	weights, err := hippornn.NewWeights(cfg, in, hidden, 1, hippornn.Params[[]float64]{Write: write, Hidden: map1})
	check(err)
	step := weights.NewStep()
	now := hippornn.State[[]float64]{H: make([]float64, hidden), M: make([]float64, n), Position: make([]float64, 1)}
	check(step.Scan(make([]float64, 2*hidden), now, x[:2*in])) // two steps at once, of times 1
	for l := 2; l < length; l++ {
		check(step.Advance(now, times[l:l+1], x[l*in:(l+1)*in]))
	}
	check(hippornn.CheckPositions(now.Position))
	last := []float64{ys[0][length-1], ys[0][2*length-1], ys[0][3*length-1]}
	fmt.Println("step by step:", sample.Apart(last, now.H) < 1e-12)
	// Output:
	// in two parts: true
	// step by step: true
}
