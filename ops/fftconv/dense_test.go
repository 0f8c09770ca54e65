package fftconv_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/fft"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// denseInputs draws the inputs of Dense: x, k, and if asked for bias and lengths.
func denseInputs(b, i, o, l, k int, bias bool, lengths []int) []testutil.Input {
	rng := rand.New(rand.NewPCG(uint64(l), uint64(k)))
	in := []testutil.Input{testutil.Normal(rng, "x", b, i, l), testutil.Normal(rng, "k", o, i, k)}
	if bias {
		in = append(in, testutil.Normal(rng, "bias", o))
	}
	if lengths != nil {
		in = append(in, testutil.Ints("lengths", lengths, b))
	}
	return in
}

// dense builds Dense of those.
func dense(gain float64, bias, lengths bool) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		var b, l *G.Node
		if bias {
			b = n[2]
		}
		if lengths {
			l = n[len(n)-1]
		}
		return fftconv.Dense(n[0], n[1], b, gain, l)
	}
}

// denseSum is the sum of the products.
func denseSum(in []testutil.Input, gain float64, bias, lengths bool) []float64 {
	x, k := in[0], in[1]
	b, i, l, o, taps := x.Shape[0], x.Shape[1], x.Shape[2], k.Shape[0], k.Shape[2]
	y := make([]float64, b*o*l)
	for at := range y {
		r, f, t := at/(o*l), at/l%o, at%l
		if lengths && t >= in[len(in)-1].I[r] {
			continue
		}
		for c := range i {
			for j := range min(t+1, taps) {
				y[at] += gain * k.F[(f*i+c)*taps+j] * x.F[(r*i+c)*l+t-j]
			}
		}
		if bias {
			y[at] += in[2].F[f]
		}
	}
	return y
}

func TestDenseIsASumOfProducts(t *testing.T) {
	for _, s := range [][5]int{{1, 1, 1, 1, 1}, {2, 3, 2, 5, 5}, {3, 2, 4, 17, 40}, {2, 2, 3, 100, 7}, {1, 3, 1, 33, 2}} {
		some := []int{s[3], s[3] / 2, 0}[:s[0]]
		for _, lengths := range [][]int{nil, some} {
			in := denseInputs(s[0], s[1], s[2], s[3], s[4], lengths != nil, lengths)
			has := lengths != nil
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 2e-6} {
				got, err := testutil.Forward(dt, dense(1.5, has, has), in...)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(got, denseSum(in, 1.5, has, has)); !(e <= tol) {
					t.Errorf("%v, lengths %v, %v: off by %.3g > %g", s, lengths, dt, e, tol)
				}
			}
		}
	}
}

func TestDenseGradients(t *testing.T) {
	testutil.Check(t, dense(0.5, true, true), denseInputs(3, 2, 2, 5, 4, true, []int{5, 0, 3})...)
	testutil.Check(t, dense(1, false, false), denseInputs(2, 1, 2, 3, 5, false, nil)...)
}

func TestDenseRowsAndPadding(t *testing.T) {
	testutil.CheckRows(t, "Dense", testutil.RunnerOf(dense(1, true, false)), 1, denseInputs(3, 2, 2, 6, 4, true, nil)...)
	testutil.CheckPadding(t, "Dense", testutil.RunnerOf(dense(1, true, true)), []int{2}, denseInputs(4, 2, 2, 6, 4, true, []int{6, 0, 3, 1})...)
}

// Many short rows have more bins than samples.
func TestDenseOfManyShortRows(t *testing.T) {
	g := G.NewGraph()
	rows := math.MaxInt32/(2*fft.New[float64](1).Len()) + 1
	x := G.NewTensor(g, tensor.Float64, 3, G.WithName("x"), G.WithShape(rows, 1, 1))
	k := G.NewTensor(g, tensor.Float64, 3, G.WithName("k"), G.WithShape(1, 1, 1))
	_, err := fftconv.Dense(x, k, nil, 1, nil)
	if err == nil || !strings.Contains(err.Error(), "elements in the bins of the input (B, I, 2*bins)") {
		t.Errorf("got error %v", err)
	}
}

func TestDenseArguments(t *testing.T) {
	testutil.CheckArguments(t, "fftconv.Dense", []testutil.Argument{testutil.Arg("x", 2, 3, 4), testutil.Arg("k", 5, 3, 4), testutil.Arg("bias", 5)},
		func(n []*G.Node) (*G.Node, error) { return fftconv.Dense(n[0], n[1], n[2], 1, nil) })
	g := G.NewGraph()
	count := 0
	f := func(shape ...int) *G.Node {
		count++
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)))
	}
	x, k := f(2, 3, 4), f(5, 3, 4)
	for _, c := range []struct {
		x, k, bias *G.Node
		gain       float64
		lengths    *G.Node
		want       string
	}{
		{f(2, 4), k, nil, 1, nil, "x: want (B, I, L), each at least 1, got (2, 4)"},
		{x, f(5, 2, 4), nil, 1, nil, "k: want (O, 3, K), O and K at least 1, got (5, 2, 4)"},
		{x, k, f(4), 1, nil, "bias: want (5), got (4)"},
		{x, k, nil, math.Inf(1), nil, "want a finite gain, got +Inf"},
		{x, k, nil, 1, f(2), "want lengths (2) of dtype int, got (2) of dtype float64"},
		{f(1<<10, 3, 1<<20), k, nil, 1, nil, "want at most 2147483647 elements in the input (B, I, L), got 1024 x 3 x 1048576"},
	} {
		if _, err := fftconv.Dense(c.x, c.k, c.bias, c.gain, c.lengths); err == nil || err.Error() != "fftconv.Dense: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}
