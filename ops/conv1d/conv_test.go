package conv1d

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// setting is a convolution of the tests.
type setting struct {
	b, in, out, groups, k, l int
	stride, dilation         int
	pad                      int // -1: causal
	noBias, state            bool
	lengths                  []int
}

func (s setting) String() string {
	type fields setting // without this method
	return strings.ReplaceAll(fmt.Sprintf("%+v", fields(s)), " ", "_")
}

// settings are convolutions of every kind.
var settings = []setting{
	{b: 2, in: 3, out: 4, groups: 1, k: 3, l: 12, pad: -1},
	{b: 2, in: 3, out: 4, groups: 1, k: 3, l: 9, dilation: 2, pad: -1, state: true},
	{b: 2, in: 4, out: 4, groups: 4, k: 4, l: 15, pad: -1, state: true},
	{b: 3, in: 2, out: 6, groups: 2, k: 3, l: 5, dilation: 3, pad: -1, state: true, noBias: true},
	{b: 1, in: 6, out: 4, groups: 2, k: 3, l: 20, dilation: 4, pad: -1, noBias: true},
	{b: 2, in: 2, out: 5, groups: 1, k: 5, l: 17, stride: 2, pad: 2},
	{b: 2, in: 2, out: 4, groups: 2, k: 5, l: 17, stride: 3, pad: 1},
	{b: 2, in: 2, out: 2, groups: 2, k: 3, l: 10, stride: 2, pad: -1},
	{b: 2, in: 4, out: 2, groups: 2, k: 3, l: 10, stride: 2, dilation: 2, pad: -1},
	{b: 2, in: 2, out: 3, groups: 1, k: 1, l: 9, pad: -1},
	{b: 2, in: 2, out: 2, groups: 2, k: 1, l: 9, pad: 3},
	{b: 2, in: 2, out: 3, groups: 1, k: 1, l: 9, pad: 0, stride: 4},
	{b: 1, in: 2, out: 2, groups: 2, k: 7, l: 3, dilation: 2, pad: -1, state: true},
	{b: 1, in: 2, out: 2, groups: 1, k: 7, l: 3, dilation: 2, pad: -1, state: true},
	{b: 1, in: 2, out: 2, groups: 1, k: 7, l: 3, pad: 3},
	{b: 1, in: 2, out: 2, groups: 2, k: 7, l: 3, pad: 3},
	{b: 2, in: 1, out: 1, groups: 1, k: 3, l: 1, pad: 1},
	{b: 2, in: 1, out: 2, groups: 1, k: 3, l: 7, pad: 5, dilation: 2},
	{b: 4, in: 3, out: 3, groups: 3, k: 3, l: 8, pad: -1, state: true, lengths: []int{8, 3, 0, 1}},
	{b: 4, in: 3, out: 6, groups: 1, k: 3, l: 8, pad: -1, state: true, lengths: []int{8, 3, 0, 1}},
	{b: 4, in: 4, out: 4, groups: 4, k: 3, l: 8, pad: 1, lengths: []int{8, 3, 0, 1}},
	{b: 4, in: 4, out: 4, groups: 2, k: 3, l: 8, pad: 1, lengths: []int{8, 3, 0, 1}},
	{b: 4, in: 2, out: 2, groups: 2, k: 3, l: 8, pad: 0, stride: 2, lengths: []int{8, 3, 0, 2}},
	{b: 4, in: 2, out: 2, groups: 1, k: 3, l: 8, pad: 4, stride: 2, lengths: []int{8, 3, 0, 2}},
	{b: 4, in: 2, out: 2, groups: 1, k: 1, l: 8, pad: 0, lengths: []int{8, 3, 0, 2}},
}

// options returns the options of a setting, whose state and lengths, if it has
// them, are the last of the inputs.
func (s setting) options(in []*G.Node) []Option {
	opts := []Option{WithGroups(s.groups)}
	if s.stride > 0 {
		opts = append(opts, WithStride(s.stride))
	}
	if s.dilation > 0 {
		opts = append(opts, WithDilation(s.dilation))
	}
	if s.pad >= 0 {
		opts = append(opts, WithPadding(s.pad))
	}
	if s.lengths != nil {
		opts = append(opts, WithLengths(in[len(in)-1]))
		in = in[:len(in)-1]
	}
	if s.state {
		opts = append(opts, WithState(in[len(in)-1]))
	}
	return opts
}

func (s setting) build(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
	var bias *G.Node
	if !s.noBias {
		bias = in[2]
	}
	return Conv(in[0], in[1], bias, s.options(in)...)
}

func (s setting) reach() int { return (s.k - 1) * max(1, s.dilation) }

// inputs draws x, w, bias, the state and the lengths, as far as there are any.
func (s setting) inputs(rng *rand.Rand) []testutil.Input {
	in := []testutil.Input{testutil.Normal(rng, "x", s.b, s.in, s.l), testutil.Normal(rng, "w", s.out, s.in/s.groups, s.k)}
	if !s.noBias {
		in = append(in, testutil.Normal(rng, "bias", s.out))
	}
	if s.state {
		in = append(in, testutil.Normal(rng, "x0", s.b, s.in, s.reach()))
	}
	if s.lengths != nil {
		in = append(in, testutil.Ints("lengths", s.lengths, s.b))
	}
	return in
}

// batched returns the inputs with those that have a row for each sequence first,
// and a build that takes them so.
func (s setting) batched(in []testutil.Input) (int, []testutil.Input, testutil.Build) {
	order := []int{0}
	for i := len(in) - 1; i > 1; i-- {
		if in[i].Name == "x0" || in[i].Name == "lengths" {
			order = append(order, i)
		}
	}
	n := len(order)
	for i := range in {
		if i > 0 && in[i].Name != "x0" && in[i].Name != "lengths" {
			order = append(order, i)
		}
	}
	moved := make([]testutil.Input, len(in))
	for to, from := range order {
		moved[to] = in[from]
	}
	return n, moved, func(g *G.ExprGraph, nodes []*G.Node) (*G.Node, error) {
		back := make([]*G.Node, len(nodes))
		for to, from := range order {
			back[from] = nodes[to]
		}
		return s.build(g, back)
	}
}

// naive is the formula of the package comment, and OutputLength.
func (s setting) naive(in []testutil.Input) []float64 {
	x, w := in[0].F, in[1].F
	bias, x0 := make([]float64, s.out), make([]float64, s.b*s.in*s.reach())
	for _, i := range in {
		switch i.Name {
		case "bias":
			bias = i.F
		case "x0":
			x0 = i.F
		}
	}
	stride, dilation, pad, right := max(1, s.stride), max(1, s.dilation), s.pad, s.pad
	if pad < 0 {
		pad, right = s.reach(), 0
	}
	steps := func(n int) int {
		if n == 0 || n+pad+right < s.reach()+1 {
			return 0
		}
		return (n+pad+right-s.reach()-1)/stride + 1
	}
	cg, og := s.in/s.groups, s.out/s.groups
	y := make([]float64, s.b*s.out*steps(s.l))
	for b := range s.b {
		n := s.l
		if s.lengths != nil {
			n = s.lengths[b]
		}
		for o := range s.out {
			for l := range steps(n) {
				sum := bias[o]
				for c := range cg {
					feature := b*s.in + o/og*cg + c
					for j := range s.k {
						at, v := l*stride+j*dilation-pad, 0.0
						switch {
						case at >= 0 && at < n:
							v = x[feature*s.l+at]
						case at < 0 && s.state:
							v = x0[feature*s.reach()+s.reach()+at]
						}
						sum += w[(o*cg+c)*s.k+j] * v
					}
				}
				y[(b*s.out+o)*steps(s.l)+l] = sum
			}
		}
	}
	return y
}

func TestConv(t *testing.T) {
	for i, s := range settings {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			in := s.inputs(rand.New(rand.NewPCG(1, uint64(i))))
			got, err := testutil.Forward(tensor.Float64, s.build, in...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(got, s.naive(in)); !(e <= 1e-14) {
				t.Errorf("output off by %.3g", e)
			}
			testutil.Check(t, s.build, in...)
		})
	}
}

// Sizes at which rows and products are cut into blocks, and features and sums into
// parts.
func TestConvInBlocks(t *testing.T) {
	for i, s := range []setting{
		{b: 1, in: 1, out: 1, groups: 1, k: 5, l: 3*rowBlock + 7, dilation: 9, pad: -1, state: true},
		{b: 3, in: 2, out: 4, groups: 2, k: 3, l: rowBlock + 3, stride: 2, pad: 4},
		{b: 2, in: 130, out: 3, groups: 1, k: 5, l: 3*leastWidth + 5, dilation: 7, pad: -1, state: true},
		{b: 1, in: 34, out: 36, groups: 2, k: 3, l: 2*mostWidth + 1, stride: 2, pad: 1},
		{b: 1, in: 5, out: 3, groups: 1, k: 1, l: mostWidth + 3, pad: -1, lengths: []int{mostWidth + 1}},
		{b: 20, in: 5, out: 3, groups: 1, k: 2, l: 4, pad: -1},
	} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			in := s.inputs(rand.New(rand.NewPCG(2, uint64(i))))
			want := s.naive(in)
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-14, tensor.Float32: 1e-6} {
				got, err := testutil.Forward(dt, s.build, in...)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(got, want); !(e <= tol) {
					t.Errorf("%v: output off by %.3g", dt, e)
				}
			}
			s.checkAdjoint(t, in)
		})
	}
}

// checkAdjoint holds the gradients against the output, which is linear in each of
// its inputs: <w, y(x)> is <x, gradient of x> plus what does not depend on x.
func (s setting) checkAdjoint(t *testing.T, in []testutil.Input) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 3))
	w := testutil.Normal(rng, "w", len(s.naive(in))).F
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-4} {
		r, err := testutil.Run(testutil.Tape, dt, s.build, w, in...)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range in {
			if x.F == nil {
				continue
			}
			// Along a direction that differs from element to element.
			moved := append([]testutil.Input(nil), in...)
			dir := testutil.Normal(rng, "dir", len(x.F)).F
			moved[i].F = make([]float64, len(x.F))
			var got, scale float64
			for k, d := range dir {
				moved[i].F[k] = x.F[k] + d
				got += r.Grads[i][k] * d
				scale += r.Grads[i][k] * r.Grads[i][k]
			}
			want := dot(w, s.naive(moved), 1) - dot(w, s.naive(in), 1)
			if diff := (got - want) * (got - want); !(diff <= tol*tol*scale) {
				t.Errorf("%v: %v: derivative by %s along a direction %.9g, want %.9g", s, dt, x.Name, got, want)
			}
		}
	}
}

// However large the kernels are, a block of their inputs is not much larger.
func TestConvRoom(t *testing.T) {
	for _, k := range []int{1, 100, 5000, 1 << 20} {
		o := options{stride: 1, dilation: 1, groups: 1, causal: true}
		at, err := o.taps(k)
		if err != nil {
			t.Fatal(err)
		}
		c := newGrouped[float32](geometry{taps: at, b: 1, in: 1000, out: 1, groups: 1, l: 1 << 20, lout: 1 << 20, bias: -1, state: -1})
		if most := max(mostRoom, 1000*k); c.rows*c.width > most || c.width < 1 {
			t.Errorf("%d taps: want a block of at most %d elements, got %d of %d steps", k, most, c.rows*c.width, c.width)
		}
	}
}

// Any sizes, however they go together.
func TestConvOfAnySize(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	for range 150 {
		s := setting{b: 1 + rng.IntN(3), groups: 1 + rng.IntN(3), k: 1 + rng.IntN(6), l: 1 + rng.IntN(9), dilation: 1 + rng.IntN(4), pad: -1}
		s.in, s.out = s.groups*(1+rng.IntN(2)), s.groups*(1+rng.IntN(3))
		s.noBias = rng.IntN(3) == 0
		switch rng.IntN(3) {
		case 0:
			s.state = s.reach() > 0
		case 1:
			s.stride = 1 + rng.IntN(5)
		case 2:
			s.stride, s.pad = 1+rng.IntN(3), rng.IntN(8)
			if s.l+2*s.pad <= s.reach() {
				continue
			}
		}
		if rng.IntN(2) == 0 {
			for range s.b {
				s.lengths = append(s.lengths, rng.IntN(s.l+1))
			}
		}
		in := s.inputs(rng)
		got, err := testutil.Forward(tensor.Float64, s.build, in...)
		if err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		if e := testutil.RelErr(got, s.naive(in)); !(e <= 1e-13) {
			t.Errorf("%v: output off by %.3g", s, e)
		}
		s.checkAdjoint(t, in)
	}
}

func TestConvRows(t *testing.T) {
	for i, s := range settings {
		if s.b < 2 || s.lengths == nil && i > 8 {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			n, in, f := s.batched(s.inputs(rand.New(rand.NewPCG(4, uint64(i)))))
			testutil.CheckRows(t, "Conv", testutil.RunnerOf(f), n, in...)
		})
	}
}

// Nothing behind the lengths is read, where the output has the steps of the input.
func TestConvPadding(t *testing.T) {
	for i, s := range settings {
		if s.lengths == nil || s.stride > 1 {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			testutil.CheckPadding(t, "Conv", testutil.RunnerOf(s.build), []int{2}, s.inputs(rand.New(rand.NewPCG(5, uint64(i))))...)
		})
	}
}
