package layers_test

import (
	"errors"
	"fmt"
	"sync"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// Copies share the tensors of a layer on other graphs: one that learns a part, one that
// runs beside it with dropouts of its own, and one that takes turns with it.
func ExampleClone() {
	var original layers.Layer
	original, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, Dropout: 0.1})
	check(err)
	part, err1 := layers.Clone(original, G.NewGraph(), layers.WithFrozen("A", "dt"))
	beside, err2 := layers.Clone(original, G.NewGraph(), layers.OnStream(1))
	inTurn, err3 := layers.Clone(original, G.NewGraph(), layers.InTurn())
	check(err1, err2, err3)
	for _, l := range []layers.Layer{original, part, beside, inTurn} {
		first, err := l.Params()[0].Value()
		check(err)
		check(first.Memset(float32(len(l.Learnables())))) // as a solver writes them
		fmt.Println(len(l.Learnables()), "learned; in the original:", original.Params()[0].Node.Value().Data().([]float32)[0])
	}
	// Output:
	// 10 learned; in the original: 10
	// 7 learned; in the original: 7
	// 10 learned; in the original: 10
	// 10 learned; in the original: 10
}

// A configuration of a state space layer says what it does not learn.
func ExampleFreezable() {
	var stack layers.StackConfig
	for _, cfg := range []layers.MixerConfig{layers.S4Config{DModel: 4}, layers.LSTMConfig{DModel: 4}, layers.LRUConfig{DModel: 4}} {
		if f, ok := cfg.(layers.Freezable); ok {
			cfg = f.WithFrozen("A")
		}
		stack.Blocks = append(stack.Blocks, layers.BlockConfig{Mixer: cfg})
	}
	s, err := layers.NewStack(G.NewGraph(), tensor.Float32, stack)
	check(err)
	fmt.Println(stack.DModel(), "features")
	for _, p := range s.Params() {
		if p.Frozen {
			fmt.Println(p.Name)
		}
	}
	// Output:
	// 4 features
	// stack.0.layer.kernel.A_real
	// stack.0.layer.kernel.A_imag
	// stack.0.layer.kernel.P
	// stack.2.layer.kernel.nu_log
	// stack.2.layer.kernel.theta_log
	// stack.2.layer.kernel.gamma_log
}

// A layer of any configuration, as those in a file are.
func ExampleNew() {
	fmt.Println(len(layers.MixerKinds()) > 20, "kinds of mixers")
	for _, cfg := range []layers.Config{
		layers.LSTMConfig{DModel: 4},
		layers.NormConfig{DModel: 4},
		layers.S4DConfig{DModel: -1},
	} {
		l, err := layers.New(G.NewGraph(), tensor.Float32, cfg)
		if err != nil {
			fmt.Println(err)
			continue
		}
		_, isMixer := l.(layers.Mixer)
		_, steps := l.(layers.Stepper)
		_, hasState := l.(layers.Stateful)
		_, convolves := l.(layers.Kernels)
		_, linear := l.(layers.Systems)
		fmt.Println(l, isMixer, steps, hasState, convolves, linear)
	}
	// Output:
	// true kinds of mixers
	// LSTM "lstm": 4 parameters of 160 elements true true true false false
	// Norm "norm": 2 parameters of 8 elements true true false false false
	// layers: S4D "s4d": S4DConfig: want DModel >= 1, got -1
}

// A configuration from elsewhere is not trusted with the memory of this machine.
func ExampleWithLimit() {
	limit := layers.WithLimit(100_000) // of all layers that are made with it together
	g := G.NewGraph()
	_, err := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: 100, Out: 100}, limit)
	fmt.Println(err)
	_, err = layers.NewLSTM(g, tensor.Float32, layers.LSTMConfig{DModel: 10_000}, limit)
	fmt.Println(err)
	fmt.Println(layers.StackConfig{Blocks: make([]layers.BlockConfig, layers.MaxBlocks+1)}.Validate())
	// Output:
	// <nil>
	// layers: LSTM "lstm": lstm.weight_ih_l0: want at most 89900 more elements, as WithLimit says, got shape (40000, 10000)
	// StackConfig: want Repeat >= 0 and at most 4096 blocks in all, got 4097 blocks and Repeat 0
}

// What each block of a stack gives, to be looked at: the residual stream behind it.
func ExampleStack_FwdAll() {
	g := G.NewGraph()
	stack, err := layers.NewStack(g, tensor.Float64, layers.StackConfig{
		Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true}},
		Repeat: 3, Norm: layers.LayerNorm,
	})
	check(err)
	y, blocks, err := stack.FwdAll(sample.Node(g, "x", 2, 4, 10), nil)
	check(err)
	again, err := stack.Norm().Fwd(blocks[2])
	check(err)
	var last, normed G.Value
	G.Read(y, &last)
	G.Read(again, &normed)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	check(vm.RunAll())
	fmt.Println(len(blocks), "blocks", blocks[0].Shape())
	fmt.Println("the last, normalised, is the output:", sample.Apart(last.Data().([]float64), normed.Data().([]float64)) == 0)
	fmt.Println("can step:", stack.CheckSteps() == nil)
	// Output:
	// 3 blocks (2, 4, 10)
	// the last, normalised, is the output: true
	// can step: true
}

// A batch in two parts, one after the other: dropouts draw for each row what they would
// in a graph of the whole, if they are told which rows they run on.
func ExampleBeginRows() {
	const rows, features = 4, 6
	ones := tensor.Ones(tensor.Float64, rows, features, 1)
	train := func(l *layers.Dropout, g *G.ExprGraph, x *tensor.Dense) []float64 {
		y, err := l.Fwd(G.NodeFromAny(g, x, G.WithName("x")))
		check(err)
		var v G.Value
		G.Read(y, &v)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		check(vm.RunAll())
		return v.Data().([]float64)
	}
	g := G.NewGraph()
	whole, err := layers.NewDropout(g, tensor.Float64, layers.DropoutConfig{P: 0.5}, layers.WithSeed(1))
	check(err)
	want := train(whole, g, ones)

	other, err := layers.NewDropout(G.NewGraph(), tensor.Float64, layers.DropoutConfig{P: 0.5}, layers.WithSeed(1))
	check(err)
	var got []float64
	for first := 0; first < rows; first += 2 {
		g := G.NewGraph()
		part, err := other.CloneTo(g, layers.InTurn())
		check(err)
		layers.BeginRows(ops.Rows{First: first, N: 2, Of: rows, Later: first > 0}, part)
		got = append(got, train(part, g, tensor.Ones(tensor.Float64, 2, features, 1))...)
	}
	fmt.Println("the same masks:", sample.Apart(got, want) == 0)
	// Output: the same masks: true
}

// Two ranks, each with half a batch, normalise by the statistics of the whole.
func ExampleSumAcross() {
	const rows, features, steps = 4, 2, 3
	norm, err := layers.NewNorm(G.NewGraph(), tensor.Float64, layers.NormConfig{Kind: layers.BatchNorm, DModel: features})
	check(err)
	train := func(x *tensor.Dense, sum func(v []float64) error) []float64 {
		g := G.NewGraph()
		l, err := layers.NewNorm(g, tensor.Float64, norm.Config())
		check(err)
		layers.SumAcross(sum, l)
		y, err := l.Fwd(G.NodeFromAny(g, x, G.WithName("x")))
		check(err)
		var v G.Value
		G.Read(y, &v)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		check(vm.RunAll())
		return v.Data().([]float64)
	}
	x := sample.Dense(rows, features, steps)
	want := train(x, nil)

	sums := make(chan []float64)
	parts := [2][]float64{}
	var ranks sync.WaitGroup
	for rank := range 2 {
		half := tensor.New(tensor.WithShape(rows/2, features, steps), tensor.WithBacking(x.Float64s()[rank*rows/2*features*steps:(rank+1)*rows/2*features*steps]))
		sum := func(v []float64) error { // rank 0 adds up, and tells rank 1
			if rank == 1 {
				sums <- v
				copy(v, <-sums)
				return nil
			}
			other := <-sums
			if len(other) != len(v) {
				return errors.New("want sums of as many numbers")
			}
			for i := range v {
				v[i] += other[i]
			}
			sums <- append([]float64(nil), v...)
			return nil
		}
		ranks.Go(func() { parts[rank] = train(half, sum) })
	}
	ranks.Wait()
	fmt.Println("as one batch:", sample.Apart(append(parts[0], parts[1]...), want) < 1e-12)
	// Output: as one batch: true
}
