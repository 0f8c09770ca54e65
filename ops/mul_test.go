package ops_test

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops"
)

func TestMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	mul := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return ops.Mul(n[0], n[1]) }
	x, v := testutil.Normal(rng, "x", 2, 3, 5), testutil.Normal(rng, "v", 2, 3, 5)
	testutil.Check(t, mul, x, v)
	got, err := testutil.Forward(tensor.Float64, mul, x, v)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range got {
		if want := x.F[i] * v.F[i]; y != want {
			t.Errorf("element %d: got %g, want %g", i, y, want)
		}
	}
	testutil.CheckArguments(t, "ops.Mul", []testutil.Argument{testutil.Arg("x", 2, 3), testutil.Arg("v", 2, 3)}, func(n []*G.Node) (*G.Node, error) { return mul(nil, n) })
}
