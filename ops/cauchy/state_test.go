package cauchy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
)

// stateInputs draws the inputs dt, aReal, aImag, p and then others of the given
// lengths.
func stateInputs(s Size, others ...int) []graphop.Arg[float32] {
	rng := rand.New(rand.NewPCG(1, 2))
	var in []graphop.Arg[float32]
	for _, n := range append([]int{s.H, s.S * s.N, s.S * s.N, s.R * s.S * s.N * 2}, others...) {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		in = append(in, graphop.Arg[float32]{F: v})
	}
	for i := range in[0].F {
		in[0].F[i] -= 3 // dt about 0.05
	}
	return in
}

// Neither op allocates in the steady state, and both give the same bits when
// they are used again.
func TestStateCoresAreReused(t *testing.T) {
	const batch, l = 3, 150
	s := Size{CH: 2, H: 4, S: 2, N: 3, R: 2}
	states := batch * s.H * s.N * 2
	for name, c := range map[string]struct {
		core graphop.Core[float32]
		in   []graphop.Arg[float32]
		out  int
	}{
		"output": {
			linrec.NewOutput(newStateBank[float32](Config{L: l}, s, false), linrec.Size{B: batch, CH: s.CH, H: s.H, N: 2 * s.N, L: l, Complex: true, Tuned: l}),
			stateInputs(s, s.CH*s.H*s.N*2, states), batch * s.CH * s.H * l,
		},
		"final": {
			linrec.NewFinal(newStateBank[float32](Config{}, s, true), linrec.Size{B: batch, H: s.H, N: 2 * s.N, L: l, Complex: true}),
			stateInputs(s, s.S*s.N*2, batch*s.H*l, states), states,
		},
	} {
		out, gout := make([]float32, c.out), make([]float32, c.out)
		for i := range gout {
			gout[i] = float32(i%7) - 3
		}
		grad := make([][]float32, len(c.in))
		for i, in := range c.in {
			grad[i] = make([]float32, len(in.F))
		}
		step := func() {
			if err := c.core.Forward(out, c.in); err != nil {
				t.Fatal(err)
			}
			if err := c.core.Backward(grad, c.in, nil, gout); err != nil {
				t.Fatal(err)
			}
		}
		step()
		first := slices.Clone(out)
		var firstGrad [][]float32
		for _, g := range grad {
			firstGrad = append(firstGrad, slices.Clone(g))
		}
		if n := testing.AllocsPerRun(5, step); n != 0 {
			t.Errorf("%s: %g allocations a step, want none", name, n)
		}
		if !slices.Equal(out, first) {
			t.Errorf("%s: another result the second time", name)
		}
		for i, g := range grad {
			if !slices.Equal(g, firstGrad[i]) {
				t.Errorf("%s: another gradient of input %d the second time", name, i)
			}
		}
	}
}
