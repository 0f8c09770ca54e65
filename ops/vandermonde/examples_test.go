package vandermonde_test

import (
	"errors"
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A sequence in two parts, on a graph: the second is what the convolution gives, plus
// what the state after the first adds to it.
func ExampleFinalState() {
	const N, L, first = 2, 20, 12
	g := G.NewGraph()
	p := vandermonde.Params[*G.Node]{
		Dt: sample.Node(g, "log_dt", 1, 1), AReal: sample.Node(g, "A_real", 1, N), AImag: sample.Node(g, "A_imag", 1, N),
		C: sample.Node(g, "C", 1, 1, N, 2),
	}
	u := sample.Values(L)
	k, err := vandermonde.Kernel(vandermonde.Config{L: L}, p)
	check(err)
	whole, err := fftconv.Conv(sample.Of(g, "u", u, 1, 1, L), k, nil)
	check(err)

	state, err := vandermonde.FinalState(vandermonde.Config{L: first}, p, sample.Of(g, "before", u[:first], 1, 1, first), nil)
	check(err)
	since, err1 := fftconv.Conv(sample.Of(g, "after", u[first:], 1, 1, L-first), k, nil)
	before, err2 := vandermonde.StateOutput(vandermonde.Config{L: L - first}, p, state)
	check(err1, err2)
	ys := sample.Run(whole, G.Must(G.Add(since, before)))
	fmt.Println("state", state.Shape(), "the same:", sample.Apart(ys[0][first:], ys[1]) < 1e-9)
	// Output: state (1, 1, 2, 2) the same: true
}

// The same for the kernels of DSS.
func ExampleDSSFinalState() {
	const N, L, first = 3, 20, 12
	cfg := vandermonde.DSSConfig{Version: vandermonde.DSSExp, L: L}
	g := G.NewGraph()
	p := vandermonde.DSSParams[*G.Node]{LogDt: sample.Node(g, "log_dt", 1, 1), Lambda: sample.Node(g, "Lambda", N, 2), W: sample.Node(g, "W", 1, 1, N, 2)}
	u := sample.Values(L)
	k, err := vandermonde.DSSKernel(cfg, p)
	check(err)
	whole, err := fftconv.Conv(sample.Of(g, "u", u, 1, 1, L), k, nil)
	check(err)
	state, err := vandermonde.DSSFinalState(cfg, p, sample.Of(g, "before", u[:first], 1, 1, first), nil)
	check(err)
	since, err1 := fftconv.Conv(sample.Of(g, "after", u[first:], 1, 1, L-first), k, nil)
	before, err2 := vandermonde.DSSStateOutput(cfg, L-first, p, state)
	check(err1, err2)
	ys := sample.Run(whole, G.Must(G.Add(since, before)))
	fmt.Println("the same:", sample.Apart(ys[0][first:], ys[1]) < 1e-9)

	// What raw parameters stand for in each version: a real part that grows is bounded.
	for _, v := range vandermonde.DSSVersions() {
		cfg := vandermonde.DSSConfig{Version: v, L: L}
		lambda := cfg.Lambda(5 + 1i)
		bounded := real(lambda) < 0 || real(lambda) <= vandermonde.DSSMaxReal
		fmt.Printf("%-13s %t %.3f\n", v, bounded, cfg.Dt(math.Log(0.1)))
	}
	ab, _, err := vandermonde.DiscretizeDSS(vandermonde.DSSConfig{Version: vandermonde.DSSClip, L: L}, vandermonde.DSSSize{CH: 1, H: 1, N: 1},
		vandermonde.DSSParams[[]float64]{LogDt: []float64{math.Log(100)}, Lambda: []float64{5, 0}, W: []float64{1, 0}})
	check(err)
	fmt.Println("and a state in one step:", math.Abs(math.Log(real(ab[0]))-vandermonde.DSSMaxGrowth) < 1e-12)
	// Output:
	// the same: true
	// softmax       false 0.100
	// exp           true 0.100
	// exp-re-im     true 0.100
	// exp-no-scale  true 0.100
	// clip          true 0.100
	// clip-no-scale true 0.100
	// and a state in one step: true
}

// A model step by step: one step, the rest of a sequence at once, and the state put
// into another session.
func ExampleStep() {
	const H, N, L = 2, 2, 6
	size := vandermonde.Size{CH: 1, H: H, S: 1, N: N}
	prm := vandermonde.Params[[]float64]{
		Dt: sample.Values(H), AReal: sample.Values(N), AImag: sample.Values(N), C: sample.Values(H * N * 2),
	}
	check(size.Validate())
	step, err := vandermonde.NewStep(vandermonde.Config{}, size, prm)
	check(err)
	u, y := sample.Values(L*H), make([]float64, L*H) // (L, H)
	x := make([]float64, step.StateLen(1))           // the start of a sequence
	check(step.Advance(y[:H], x, u[:H]), step.Scan(y[H:], x, u[H:]))

	// By hand, from the discrete model.
	ab, bb, err := vandermonde.Discretize(vandermonde.Config{}, size, prm)
	check(err)
	state, want := make([]complex128, N), 0.0
	for l := range L {
		want = 0
		for n := range N { // of feature 0
			state[n] = ab[n]*state[n] + bb[n]*complex(u[l*H], 0)
			want += 2 * real(complex(prm.C[2*n], prm.C[2*n+1])*state[n])
		}
	}
	fmt.Println("by hand, the same:", math.Abs(want-y[(L-1)*H]) < 1e-9)

	// A batch of two sessions that go on from there, one of them from the start.
	other := step.Fork() // for another goroutine
	both, from := make([]float64, other.StateLen(2)), make([]float64, other.StateLen(1))
	check(other.Load(from, step.Store(x))) // (B, H, N, 2), as it is saved
	other.CopyRows(both, 1, from, []int{0})
	next, alone := make([]float64, 2*H), make([]float64, H)
	check(other.Advance(next, both, sample.Values(2*H)), step.Advance(alone, x, sample.Values(2 * H)[H:]))
	fmt.Println("from the state, the same:", sample.Apart(next[H:], alone) < 1e-12)
	// Output:
	// by hand, the same: true
	// from the state, the same: true
}

// A DSS model step by step.
func ExampleNewDSSStep() {
	const H, N, L = 2, 3, 6
	cfg, size := vandermonde.DSSConfig{Version: vandermonde.DSSExp, L: L}, vandermonde.DSSSize{CH: 1, H: H, N: N}
	prm := vandermonde.DSSParams[[]float64]{LogDt: sample.Values(H), Lambda: sample.Values(N * 2), W: sample.Values(H * N * 2)}
	step, err := vandermonde.NewDSSStep(cfg, size, prm)
	check(err)
	x, y := make([]float64, step.StateLen(1)), make([]float64, H)
	check(step.Advance(y, x, []float64{1, 1})) // an impulse: the first element of each kernel

	ab, bb, err := vandermonde.DiscretizeDSS(cfg, size, prm)
	check(err)
	var k complex128
	for n := range N {
		k += complex(prm.W[2*n], prm.W[2*n+1]) * bb[n]
	}
	fmt.Println(len(ab), "poles, the same:", math.Abs(real(k)-y[0]) < 1e-9)
	// Output: 6 poles, the same: true
}
