package layers_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// An S4D layer inside a plain Gorgonia model: built-in ops around it,
// Gorgonia's own Adam, a TapeMachine. The model learns which of two
// frequencies a noisy signal has.
func ExampleS4D() {
	const batch, features, steps, classes = 16, 8, 64, 2
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float32, G.WithShape(batch*steps, 1), G.WithName("x"))
	target := G.NewMatrix(g, tensor.Float32, G.WithShape(batch, classes), G.WithName("target"))

	rng := rand.New(rand.NewPCG(1, 1))
	uniform := func(dt tensor.Dtype, shape ...int) any { // as G.GlorotU(1), but the same in every run
		v := make([]float32, tensor.Shape(shape).TotalSize())
		bound := math.Sqrt(6 / float64(shape[0]+shape[1]))
		for i := range v {
			v[i] = float32(bound * (2*rng.Float64() - 1))
		}
		return v
	}

	// An encoder of built-in ops: one channel to 8, then (B, H, L).
	w := G.NewMatrix(g, tensor.Float32, G.WithShape(1, features), G.WithName("w"), G.WithInit(uniform))
	h := G.Must(G.Reshape(G.Must(G.Mul(x, w)), tensor.Shape{batch, steps, features}))
	h = G.Must(G.Transpose(h, 0, 2, 1))

	s4d, err := layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: features, DState: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	h = G.Must(s4d.Fwd(h))

	// A decoder of built-in ops: mean over the steps, linear, cross-entropy.
	v := G.NewMatrix(g, tensor.Float32, G.WithShape(features, classes), G.WithName("v"), G.WithInit(uniform))
	logits := G.Must(G.Mul(G.Must(G.Mean(h, 2)), v))
	logp := G.Must(G.LogSoftMax(logits))
	loss := G.Must(G.Neg(G.Must(G.Mean(G.Must(G.HadamardProd(logp, target))))))

	learnables := append(G.Nodes{w, v}, s4d.Learnables()...)
	if _, err := G.Grad(loss, learnables...); err != nil {
		fmt.Println(err)
		return
	}
	var lossValue G.Value
	G.Read(loss, &lossValue)
	vm := G.NewTapeMachine(g, G.BindDualValues(learnables...))
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(0.01))

	var first, last float32
	for step := range 60 {
		xs, ys := make([]float32, batch*steps), make([]float32, batch*classes)
		for b := range batch {
			c := rng.IntN(classes)
			ys[b*classes+c] = 1
			phase := rng.Float64()
			for l := range steps {
				xs[b*steps+l] = float32(math.Sin(float64(l)*(0.3+0.3*float64(c))+phase) + 0.1*rng.NormFloat64())
			}
		}
		for n, v := range map[*G.Node]*tensor.Dense{
			x:      tensor.New(tensor.WithShape(batch*steps, 1), tensor.WithBacking(xs)),
			target: tensor.New(tensor.WithShape(batch, classes), tensor.WithBacking(ys)),
		} {
			if err := G.Let(n, v); err != nil {
				fmt.Println(err)
				return
			}
		}
		if err := vm.RunAll(); err != nil {
			fmt.Println(err)
			return
		}
		if err := solver.Step(G.NodesToValueGrads(learnables)); err != nil {
			fmt.Println(err)
			return
		}
		last = lossValue.Data().(float32)
		if step == 0 {
			first = last
		}
		vm.Reset()
	}
	fmt.Println("learned:", last < first/4)
	// Output: learned: true
}

// The same parameters as a recurrent network: one step at a time, no graph.
func ExampleS4D_Recurrence() {
	s4d, err := layers.NewS4D(G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: 2, DState: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	rnn, err := s4d.Recurrence(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	u := tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float64{1, -1}))
	for range 3 {
		if _, err := rnn.Step(u); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("state", rnn.State()[0].Value.Shape())
	// Output: state (1, 2, 2, 2)
}

// A sequence in two parts: the second goes on from the state after the first,
// and gives what the whole would have given.
func ExampleS4_FwdState() {
	const features, steps = 2, 8
	cfg := layers.S4Config{DModel: features, DState: 4, LMax: steps}
	signal := make([]float64, features*steps)
	for i := range signal {
		signal[i] = math.Sin(float64(i))
	}
	part := func(from, to int) *tensor.Dense { // (1, features, to-from)
		var v []float64
		for h := range features {
			v = append(v, signal[h*steps+from:h*steps+to]...)
		}
		return tensor.New(tensor.WithShape(1, features, to-from), tensor.WithBacking(v))
	}

	g := G.NewGraph()
	s4, err := layers.NewS4(g, tensor.Float64, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	whole, _, err := s4.FwdState(G.NodeFromAny(g, part(0, steps), G.WithName("whole")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, state, err := s4.FwdState(G.NodeFromAny(g, part(0, 5), G.WithName("first")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	second, _, err := s4.FwdState(G.NodeFromAny(g, part(5, steps), G.WithName("second")), state)
	if err != nil {
		fmt.Println(err)
		return
	}
	var a, b G.Value
	G.Read(whole, &a)
	G.Read(second, &b)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		fmt.Println(err)
		return
	}
	last := a.Data().([]float64)[steps-1]
	same := b.Data().([]float64)[steps-5-1]
	fmt.Println("same last output:", math.Abs(last-same) < 1e-12)
	// Output: same last output: true
}

// Truncated back-propagation through time: a long sequence is learned from in
// parts, each from the state that the last one left. The layer learns a leaky
// sum, whose memory is longer than a part.
func ExampleCarry() {
	const batch, steps, parts = 8, 16, 8
	g := G.NewGraph()
	s4d, err := layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: 1, DState: 4, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}})
	if err != nil {
		fmt.Println(err)
		return
	}
	x := G.NewTensor(g, tensor.Float32, 3, G.WithShape(batch, 1, steps), G.WithName("x"))
	target := G.NewTensor(g, tensor.Float32, 3, G.WithShape(batch, 1, steps), G.WithName("target"))
	shape := s4d.StateShapes(batch)[0].Shape
	x0 := G.NewTensor(g, tensor.Float32, shape.Dims(), G.WithShape(shape...), G.WithName("x0"))
	y, x1, err := s4d.FwdState(x, G.Nodes{x0})
	if err != nil {
		fmt.Println(err)
		return
	}
	loss := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y, target))))))
	carry, err := layers.NewCarry(G.Nodes{x0}, x1)
	if err != nil {
		fmt.Println(err)
		return
	}
	var lossValue G.Value
	G.Read(loss, &lossValue)
	if _, err := G.Grad(loss, s4d.Learnables()...); err != nil {
		fmt.Println(err)
		return
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(s4d.Learnables()...))
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(0.02))

	rng := rand.New(rand.NewPCG(1, 2))
	var first, last float32 // loss of the last part of a sequence
	for sequence := range 40 {
		carry.Reset() // a new sequence begins
		var sums [batch]float32
		for range parts {
			xs, ys := make([]float32, batch*steps), make([]float32, batch*steps)
			for i := range xs {
				xs[i] = float32(rng.NormFloat64())
				sums[i/steps] = 0.97*sums[i/steps] + 0.1*xs[i]
				ys[i] = sums[i/steps]
			}
			for n, v := range map[*G.Node][]float32{x: xs, target: ys} {
				if err := G.Let(n, tensor.New(tensor.WithShape(batch, 1, steps), tensor.WithBacking(v))); err != nil {
					fmt.Println(err)
					return
				}
			}
			if err := vm.RunAll(); err != nil {
				fmt.Println(err)
				return
			}
			if err := solver.Step(G.NodesToValueGrads(s4d.Learnables())); err != nil {
				fmt.Println(err)
				return
			}
			if err := carry.Next(); err != nil { // this part's last state is the next one's first
				fmt.Println(err)
				return
			}
			vm.Reset()
		}
		last = lossValue.Data().(float32)
		if sequence == 0 {
			first = last
		}
	}
	fmt.Println("learned:", last < first/20)
	// Output: learned: true
}
