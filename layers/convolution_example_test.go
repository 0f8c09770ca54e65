package layers_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
)

// A convolution that halves the sampling rate, in front of what is to be fast: it gives
// a step for every two of the input.
func ExampleNewConv1D() {
	g := G.NewGraph()
	conv, err := layers.NewConv1D(g, tensor.Float64, layers.Conv1DConfig{In: 1, Out: 4, Kernel: 5, Stride: 2, WeightNorm: true})
	check(err)
	y, err := conv.Fwd(sample.Node(g, "x", 2, 1, 101))
	check(err)
	n, err := conv.OutputLength(101)
	check(err)
	fmt.Println(y.Shape(), n)
	for _, p := range conv.Params() {
		fmt.Println(p.Name, p.Node.Shape())
	}
	// Output:
	// (2, 4, 51) 51
	// conv1d.weight_v (4, 1, 5)
	// conv1d.weight_g (4)
	// conv1d.bias (4)
}

// Convolutional networks to compare with. What they remember is as long as their
// kernels reach back, so they have steps too.
func ExampleNewTCN() {
	g := G.NewGraph()
	tcn, err1 := layers.NewTCN(g, tensor.Float64, layers.TCNConfig{In: 2, Out: 4, Kernel: 3, Levels: 3})
	net, err2 := layers.NewConvNet(g, tensor.Float64, layers.ConvNetConfig{DModel: 2, Depth: 2, Kernel: 3, Norm: layers.RMSNorm})
	check(err1, err2)
	for _, l := range []layers.Layer{tcn, net} {
		fmt.Println(l)
	}
	fmt.Println("step by step, the same:", sameInSteps(g, tcn, 2), sameInSteps(g, net, 2))
	// Output:
	// TCN "tcn": 20 parameters of 324 elements
	// ConvNet "convnet": 6 parameters of 32 elements
	// step by step, the same: true true
}

// A continuous kernel is a function of the position, given by a small network: so a
// copy reads a signal that is sampled twice as often.
func ExampleNewCKConv() {
	g := G.NewGraph()
	conv, err1 := layers.NewCKConv(g, tensor.Float64, layers.CKConvConfig{In: 2, Out: 3, Hidden: 8, LMax: 16, SIREN: true})
	block, err2 := layers.NewCKBlock(g, tensor.Float64, layers.CKBlockConfig{In: 2, Out: 3, Hidden: 8, LMax: 16})
	check(err1, err2)
	fine := G.NewGraph()
	for _, l := range []layers.Mixer{conv, block} {
		finer, err := layers.Clone(l, fine, layers.AtRate(0.5))
		check(err)
		y, err := finer.Fwd(sample.Node(fine, l.Name()+".x", 1, 2, 32))
		check(err)
		fmt.Println(l.Name(), y.Shape(), layers.CheckRate(finer))
	}
	lstm, err := layers.NewLSTM(g, tensor.Float64, layers.LSTMConfig{DModel: 2})
	check(err)
	deaf, err := lstm.CloneTo(fine, layers.AtRate(0.5))
	check(err)
	fmt.Println(layers.CheckRate(deaf))
	// Output:
	// ckconv (1, 3, 32) <nil>
	// ckblock (1, 3, 32) <nil>
	// layers: LSTM "lstm": AtRate: it has no step size, and reads at rate 0.5 what it would read at rate 1
}
