package ops

import (
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestCheckLengths(t *testing.T) {
	const l = 5
	p := testutil.Normal(newRand(1), "p", 3, 2)
	f := build(func(n []*G.Node) (*G.Node, error) { return CheckLengths("layer x", n[0], n[1], l) })
	for _, lens := range [][]int{{0, l}, {1, 4}} {
		in := testutil.Ints("lengths", lens, 2)
		checkValue(t, f, p.F, p, in)
		testutil.Check(t, f, p, in)
	}
	for bad, got := range map[int]string{-1: "got -1", l + 1: "got 6", math.MaxInt: "got 9223372036854775807"} {
		_, err := testutil.Forward(tensor.Float32, f, p, testutil.Ints("lengths", []int{3, bad}, 2))
		wantError(t, err, "layer x: lengths[1]: want a length in [0, 5], "+got)
	}
}

func TestCheckLengthsErrors(t *testing.T) {
	g := newGraph()
	p, n := g.f64("p", 2, 3), g.ints("n", 2)
	_, err := CheckLengths("x", nil, n, 3)
	wantError(t, err, "ops.CheckLengths: want p, got nil")
	_, err = CheckLengths("x", p, nil, 3)
	wantError(t, err, "ops.CheckLengths: want lengths (B), got nil")
	_, err = CheckLengths("x", p, g.ints("m", 2, 2), 3)
	wantError(t, err, "ops.CheckLengths: want lengths (B), got (2, 2)")
	_, err = CheckLengths("x", p, n, 0)
	wantError(t, err, "ops.CheckLengths: want l >= 1, got 0")
}
