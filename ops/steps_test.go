package ops

import (
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestFirstAndLastSteps(t *testing.T) {
	const B, H, L = 2, 3, 5
	x := testutil.Normal(newRand(1), "x", B, H, L)
	for n := 1; n <= L; n++ {
		for _, c := range []struct {
			steps func(x *G.Node, n int) (*G.Node, error)
			from  int
		}{{FirstSteps, 0}, {LastSteps, L - n}} {
			var want []float64
			for r := range B * H {
				want = append(want, x.F[r*L+c.from:][:n]...)
			}
			f := build(func(in []*G.Node) (*G.Node, error) { return c.steps(in[0], n) })
			checkValue(t, f, want, x)
			testutil.Check(t, f, x)
			checkPass(t, newPass[float32](someSteps[float32]{L, c.from, n}, B*H*n, []int{B * H * L}), once)
		}
	}
}

func TestFeatures(t *testing.T) {
	const B, H, L = 2, 4, 3
	x := testutil.Normal(newRand(1), "x", B, H, L)
	for _, c := range []struct{ from, n int }{{0, 4}, {0, 1}, {1, 2}, {3, 1}} {
		var want []float64
		for b := range B {
			want = append(want, x.F[(b*H+c.from)*L:][:c.n*L]...)
		}
		f := build(func(in []*G.Node) (*G.Node, error) { return Features(in[0], c.from, c.n) })
		checkValue(t, f, want, x)
		testutil.Check(t, f, x)
		checkPass(t, newPass[float32](features[float32]{H * L, c.from * L, c.n * L}, B*c.n*L, []int{B * H * L}), once)
	}
	g := newGraph()
	for want, c := range map[string]struct{ from, n int }{
		"ops.Features: want from >= 0 and n >= 1 with from + n at most 3, got -1 and 1": {-1, 1},
		"ops.Features: want from >= 0 and n >= 1 with from + n at most 3, got 0 and 0":  {0, 0},
		"ops.Features: want from >= 0 and n >= 1 with from + n at most 3, got 2 and 2":  {2, 2},
	} {
		if _, err := Features(g.f64("x"+want, 2, 3, 5), c.from, c.n); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestExtend(t *testing.T) {
	const B, H, L = 2, 3, 4
	x := testutil.Normal(newRand(1), "x", B, H, L)
	for _, n := range []int{1, 7} {
		var want []float64
		for r := range B * H {
			want = append(append(want, x.F[r*L:][:L]...), make([]float64, n)...)
		}
		f := build(func(in []*G.Node) (*G.Node, error) { return Extend(in[0], n) })
		checkValue(t, f, want, x)
		testutil.Check(t, f, x)
		checkPass(t, newPass[float32](extend[float32]{someSteps[float32]{l: L + n, n: L}}, B*H*(L+n), []int{B * H * L}), once)
	}
}

func TestStepsErrors(t *testing.T) {
	g := newGraph()
	x := g.f64("x", 2, 3, 5)
	for op, steps := range map[string]func(x *G.Node, n int) (*G.Node, error){"ops.FirstSteps": FirstSteps, "ops.LastSteps": LastSteps} {
		for n, got := range map[int]string{0: "0", -1: "-1", 6: "6"} {
			_, err := steps(x, n)
			wantError(t, err, op+": want n in [1, 5], got "+got)
		}
		_, err := steps(g.f64(op, 2, 3), 1)
		wantError(t, err, op+": want x (B, H, L), got (2, 3)")
	}
	_, err := Extend(x, 0)
	wantError(t, err, "ops.Extend: want n in [1, 1073741824], got 0")
	_, err = Extend(x, 1<<30)
	wantError(t, err, "ops.Extend: want L+n in [1, 1073741824], got 1073741829")
	_, err = Extend(x, 1<<29)
	wantError(t, err, "ops.Extend: want at most 2147483647 elements in the output (B, H, L+n), got 2 x 3 x 536870917")
	_, err = Extend(nil, 1)
	wantError(t, err, "ops.Extend: want x (B, H, L), got nil")
}
