package layers_test

import (
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
)

// check ends an Example with an error.
func check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
}

// sameInSteps says whether a layer gives the same for a sequence all at once, on a
// graph, as step by step without one.
func sameInSteps(g *G.ExprGraph, l interface {
	layers.Layer
	layers.Stepper
}, features int) bool {
	const steps = 12
	y, err := l.Fwd(sample.Node(g, l.Name()+".u", 1, features, steps))
	check(err)
	rnn, err := layers.NewRecurrence(l, 1)
	check(err)
	ys, _, err := layers.ScanStates(rnn, sample.Dense(1, features, steps))
	check(err)
	return sample.Apart(sample.Run(y)[0], ys.Float64s()) < 1e-9
}
