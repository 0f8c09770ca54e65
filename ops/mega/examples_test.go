package mega_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/mega"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// Attention in chunks of four steps: in two parts on a graph, and step by step without
// one. What is gated is blended with the input.
func ExampleAttend() {
	const nz, nv, length, first = 2, 3, 10, 6
	cfg := mega.Config{Function: mega.Laplace, Causal: true, Chunk: 4}
	check(cfg.Validate())
	z, v := sample.Values(length*nz), sample.Values(length*nv) // (L, Z), (L, V)
	gamma := sample.Values(2 * nz)
	bias := mega.RotaryBiases(sample.Values(nz), sample.Values(nz), cfg.Chunk)

	g := G.NewGraph()
	rotary, err := mega.RotaryBias(sample.Node(g, "alpha", 1, nz), sample.Node(g, "beta.bias", 1, nz), cfg.Chunk)
	check(err)
	inputs := func(name string, from, to int) mega.Inputs[*G.Node] {
		turn := func(name string, x []float64, n int) *G.Node { // (L, n) -> (1, n, L)
			var t []float64
			for f := range n {
				for l := from; l < to; l++ {
					t = append(t, x[l*n+f])
				}
			}
			return sample.Of(g, name, t, 1, n, to-from)
		}
		return mega.Inputs[*G.Node]{
			Z: turn(name+".z", z, nz), V: turn(name+".v", v, nv),
			Gamma: sample.Of(g, "gamma", gamma, 2, nz), Beta: sample.Of(g, "beta", gamma, 2, nz), Bias: rotary,
		}
	}
	all := inputs("all", 0, length)
	whole, err := mega.Attend(cfg, all, nil, nil)
	check(err)
	before := inputs("before", 0, first)
	state, err := mega.Cache(cfg, before.Z, before.V, nil)
	check(err)
	rest, err := mega.Attend(cfg, inputs("after", first, length), &state, nil)
	check(err)
	blended, err := mega.Blend(all.V, sample.Node(g, "gate", 1, nv, length), whole, nil)
	check(err)
	ys := sample.Run(whole, rest, blended)
	fmt.Println(state.Z.Shape()[1] == cfg.Slots(), "in two parts:", sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-12)

	step, err := mega.NewStep(cfg, nz, nv, mega.Inputs[[]float64]{Gamma: gamma, Beta: gamma, Bias: bias})
	check(err)
	y := make([]float64, length*nv)
	check(step.Scan(y[:first*nv], z[:first*nz], v[:first*nv]))
	for l := first; l < length; l++ {
		check(step.Advance(y[l*nv:(l+1)*nv], z[l*nz:(l+1)*nz], v[l*nv:(l+1)*nv]))
	}
	fmt.Println("step by step:", sample.Apart([]float64{ys[0][length-1]}, y[(length-1)*nv:(length-1)*nv+1]) < 1e-12)

	// A second sequence joins, and the first leaves; a third begins.
	other := step.Fork()
	check(other.AdvanceRows(0, 0, y[:nv], z[:nz], v[:nv]))
	saved := other.Store()
	check(step.CheckState(saved))
	step.Regroup([]int{0}, saved)
	step.Regroup([]int{1})
	check(other.Load(step.Store()), other.CheckSize(2), other.Reset(2))
	fmt.Println("position", step.Store().Position, other.Store().Position)
	// Output:
	// true in two parts: true
	// step by step: true
	// position [1] [0 0]
}

// Without chunks every step sees all others.
func ExampleConfig() {
	for _, f := range mega.Functions() {
		cfg := mega.Config{Function: f, Chunk: mega.Whole}
		g := G.NewGraph()
		y, err := mega.Attend(cfg, mega.Inputs[*G.Node]{
			Z: sample.Node(g, "z", 1, 2, 5), V: sample.Node(g, "v", 1, 3, 5),
			Gamma: sample.Node(g, "gamma", 2, 2), Beta: sample.Node(g, "beta", 2, 2), Bias: sample.Node(g, "bias", 9),
		}, nil, nil)
		check(err)
		fmt.Println(f, y.Shape())
	}
	// Output:
	// softmax (1, 3, 5)
	// laplace (1, 3, 5)
}
