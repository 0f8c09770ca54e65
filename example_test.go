package s4_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// check ends an example with an error.
func check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
}

// Layers side by side in a plain Gorgonia graph, with built-in ops before and after
// them, Gorgonia's own solver and its TapeMachine: a Transformer layer, an LSTM and
// a residual block around S4 learn together which of two frequencies a noisy signal
// has.
func Example() {
	const batch, features, steps = 16, 8, 32
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float32, 3, G.WithShape(batch, 1, steps), G.WithName("x"))
	target := G.NewMatrix(g, tensor.Float32, G.WithShape(batch, 1), G.WithName("target"))
	v := G.NewTensor(g, tensor.Float32, 3, G.WithShape(1, features, 1), G.WithName("v"), G.WithInit(G.Ones()))
	w := G.NewMatrix(g, tensor.Float32, G.WithShape(features, 1), G.WithName("w"), G.WithInit(G.Zeroes()))
	learnables := G.Nodes{v, w}

	transformer, err1 := layers.NewTransformer(g, tensor.Float32, layers.TransformerConfig{DModel: features, Heads: 2, Positions: layers.SinusoidalPositions})
	lstm, err2 := layers.NewLSTM(g, tensor.Float32, layers.LSTMConfig{DModel: features})
	s4, err3 := layers.NewBlock(g, tensor.Float32, layers.BlockConfig{Mixer: layers.S4Config{DModel: features, LMax: steps}})
	check(err1, err2, err3)

	u := G.Must(G.BroadcastHadamardProd(x, v, []byte{1}, []byte{0, 2})) // (B, 1, L) -> (B, H, L)
	var y *G.Node
	for _, l := range []layers.Layer{transformer, lstm, s4} {
		out, err := l.Fwd(u) // (B, H, L) -> (B, H, L)
		check(err)
		if y == nil {
			y = out
		} else {
			y = G.Must(G.Add(y, out))
		}
		learnables = append(learnables, l.Learnables()...)
	}
	y = G.Must(G.Tanh(G.Must(G.Mul(G.Must(G.Mean(y, 2)), w)))) // (B, H, L) -> (B, 1)
	loss := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y, target))))))

	_, err := G.Grad(loss, learnables...)
	check(err)
	var cost G.Value
	G.Read(loss, &cost)
	vm := G.NewTapeMachine(g, G.BindDualValues(learnables...))
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(0.01))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		xs, ys := make([]float32, batch*steps), make([]float32, batch)
		for i := range xs {
			if i%steps == 0 {
				ys[i/steps] = float32(2*rng.IntN(2) - 1)
			}
			frequency := 0.5 + 0.25*float64(ys[i/steps])
			xs[i] = float32(math.Sin(frequency*float64(i)) + 0.2*rng.NormFloat64())
		}
		check(
			G.Let(x, tensor.New(tensor.WithShape(batch, 1, steps), tensor.WithBacking(xs))),
			G.Let(target, tensor.New(tensor.WithShape(batch, 1), tensor.WithBacking(ys))),
			vm.RunAll(),
			solver.Step(G.NodesToValueGrads(learnables)),
		)
		vm.Reset()
	}
	fmt.Println("learned:", cost.Data().(float32) < 0.1)
	// Output: learned: true
}

// The blocks of a model differ, and come from one JSON file: an S4 block, an S4D
// block that reads both directions, a linear map, and the mixer of our own.
func Example_mixedBlocks() {
	const text = `{
		"blocks": [
			{"mixer": {"kind": "s4", "d_model": 8, "d_state": 16, "l_max": 64}, "prenorm": true},
			{"mixer": {"kind": "s4d", "d_model": 8, "bidirectional": true}, "norm": "batch", "dropout": 0.1},
			{"mixer": {"kind": "linear", "in": 8, "out": 8}, "norm": "none"},
			{"mixer": {"kind": "leaky", "d_model": 8}, "prenorm": true}
		],
		"norm": "layer"
	}`
	var cfg layers.StackConfig
	check(json.Unmarshal([]byte(text), &cfg))
	g := G.NewGraph()
	stack, err := layers.NewStack(g, tensor.Float64, cfg)
	check(err)
	x := G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 8, 64), G.WithName("x"))
	y, err := stack.Fwd(x)
	check(err)
	for _, b := range stack.Blocks() {
		fmt.Println(b)
	}
	fmt.Println("output", y.Shape())

	err = json.Unmarshal([]byte(`{"blocks": [{"mixer": {"kind": "lstn", "d_model": 8}}]}`), &cfg)
	fmt.Println(err)
	// Output:
	// Block "stack.0": 11 parameters of 688 elements
	// Block "stack.1": 10 parameters of 2224 elements
	// Block "stack.2": 2 parameters of 72 elements
	// Block "stack.3": 3 parameters of 24 elements
	// output (2, 8, 64)
	// block: mixer: want a kind, one of attention, ckblock, ckconv, conv1d, convnet, dss, ema, esn, feedforward, gru, hippo-rnn, leaky, linear, longconv, lru, lssl, lstm, mamba, mega, mega-attention, position, retention, retnet, rnn, s4, s4d, s4nd, s5, tcn, transformer, got "lstn"
}

// The layers of a plain Gorgonia model are saved and loaded: all of them, or a
// part, or under other names.
func Example_weights() {
	dir, err := os.MkdirTemp("", "weights")
	check(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "weights.safetensors")

	build := func(dt tensor.Dtype, seed uint64) (*layers.S4, *layers.Linear) {
		g := G.NewGraph()
		s4, err1 := layers.NewS4(g, dt, layers.S4Config{DModel: 4, DState: 8, LMax: 32}, layers.WithSeed(seed))
		head, err2 := layers.NewLinear(g, dt, layers.LinearConfig{In: 4, Out: 2}, layers.WithName("head"), layers.WithSeed(seed))
		check(err1, err2)
		return s4, head
	}
	s4, head := build(tensor.Float32, 1)
	check(param.Save(path, s4, head))

	// Strict, into float64.
	other, otherHead := build(tensor.Float64, 2)
	check(param.Load(path, other, otherHead))

	// The head alone is an error unless that is what is wanted.
	fmt.Println(param.Load(path, otherHead) != nil)
	report, err := param.Loader{Partial: true}.Load(path, otherHead)
	check(err)
	fmt.Println(report.Loaded, "loaded,", len(report.Left), "left over")

	// A layer of another name.
	decoder, err := layers.NewLinear(G.NewGraph(), tensor.Float32, layers.LinearConfig{In: 4, Out: 2}, layers.WithName("decoder"))
	check(err)
	rename := map[string]string{"head.weight": "decoder.weight", "head.bias": "decoder.bias"}
	report, err = param.Loader{Partial: true, Rename: rename}.Load(path, decoder)
	check(err)
	fmt.Println(report.Loaded, "loaded, missing", report.Missing)
	// Output:
	// true
	// 2 loaded, 10 left over
	// 2 loaded, missing []
}

// A whole language model steps as a recurrence: token ids in, scores out. Its
// state is a few numbers, whatever has been read: saved as bytes, restored, and
// the rows of a batch split and joined.
func Example_languageModel() {
	const vocab, h = 11, 8
	g := G.NewGraph()
	encoder, err1 := layers.NewEmbedding(g, tensor.Float32, layers.EmbeddingConfig{Vocab: vocab, DModel: h})
	stack, err2 := layers.NewStack(g, tensor.Float32, layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{
		{Mixer: layers.S4Config{DModel: h, DState: 8, LMax: 64}, PreNorm: true},
	}})
	head, err3 := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: h, Out: vocab}, layers.WithName("head"))
	check(err1, err2, err3)
	model, err := layers.Chain{encoder, stack, head}.Recurrence(1)
	check(err)

	// read feeds tokens to a session and returns the likeliest next one.
	read := func(r *layers.Recurrence, tokens ...int) (next int) {
		for _, id := range tokens {
			scores, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
			check(err)
			next = 0
			for i, s := range scores.Float32s() {
				if s > scores.Float32s()[next] {
					next = i
				}
			}
		}
		return next
	}
	next := read(model, 3, 1, 4, 1, 5)
	saved, err := model.State().MarshalBinary()
	check(err)

	// Another session of the same weights, from the saved state, writes the same.
	session, err := model.Fork(1)
	check(err)
	var state layers.State
	check(state.UnmarshalBinary(saved))
	check(session.SetState(state))
	same := true
	for range 20 {
		a, b := read(model, next), read(session, next)
		same, next = same && a == b, a
	}
	fmt.Println("the same text:", same)

	// Two sessions become a batch, and are taken apart again.
	both, err := layers.JoinStates(model.State(), session.State())
	check(err)
	rows, err := both.Split(1, 1)
	check(err)
	fmt.Println(both.Batch(), "rows of", len(both), "tensors;", len(rows), "states")
	// Output:
	// the same text: true
	// 2 rows of 2 tensors; 2 states
}
