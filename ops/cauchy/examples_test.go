package cauchy_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// bank is the shape of models of h features with two states, and parameters of them. C is
// tuned to 20 steps.
func bank(h int) (cauchy.Size, cauchy.Params[[]float64]) {
	return cauchy.Size{CH: 1, H: h, S: 1, N: 2, R: 1}, cauchy.Params[[]float64]{
		Dt: sample.Values(h), AReal: sample.Values(2), AImag: sample.Values(2),
		P: sample.Values(4), B: sample.Values(4), C: sample.Values(4 * h),
	}
}

// A sequence in two parts, on a graph. A layer keeps the length that C~ is tuned to
// beside it, and may replace both.
func ExampleFinalState() {
	const N, L, first = 2, 20, 12
	_, prm := bank(1)
	g := G.NewGraph()
	p := cauchy.Params[*G.Node]{
		Dt: sample.Of(g, "log_dt", prm.Dt, 1, 1), AReal: sample.Of(g, "A_real", prm.AReal, 1, N), AImag: sample.Of(g, "A_imag", prm.AImag, 1, N),
		P: sample.Of(g, "P", prm.P, 1, 1, N, 2), B: sample.Of(g, "B", prm.B, 1, N, 2), C: sample.Of(g, "C", prm.C, 1, 1, N, 2),
	}
	length := cauchy.TunedTo(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{L})))
	u := sample.Values(L)
	k, err := cauchy.Kernel(cauchy.Config{L: L}, p, length)
	check(err)
	whole, err := fftconv.Conv(sample.Of(g, "u", u, 1, 1, L), k, nil)
	check(err)
	state, err := cauchy.FinalState(cauchy.Config{L: first, LKernel: L}, p, sample.Of(g, "before", u[:first], 1, 1, first), nil)
	check(err)
	since, err1 := fftconv.Conv(sample.Of(g, "after", u[first:], 1, 1, L-first), k, nil)
	before, err2 := cauchy.StateOutput(cauchy.Config{L: L - first, LKernel: L}, p, state, length)
	check(err1, err2)
	ys := sample.Run(whole, G.Must(G.Add(since, before)))
	fmt.Println("state", state.Shape(), "the same:", sample.Apart(ys[0][first:], ys[1]) < 1e-9)
	// Output: state (1, 1, 2, 2) the same: true
}

// A model step by step: a step, the rest of the sequence at once, and another session
// that goes on from the state.
func ExampleStep() {
	const H, L = 2, 6
	size, prm := bank(H)
	check(size.Validate())
	step, err := cauchy.NewStep(cauchy.Config{L: 20}, size, prm)
	check(err)
	u, y := sample.Values(L*H), make([]float64, L*H) // (L, H)
	x := make([]float64, step.StateLen(1))           // the start of a sequence
	check(step.Advance(y[:H], x, u[:H]), step.Scan(y[H:], x, u[H:]))

	other := step.Fork()
	from, both := make([]float64, other.StateLen(1)), make([]float64, other.StateLen(2))
	check(other.Load(from, step.Store(x))) // (B, H, N, 2), as it is saved
	other.CopyRows(both, 0, from, []int{0})
	next, alone := make([]float64, 2*H), make([]float64, H)
	check(other.Advance(next, both, u[:2*H]), step.Advance(alone, x, u[:H]))
	fmt.Println("from the state, the same:", sample.Apart(next[:H], alone) < 1e-12)
	// Output: from the state, the same: true
}

// The same by dense matrices, which are as fast where states are few, whatever the rank.
func ExampleDenseStep() {
	const H, L = 2, 6
	size, prm := bank(H)
	dense, err1 := cauchy.NewDenseStep(cauchy.Config{L: 20}, size, prm)
	lowRank, err2 := cauchy.NewStep(cauchy.Config{L: 20}, size, prm)
	check(err1, err2)
	u, y, want := sample.Values(L*H), make([]float64, L*H), make([]float64, L*H)
	x := make([]float64, dense.StateLen(1))
	check(
		dense.Advance(y[:H], x, u[:H]), dense.Scan(y[H:], x, u[H:]),
		lowRank.Scan(want, make([]float64, lowRank.StateLen(1)), u))
	fmt.Println("in both ways:", sample.Apart(y, want) < 1e-9)

	other := dense.Fork()
	from, both := make([]float64, other.StateLen(1)), make([]float64, other.StateLen(2))
	check(other.Load(from, dense.Store(x))) // (B, H, 2, N)
	other.CopyRows(both, 1, from, []int{0})
	fmt.Println(len(dense.A), "numbers of Ab;", sample.Apart(both[len(x):], x))
	// Output:
	// in both ways: true
	// 32 numbers of Ab; 0
}

// C, and C~ that is tuned to a length: to another length and back, and the discrete
// model that they belong to.
func ExampleRetuneC() {
	size, prm := bank(1)
	c := append([]float64(nil), prm.C...)
	check(cauchy.TuneC(prm.C, cauchy.Config{L: 16}, size, prm, 16))
	longer, back := prm, make([]float64, len(c))
	longer.C = make([]float64, len(c))
	check(cauchy.RetuneC(longer.C, cauchy.Config{L: 16}, size, prm, 16)) // a sequence of 32 steps came
	check(cauchy.UntuneC(back, cauchy.Config{L: 32}, size, longer, 32))
	fmt.Println("C again:", sample.Apart(back, c) < 1e-9)
	ab, bb, err := cauchy.Discretize(cauchy.Config{L: 16}, size, prm)
	check(err)
	fmt.Println(len(ab), len(bb)) // real matrices of 2N states
	// Output:
	// C again: true
	// 16 4
}
