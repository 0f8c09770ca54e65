package fftconv_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

func conv(opts ...fftconv.Option) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var d *G.Node
		if len(in) > 2 {
			d = in[2]
		}
		return fftconv.Conv(in[0], in[1], d, opts...)
	}
}

func TestConvGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct{ b, h, ch, l, lk int }{
		{1, 1, 1, 1, 1}, {2, 3, 1, 5, 5}, {3, 2, 2, 7, 4}, // by sums
		{1, 1, 1, 17, 17}, {3, 2, 1, 31, 31}, {2, 3, 1, 50, 20}, {2, 1, 3, 33, 47}, {5, 2, 2, 40, 19}, // by FFT
	} {
		for _, mode := range []fftconv.Mode{fftconv.Causal, fftconv.Bidirectional, fftconv.BidirectionalReference} {
			t.Run(fmt.Sprintf("%+v/%s", c, mode), func(t *testing.T) {
				rows := c.ch
				if mode != fftconv.Causal {
					rows *= 2
				}
				u, k, d := testutil.Normal(rng, "u", c.b, c.h, c.l), testutil.Normal(rng, "k", rows, c.h, c.lk), testutil.Normal(rng, "d", c.ch, c.h)
				testutil.Check(t, conv(fftconv.WithMode(mode)), u, k, d)
				testutil.Check(t, conv(fftconv.WithMode(mode)), u, k)
			})
		}
	}
}

func TestConvShortForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	u, k, d := testutil.Normal(rng, "u", 3, 4, 21), testutil.Normal(rng, "k", 4, 21), testutil.Normal(rng, "d", 4)
	testutil.Check(t, conv(), u, k, d)
	want, err := testutil.Forward(tensor.Float64, conv(), u, k, d)
	if err != nil {
		t.Fatal(err)
	}
	k.Shape, d.Shape = tensor.Shape{1, 4, 21}, tensor.Shape{1, 4}
	got, err := testutil.Forward(tensor.Float64, conv(), u, k, d)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(got, want); e != 0 {
		t.Errorf("k (4, 21), d (4) and k (1, 4, 21), d (1, 4) differ by %g", e)
	}
}

// The same kernel in two ops of one graph, and one op after the other.
func TestConvTwiceInAGraph(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	testutil.Check(t, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		y, err := fftconv.Conv(in[0], in[1], in[2])
		if err != nil {
			return nil, err
		}
		return fftconv.Conv(y, in[1], nil)
	}, testutil.Normal(rng, "u", 2, 3, 25), testutil.Normal(rng, "k", 3, 25), testutil.Normal(rng, "d", 3))
}

func TestConvShape(t *testing.T) {
	g := G.NewGraph()
	u := G.NewTensor(g, tensor.Float32, 3, G.WithShape(2, 5, 30), G.WithName("u"))
	k := G.NewTensor(g, tensor.Float32, 3, G.WithShape(6, 5, 12), G.WithName("k"))
	for _, c := range []struct {
		mode fftconv.Mode
		want tensor.Shape
	}{{fftconv.Causal, tensor.Shape{2, 30, 30}}, {fftconv.Bidirectional, tensor.Shape{2, 15, 30}}} {
		y, err := fftconv.Conv(u, k, nil, fftconv.WithMode(c.mode))
		if err != nil {
			t.Fatal(err)
		}
		if !y.Shape().Eq(c.want) {
			t.Errorf("%s: shape %v, want %v", c.mode, y.Shape(), c.want)
		}
	}
}

func TestConvErrors(t *testing.T) {
	g := G.NewGraph()
	n := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		n++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("x%d", n)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float64, shape...) }
	u := f(2, 3, 10)
	for _, c := range []struct {
		u, k, d *G.Node
		mode    fftconv.Mode
		want    string
	}{
		{nil, f(3, 10), nil, "", "u: want a node, got nil"},
		{u, nil, nil, "", "k: want a node, got nil"},
		{node(tensor.Int, 2, 3, 10), f(3, 10), nil, "", "u: want dtype float32 or float64, got int"},
		{u, f(3, 10), node(tensor.Int, 3), "", "d: want dtype float32 or float64, got int"},
		{u, node(tensor.Float32, 3, 10), nil, "", "want dtype float64 like the other inputs, got float32"},
		{f(3, 10), f(3, 10), nil, "", "u: want (B, H, L), each at least 1, got (3, 10)"},
		{f(2, 3, 0), f(3, 10), nil, "", "u: want (B, H, L), each at least 1, got (2, 3, 0)"},
		{f(2, 0, 10), f(3, 10), nil, "", "u: want (B, H, L), each at least 1, got (2, 0, 10)"},
		{u, f(4, 10), nil, "", "k: want (C, 3, Lk) or (3, Lk), C and Lk at least 1, got (4, 10)"},
		{u, f(1, 4, 10), nil, "", "k: want (C, 3, Lk) or (3, Lk), C and Lk at least 1, got (1, 4, 10)"},
		{u, f(1, 3, 0), nil, "", "k: want (C, 3, Lk) or (3, Lk), C and Lk at least 1, got (1, 3, 0)"},
		{u, f(1, 1, 3, 10), nil, "", "k: want (C, 3, Lk) or (3, Lk), C and Lk at least 1, got (1, 1, 3, 10)"},
		{u, f(3, 10), nil, fftconv.Bidirectional, "k: want (2C, 3, Lk) for mode bidirectional, C and Lk at least 1, got (3, 10)"},
		{u, f(3, 3, 10), nil, fftconv.Bidirectional, "k: want (2C, 3, Lk) for mode bidirectional, C and Lk at least 1, got (3, 3, 10)"},
		{u, f(3, 10), f(4), "", "d: want (1, 3) or (3), got (4)"},
		{u, f(2, 3, 10), f(3), "", "d: want (2, 3), got (3)"},
		{u, f(4, 3, 10), f(4, 3), fftconv.Bidirectional, "d: want (2, 3), got (4, 3)"},
		{u, f(3, 10), nil, "acausal", `Mode: want "causal", "bidirectional" or "bidirectional-reference", got "acausal"`},
	} {
		_, err := fftconv.Conv(c.u, c.k, c.d, fftconv.WithMode(c.mode))
		if err == nil || !strings.HasPrefix(err.Error(), "fftconv.Conv: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{testutil.Arg("u", 2, 3, 10), testutil.Arg("k", 2, 3, 10), testutil.Arg("d", 2, 3)}
	testutil.CheckArguments(t, "fftconv.Conv", args, func(n []*G.Node) (*G.Node, error) {
		return fftconv.Conv(n[0], n[1], n[2])
	})
}
