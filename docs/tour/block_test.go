package tour_test

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

func Example_block() {
	//tour:block-fast
	const H, L = 4, 100
	g := G.NewGraph()
	block, err := layers.NewBlock(g, tensor.Float64, layers.BlockConfig{
		Mixer: layers.S4DConfig{DModel: H, DState: 16}, PreNorm: true,
	}, layers.WithSeed(1))
	check(err)
	u := noise(H * L) // (1, H, L)
	y, err := block.Fwd(input(g, "u", u, 1, H, L))
	check(err)
	fast := values(g, y)[0] // all steps at once
	//tour:end

	//tour:block-slow
	rnn, err := block.Recurrence(1) // a snapshot of the parameters, without a graph
	check(err)
	slow := make([]float64, H*L)
	step := dense(make([]float64, H), 1, H)
	for l := range L {
		for h := range H {
			step.Float64s()[h] = u[h*L+l]
		}
		out, err := rnn.Step(step)
		check(err)
		for h := range H {
			slow[h*L+l] = out.Float64s()[h]
		}
	}
	//tour:end
	fmt.Printf("all at once  %.4f\n", fast[L-3:L])
	fmt.Printf("step by step %.4f\n", slow[L-3:L])
	fmt.Printf("apart by less than 1e-12: %t\n", distance(slow, fast) < 1e-12)
	// Output:
	// all at once  [0.4717 -0.1603 -0.3068]
	// step by step [0.4717 -0.1603 -0.3068]
	// apart by less than 1e-12: true
}

// What the block is made of.
func Example_blockParams() {
	//tour:block-params
	block, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{
		Mixer: layers.S4DConfig{DModel: 128}, PreNorm: true,
	})
	check(err)
	for _, p := range block.Params() {
		fmt.Println(p.Name, p.Node.Shape())
	}
	//tour:end
	// Output:
	// block.layer.kernel.log_dt (128, 1)
	// block.layer.kernel.A_real (128, 32)
	// block.layer.kernel.A_imag (128, 32)
	// block.layer.kernel.B (128, 32, 2)
	// block.layer.kernel.C (1, 128, 32, 2)
	// block.layer.D (1, 128)
	// block.layer.output_linear.weight (256, 128)
	// block.layer.output_linear.bias (256)
	// block.norm.weight (128)
	// block.norm.bias (128)
}

// The answer of the exercise.
func Example_blockExercise() {
	//tour:block-exercise
	block, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{
		Mixer: layers.S4DConfig{DModel: 128}, PreNorm: true,
	})
	check(err)
	var kernels, all int
	for _, p := range block.Params() {
		n := p.Node.Shape().TotalSize()
		all += n
		if strings.Contains(p.Name, ".kernel.") {
			kernels += n
		}
	}
	fmt.Printf("%d parameters, %d of them in the kernels\n", all, kernels)
	//tour:end
	// Output:
	// 58112 parameters, 24704 of them in the kernels
}
