package ops

import (
	"fmt"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestReshape(t *testing.T) {
	rng := newRand(1)
	for _, c := range []struct{ from, to []int }{
		{[]int{1}, []int{1, 1, 1}}, {[]int{2, 3, 4}, []int{6, 4}}, {[]int{17}, []int{1, 17}}, {[]int{3, 5}, []int{5, 3}}, {nil, []int{1}},
	} {
		x := testutil.Normal(rng, "x", c.from...)
		f := build(func(n []*G.Node) (*G.Node, error) { return Reshape(n[0], c.to...) })
		checkValue(t, f, x.F, x)
		testutil.Check(t, f, x)
		y, err := Reshape(newGraph().f64("x", c.from...), c.to...)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y.Shape(), c.to) {
			t.Errorf("want shape %v, got %v", c.to, y.Shape())
		}
	}
}

func TestSwapHL(t *testing.T) {
	rng := newRand(2)
	f := build(func(n []*G.Node) (*G.Node, error) { return SwapHL(n[0]) })
	for _, n := range append(bhlSizes, [3]int{2, 70, 35}) {
		B, H, L := n[0], n[1], n[2]
		x := testutil.Normal(rng, "x", B, H, L)
		want := make([]float64, 0, len(x.F))
		for b := range B {
			for l := range L {
				for h := range H {
					want = append(want, x.F[(b*H+h)*L+l])
				}
			}
		}
		checkValue(t, f, want, x)
		testutil.Check(t, f, x)
	}
}

// span is a range of indices, for tensor.Dense.Slice.
type span struct{ start, end int }

func (s span) Start() int { return s.start }
func (s span) End() int   { return s.end }
func (s span) Step() int  { return 1 }

// count returns the tensor 0, 1, 2, ... of a shape.
func count(shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(tensor.Range(tensor.Float64, 0, tensor.Shape(shape).TotalSize())))
}

func TestContiguousOfViews(t *testing.T) {
	lazy := count(2, 3)
	if err := lazy.T(1, 0); err != nil {
		t.Fatal(err)
	}
	slice, err := count(2, 3, 4).Slice(nil, span{1, 3}, span{0, 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		v    *tensor.Dense
		want []float64
	}{
		"row-major":      {count(2, 3), []float64{0, 1, 2, 3, 4, 5}},
		"lazy transpose": {lazy, []float64{0, 3, 1, 4, 2, 5}},
		"slice":          {slice.(*tensor.Dense), []float64{4, 5, 8, 9, 16, 17, 20, 21}},
		"column-major":   {tensor.New(tensor.WithShape(2, 3), tensor.AsFortran([]float64{0, 1, 2, 3, 4, 5})), []float64{0, 1, 2, 3, 4, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range []func(*G.Node) (*G.Node, error){
				Contiguous, func(x *G.Node) (*G.Node, error) { return Reshape(x, len(c.want)) },
			} {
				g := G.NewGraph()
				x := G.NewTensor(g, tensor.Float64, c.v.Dims(), G.WithShape(c.v.Shape()...), G.WithName("x"), G.WithValue(c.v))
				y, err := f(x)
				if err != nil {
					t.Fatal(err)
				}
				var got G.Value
				G.Read(y, &got)
				if err := G.NewTapeMachine(g).RunAll(); err != nil {
					t.Fatal(err)
				}
				if v := testutil.Floats(got); !slices.Equal(v, c.want) {
					t.Errorf("got %v, want %v", v, c.want)
				}
			}
		})
	}
}

// Contiguous after Gorgonia's views, within a graph that is differentiated.
func TestContiguousInGraph(t *testing.T) {
	x := testutil.Normal(newRand(3), "x", 2, 3, 4)
	testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) { return Contiguous(n[0]) }), x)
	for name, view := range map[string]func(x *G.Node) (*G.Node, error){
		"slice":     func(x *G.Node) (*G.Node, error) { return G.Slice(x, nil, G.S(1, 3)) },
		"transpose": func(x *G.Node) (*G.Node, error) { return G.Transpose(x, 0, 2, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) {
				v, err := view(n[0])
				if err != nil {
					return nil, err
				}
				if v, err = Contiguous(v); err != nil {
					return nil, err
				}
				return GELU(v)
			}), x)
		})
	}
}

func TestReshapeCores(t *testing.T) {
	const B, H, L = 3, 100, 150
	checkPass(t, newPass[float32](reshape[float32]{tensor.Shape{B, H, L}}, B*H*L, []int{B * H * L}), once)
	checkPass(t, newPass[float32](swapHL[float32]{b: B, h: H, l: L}, B*H*L, []int{B * H * L}), once)
}

func TestReshapeErrors(t *testing.T) {
	g := newGraph()
	x := g.f64("x", 2, 3)
	for _, shape := range [][]int{nil, {}, {5}, {-2, -3}, {6, 0}, {3, 3}} {
		_, err := Reshape(x, shape...)
		wantError(t, err, fmt.Sprintf("ops.Reshape: want a shape of 6 elements for x (2, 3), got %v", tensor.Shape(shape)))
	}
	_, err := Reshape(nil, 1)
	wantError(t, err, "ops.Reshape: want x, got nil")
	_, err = Contiguous(g.ints("i", 2))
	wantError(t, err, "ops.Contiguous: want x of dtype float32 or float64, got dtype int")
	_, err = SwapHL(x)
	wantError(t, err, "ops.SwapHL: want x (B, H, L), got (2, 3)")
}

func BenchmarkSwapHL(b *testing.B) {
	const B, H, L = 50, 128, 1024
	bench(b, newPass[float32](swapHL[float32]{b: B, h: H, l: L}, B*H*L, []int{B * H * L}))
}
