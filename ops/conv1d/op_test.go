package conv1d

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

func TestOutputLength(t *testing.T) {
	for _, c := range []struct {
		n, k int
		opts []Option
		want int
	}{
		{10, 3, nil, 10},
		{10, 30, nil, 10},
		{0, 3, nil, 0},
		{10, 3, []Option{WithStride(3)}, 4},
		{9, 3, []Option{WithStride(3)}, 3},
		{10, 3, []Option{WithPadding(0)}, 8},
		{10, 3, []Option{WithPadding(1), WithDilation(2)}, 8},
		{17, 5, []Option{WithPadding(2), WithStride(2)}, 9},
		{2, 5, []Option{WithPadding(1)}, 0},
		{0, 1, []Option{WithPadding(4)}, 0},
	} {
		if got, err := OutputLength(c.n, c.k, c.opts...); got != c.want || err != nil {
			t.Errorf("OutputLength(%d, %d) = %d, %v, want %d", c.n, c.k, got, err, c.want)
		}
	}
	for _, k := range []int{1, 3, 7} {
		for _, d := range []int{1, 2, 5} {
			p, err := SamePadding(k, d)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := OutputLength(40, k, WithPadding(p), WithDilation(d)); n != 40 || err != nil {
				t.Errorf("kernel %d, dilation %d: padding %d makes 40 steps %d, %v", k, d, p, n, err)
			}
		}
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want an error with %q, got %v", want, err)
	}
}

func TestLengthErrors(t *testing.T) {
	_, err := OutputLength(-1, 3)
	wantError(t, err, "conv1d.OutputLength: want a length in [0, 1073741824], got -1")
	_, err = OutputLength(5, 0)
	wantError(t, err, "conv1d.OutputLength: kernel: want at least 1 tap, got 0")
	_, err = OutputLength(5, 3, WithStride(0))
	wantError(t, err, "conv1d.OutputLength: want stride >= 1, got 0")
	_, err = SamePadding(4, 1)
	wantError(t, err, "conv1d.SamePadding: want (K-1)*dilation even, an odd kernel as a rule, got K = 4, dilation = 1")
	_, err = SamePadding(3, 0)
	wantError(t, err, "conv1d.SamePadding: want dilation >= 1, got 0")
}

func f64(g *G.ExprGraph, name string, shape ...int) *G.Node {
	return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
}

func TestConvErrors(t *testing.T) {
	g := G.NewGraph()
	x, w, bias := f64(g, "x", 2, 4, 5), f64(g, "w", 6, 2, 3), f64(g, "b", 6)
	two := WithGroups(2)
	lengths := G.NewVector(g, tensor.Int, G.WithShape(3), G.WithName("lengths"))
	for _, c := range []struct {
		x, w, bias *G.Node
		opts       []Option
		want       string
	}{
		{nil, w, bias, nil, "conv1d.Conv: x: want a node, got nil"},
		{x, nil, bias, nil, "conv1d.Conv: w: want a node, got nil"},
		{f64(g, "x2", 2, 4), w, bias, nil, "conv1d.Conv: x: want (B, C_in, L), each at least 1, got (2, 4)"},
		{f64(g, "x0", 2, 4, 0), w, bias, nil, "conv1d.Conv: x: want (B, C_in, L), each at least 1, got (2, 4, 0)"},
		{x, f64(g, "w2", 6, 2), bias, nil, "conv1d.Conv: w: want (C_out, C_in/groups, K), each at least 1, got (6, 2)"},
		{x, f64(g, "w0", 6, 2, 0), bias, nil, "conv1d.Conv: w: want (C_out, C_in/groups, K), each at least 1, got (6, 2, 0)"},
		{x, w, bias, nil, "conv1d.Conv: w: want (6, 4, 3), got (6, 2, 3), for x (2, 4, 5) and 1 groups"},
		{x, w, bias, []Option{WithGroups(3)}, "conv1d.Conv: groups: want a divisor of C_in = 4 and of C_out = 6, got 3"},
		{x, w, bias, []Option{WithGroups(4)}, "conv1d.Conv: groups: want a divisor of C_in = 4 and of C_out = 6, got 4"},
		{x, w, bias, []Option{WithGroups(0)}, "conv1d.Conv: want groups >= 1, got 0"},
		{x, w, bias, []Option{two, WithDilation(0)}, "conv1d.Conv: want dilation >= 1, got 0"},
		{x, w, bias, []Option{two, WithDilation(1 << 30)}, "conv1d.Conv: want (K-1)*dilation at most 1073741824, got 2*1073741824"},
		{x, w, bias, []Option{two, WithDilation(1 << 40)}, "conv1d.Conv: want dilation at most 2147483647, got 1099511627776"},
		{x, w, bias, []Option{two, WithStride(-1)}, "conv1d.Conv: want stride >= 1, got -1"},
		{x, w, bias, []Option{two, WithPadding(-1)}, "conv1d.Conv: want padding >= 0, got -1"},
		{x, w, bias, []Option{two, WithPadding(1 << 30)}, "conv1d.Conv: want the length of the output in [1, 1073741824], got 2147483651"},
		{x, w, bias, []Option{two, WithPadding(1 << 28)}, "conv1d.Conv: want at most 2147483647 elements in the output (B, C_out, L_out), got 2 x 6 x 536870915"},
		{x, f64(g, "w7", 6, 2, 7), bias, []Option{two, WithPadding(0)}, "conv1d.Conv: want a kernel that reaches over at most L + 2*padding = 5 steps, got (K-1)*dilation + 1 = 7: there is no output"},
		{x, w, bias, []Option{two, WithPadding(1), WithDilation(4)}, "conv1d.Conv: want a kernel that reaches over at most L + 2*padding = 7 steps, got (K-1)*dilation + 1 = 9: there is no output"},
		{x, w, f64(g, "b5", 5), []Option{two}, "conv1d.Conv: bias: want (6), got (5)"},
		{x, w, bias, []Option{two, WithState(f64(g, "s3", 2, 4, 3))}, "conv1d.Conv: state: want (2, 4, 2), got (2, 4, 3)"},
		{x, w, bias, []Option{two, WithState(f64(g, "s2", 3, 4, 2))}, "conv1d.Conv: state: want (2, 4, 2), got (3, 4, 2)"},
		{x, w, bias, []Option{two, WithStride(2), WithState(f64(g, "s4", 2, 4, 2))}, "conv1d.Conv: state: want stride 1, got 2"},
		{x, w, bias, []Option{two, WithPadding(1), WithState(f64(g, "s5", 2, 4, 2))}, "conv1d.Conv: state: want a causal convolution, got padding 1 on both sides"},
		{x, f64(g, "w1", 6, 2, 1), bias, []Option{two, WithState(f64(g, "s6", 2, 4, 1))}, "conv1d.Conv: state: want none, as a kernel of one tap has no state, got (2, 4, 1)"},
		{x, w, bias, []Option{two, WithLengths(lengths)}, "conv1d.Conv: want lengths (2) of dtype int, got (3) of dtype int"},
		{x, w, bias, []Option{two, WithLengths(f64(g, "fl", 2))}, "conv1d.Conv: want lengths (2) of dtype int, got (2) of dtype float64"},
		{x, f64(G.NewGraph(), "other", 6, 2, 3), nil, []Option{two}, "conv1d.Conv: "},
	} {
		_, err := Conv(c.x, c.w, c.bias, c.opts...)
		wantError(t, err, c.want)
	}
	_, err := FinalState(f64(g, "f", 2, 3), nil, 2)
	wantError(t, err, "conv1d.FinalState: x: want (B, C, L), each at least 1, got (2, 3)")
	_, err = FinalState(x, nil, 0)
	wantError(t, err, "conv1d.FinalState: want the number of inputs in [1, 1073741824], got 0")
	_, err = FinalState(x, nil, 1<<30)
	wantError(t, err, "conv1d.FinalState: want at most 2147483647 elements in the state (B, C, n), got 2 x 4 x 1073741824")
	_, err = FinalState(x, f64(g, "s9", 2, 4, 3), 2)
	wantError(t, err, "conv1d.FinalState: x0: want (2, 4, 2), got (2, 4, 3)")
}

func TestConvArguments(t *testing.T) {
	testutil.CheckArguments(t, "conv1d.Conv", []testutil.Argument{
		testutil.Arg("x", 2, 4, 5), testutil.Arg("w", 6, 2, 3), testutil.Arg("bias", 6), testutil.Arg("state", 2, 4, 2),
	}, func(n []*G.Node) (*G.Node, error) { return Conv(n[0], n[1], n[2], WithGroups(2), WithState(n[3])) })
	testutil.CheckArguments(t, "conv1d.FinalState", []testutil.Argument{testutil.Arg("x", 2, 4, 5), testutil.Arg("x0", 2, 4, 3)},
		func(n []*G.Node) (*G.Node, error) { return FinalState(n[0], n[1], 3) })
}

func TestConvLengthsOutOfRange(t *testing.T) {
	for _, groups := range []int{1, 2} {
		for _, n := range []int{-1, 6} {
			s := setting{b: 2, in: 2, out: 2, groups: groups, k: 3, l: 5, pad: -1, lengths: []int{5, n}}
			_, err := testutil.Forward(tensor.Float64, s.build, s.inputs(rand.New(rand.NewPCG(6, 1)))...)
			wantError(t, err, "conv1d.Conv: lengths[1]: want a length in [0, 5], got")
		}
	}
}

func TestFinalState(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for _, c := range []struct{ l, n int }{{5, 3}, {3, 3}, {2, 5}, {1, 1}} {
		x, x0 := testutil.Normal(rng, "x", 2, 3, c.l), testutil.Normal(rng, "x0", 2, 3, c.n)
		for _, withState := range []bool{false, true} {
			in := []testutil.Input{x, x0}[:1]
			if withState {
				in = append(in, x0)
			}
			f := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				return FinalState(n[0], append(n, nil)[1], c.n)
			}
			var want []float64
			for r := range 6 {
				before := make([]float64, c.n)
				if withState {
					before = x0.F[r*c.n : (r+1)*c.n]
				}
				all := slices.Concat(before, x.F[r*c.l:(r+1)*c.l])
				want = append(want, all[len(all)-c.n:]...)
			}
			got, err := testutil.Forward(tensor.Float64, f, in...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v: got %v, want %v", c, got, want)
			}
			testutil.Check(t, f, in...)
		}
	}
}

// plan is a core with its arguments.
type plan[T num.Float] struct {
	core    graphop.Core[T]
	in      []graphop.Arg[T]
	grad    [][]T
	out, dy []T
}

func newPlan[T num.Float](s setting) *plan[T] {
	o := options{stride: max(1, s.stride), dilation: max(1, s.dilation), groups: s.groups, causal: s.pad < 0, padding: s.pad}
	taps, err := o.taps(s.k)
	if err != nil {
		panic(err)
	}
	g := geometry{taps: taps, b: s.b, in: s.in, out: s.out, groups: s.groups, l: s.l, bias: 2, state: -1}
	g.lout = g.steps(s.l)
	rng := rand.New(rand.NewPCG(8, 1))
	random := func(n int) []T {
		x := num.Aligned[T](n)
		for i := range x {
			x[i] = T(rng.NormFloat64())
		}
		return x
	}
	p := &plan[T]{core: newCore[T](g), out: testutil.Unwritten[T](s.b * s.out * g.lout), dy: random(s.b * s.out * g.lout)}
	sizes := []int{s.b * s.in * s.l, s.out * s.in / s.groups * s.k, s.out}
	if s.state {
		g.state = 3
		p.core = newCore[T](g)
		sizes = append(sizes, s.b*s.in*s.reach())
	}
	for _, n := range sizes {
		p.in = append(p.in, graphop.Arg[T]{F: random(n)})
		p.grad = append(p.grad, testutil.Unwritten[T](n))
	}
	if s.lengths != nil {
		p.in, p.grad = append(p.in, graphop.Arg[T]{I: s.lengths}), append(p.grad, nil)
	}
	return p
}

func (p *plan[T]) forward() error  { return p.core.Forward(p.out, p.in) }
func (p *plan[T]) backward() error { return p.core.Backward(p.grad, p.in, nil, p.dy) }

func TestConvDeterministic(t *testing.T) {
	for _, s := range []setting{
		{b: 3, in: 5, out: 5, groups: 5, k: 4, l: 700, pad: -1, state: true},
		{b: 3, in: 20, out: 12, groups: 2, k: 4, l: 700, pad: -1, state: true},
		{b: 3, in: 20, out: 12, groups: 1, k: 1, l: 700, pad: -1},
	} {
		testutil.CheckDeterministic(t, func() any {
			p := newPlan[float32](s)
			for _, err := range []error{p.forward(), p.backward()} {
				if err != nil {
					t.Fatal(err)
				}
			}
			return append([][]float32{p.out}, p.grad...)
		})
	}
}

// Every element of the output and of the gradients is written.
func TestConvWritesEverything(t *testing.T) {
	for _, s := range settings {
		if s.noBias {
			continue
		}
		p := newPlan[float64](s)
		for _, err := range []error{p.forward(), p.backward()} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, v := range append([][]float64{p.out}, p.grad...) {
			if slices.ContainsFunc(v, math.IsNaN) {
				t.Errorf("%v: result %d has elements that are not written", s, i)
			}
		}
	}
}

// A gradient that nothing reads is left out; the others are the same.
func TestConvOfData(t *testing.T) {
	for i, s := range settings[:5] {
		in := s.inputs(rand.New(rand.NewPCG(9, uint64(i))))
		in[0].Fixed = true
		testutil.Check(t, s.build, in...)
	}
}

// A step x that is let be what was computed from the last one: y = tanh(conv(x)).
func TestConvOfCarriedStep(t *testing.T) {
	for _, groups := range []int{1, 2} {
		rng := rand.New(rand.NewPCG(8, 1))
		first, w := testutil.Normal(rng, "x", 1, 2, 1), testutil.Normal(rng, "w", 2, 2/groups, 1)
		g := G.NewGraph()
		x, wn := f64(g, "x", 1, 2, 1), f64(g, "w", w.Shape...)
		y, err := Conv(x, wn, nil, WithGroups(groups))
		if err != nil {
			t.Fatal(err)
		}
		y = G.Must(G.Tanh(y))
		var read G.Value
		G.Read(y, &read)
		if _, err := G.Grad(G.Must(G.Sum(y)), wn); err != nil {
			t.Fatal(err)
		}
		if err := G.Let(x, first.Tensor(tensor.Float64)); err != nil {
			t.Fatal(err)
		}
		if err := G.Let(wn, w.Tensor(tensor.Float64)); err != nil {
			t.Fatal(err)
		}
		vm := G.NewTapeMachine(g, G.BindDualValues(wn))
		defer vm.Close()
		in := first.F
		for range 3 {
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			got, err := wn.Grad()
			if err != nil {
				t.Fatal(err)
			}
			out := testutil.Floats(read)
			var want []float64
			for o, v := range out {
				for c := range 2 / groups {
					want = append(want, (1-v*v)*in[o/(2/groups)*(2/groups)+c])
				}
			}
			if e := testutil.RelErr(testutil.Floats(got), want); !(e <= 1e-14) {
				t.Errorf("%d groups: gradient of w off by %.3g", groups, e)
			}
			G.ZeroValue(got)
			in = out
			if err := G.Let(x, read); err != nil {
				t.Fatal(err)
			}
			vm.Reset()
		}
	}
}
