package retention_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/retention"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// turned puts steps [from, to) of x (length, n) on a graph, as (1, n, to-from).
func turned(g *G.ExprGraph, name string, x []float64, n, from, to int) *G.Node {
	var v []float64
	for f := range n {
		for l := from; l < to; l++ {
			v = append(v, x[l*n+f])
		}
	}
	return sample.Of(g, name, v, 1, n, to-from)
}

// Retention in two parts on a graph, in chunks of four steps, and step by step without
// one; then the gate with its norm.
func ExampleRetain() {
	const keys, values, length, first = 4, 6, 10, 6
	cfg := retention.Config{Heads: 2, Chunk: 4, Decay: retention.Linspace, ScaleKeys: true}
	q, k, v := sample.Values(length*keys), sample.Values(length * (keys + 1))[length:], sample.Values(length*values)
	g := G.NewGraph()
	part := func(name string, from, to int) (q1, k1, v1 *G.Node) {
		return turned(g, name+".q", q, keys, from, to), turned(g, name+".k", k, keys, from, to), turned(g, name+".v", v, values, from, to)
	}
	q1, k1, v1 := part("whole", 0, length)
	whole, err := retention.Retain(cfg, q1, k1, v1, nil, nil)
	check(err)
	q1, k1, v1 = part("before", 0, first)
	_, state, err := retention.RetainState(cfg, q1, k1, v1, nil, nil)
	check(err)
	q1, k1, v1 = part("after", first, length)
	rest, err := retention.Retain(cfg, q1, k1, v1, state, nil)
	check(err)
	norm := retention.NormConfig{Heads: 2, Norm: retention.RMS, Eps: retention.RMS.Eps()}
	gate := sample.Node(g, "gate", 1, values, length)
	gated, err := retention.Gate(norm, whole, gate, nil, nil)
	check(err)
	ys := sample.Run(whole, rest, gated)
	fmt.Println("in two parts:", sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-12)

	step, err := retention.NewStep[float64](cfg, keys, values)
	check(err)
	x, y := make([]float64, step.StateLen(1)), make([]float64, length*values)
	check(step.Scan(y[:8*values], x, q[:8*keys], k[:8*keys], v[:8*values]))
	other := step.Fork() // for another goroutine
	check(
		other.Advance(y[8*values:9*values], x, q[8*keys:9*keys], k[8*keys:9*keys], v[8*values:9*values]),
		other.AdvanceRows(y[9*values:], x, q[9*keys:], k[9*keys:], v[9*values:]))
	last := make([]float64, values)
	open := make([]float64, values)
	want := make([]float64, values)
	for f := range values {
		last[f], want[f], open[f] = ys[0][(f+1)*length-1], ys[2][(f+1)*length-1], sample.Values(values * length)[(f+1)*length-1]
	}
	fmt.Println("step by step:", sample.Apart(last, y[9*values:]) < 1e-12)
	gates, err := retention.NewGateStep[float64](norm, values, nil, nil)
	check(err)
	check(gates.Apply(last, open))
	fmt.Println("gated:", sample.Apart(last, want) < 1e-12)
	// Output:
	// in two parts: true
	// step by step: true
	// gated: true
}

// What there is to choose from, and how much heads keep from step to step.
func ExampleConfig() {
	for _, d := range retention.Decays() {
		fmt.Printf("%s %.4f\n", d, retention.Config{Heads: 3, Decay: d}.Gammas())
	}
	fmt.Println(retention.AllPositions(), retention.AllScores(), retention.Norms())
	cfg := retention.Config{Heads: 1, Chunk: retention.DefaultChunk, Positions: retention.XPos, Scores: retention.Normalized}
	fmt.Println(cfg.Validate(4, 4))
	cfg.Chunk = retention.MaxChunk + 1
	fmt.Println(cfg.Validate(4, 4))
	// Output:
	// arange [0.9688 0.9844 0.9922]
	// linspace [0.9688 0.9922 0.9980]
	// [rotary_linspace xpos none] [plain normalized] [rms group]
	// <nil>
	// want Chunk in [1, 4096], or 0 for 64, got 4097
}
