package ops_test

import (
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops"
)

func TestGate(t *testing.T) {
	const tol = 1e-14
	rng := rand.New(rand.NewPCG(1, 8))
	gate := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return ops.Gate(n[0], n[1]) }
	x, v := testutil.Normal(rng, "x", 2, 3, 5), testutil.Normal(rng, "v", 2, 3, 5)
	testutil.Check(t, gate, x, v)
	got, err := testutil.Forward(tensor.Float64, gate, x, v)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range got {
		if want := x.F[i] / (1 + math.Exp(-v.F[i])); !(math.Abs(y-want) <= tol) {
			t.Errorf("element %d: got %g, want %g", i, y, want)
		}
	}
	testutil.CheckArguments(t, "ops.Gate", []testutil.Argument{testutil.Arg("x", 2, 3), testutil.Arg("v", 2, 3)}, func(n []*G.Node) (*G.Node, error) { return gate(nil, n) })
}
