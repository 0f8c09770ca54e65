package ndconv_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ndconv"
)

const tolGolden = 1e-12

const both = fftconv.Bidirectional

// conv hands inputs over: u, the kernels, d if skip, and lengths if they are integers.
func conv(cfg ndconv.Config, skip bool) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var d, lengths *G.Node
		n := len(cfg.Shape)
		u, k, rest := in[0], in[1:1+n], in[1+n:]
		if skip {
			d, rest = rest[0], rest[1:]
		}
		if len(rest) > 0 {
			lengths = rest[0]
		}
		return ndconv.Conv(cfg, u, k, d, ndconv.WithLengths(lengths))
	}
}

// operands draws inputs for b images of h features.
func operands(rng *rand.Rand, cfg ndconv.Config, b, h, ch int, skip bool) []testutil.Input {
	in := []testutil.Input{testutil.Normal(rng, "u", b, h, tensor.Shape(cfg.Shape).TotalSize())}
	for a, n := range cfg.Shape {
		kernels := ch * max(1, cfg.Rank)
		if len(cfg.Modes) > 0 && cfg.Modes[a] != fftconv.Causal {
			kernels *= 2
		}
		in = append(in, testutil.Normal(rng, fmt.Sprintf("k%d", a), kernels, h, n))
	}
	if skip {
		in = append(in, testutil.Normal(rng, "d", ch, h))
	}
	return in
}

func TestConvGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		cfg      ndconv.Config
		b, h, ch int
		skip     bool
		lengths  []int
	}{
		{ndconv.Config{Shape: []int{3, 4}}, 2, 2, 1, true, nil},
		{ndconv.Config{Shape: []int{3, 2}, Modes: []fftconv.Mode{both, both}, Rank: 2}, 2, 1, 2, false, []int{6, 4}},
		{ndconv.Config{Shape: []int{2, 3, 2}, Modes: []fftconv.Mode{fftconv.Causal, fftconv.BidirectionalReference, both}}, 1, 2, 1, true, nil},
	} {
		in := operands(rng, c.cfg, c.b, c.h, c.ch, c.skip)
		if c.lengths != nil {
			in = append(in, testutil.Ints("lengths", c.lengths, c.b))
		}
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { testutil.Check(t, conv(c.cfg, c.skip), in...) })
	}
}

// By FFT too no row of a batch is heard in another.
func TestConvRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][]int{{5, 3}, {2, 130}} {
		cfg := ndconv.Config{Shape: shape, Modes: []fftconv.Mode{both, fftconv.Causal}}
		testutil.CheckRows(t, fmt.Sprint(shape), testutil.RunnerOf(conv(cfg, true)), 1, operands(rng, cfg, 3, 2, 1, true)...)
	}
}

func TestConvPadding(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	cfg := ndconv.Config{Shape: []int{3, 4}, Modes: []fftconv.Mode{both, fftconv.Causal}}
	in := append(operands(rng, cfg, 4, 2, 2, true), testutil.Ints("lengths", []int{12, 0, 7, 4}, 4))
	testutil.CheckPadding(t, "lengths", testutil.RunnerOf(conv(cfg, true)), []int{2}, in...)
}

// With one axis it is the convolution of package fftconv.
func TestOneAxisIsFFTConv(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	for _, mode := range []fftconv.Mode{fftconv.Causal, both, fftconv.BidirectionalReference} {
		cfg := ndconv.Config{Shape: []int{21}, Modes: []fftconv.Mode{mode}}
		in := operands(rng, cfg, 2, 3, 2, true)
		got, err := testutil.Run(testutil.Tape, tensor.Float64, conv(cfg, true), nil, in...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := testutil.Run(testutil.Tape, tensor.Float64, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			return fftconv.Conv(n[0], n[1], n[2], fftconv.WithMode(mode))
		}, nil, in...)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(got.Out, want.Out); !(e <= tolGolden) {
			t.Errorf("%s: off by %.3g", mode, e)
		}
		for i := range in {
			if e := testutil.RelErr(got.Grads[i], want.Grads[i]); !(e <= tolGolden) {
				t.Errorf("%s: gradient of %s off by %.3g", mode, in[i].Name, e)
			}
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
	u, k1, k2 := f(2, 3, 20), f(2, 3, 4), f(2, 3, 5)
	square := []int{4, 5}
	for want, c := range map[string]struct {
		cfg ndconv.Config
		u   *G.Node
		k   []*G.Node
		d   *G.Node
	}{
		"want Shape of 1 to 3 axes, got 0":                                                     {ndconv.Config{}, u, nil, nil},
		"want Shape of 1 to 3 axes, got 4":                                                     {ndconv.Config{Shape: []int{1, 1, 4, 5}}, u, nil, nil},
		"want Shape of axes of length 1 or more, got [-4 -5]":                                  {ndconv.Config{Shape: []int{-4, -5}}, u, nil, nil},
		"want Modes for each of 2 axes, or none, got 1":                                        {ndconv.Config{Shape: square, Modes: []fftconv.Mode{both}}, u, nil, nil},
		`want Modes of "causal", "bidirectional" or "bidirectional-reference", got "sideways"`: {ndconv.Config{Shape: square, Modes: []fftconv.Mode{both, "sideways"}}, u, nil, nil},
		"want Rank 1 or more, or 0 for 1, got -1":                                              {ndconv.Config{Shape: square, Rank: -1}, u, nil, nil},
		"k: want the kernels of 2 axes, got 1":                                                 {ndconv.Config{Shape: square}, u, []*G.Node{k1}, nil},
		"u: want a node, got nil":                                                              {ndconv.Config{Shape: square}, nil, []*G.Node{k1, k2}, nil},
		"k[1]: want a node, got nil":                                                           {ndconv.Config{Shape: square}, u, []*G.Node{k1, nil}, nil},
		"k[1]: want dtype float64 like the other inputs":                                       {ndconv.Config{Shape: square}, u, []*G.Node{k1, node(tensor.Float32, 2, 3, 5)}, nil},
		"u: want (B, H, 24) for axes [4 6]":                                                    {ndconv.Config{Shape: []int{4, 6}}, u, []*G.Node{k1, k2}, nil},
		"k[0]: want (3 C, 3, Lk) for mode causal and Rank 3":                                   {ndconv.Config{Shape: square, Rank: 3}, u, []*G.Node{k1, k2}, nil},
		"k[1]: want (4, 3, Lk) for mode bidirectional":                                         {ndconv.Config{Shape: square, Modes: []fftconv.Mode{"", both}}, u, []*G.Node{k1, k2}, nil},
		"k[0]: want (1 C, 3, Lk) for mode causal and Rank 1":                                   {ndconv.Config{Shape: square}, u, []*G.Node{f(2, 4, 4), k2}, nil},
		"d: want (2, 3), got (3)":                                                              {ndconv.Config{Shape: square}, u, []*G.Node{k1, k2}, f(3)},
		"elements in Shape, got 536870912 x 536870912":                                         {ndconv.Config{Shape: []int{1 << 29, 1 << 29}}, u, []*G.Node{k1, k2}, nil},
		"got (2, 3, 20) of dtype float64":                                                      {ndconv.Config{Shape: square}, u, []*G.Node{k1, k2}, nil}, // lengths
	} {
		var opts []ndconv.Option
		if strings.HasSuffix(want, "of dtype float64") {
			opts = append(opts, ndconv.WithLengths(u))
		}
		_, err := ndconv.Conv(c.cfg, c.u, c.k, c.d, opts...)
		if err == nil || !strings.HasPrefix(err.Error(), "ndconv.Conv: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestWrongLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	cfg := ndconv.Config{Shape: []int{2, 2}}
	_, err := testutil.Forward(tensor.Float32, conv(cfg, false), append(operands(rng, cfg, 2, 1, 1, false), testutil.Ints("lengths", []int{4, 5}, 2))...)
	if err == nil || !strings.Contains(err.Error(), "ndconv.Conv: lengths[1]: want a length in [0, 4], got 5") {
		t.Errorf("got error %v", err)
	}
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{testutil.Arg("u", 2, 3, 10), testutil.Arg("k[0]", 2, 3, 2), testutil.Arg("k[1]", 2, 3, 5), testutil.Arg("d", 2, 3)}
	testutil.CheckArguments(t, "ndconv.Conv", args, func(n []*G.Node) (*G.Node, error) {
		return ndconv.Conv(ndconv.Config{Shape: []int{2, 5}}, n[0], n[1:3], n[3])
	})
}

func TestGolden(t *testing.T) {
	for _, kind := range []string{"s4nd_conv2d", "s4nd_conv3d"} {
		for _, c := range golden.Cases(t, kind) {
			cfg, in := goldenCase(t, c)
			r, err := testutil.Run(testutil.Lisp, tensor.Float64, conv(cfg, true), c.F(t, "W"), in...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(r.Out, c.F(t, "y")); !(e <= tolGolden) {
				t.Errorf("%s: y off by %.3g", c.Name, e)
			}
			for i, in := range in {
				if e := testutil.RelErr(r.Grads[i], c.F(t, "g_"+in.Name)); !(e <= tolGolden) {
					t.Errorf("%s: gradient of %s off by %.3g", c.Name, in.Name, e)
				}
			}
		}
	}
}

// goldenCase returns the inputs of a case, its images with their axes in one.
func goldenCase(t *testing.T, c *golden.Case) (ndconv.Config, []testutil.Input) {
	shape := c.Arrays["u"].Shape
	cfg := ndconv.Config{Shape: shape[2:], Rank: c.Int("trank", 1)}
	in := []testutil.Input{{Name: "u", Shape: tensor.Shape{shape[0], shape[1], tensor.Shape(shape[2:]).TotalSize()}, F: c.F(t, "u")}}
	for a := range cfg.Shape {
		name := fmt.Sprintf("k%d", a+1)
		in = append(in, testutil.Input{Name: name, Shape: c.Arrays[name].Shape, F: c.F(t, name)})
		if c.Meta["bidirectional"] == true {
			cfg.Modes = append(cfg.Modes, fftconv.BidirectionalReference)
		}
	}
	return cfg, append(in, testutil.Input{Name: "D", Shape: c.Arrays["D"].Shape, F: c.F(t, "D")})
}
