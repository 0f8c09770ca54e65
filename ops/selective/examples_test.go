package selective_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/selective"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A selective scan in two parts on a graph, and step by step without one.
func ExampleScan() {
	const D, N, length, first = 2, 3, 6, 4
	cfg := selective.Config{Softplus: true, LogA: true}
	u, delta := sample.Values(length*D), sample.Values(length * (D + 1))[length:]
	b, c := sample.Values(length*N), sample.Values(length * (N + 1))[length:]
	a := sample.Values(D * N)
	g := G.NewGraph()
	part := func(name string, from, to int) selective.Inputs[*G.Node] {
		turned := func(what string, x []float64, n int) *G.Node { // (L, n) -> (1, n, L)
			var v []float64
			for f := range n {
				for l := from; l < to; l++ {
					v = append(v, x[l*n+f])
				}
			}
			return sample.Of(g, name+what, v, 1, n, to-from)
		}
		return selective.Inputs[*G.Node]{
			U: turned(".u", u, D), Delta: turned(".delta", delta, D), A: sample.Of(g, "A", a, D, N), B: turned(".B", b, N), C: turned(".C", c, N),
		}
	}
	whole, err := selective.Scan(cfg, part("whole", 0, length), nil, nil)
	check(err)
	_, state, err := selective.ScanState(cfg, part("before", 0, first), nil, nil)
	check(err)
	rest, err := selective.Scan(cfg, part("after", first, length), state, nil)
	check(err)
	ys := sample.Run(whole, rest)
	fmt.Println("in two parts:", sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-12)

	step, err := selective.NewStep(cfg, D, N, selective.Inputs[[]float64]{A: a})
	check(err)
	at := func(from, to int) selective.Inputs[[]float64] {
		return selective.Inputs[[]float64]{U: u[from*D : to*D], Delta: delta[from*D : to*D], B: b[from*N : to*N], C: c[from*N : to*N]}
	}
	x, y := make([]float64, step.StateLen(1)), make([]float64, length*D)
	check(step.Scan(y[:4*D], x, at(0, 4)), step.Advance(y[4*D:5*D], x, at(4, 5)))

	// Another session goes on from there, as a row of a batch of two.
	other := step.Fork()
	from, both := make([]float64, other.StateLen(1)), make([]float64, other.StateLen(2))
	check(other.Load(from, step.Store(x))) // (B, D, N), as it is saved
	other.CopyRows(both, 1, from, []int{0})
	check(other.AdvanceRows(0, y[5*D:], both[other.StateLen(1):], at(5, 6))) // one row, on this goroutine
	fmt.Println("step by step:", sample.Apart(y[5*D:], []float64{ys[0][length-1], ys[0][2*length-1]}) < 1e-12)
	// Output:
	// in two parts: true
	// step by step: true
}
