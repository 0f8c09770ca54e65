package ops

import (
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestStackRows(t *testing.T) {
	f := build(func(n []*G.Node) (*G.Node, error) { return StackRows(n[0], n[1]) })
	for _, shape := range [][]int{{1}, {3}, {2, 5}, {3, 2, 4}} {
		a, b := testutil.Normal(newRand(1), "a", shape...), testutil.Normal(newRand(2), "b", shape...)
		checkValue(t, f, slices.Concat(a.F, b.F), a, b)
		testutil.Check(t, f, a, b)
	}
}

// Stacked ids and lengths are read as any others, by an op that has gradients.
func TestStackRowsOfIntegers(t *testing.T) {
	w := testutil.Normal(newRand(3), "w", 6, 2)
	ids := [][]int{{1, 2, 3, 0}, {4, 5, 0, 99}}
	f := build(func(n []*G.Node) (*G.Node, error) {
		x, err := StackRows(n[1], n[2])
		if err != nil {
			return nil, err
		}
		lengths, err := StackRows(n[3], n[4])
		if err != nil {
			return nil, err
		}
		return Embedding(x, n[0], Lengths(lengths))
	})
	in := []testutil.Input{w, testutil.Ints("a", ids[0], 1, 4), testutil.Ints("b", ids[1], 1, 4), testutil.Ints("na", []int{4}, 1), testutil.Ints("nb", []int{2}, 1)}
	var want []float64
	for b, n := range []int{4, 2} {
		for h := range 2 {
			for l := range 4 {
				v := 0.0
				if l < n {
					v = w.F[2*ids[b][l]+h]
				}
				want = append(want, v)
			}
		}
	}
	checkValue(t, f, want, in...)
	testutil.Check(t, f, in...)
}

func TestCompare(t *testing.T) {
	f := build(func(n []*G.Node) (*G.Node, error) { return Compare(n[0]) })
	for _, s := range [][2]int{{1, 1}, {1, 5}, {3, 17}} {
		b, h := s[0], s[1]
		x := testutil.Normal(newRand(4), "x", 2*b, h)
		var want []float64
		for i := range b {
			p, q := x.F[i*h:(i+1)*h], x.F[(b+i)*h:(b+i+1)*h]
			want = append(append(want, p...), q...)
			for k := range p {
				want = append(want, p[k]-q[k])
			}
			for k := range p {
				want = append(want, p[k]*q[k])
			}
		}
		checkValue(t, f, want, x)
		testutil.Check(t, f, x)
	}
}

func TestPick(t *testing.T) {
	f := build(func(n []*G.Node) (*G.Node, error) { return Pick(n[0], n[1]) })
	x := testutil.Normal(newRand(5), "x", 3, 4)
	class := testutil.Ints("class", []int{2, -1, 0}, 3)
	x.F[5] = 9 // wins in row 1
	checkValue(t, f, []float64{x.F[2], 9, x.F[8]}, x, class)
	testutil.Check(t, f, x, class)
}

func TestRowErrors(t *testing.T) {
	g := newGraph()
	x, n := g.f64("x", 3, 4), g.ints("n", 3)
	for want, f := range map[string]func() (*G.Node, error){
		"ops.StackRows: want a (B, ...), got nil":                                func() (*G.Node, error) { return StackRows(nil, x) },
		"ops.StackRows: want b (3, 4), got nil":                                  func() (*G.Node, error) { return StackRows(x, nil) },
		"ops.StackRows: want b (3) of dtype int, got dtype float64":              func() (*G.Node, error) { return StackRows(n, x) },
		"ops.StackRows: want b (3, 4), got (4, 3)":                               func() (*G.Node, error) { return StackRows(x, g.f64("y", 4, 3)) },
		"ops.StackRows: want a (B, ...) with every axis at least 1, got ()":      func() (*G.Node, error) { return StackRows(g.f64("s"), x) },
		"ops.Compare: want x (2B, H), an even number of rows, got (3, 4)":        func() (*G.Node, error) { return Compare(x) },
		"ops.Compare: want x (2B, H), got nil":                                   func() (*G.Node, error) { return Compare(nil) },
		"ops.Compare: want x (2B, H) of dtype float32 or float64, got dtype int": func() (*G.Node, error) { return Compare(n) },
		"ops.Pick: want scores (B, C), got nil":                                  func() (*G.Node, error) { return Pick(nil, n) },
		"ops.Pick: want class (3) of dtype int, got dtype float64":               func() (*G.Node, error) { return Pick(x, x) },
		"ops.Pick: want class (3), got (2)":                                      func() (*G.Node, error) { return Pick(x, g.ints("n2", 2)) },
	} {
		_, err := f()
		wantError(t, err, want)
	}
	for _, bad := range []int{-2, 4} {
		_, err := testutil.Forward(tensor.Float64, build(func(n []*G.Node) (*G.Node, error) { return Pick(n[0], n[1]) }),
			testutil.Normal(newRand(6), "x", 2, 4), testutil.Ints("class", []int{0, bad}, 2))
		wantError(t, err, "ops.Pick: class[1]: want one in [0, 4), or -1 for the winning one, got ")
	}
}
