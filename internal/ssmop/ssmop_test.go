package ssmop

import (
	"fmt"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

func TestShapes(t *testing.T) {
	g := G.NewGraph()
	node := func(shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("x", shape)))
	}
	if s, n, err := poles(node(2, 3), node(2, 3)); s != 2 || n != 3 || err != nil {
		t.Errorf("poles: got %d, %d, %v", s, n, err)
	}
	for _, c := range []struct {
		shape []int
		ch, h int
	}{{[]int{5, 4, 3, 2}, 5, 4}, {[]int{4, 3, 2}, 1, 4}} {
		if ch, h, err := Outputs("C", node(c.shape...), 3, 2); ch != c.ch || h != c.h || err != nil {
			t.Errorf("Outputs of %v: got %d, %d, %v", c.shape, ch, h, err)
		}
	}
	for _, c := range []struct {
		shape []int
		each  bool
	}{{[]int{4}, false}, {[]int{4, 1}, false}, {[]int{4, 3}, true}} {
		if each, err := Steps("Dt", node(c.shape...), 4, 3); each != c.each || err != nil {
			t.Errorf("Steps of %v: got %v, %v", c.shape, each, err)
		}
	}
	for _, c := range []struct {
		dt, c *G.Node
		want  Bank
	}{
		{node(4, 3), node(5, 4, 3, 2), Bank{5, 4, 2, 3, true}},
		{node(4), node(4, 3, 2), Bank{1, 4, 2, 3, false}},
		{node(4, 1), nil, Bank{1, 4, 2, 3, false}},
	} {
		if b, err := ReadBank(c.dt, node(2, 3), node(2, 3), c.c); b != c.want || err != nil {
			t.Errorf("ReadBank: got %+v, %v, want %+v", b, err, c.want)
		}
	}
	_, _, flat := poles(node(6), node(6))
	_, _, other := poles(node(2, 3), node(3, 2))
	_, _, badC := Outputs("C", node(3, 2), 3, 2)
	_, _, badN := Outputs("C", node(4, 5), 3)
	_, badDt := Steps("Dt", node(4, 2), 4, 3)
	_, badDt1 := Steps("Dt", node(5), 4, 1)
	for _, c := range []struct {
		err  error
		want string
	}{
		{flat, "AReal: want (S, N), N >= 1, got (6)"},
		{other, "AImag: want (2, 3), got (3, 2)"},
		{badC, "C: want (CH, H, 3, 2) or (H, 3, 2), got (3, 2)"},
		{badN, "C: want (CH, H, 3) or (H, 3), got (4, 5)"},
		{badDt, "Dt: want (4, 1) or (4) or (4, 3), got (4, 2)"},
		{badDt1, "Dt: want (4, 1) or (4), got (5)"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}

func TestFinalArgs(t *testing.T) {
	u, x0, gu, gx := []float64{1}, []float64{2}, []float64{3}, []float64{4}
	in := []graphop.Arg[float64]{{F: u}, {F: x0}}
	var f FinalArgs[float64]
	f.Bind(in, [][]float64{gu, gx})
	if &f.U[0] != &u[0] || &f.X0[0] != &x0[0] || &f.GradU[0] != &gu[0] || &f.GradX[0] != &gx[0] {
		t.Errorf("got %v", f)
	}
	f.Bind(in[:1], nil)
	if f.X0 != nil || f.GradU != nil || f.GradX != nil {
		t.Errorf("what is not there is not nil: %v", f)
	}
}
