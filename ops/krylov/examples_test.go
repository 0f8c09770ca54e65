package krylov_test

import (
	"errors"
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// legS is a model of h features with states of four numbers, that start from LegS.
func legS(h int) (krylov.Size, krylov.Params[[]float64]) {
	t, err := hippo.LSSL(hippo.LegS, 4, hippo.MeasureOptions{})
	check(err)
	dt := make([]float64, h)
	for i := range dt {
		dt[i] = math.Log(0.1)
	}
	return krylov.Size{CH: 1, H: h, S: 1, N: 4}, krylov.Params[[]float64]{Dt: dt, A: *t, C: sample.Values(4 * h)}
}

// A sequence in two parts, on a graph.
func ExampleFinalState() {
	const N, L, first = 4, 20, 12
	_, prm := legS(1)
	g := G.NewGraph()
	param := func(name string, v []float64) *G.Node { return sample.Of(g, name, v, 1, len(v)) }
	p := krylov.Params[*G.Node]{
		Dt: param("log_dt", prm.Dt),
		A: ssm.Tridiagonal[*G.Node]{
			Pl: param("pl", prm.A.Pl), Dl: param("dl", prm.A.Dl), D: param("d", prm.A.D), Du: param("du", prm.A.Du),
			Pr: param("pr", prm.A.Pr), C: param("c", prm.A.C), B: param("b", prm.A.B),
		},
		C: sample.Of(g, "C", prm.C, 1, 1, N),
	}
	u := sample.Values(L)
	k, err := krylov.Kernel(krylov.Config{L: L}, p)
	check(err)
	whole, err := fftconv.Conv(sample.Of(g, "u", u, 1, 1, L), k, nil)
	check(err)
	state, err := krylov.FinalState(krylov.Config{}, p, sample.Of(g, "before", u[:first], 1, 1, first), nil)
	check(err)
	since, err1 := fftconv.Conv(sample.Of(g, "after", u[first:], 1, 1, L-first), k, nil)
	before, err2 := krylov.StateOutput(krylov.Config{L: L - first}, p, state)
	check(err1, err2)
	ys := sample.Run(whole, G.Must(G.Add(since, before)))
	fmt.Println("state", state.Shape(), "the same:", sample.Apart(ys[0][first:], ys[1]) < 1e-9)
	// Output: state (1, 1, 4) the same: true
}

// A model step by step: one step, the rest of a sequence at once, and another session
// that goes on from the state.
func ExampleStep() {
	const H, L = 2, 6
	size, prm := legS(H)
	check(size.Validate())
	step, err := krylov.NewStep(krylov.Config{}, size, prm)
	check(err)
	u, y := sample.Values(L*H), make([]float64, L*H)
	x := make([]float64, step.StateLen(1))
	check(step.Advance(y[:H], x, u[:H]), step.Scan(y[H:], x, u[H:]))

	other := step.Fork()
	from, both := make([]float64, other.StateLen(1)), make([]float64, other.StateLen(2))
	check(other.Load(from, step.Store(x)))
	other.CopyRows(both, 0, from, []int{0})
	next, alone := make([]float64, 2*H), make([]float64, H)
	check(other.Advance(next, both, u[:2*H]), step.Advance(alone, x, u[:H]))
	fmt.Println("from the state, the same:", sample.Apart(next[:H], alone) < 1e-12)
	// Output: from the state, the same: true
}

// The model that parameters stand for, and its recurrence: the first inputs of each.
func ExampleDiscretize() {
	size, prm := legS(1)
	a, b, err := krylov.Continuous(krylov.Config{}, size, prm)
	check(err)
	ab, bb, err := krylov.Discretize(krylov.Config{}, size, prm)
	check(err)
	fmt.Printf("A %.3f B %.3f\n", a[:1], b)
	fmt.Printf("Ab %.3f Bb %.3f\n", ab[:1], bb)
	// Output:
	// A [-1.000] B [1.000 1.732 2.236 2.646]
	// Ab [0.905] Bb [0.095 0.150 0.160 0.142]
}
