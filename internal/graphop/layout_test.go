package graphop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// span is a range of indices, for tensor.Dense.Slice.
type span struct{ start, end int }

func (s span) Start() int { return s.start }
func (s span) End() int   { return s.end }
func (s span) Step() int  { return 1 }

// count returns a row-major tensor of 0, 1, 2, ...
func count(shape ...int) *tensor.Dense {
	v := make([]float64, tensor.Shape(shape).TotalSize())
	for i := range v {
		v[i] = float64(i)
	}
	return testutil.Dense(tensor.Float64, v, shape...)
}

// layouts are tensors that are not row-major, by name.
func layouts(t *testing.T) map[string]*tensor.Dense {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := map[string]*tensor.Dense{}
	m["column-major"] = tensor.New(tensor.WithShape(2, 3), tensor.AsFortran([]float64{0, 1, 2, 3, 4, 5}))
	for _, axes := range [][]int{{1, 0}, {2, 1, 0}, {0, 2, 1}, {1, 2, 0}} {
		d := count([]int{2, 3, 4}[:len(axes)]...)
		must(d.T(axes...))
		m[fmt.Sprint("lazy transpose ", axes)] = d
	}
	for name, s := range map[string][]tensor.Slice{
		"columns": {nil, span{1, 3}}, "one column": {nil, span{1, 2}}, "block": {span{1, 3}, span{0, 2}, span{1, 4}},
	} {
		v, err := count([]int{3, 4, 5}[:len(s)]...).Slice(s...)
		must(err)
		m[name] = v.(*tensor.Dense)
	}
	return m
}

// elements reads a tensor index by index.
func elements(t *testing.T, d *tensor.Dense) []float64 {
	t.Helper()
	var out []float64
	index := make([]int, d.Dims())
	for range d.Shape().TotalSize() {
		v, err := d.At(index...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v.(float64))
		for a := len(index) - 1; a >= 0; a-- {
			if index[a]++; index[a] < d.Shape()[a] {
				break
			}
			index[a] = 0
		}
	}
	return out
}

// square is a test core that takes any layout.
type square[T num.Float] struct{ shape tensor.Shape }

func (c square[T]) each(a graphop.Arg[T], f func(to int, x T)) {
	if a.Strides == nil {
		for i, x := range a.F {
			f(i, x)
		}
		return
	}
	graphop.EachRow(c.shape, a.Strides, func(to, from, stride, n int) {
		for i := range n {
			f(to+i, a.F[from+i*stride])
		}
	})
}

func (c square[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.each(in[0], func(i int, x T) { out[i] = x * x })
	return nil
}

func (c square[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(in[0], func(i int, x T) { grad[0][i] = 2 * x * gout[i] })
	return nil
}

func TestAnyLayout(t *testing.T) {
	for name, v := range layouts(t) {
		x := elements(t, v)
		var want, wantGrad []float64
		for _, e := range x {
			want = append(want, e*e)
			wantGrad = append(wantGrad, 2*e)
		}
		for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
			g := G.NewGraph()
			n := G.NewTensor(g, tensor.Float64, v.Dims(), G.WithShape(v.Shape()...), G.WithName("x"), G.WithValue(v))
			c := square[float64]{n.Shape().Clone()}
			y, err := graphop.Apply(graphop.Spec{Name: "test.Square", Out: n.Shape(), AnyLayout: true},
				nil, func() graphop.Core[float64] { return c }, n)
			if err != nil {
				t.Fatal(err)
			}
			sum := G.Must(G.Sum(y))
			var machine G.VM
			if vm == testutil.Tape {
				if _, err := G.Grad(sum, n); err != nil {
					t.Fatal(err)
				}
				machine = G.NewTapeMachine(g, G.BindDualValues(n))
			} else {
				machine = G.NewLispMachine(g)
			}
			if err := machine.RunAll(); err != nil {
				t.Errorf("%s, %s: %v", name, vm, err)
				continue
			}
			if got := testutil.Floats(y.Value()); !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v", name, vm, got, want)
			}
			grad, err := n.Grad()
			if err != nil {
				t.Errorf("%s, %s: %v", name, vm, err)
				continue
			}
			if got := elements(t, grad.(*tensor.Dense)); !slices.Equal(got, wantGrad) {
				t.Errorf("%s, %s: gradient: got %v, want %v", name, vm, got, wantGrad)
			}
		}
	}
}

func TestOtherLayoutsAreErrors(t *testing.T) {
	for name, v := range layouts(t) {
		g := G.NewGraph()
		x := G.NewTensor(g, tensor.Float64, v.Dims(), G.WithShape(v.Shape()...), G.WithName("x"), G.WithValue(v))
		if _, err := apply(x, x, x); err != nil {
			t.Fatal(err)
		}
		err := G.NewTapeMachine(g).RunAll()
		if err == nil || !strings.Contains(err.Error(), "test.MulAdd: input 0: want a contiguous row-major tensor") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
