package ops

import (
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestFirstSteps(t *testing.T) {
	const B, H, L = 2, 3, 5
	x := testutil.Normal(newRand(1), "x", B, H, L)
	for n := 1; n <= L; n++ {
		var want []float64
		for r := range B * H {
			want = append(want, x.F[r*L:][:n]...)
		}
		f := build(func(in []*G.Node) (*G.Node, error) { return FirstSteps(in[0], n) })
		checkValue(t, f, want, x)
		testutil.Check(t, f, x)
		checkPass(t, newPass[float32](firstSteps[float32]{L, n}, B*H*n, []int{B * H * L}), once)
	}
}

func TestFirstStepsErrors(t *testing.T) {
	g := newGraph()
	x := g.f64("x", 2, 3, 5)
	for _, n := range []int{0, -1, 6} {
		if _, err := FirstSteps(x, n); err == nil {
			t.Errorf("%d of 5 steps: got no error", n)
		}
	}
	_, err := FirstSteps(x, 6)
	wantError(t, err, "ops.FirstSteps: want n in [1, 5], got 6")
	_, err = FirstSteps(g.f64("y", 2, 3), 1)
	wantError(t, err, "ops.FirstSteps: want x (B, H, L), got (2, 3)")
}
