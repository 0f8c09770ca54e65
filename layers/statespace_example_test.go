package layers_test

import (
	"fmt"
	"math/cmplx"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// The state space layers are configured alike, and are one interface: what each has
// learned can be looked at as kernels and as linear systems.
func ExampleStateSpaceLayer() {
	g := G.NewGraph()
	s4, err1 := layers.NewS4(g, tensor.Float64, layers.S4Config{DModel: 2, DState: 8, LMax: 16})
	s4d, err2 := layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: 2, DState: 8})
	dss, err3 := layers.NewDSS(g, tensor.Float64, layers.DSSConfig{DModel: 2, DState: 8, LMax: 16})
	lssl, err4 := layers.NewLSSL(g, tensor.Float64, layers.LSSLConfig{DModel: 2, DState: 8})
	check(err1, err2, err3, err4)
	for _, l := range []layers.StateSpaceLayer{s4, s4d, dss, lssl} {
		k, err := l.Kernel(16) // (CH, H, L)
		check(err)
		system, err := l.System(0, 1) // kernel 0 of feature 1
		check(err)
		impulse, err := system.Discrete.Kernel(16)
		check(err)
		fmt.Printf("%-4s kernels %v, a state of %d; kernel and system agree: %t\n",
			l.Name(), k.Shape(), system.Continuous.A.RawMatrix().Rows, sample.Apart(sample.Run(k)[0][16:], impulse) < 1e-9)
	}
	// Output:
	// s4   kernels (1, 2, 16), a state of 8; kernel and system agree: true
	// s4d  kernels (1, 2, 16), a state of 8; kernel and system agree: true
	// dss  kernels (1, 2, 16), a state of 16; kernel and system agree: true
	// lssl kernels (1, 2, 16), a state of 8; kernel and system agree: true
}

// A DSS layer that starts at random poles, in the version by exponentials, with step
// sizes of its features.
func ExampleNewDSS() {
	g := G.NewGraph()
	dss, err := layers.NewDSS(g, tensor.Float64, layers.DSSConfig{
		DModel: 4, DState: 8,
		Version: vandermonde.DSSExp,
		Init:    layers.DSSInitRandom,
		Dt:      layers.DtPerFeature,
		SSM:     layers.SSM{Channels: 2, Activation: ops.ActSiLU},
	})
	check(err)
	y, err := dss.Fwd(sample.Node(g, "u", 2, 4, 30))
	check(err)
	fmt.Println(y.Shape())
	fmt.Println("step by step, the same:", sameInSteps(g, dss, 4))
	// Output:
	// (2, 4, 30)
	// step by step, the same: true
}

// An LSSL layer that remembers a window of the past: its features share two dense
// state matrices.
func ExampleNewLSSL() {
	g := G.NewGraph()
	lssl, err := layers.NewLSSL(g, tensor.Float64, layers.LSSLConfig{DModel: 4, DState: 8, NSSM: 2, Init: hippo.LegT})
	check(err)
	fmt.Println("step by step, the same:", sameInSteps(g, lssl, 4))
	// Output: step by step, the same: true
}

// A long convolution has a weight for each lag, and is what a state space is compared
// with: as many products, more parameters, and no state to go on from.
func ExampleNewLongConv() {
	g := G.NewGraph()
	free, err1 := layers.NewLongConv(g, tensor.Float32, layers.LongConvConfig{DModel: 4, LMax: 1000})
	s4d, err2 := layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: 4})
	check(err1, err2)
	fmt.Println(free)
	fmt.Println(s4d)
	// Output:
	// LongConv "longconv": 4 parameters of 4044 elements
	// S4D "s4d": 8 parameters of 816 elements
}

// S5 has one state for all features, and may be told how far apart its steps are: a
// series of which samples are missing, and the same step by step.
func ExampleNewS5() {
	const features, steps = 4, 6
	g := G.NewGraph()
	s5, err := layers.NewS5(g, tensor.Float64, layers.S5Config{
		DModel: features, DState: 8, Blocks: 2, Output: layers.OutputLecun,
	})
	check(err)
	u, dt := sample.Dense(1, features, steps), []float64{1, 1, 3, 1, 0.5, 2}
	since := sample.Of(g, "dt", dt, 1, steps)
	y, err := s5.FwdSteps(sample.Node(g, "u", 1, features, steps), since, nil)
	check(err)
	again, x1, err := s5.FwdStepsState(sample.Node(g, "again", 1, features, steps), since, nil) // and the state after it
	check(err)
	all, same := sample.Run(y)[0], sample.Run(again)[0]
	fmt.Println(y.Shape(), "state", x1[0].Shape(), sample.Apart(all, same) == 0)

	rnn, err := s5.Recurrence(1)
	check(err)
	_, ok := rnn.Session.(layers.IrregularSession) // as that of S5
	fmt.Println("steps of any length:", ok)
	var most float64
	for l := range steps {
		step := make([]float64, features)
		for h := range features {
			step[h] = u.Float64s()[h*steps+l]
		}
		out, err := rnn.StepAfter(
			tensor.New(tensor.WithShape(1, features), tensor.WithBacking(step)),
			tensor.New(tensor.WithShape(1), tensor.WithBacking(dt[l:l+1])))
		check(err)
		for h, v := range out.Float64s() {
			most = max(most, sample.Apart([]float64{v}, []float64{all[h*steps+l]}))
		}
	}
	fmt.Println("step by step, the same:", most < 1e-9)
	// Output:
	// (1, 4, 6) state (1, 4, 2) true
	// steps of any length: true
	// step by step, the same: true
}

// The poles of an LRU start in a ring: here none forgets half within ten steps.
func ExampleNewLRU() {
	g := G.NewGraph()
	lru, err := layers.NewLRU(g, tensor.Float64, layers.LRUConfig{DModel: 4, DState: 16, RMin: 0.94, RMax: 0.99, MaxPhase: 0.3})
	check(err)
	system, err := lru.System(0, 0)
	check(err)
	within := true
	for _, pole := range system.Lambda {
		r := cmplx.Abs(cmplx.Exp(pole)) // of one step
		within = within && r >= 0.94 && r <= 0.99
	}
	fmt.Println(len(system.Lambda), "poles, in the ring:", within)
	fmt.Println("step by step, the same:", sameInSteps(g, lru, 4))
	// Output:
	// 16 poles, in the ring: true
	// step by step, the same: true
}

// S4ND reads a picture of 6 rows of 8 along both axes at once, and what is coarse along
// the first, by kernels of S4, with a longer memory. A copy at half the step size reads
// a picture twice as large.
func ExampleNewS4ND() {
	g := G.NewGraph()
	s4nd, err := layers.NewS4ND(g, tensor.Float64, layers.S4NDConfig{
		DModel:   3,
		Shape:    []int{6, 8},
		Kernel:   layers.AxisS4,
		S4NDAxis: layers.S4NDAxis{DState: 4, Dt: layers.DtPerFeature},
		Axes:     []layers.S4NDAxis{{DtMin: 0.0001}, {}},
		SSM:      layers.SSM{Bidirectional: true},
	})
	check(err)
	y, err := s4nd.Fwd(sample.Node(g, "picture", 2, 3, 6*8))
	check(err)
	fmt.Println(y.Shape(), "features", s4nd.DOut())
	finer := G.NewGraph()
	fine, err := s4nd.CloneTo(finer, layers.AtRate(0.5))
	check(err)
	y, err = fine.Fwd(sample.Node(finer, "picture", 2, 3, 12*16))
	check(err)
	fmt.Println(y.Shape())
	check(s4nd.Settle()) // after values from elsewhere, as S4

	diagonal, err := layers.NewS4ND(g, tensor.Float64, layers.S4NDConfig{DModel: 3, Kernel: layers.AxisS4D}, layers.WithName("diagonal"))
	check(err)
	y, err = diagonal.Fwd(sample.Node(g, "square", 2, 3, 5*5)) // of any size
	check(err)
	fmt.Println(y.Shape())
	// Output:
	// (2, 3, 48) features 3
	// (2, 3, 192)
	// (2, 3, 25)
}

// S4 has two ways to step: by its low rank, and by dense matrices, which are as fast
// where states are few.
func ExampleS4_Dense() {
	s4, err := layers.NewS4(G.NewGraph(), tensor.Float64, layers.S4Config{DModel: 2, DState: 8, LMax: 32})
	check(err)
	lowRank, err := s4.Recurrence(1)
	check(err)
	dense, err := layers.NewRecurrence(s4.Dense(), 1)
	check(err)
	u := sample.Dense(1, 2, 20)
	a, _, err1 := layers.ScanStates(lowRank, u)
	b, _, err2 := layers.ScanStates(dense, u)
	check(err1, err2)
	fmt.Println("the same:", sample.Apart(a.Float64s(), b.Float64s()) < 1e-9)
	// Output: the same: true
}

// A model whose sequences differ in length: S4 tunes one of its parameters to the
// longest, and a copy for longer ones has its own.
func ExampleForLength() {
	s4, err := layers.NewS4(G.NewGraph(), tensor.Float64, layers.S4Config{DModel: 2, DState: 8, LMax: 16})
	check(err)
	g := G.NewGraph()
	longer, err := s4.CloneTo(g, layers.ForLength(64))
	check(err)
	y, err := longer.Fwd(sample.Node(g, "u", 1, 2, 64))
	check(err)
	fmt.Println(y.Shape())
	fmt.Println("step by step, the same:", sameInSteps(g, longer, 2))
	// Output:
	// (1, 2, 64)
	// step by step, the same: true
}

// Values from elsewhere: where they say that C is not tuned yet, Settle tunes it.
func ExampleS4_Settle() {
	g := G.NewGraph()
	block, err := layers.NewBlock(g, tensor.Float64, layers.BlockConfig{Mixer: layers.S4Config{DModel: 2, DState: 4, LMax: 16}})
	check(err)
	tuned := func() any {
		for _, b := range block.Buffers() {
			if b.Name == "block.layer.kernel.l_kernel" {
				return b.Value.Data()
			}
		}
		return nil
	}
	for _, b := range block.Buffers() {
		if b.Name == "block.layer.kernel.l_kernel" {
			check(b.Value.Memset(int64(0))) // as a checkpoint has it whose C is C itself
		}
	}
	fmt.Println(tuned())
	s4 := block.Mixer().(*layers.S4)
	check(s4.Settle())
	fmt.Println(tuned())
	check(block.Settle()) // all of a block, or of a stack: here it is settled already
	fmt.Println(tuned())
	// Output:
	// [0]
	// [16]
	// [16]
}
