package layers_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/mega"
	"github.com/gorgonia-s4/s4/ops/retention"
)

// What a Transformer layer is made of, put together by hand: positions, attention to the
// steps before, and a network for each step. Each alone is a layer, and steps.
func ExampleNewAttention() {
	const features = 8
	g := G.NewGraph()
	where, err1 := layers.NewPosition(g, tensor.Float64, layers.PositionConfig{DModel: features, Positions: layers.LearnedPositions, MaxLen: 64})
	attend, err2 := layers.NewAttention(g, tensor.Float64, layers.AttentionConfig{
		DModel: features, Heads: 2, Causal: true, Window: 16, Rotary: attention.RotaryHalf,
	})
	think, err3 := layers.NewFeedForward(g, tensor.Float64, layers.FeedForwardConfig{DModel: features, FF: 16, Gate: true, Activation: ops.ActSiLU})
	check(err1, err2, err3)
	y := sample.Node(g, "x", 2, features, 10)
	for _, l := range []layers.Mixer{where, attend, think} {
		next, err := l.Fwd(y)
		check(err)
		fmt.Println(l.Name(), next.Shape())
		y = G.Must(G.Add(y, next))
	}
	fmt.Println("step by step, the same:", sameInSteps(g, where, features), sameInSteps(g, attend, features), sameInSteps(g, think, features))
	// Output:
	// position (2, 8, 10)
	// attention (2, 8, 10)
	// feedforward (2, 8, 10)
	// step by step, the same: true true true
}

// A stack of layers that have norms and residuals of their own is a stack of blocks
// that have neither.
func ExampleHasResidual() {
	for _, cfg := range []layers.MixerConfig{
		layers.S4DConfig{DModel: 8},
		layers.RetNetConfig{DModel: 8, Heads: 2},
		layers.MegaConfig{DModel: 8, Causal: true},
	} {
		block := layers.BlockConfig{Mixer: cfg}
		if layers.HasResidual(cfg) {
			block.NoResidual, block.Norm = true, layers.NoNorm
		}
		stack, err := layers.NewStack(G.NewGraph(), tensor.Float32, layers.StackConfig{Blocks: []layers.BlockConfig{block}, Repeat: 2})
		check(err)
		fmt.Printf("%T in blocks with a norm: %t; features: %d\n", cfg, stack.Blocks()[0].Config().Norm != layers.NoNorm, block.DModel())
	}
	// Output:
	// layers.S4DConfig in blocks with a norm: true; features: 8
	// layers.RetNetConfig in blocks with a norm: false; features: 8
	// layers.MegaConfig in blocks with a norm: false; features: 8
}

// Retention alone, and with a feed-forward network as a RetNet layer: all at once in
// chunks, or step by step with a state that does not grow.
func ExampleNewRetNet() {
	g := G.NewGraph()
	retain, err1 := layers.NewRetention(g, tensor.Float64, layers.RetentionConfig{DModel: 8, Heads: 2, Chunk: 4, Decay: retention.Linspace})
	layer, err2 := layers.NewRetNet(g, tensor.Float64, layers.RetNetConfig{DModel: 8, Heads: 2, FF: 12})
	check(err1, err2)
	for _, s := range layer.StateShapes(1) {
		fmt.Println(s.Name, s.Shape)
	}
	fmt.Println("step by step, the same:", sameInSteps(g, retain, 8), sameInSteps(g, layer, 8))
	// Output:
	// S (1, 2, 4, 8)
	// step by step, the same: true true
}

// A Mega layer, the gated attention inside it, and the moving average inside that. In
// chunks and causal it has steps.
func ExampleNewMega() {
	const features = 6
	g := G.NewGraph()
	average, err1 := layers.NewEMA(g, tensor.Float64, layers.EMAConfig{DModel: features, DState: 4})
	gated, err2 := layers.NewMegaAttention(g, tensor.Float64, layers.MegaAttentionConfig{DModel: features, Causal: true, Chunk: 4, Bias: layers.RotaryBias})
	layer, err3 := layers.NewMega(g, tensor.Float64, layers.MegaConfig{DModel: features, Causal: true, Chunk: 4, Function: mega.Laplace})
	check(err1, err2, err3)
	fmt.Println(sameInSteps(g, average, features), sameInSteps(g, gated, features), sameInSteps(g, layer, features))
	for _, bias := range layers.RelativeBiases() {
		fmt.Println(bias)
	}
	// Output:
	// true true true
	// simple
	// rotary
}

// The layer of a Mamba language model: a short convolution, and a state space whose
// step sizes, B and C depend on the input.
func ExampleNewMamba() {
	g := G.NewGraph()
	mamba, err := layers.NewMamba(g, tensor.Float64, layers.MambaConfig{DModel: 4, DState: 8})
	check(err)
	fmt.Print(layers.Summary(mamba))
	fmt.Println("step by step, the same:", sameInSteps(g, mamba, 4))
	// Output:
	// layer              kind   shape      parameters
	// mamba              Mamba             360
	//   A_log                   (8, 8)     64
	//   D                       (8)        8
	//   in_proj.weight          (16, 4)    64
	//   conv1d.weight           (8, 1, 4)  32
	//   conv1d.bias             (8)        8
	//   x_proj.weight           (17, 8)    136
	//   dt_proj.weight          (8, 1)     8
	//   dt_proj.bias            (8)        8
	//   out_proj.weight         (4, 8)     32
	// parameters: 360, of which frozen: 0
	// step by step, the same: true
}
