package ops

import (
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestAdd(t *testing.T) {
	rng := newRand(1)
	for _, shape := range [][]int{{}, {1}, {17}, {3, 5}, {1, 3, 17}} {
		a, b := testutil.Normal(rng, "a", shape...), testutil.Normal(rng, "b", shape...)
		want := make([]float64, len(a.F))
		for i := range want {
			want[i] = a.F[i] + b.F[i]
		}
		f := build(func(n []*G.Node) (*G.Node, error) { return Add(n[0], n[1]) })
		checkValue(t, f, want, a, b)
		testutil.Check(t, f, a, b)
	}
}

// The residual connections of two blocks: every gradient takes both ways.
func TestAddStacked(t *testing.T) {
	x := testutil.Normal(newRand(2), "x", 2, 3, 5)
	testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) {
		y := n[0]
		for range 2 {
			z, err := GELU(y)
			if err != nil {
				return nil, err
			}
			if z, err = Reshape(z, 3, 10); err != nil {
				return nil, err
			}
			if z, err = Reshape(z, 2, 3, 5); err != nil {
				return nil, err
			}
			if y, err = Add(y, z); err != nil {
				return nil, err
			}
		}
		return Add(y, y)
	}), x)
}

func TestAddCore(t *testing.T) {
	const n = 50000
	p := newPass[float32](add[float32]{}, n, []int{n, n})
	p.grad[1] = nil // is that of the first
	checkPass(t, p, once)
}

func TestAddErrors(t *testing.T) {
	g := newGraph()
	a := g.f64("a", 2, 3)
	for _, c := range []struct {
		a, b *G.Node
		want string
	}{
		{nil, a, "ops.Add: want a, got nil"},
		{a, nil, "ops.Add: want b (2, 3), got nil"},
		{a, g.f64("b", 3, 2), "ops.Add: want b (2, 3), got (3, 2)"},
		{a, g.f64("c", 2), "ops.Add: want b (2, 3), got (2)"},
		{a, g.f32("d", 2, 3), "ops.Add: want b (2, 3) of dtype float64, got dtype float32"},
	} {
		_, err := Add(c.a, c.b)
		wantError(t, err, c.want)
	}
}
