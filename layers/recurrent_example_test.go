package layers_test

import (
	"context"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/hippornn"
)

// Recurrent networks to compare with. Their parameters have the names of PyTorch's.
func ExampleNewGRU() {
	g := G.NewGraph()
	gru, err1 := layers.NewGRU(g, tensor.Float64, layers.GRUConfig{DModel: 4, Layers: 2})
	rnn, err2 := layers.NewRNN(g, tensor.Float64, layers.RNNConfig{DModel: 4, Hidden: 8, ReLU: true})
	both, err3 := layers.NewGRU(g, tensor.Float64, layers.GRUConfig{DModel: 4, Bidirectional: true}, layers.WithName("both"))
	check(err1, err2, err3)
	u := sample.Node(g, "u", 2, 4, 10)
	for _, l := range []layers.Mixer{gru, rnn, both} {
		y, err := l.Fwd(u)
		check(err)
		fmt.Println(l.Name(), y.Shape(), l.Params()[0].Name)
	}
	fmt.Println("step by step, the same:", sameInSteps(g, gru, 4), sameInSteps(g, rnn, 4))
	// Output:
	// gru (2, 4, 10) gru.weight_ih_l0
	// rnn (2, 8, 10) rnn.weight_ih_l0
	// both (2, 4, 10) both.weight_ih_l0
	// step by step, the same: true true
}

// An echo state network learns its readout alone: the reservoir is drawn and stays.
func ExampleNewESN() {
	g := G.NewGraph()
	esn, err := layers.NewESN(g, tensor.Float64, layers.ESNConfig{DModel: 4, Reservoir: 32, SpectralRadius: 0.95, Leak: 0.5})
	check(err)
	for _, n := range esn.Learnables() {
		fmt.Println(n.Name(), n.Shape())
	}
	fmt.Println("step by step, the same:", sameInSteps(g, esn, 4))
	// Output:
	// esn.readout.weight (4, 32)
	// esn.readout.bias (4)
	// step by step, the same: true
}

// A recurrent network with a HiPPO memory of its whole past. The times of its samples
// may be any: here those of the second half are twice as far apart.
func ExampleNewHiPPORNN() {
	g := G.NewGraph()
	net, err := layers.NewHiPPORNN(g, tensor.Float64, layers.HiPPORNNConfig{
		DModel: 3, Hidden: 4, MemoryOrder: 8, Measure: hippo.LegS, UpdateOrder: hippornn.Paper,
	})
	check(err)
	x := sample.Node(g, "x", 1, 3, 6)
	dt := sample.Of(g, "dt", []float64{1, 1, 1, 2, 2, 2}, 1, 6)
	y, err := net.FwdSteps(x, dt, nil)
	check(err)
	_, x1, err := net.FwdStepsState(x, dt, nil)
	check(err)
	fmt.Println(y.Shape())
	for i, s := range net.StateShapes(1) {
		fmt.Println(s.Name, s.Shape, x1[i].Shape())
	}
	fmt.Println("step by step, the same:", sameInSteps(g, net, 3))

	lmu, err := layers.NewHiPPORNN(g, tensor.Float64, layers.HiPPORNNConfig{DModel: 3, LMU: true}, layers.WithName("lmu"))
	check(err)
	fmt.Println("step by step, the same:", sameInSteps(g, lmu, 3))
	// Output:
	// (1, 4, 6)
	// h (1, 4) (1, 4)
	// m (1, 1, 8) (1, 1, 8)
	// position (1) (1)
	// step by step, the same: true
	// step by step, the same: true
}

// A prompt is read at once, in less time than step by step, and leaves the same state.
func ExampleRecurrence_Read() {
	const features, steps = 2, 50
	s4d, err := layers.NewS4D(G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: features, DState: 4})
	check(err)
	reader, err := s4d.Recurrence(1)
	check(err)
	prompt := sample.Dense(steps, features) // (L, H)
	last, err := reader.Read(context.Background(), prompt)
	check(err)

	stepper, err := reader.Fork(1)
	check(err)
	var y *tensor.Dense
	for l := range steps {
		u := prompt.Float64s()[l*features : (l+1)*features]
		y, err = stepper.Step(tensor.New(tensor.WithShape(1, features), tensor.WithBacking(u)))
		check(err)
	}
	_, fast := reader.Session.(layers.Reader) // sessions of one's own need not be
	fmt.Println(last.Shape(), fast, sample.Apart(last.Float64s(), y.Float64s()) == 0)
	// Output: (1, 2) true true
}

// Sequences join a batch and leave it, and the others go on as they were.
func ExampleRecurrence_Regroup() {
	gru, err := layers.NewGRU(G.NewGraph(), tensor.Float64, layers.GRUConfig{DModel: 2})
	check(err)
	batch, err := gru.Recurrence(3)
	check(err)
	_, err = batch.Step(sample.Dense(3, 2))
	check(err)
	newcomer, err := batch.Fork(1)
	check(err)
	before := batch.State().Clone() // (B, ...): of its own memory, whatever is stepped next

	// Row 1 has ended, row 2 goes on in two ways, and another one begins.
	check(batch.Regroup([]int{0, 2, 2}, newcomer.State()))
	fmt.Println(batch.Batch(), "rows; in place:", canRegroup(batch.Session))
	rows, err := before.Split(1, 1, 1)
	check(err)
	now, err := batch.State().Split(1, 1, 1, 1)
	check(err)
	same := func(a, b layers.State) bool { return sample.Apart(a[0].Value.Float64s(), b[0].Value.Float64s()) == 0 }
	fmt.Println(same(now[0], rows[0]), same(now[1], rows[2]), same(now[2], rows[2]))

	// A session says by itself what it would do: the rows of what is to be.
	next := layers.Rows{Keep: []int{3}}
	fmt.Println(next.Batch(), "row")
	do, err := batch.Session.(layers.Regrouper).Regroup(next)
	check(err)
	do()
	// Output:
	// 4 rows; in place: true
	// true true true
	// 1 row
}

// canRegroup says whether the rows of a session change where they are.
func canRegroup(s layers.Session) bool {
	_, ok := s.(layers.Regrouper)
	return ok
}

// A recurrence reads the parameters when it is made, and again when it is told to.
func ExampleRecurrence_Refresh() {
	linear, err := layers.NewLinear(G.NewGraph(), tensor.Float64, layers.LinearConfig{In: 1, Out: 1, NoBias: true})
	check(err)
	weight := linear.Params()[0].Node.Value().(*tensor.Dense)
	check(weight.Memset(2.0))
	rnn, err := linear.Recurrence(1)
	check(err)
	one := tensor.New(tensor.WithShape(1, 1), tensor.WithBacking([]float64{1}))
	step := func() float64 {
		y, err := rnn.Step(one)
		check(err)
		return y.Float64s()[0]
	}
	fmt.Println(step())
	check(weight.Memset(3.0)) // as a solver does
	fmt.Println(step())
	check(rnn.Refresh())
	fmt.Println(step())
	// Output:
	// 2
	// 2
	// 3
}

// The states that a layer goes through, to be drawn or compared.
func ExampleScanStates() {
	s4d, err := layers.NewS4D(G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: 2, DState: 4})
	check(err)
	rnn, err := s4d.Recurrence(1)
	check(err)
	y, states, err := layers.ScanStates(rnn, sample.Dense(1, 2, 30))
	check(err)
	fmt.Println(y.Shape(), states[0].Name, states[0].Value.Shape())
	// Output: (1, 2, 30) x (30, 1, 2, 2, 2)
}

// A classifier step by step: the pool of the steps so far stands where Fwd pools.
func ExampleNewRunningPool() {
	g := G.NewGraph()
	s4d, err1 := layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: 4, DState: 4})
	pool, err2 := layers.NewRunningPool(tensor.Float64, ops.PoolMean, 4)
	head, err3 := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: 4, Out: 3})
	check(err1, err2, err3)
	model, err := layers.Chain{s4d, pool, head}.Recurrence(2)
	check(err)
	for range 3 {
		scores, err := model.Step(sample.Dense(2, 4))
		check(err)
		fmt.Println(scores.Shape())
	}
	// Output:
	// (2, 3)
	// (2, 3)
	// (2, 3)
}
