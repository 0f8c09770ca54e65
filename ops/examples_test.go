package ops_test

import (
	"errors"
	"fmt"
	"log"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// Activations on a graph and without one.
func ExampleActivate() {
	g := G.NewGraph()
	x := sample.Of(g, "x", []float64{-1, 0, 2}, 1, 3)
	for _, kind := range ops.Activations() {
		y, err := ops.Activate(kind, x)
		check(err)
		without := make([]float64, 3)
		ops.ActivationFunc[float64](kind)(without, []float64{-1, 0, 2})
		fmt.Printf("%-9s %6.3f %t\n", kind, without, sample.Apart(sample.Run(y)[0], without) < 1e-12)
	}
	fmt.Println(ops.Activation("cube").Validate())
	gelu, err := ops.GELU(x)
	check(err)
	fmt.Printf("%.3f\n", sample.Run(gelu)[0])
	// Output:
	// gelu      [-0.159  0.000  1.954] true
	// gelu_tanh [-0.159  0.000  1.955] true
	// relu      [ 0.000  0.000  2.000] true
	// silu      [-0.269  0.000  1.762] true
	// tanh      [-0.762  0.000  0.964] true
	// sigmoid   [ 0.269  0.500  0.881] true
	// identity  [-1.000  0.000  2.000] true
	// want an activation of ["gelu" "gelu_tanh" "relu" "silu" "tanh" "sigmoid" "identity"], got "cube"
	// [-0.159 0.000 1.954]
}

// Gates: of two halves of the features, of two nodes, or of a linear map to twice as
// many features in one op.
func ExampleGLU() {
	g := G.NewGraph()
	x := sample.Node(g, "x", 2, 3, 5)
	w, b := sample.Node(g, "w", 8, 3), sample.Node(g, "b", 8)
	twice, err1 := ops.Linear(x, w, b) // (B, 8, L)
	check(err1)
	two, err2 := ops.GLU(twice)
	value, err3 := ops.Features(twice, 0, 4)
	opens, err4 := ops.Features(twice, 4, 4)
	check(err2, err3, err4)
	gated, err5 := ops.Gate(value, opens)
	one, err6 := ops.LinearGLU(x, w, b)
	check(err5, err6)
	ys := sample.Run(two, gated, one)
	fmt.Println(one.Shape(), sample.Apart(ys[0], ys[1]) < 1e-12, sample.Apart(ys[0], ys[2]) < 1e-12)

	product, err := ops.Mul(value, opens) // without the sigmoid
	check(err)
	fmt.Println(product.Shape())
	// Output:
	// (2, 4, 5) true true
	// (2, 4, 5)
}

// The half gates of S5: a linear map of what an activation leaves opens a gate for it, or
// for what was there before, in one op.
func ExampleLinearGate() {
	g := G.NewGraph()
	x, w, b := sample.Node(g, "x", 2, 4, 5), sample.Node(g, "w", 4, 4), sample.Node(g, "b", 4)
	h, err1 := ops.GELU(x)
	check(err1)
	z, err2 := ops.Linear(h, w, b)
	check(err2)
	apart1, err3 := ops.Gate(h, z) // half_glu1
	apart2, err4 := ops.Gate(x, z) // half_glu2
	one1, err5 := ops.LinearGate(x, w, b, ops.Activated(ops.ActGELU))
	one2, err6 := ops.LinearGate(x, w, b, ops.Activated(ops.ActGELU), ops.GateX())
	check(err3, err4, err5, err6)
	ys := sample.Run(apart1, apart2, one1, one2)
	fmt.Println(one1.Shape(), sample.Apart(ys[0], ys[2]) < 1e-12, sample.Apart(ys[1], ys[3]) < 1e-12)
	// Output:
	// (2, 4, 5) true true
}

// A Transformer's network for each step: data that have channels last, two linear maps
// and what is between them in one op, and a residual with the norm behind it.
func ExampleFeedForward() {
	const features, inside = 4, 6
	g := G.NewGraph()
	x, err := ops.FeatureLinear(sample.Node(g, "data", 2, 5, 3), sample.Node(g, "in", features, 3), nil) // (B, L, F) -> (B, H, L)
	check(err)
	lengths := sample.Of(g, "lengths", []int{5, 2}, 2)
	y, err := ops.FeedForward(x, ops.FeedForwardWeights{
		W1: sample.Node(g, "w1", 2*inside, features), W2: sample.Node(g, "w2", features, inside),
	}, ops.Gated(ops.ActSiLU), ops.Lengths(lengths))
	check(err)
	sum, err1 := ops.Add(x, y, ops.Lengths(lengths))
	check(err1)
	slow, err2 := ops.LayerNorm(sum, nil, nil, 1e-5, ops.Lengths(lengths))
	fast, err3 := ops.AddLayerNorm(x, y, nil, nil, 1e-5, ops.Lengths(lengths))
	rms, err4 := ops.RMSNorm(sum, sample.Node(g, "weight", features), 1e-6)
	both, err5 := ops.AddRMSNorm(x, y, sample.Node(g, "weight", features), 1e-6)
	check(err2, err3, err4, err5)
	ys := sample.Run(slow, fast)
	fmt.Println(fast.Shape(), rms.Shape(), both.Shape(), sample.Apart(ys[0], ys[1]) < 1e-12)
	// Output: (2, 4, 5) (2, 4, 5) (2, 4, 5) true
}

// A linear map of what has been activated and dropped, and whose result is dropped:
// neither is written to memory. In evaluation nothing is dropped.
func ExampleDropout() {
	g := G.NewGraph()
	state := tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{1, 0})) // seed and counter, saved with the model
	masks, err := ops.NewMasks(state)
	check(err)
	x := sample.Node(g, "x", 2, 3, 5)
	y, err := ops.Linear(x, sample.Node(g, "w", 4, 3), nil, ops.Activated(ops.ActReLU), ops.DropInput(0.1, masks.Next()), ops.DropOutput(0.1, masks.Next()))
	check(err)
	elements, err := ops.Linear(x, sample.Node(g, "w", 4, 3), nil, ops.DropInputElements(0.1, masks.Next()))
	check(err)
	alone, err := ops.Dropout(x, 0.5, masks, ops.Tied()) // a feature at all its steps
	check(err)
	fmt.Println(y.Shape(), elements.Shape(), sample.Apart(sample.Run(alone)[0], x.Value().Data().([]float64)))

	var v G.Value
	G.Read(alone, &v)
	vm := G.NewTapeMachine(g) // training
	defer vm.Close()
	check(vm.RunAll())
	dropped := 0
	for i := range 6 {
		if slices.Max(v.Data().([]float64)[5*i:5*i+5]) == 0 && slices.Min(v.Data().([]float64)[5*i:5*i+5]) == 0 {
			dropped++
		}
	}
	fmt.Println(dropped, "of 6 features dropped; counter", state.Data())
	// Output:
	// (2, 4, 5) (2, 4, 5) 0
	// 1 of 6 features dropped; counter [1 1]
}

// Masks for an op of one's own: what is drawn for a row is the same whichever part of
// the batch a graph has.
func ExampleMasks() {
	masks := func() *ops.Masks {
		m, err := ops.NewMasks(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{7, 0})))
		check(err)
		return m
	}
	whole, part := masks().Stream(3), masks().Stream(3)
	part.Begin(ops.Rows{First: 2, N: 2, Of: 4})
	fmt.Println(whole.Draw() == part.Draw(), whole.Row(0), part.Row(0))
	// Output: true 0 2
}

// A batch normalisation learns its statistics in training, and keeps to them in
// evaluation, also step by step.
func ExampleBatchNorm() {
	g := G.NewGraph()
	stats := ops.NewBatchNormStats(tensor.Float64, 3)
	var alone ops.Ranks // whose sums go over ranks, if they train together
	alone.Across(1, nil)
	alone.Begin(ops.Rows{})
	opts := []ops.BatchNormOption{ops.Eps(1e-5), ops.Momentum(0.5), ops.OfRanks(&alone)}
	y, err := ops.BatchNorm(sample.Node(g, "x", 2, 3, 20), nil, nil, stats, opts...)
	check(err)
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g) // training
	defer vm.Close()
	check(vm.RunAll())
	fmt.Printf("running mean %.3f\n", stats.Mean.Data())

	x := []float64{1, 2, 3}
	step := ops.NewBatchNormStep[float64](stats.Mean.Float64s(), stats.Var.Float64s(), nil, nil, 1e-5)
	step.Apply(x, x)
	g = G.NewGraph()
	y, err = ops.BatchNorm(sample.Of(g, "x", []float64{1, 2, 3}, 1, 3), nil, nil, stats, ops.Eps(1e-5))
	check(err)
	fmt.Println("step by step, the same:", sample.Apart(sample.Run(y)[0], x) < 1e-12)
	// Output:
	// running mean [0.001 -0.005 0.007]
	// step by step, the same: true
}

// Layers without a graph, a step at a time.
func ExampleLinearWeights() {
	const batch, in, out = 2, 3, 4
	w, b, x := sample.Values(out*in), sample.Values(out), sample.Values(batch*in)
	weights := ops.NewLinearWeights(in, out, w, b) // for any number of goroutines
	step := weights.NewStep()
	y := append([]float64(nil), step.Apply(x, batch)...)

	to, rows := make([]float64, batch*out), make([]float64, batch*out)
	step.ApplyTo(to, x, batch)
	for r := range batch { // each row by itself: by several workers, as a rule
		step.Rows(0, rows[r*out:(r+1)*out], x[r*in:(r+1)*in], 1)
	}
	fmt.Println(sample.Apart(y, to), sample.Apart(y, rows))

	gated := make([]float64, batch*out/2)
	step.ApplyGLU(gated, x, batch)
	relu := weights.NewStep().Then(ops.ActivationFunc[float64](ops.ActReLU)).Apply(x, batch)
	fmt.Printf("%.3f\n%.3f\n%.3f\n", y[:out], gated[:out/2], relu[:out])

	ops.NewLayerNormStep[float64](nil, nil, 1e-5).Apply(y[:out], y[:out])
	rms := make([]float64, out)
	ops.NewRMSNormStep([]float64{1, 1, 1, 1}, 1e-6).Apply(rms, to[:out])
	fmt.Printf("%.3f\n%.3f\n", y[:out], rms)
	// Output:
	// 0 0
	// [2.554 -1.722 0.703 0.337]
	// [1.708 -1.005]
	// [2.554 0.000 0.703 0.337]
	// [1.374 -1.442 0.155 -0.086]
	// [1.608 -1.084 0.442 0.212]
}

// A language model's loss: tokens are looked up, and of the next ones the negative
// log-likelihood is computed without all scores in memory. Table and weight are one.
func ExampleLinearNLL() {
	g := G.NewGraph()
	table := sample.Node(g, "table", 10, 4) // (V, H)
	ids := sample.Of(g, "ids", []int{3, 1, 4, 1, 5, 0}, 2, 3)
	labels := sample.Of(g, "labels", []int{1, 4, ops.IgnoreLabel, 5, ops.IgnoreLabel, ops.IgnoreLabel}, 2, 3)
	lengths := sample.Of(g, "lengths", []int{3, 2}, 2)
	hidden, err := ops.Embedding(ids, table, ops.Padding(0), ops.Scaled(2), ops.Lengths(lengths))
	check(err)
	nll, err := ops.LinearNLL(hidden, table, nil, labels, ops.Lengths(lengths))
	check(err)
	loss, err := ops.MeanNLL(nll, labels, ops.Lengths(lengths))
	check(err)
	scores, err := ops.Linear(hidden, table, nil)
	check(err)
	same, err := ops.CrossEntropy(scores, labels)
	check(err)
	opts := []ops.NLLOption{ops.LabelSmoothing(0.1), ops.Lengths(lengths)}
	smooth, err := ops.LinearNLL(hidden, table, nil, labels, opts...)
	check(err)
	ys := sample.Run(loss, same)
	fmt.Println(nll.Shape(), smooth.Shape(), sample.Apart(ys[0], ys[1]) < 1e-12)
	// Output: (2, 3) (2, 3) true
}

// Forecasts: what is learned is how a series goes on from where it is. Numbers that are
// missing, and rows that only fill a batch, do not count.
func ExamplePinball() {
	const steps, horizon, features = 6, 2, 3
	quantiles := []float64{0.1, 0.5, 0.9}
	g := G.NewGraph()
	x, target := sample.Node(g, "x", 2, steps, features), sample.Node(g, "target", 2, horizon, features)
	lengths := sample.Of(g, "lengths", []int{steps, 0}, 2)
	level, err := ops.SubtractLast(x, lengths)
	check(err)
	w := sample.Node(g, "w", features*len(quantiles), features)
	y, err := ops.FeatureLinear(level, w, nil) // (B, O, L)
	check(err)
	y, err = ops.LastSteps(y, horizon)
	check(err)
	y, err = ops.SwapHL(y) // (B, P, O)
	check(err)
	y, err = ops.Reshape(y, 2, horizon, features, len(quantiles))
	check(err)
	y, err = ops.AddLast(y, x, lengths)
	check(err)
	weights := sample.Of(g, "weights", slices.Repeat([]float64{1, 0}, horizon*features), 2, horizon, features)
	loss, err := ops.Pinball(quantiles, y, target, ops.Weighted(weights), ops.CountRows(lengths))
	check(err)
	median, err := ops.TakeLast(y, 1)
	check(err)
	mse, err1 := ops.MSE(median, target, ops.CountRows(lengths))
	mae, err2 := ops.MAE(median, target)
	check(err1, err2)
	fmt.Println(y.Shape(), median.Shape(), loss.Shape(), mse.Shape(), mae.Shape())
	// Output: (2, 2, 3, 3) (2, 2, 3) () () ()
}

// Two documents of a pair are read by one encoder, as one batch, and compared.
func ExampleCompare() {
	g := G.NewGraph()
	a, b := sample.Node(g, "a", 3, 2), sample.Of(g, "b", make([]float64, 6), 3, 2)
	rows, err := ops.StackRows(a, b) // (6, 2)
	check(err)
	pairs, err := ops.Compare(rows) // (3, 8)
	check(err)
	without := ops.CompareRows(2, sample.Values(6), make([]float64, 6))
	fmt.Println(pairs.Shape(), sample.Apart(sample.Run(pairs)[0], without))

	best, err := ops.Pick(pairs, sample.Of(g, "class", []int{0, -1, 3}, 3)) // of each row, -1 the highest
	check(err)
	fmt.Println(best.Shape())
	// Output:
	// (3, 8) 0
	// (3)
}

// Parts of sequences, and tensors whose memory is not as an op wants it.
func ExampleContiguous() {
	g := G.NewGraph()
	x := sample.Node(g, "x", 2, 3, 5)
	long, err1 := ops.Extend(x, 4) // zeros behind it
	first, err2 := ops.FirstSteps(x, 2)
	masked, err3 := ops.Mask(x, sample.Of(g, "lengths", []int{5, 1}, 2))
	check(err1, err2, err3)
	fmt.Println(long.Shape(), first.Shape(), masked.Shape())

	turned := G.Must(G.Transpose(x, 0, 2, 1)) // a view
	plain, err := ops.Contiguous(turned)
	check(err)
	fmt.Println(plain.Shape())
	for _, mode := range ops.PoolModes() {
		y, err := ops.Pool(mode, x, nil)
		check(err)
		fmt.Println(mode, y.Shape())
	}
	// Output:
	// (2, 3, 9) (2, 3, 2) (2, 3, 5)
	// (2, 5, 3)
	// mean (2, 3)
	// last (2, 3)
	// first (2, 3)
	// sum (2, 3)
	// max (2, 3)
}

// A network of coordinates: waves over positions, a layer with sines, and the same at a
// position without a graph.
func ExampleSinusoids() {
	const h, omega = 4, 3.0
	g := G.NewGraph()
	waves, err := ops.Sinusoids(sample.Node(g, "w", h, 1), sample.Node(g, "b", h), omega, 0, 0.1, 8) // (1, H, n)
	check(err)
	y, err := ops.Linear(waves, sample.Node(g, "w2", 2, h), nil)
	check(err)
	y, err = ops.Sine(y, omega)
	check(err)
	all := sample.Run(y, waves)

	at := make([]float64, h)
	ops.SinusoidsAt(at, sample.Values(h), sample.Values(h), omega, 0.3)
	inner := ops.NewLinearWeights(h, 2, sample.Values(2*h), nil).NewStep().Apply(at, 1)
	ops.Sines(inner, inner, omega)
	fmt.Println(y.Shape(), math.Abs(all[0][3]-inner[0]) < 1e-12, math.Abs(all[1][3]-at[0]) < 1e-12)
	// Output: (1, 2, 8) true true
}

// Weights whose norms are parameters by themselves.
func ExampleWeightNorm() {
	g := G.NewGraph()
	w, err := ops.WeightNorm(sample.Node(g, "v", 2, 3), sample.Of(g, "g", []float64{5, 1}, 2))
	check(err)
	without := make([]float64, 6)
	ops.WeightsOfNorm(without, sample.Values(6), []float64{5, 1})
	fmt.Printf("%.2f %t\n", math.Hypot(math.Hypot(without[0], without[1]), without[2]), sample.Apart(sample.Run(w)[0], without) < 1e-12)
	// Output: 5.00 true
}
