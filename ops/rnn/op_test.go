package rnn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/rnn"
)

var cells = []rnn.Cell{rnn.LSTM, rnn.GRU, rnn.Tanh, rnn.ReLU}

// operands are inputs of an op under test, and how they are handed over. What has
// rows comes first: x, then the start of the state, of one layer more than the
// recurrence has on either side if there is a slot.
type operands struct {
	cfg                   rnn.Config
	start, biases, length bool
}

func (o operands) String() string {
	return fmt.Sprintf("%s, %s, slot %d, start %t, biases %t, lengths %t", o.cfg.Cell, o.cfg.Direction, o.cfg.Slot, o.start, o.biases, o.length)
}

func (o operands) directions() int {
	if o.cfg.Direction == rnn.Both {
		return 2
	}
	return 1
}

// sizes are those of the arguments of an op.
type sizes struct{ B, I, H, L int }

// draw returns inputs.
func (o operands) draw(rng *rand.Rand, s sizes, lengths []int) []testutil.Input {
	n := o.cfg.Cell.Gates() * s.H
	in := []testutil.Input{testutil.Normal(rng, "x", s.B, s.I, s.L)}
	if slots := 2*o.cfg.Slot + o.directions(); o.start {
		in = append(in, testutil.Normal(rng, "h0", s.B, slots, s.H))
		if o.cfg.Cell.HasC() {
			in = append(in, testutil.Normal(rng, "c0", s.B, slots, s.H))
		}
	}
	for d := range o.directions() {
		name := func(s string) string { return fmt.Sprintf("%s.%d", s, d) }
		in = append(in, testutil.Uniform(rng, name("weight_ih"), -1, 1, n, s.I), testutil.Uniform(rng, name("weight_hh"), -0.5, 0.5, n, s.H))
		if o.biases {
			in = append(in, testutil.Normal(rng, name("bias_ih"), n), testutil.Normal(rng, name("bias_hh"), n))
		}
	}
	if o.length {
		in = append(in, testutil.Ints("lengths", lengths, s.B))
	}
	return in
}

// sort returns the nodes of the inputs as an op takes them.
func (o operands) sort(n []*G.Node) (x *G.Node, ps []rnn.Params[*G.Node], start rnn.State[*G.Node], lengths *G.Node) {
	next := func(has bool) *G.Node {
		if !has {
			return nil
		}
		first := n[0]
		n = n[1:]
		return first
	}
	x = next(true)
	start.H, start.C = next(o.start), next(o.start && o.cfg.Cell.HasC())
	for range o.directions() {
		var p rnn.Params[*G.Node]
		p.WeightIH, p.WeightHH, p.BiasIH, p.BiasHH = next(true), next(true), next(o.biases), next(o.biases)
		ps = append(ps, p)
	}
	return x, ps, start, next(o.length)
}

// output is the output alone.
func (o operands) output(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	x, p, start, lengths := o.sort(n)
	return rnn.Sequence(o.cfg, x, p, start, lengths)
}

// all is the output and the last state in one, each squared so that its gradient
// depends on it.
func (o operands) all(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	x, p, start, lengths := o.sort(n)
	y, end, err := rnn.SequenceState(o.cfg, x, p, start, lengths)
	if err != nil {
		return nil, err
	}
	sum, err := G.Sum(G.Must(G.Square(y)))
	for _, v := range []*G.Node{end.H, end.C} {
		if v != nil && err == nil {
			sum, err = G.Add(sum, G.Must(G.Sum(G.Must(G.Square(v)))))
		}
	}
	return sum, err
}

func eachOperands(f func(o operands)) {
	for _, c := range cells {
		for i, d := range []rnn.Direction{rnn.Forward, rnn.Backward, rnn.Both} {
			f(operands{cfg: rnn.Config{Cell: c, Direction: d}, biases: i > 0})
			f(operands{cfg: rnn.Config{Cell: c, Direction: d, Slot: i}, start: true, biases: i != 1, length: true})
		}
	}
}

func TestGradients(t *testing.T) {
	eachOperands(func(o operands) {
		t.Run(o.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2)) // no kink of ReLU is within a finite difference
			in := o.draw(rng, sizes{B: 3, I: 2, H: 3, L: 5}, []int{5, 0, 3})
			testutil.Check(t, o.output, in...)
			testutil.Check(t, o.all, in...)
		})
	})
}

// A leaky cell: its gradients, its steps, and what it is by formula.
func TestLeak(t *testing.T) {
	o := operands{cfg: rnn.Config{Cell: rnn.Tanh, Leak: 0.3}, start: true, biases: true, length: true}
	in := o.draw(rand.New(rand.NewPCG(11, 2)), sizes{B: 2, I: 2, H: 3, L: 4}, []int{4, 2})
	testutil.Check(t, o.output, in...)
	testutil.Check(t, o.all, in...)
	y, err := testutil.Forward(tensor.Float64, o.output, in...)
	if err != nil {
		t.Fatal(err)
	}
	w, err := rnn.NewLeakyWeights(rnn.Tanh, 0.3, 2, 3, rnn.Params[[]float64]{WeightIH: in[2].F, WeightHH: in[3].F, BiasIH: in[4].F, BiasHH: in[5].F})
	if err != nil {
		t.Fatal(err)
	}
	step, h := w.NewStep(), slices.Clone(in[1].F[:3]) // of row 0
	for l := range 4 {
		x, want := []float64{in[0].F[l], in[0].F[4+l]}, make([]float64, 3)
		for k := range want {
			sum := in[4].F[k] + in[5].F[k] + in[2].F[2*k]*x[0] + in[2].F[2*k+1]*x[1]
			for i, v := range h {
				sum += in[3].F[3*k+i] * v
			}
			want[k] = 0.7*h[k] + 0.3*math.Tanh(sum)
		}
		if err := step.Advance(rnn.State[[]float64]{H: h}, x); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if math.Abs(h[k]-v) > 1e-14 || math.Abs(y[k*4+l]-v) > 1e-14 {
				t.Errorf("step %d, feature %d: got %g and %g, want %g", l, k, h[k], y[k*4+l], v)
			}
		}
	}
	for want, cfg := range map[string]rnn.Config{
		`want Leak 0 with cell "gru", got 0.5`:        {Cell: rnn.GRU, Leak: 0.5},
		"want Leak in (0, 1], or 0 for 1, got 1.5":    {Cell: rnn.Tanh, Leak: 1.5},
		"want Leak in (0, 1], or 0 for 1, got NaN":    {Cell: rnn.Tanh, Leak: math.NaN()},
		"want Leak in (0, 1], or 0 for 1, got -0.125": {Cell: rnn.Tanh, Leak: -0.125},
	} {
		if err := cfg.Validate(); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestRows(t *testing.T) {
	for _, c := range cells {
		o := operands{cfg: rnn.Config{Cell: c}, start: true, biases: true}
		in := o.draw(rand.New(rand.NewPCG(6, 2)), sizes{B: 3, I: 2, H: 3, L: 6}, nil)
		batched := 2
		if c.HasC() {
			batched = 3
		}
		testutil.CheckRows(t, string(c), testutil.RunnerOf(o.output), batched, in...)
	}
}

func TestPadding(t *testing.T) {
	eachOperands(func(o operands) {
		if !o.length {
			return
		}
		in := o.draw(rand.New(rand.NewPCG(7, 2)), sizes{B: 4, I: 2, H: 3, L: 6}, []int{6, 0, 3, 1})
		testutil.CheckPadding(t, o.String(), testutil.RunnerOf(o.output), []int{2}, in...)
		testutil.CheckPadding(t, o.String()+", state", testutil.RunnerOf(o.all), []int{2}, in...)
	})
}

// A row of length 0 has no part in anything but its state, which stays what it was:
// not even one that is no number.
func TestRowOfNoSteps(t *testing.T) {
	for _, c := range cells {
		o := operands{cfg: rnn.Config{Cell: c, Direction: rnn.Both}, start: true, biases: true, length: true}
		in := o.draw(rand.New(rand.NewPCG(8, 2)), sizes{B: 2, I: 2, H: 3, L: 4}, []int{0, 4})
		want, err := testutil.Run(testutil.Tape, tensor.Float64, o.output, nil, in...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range in {
			if in[i].Name == "h0" || in[i].Name == "c0" {
				for k := range 6 {
					in[i].F[k] = math.NaN()
				}
			}
		}
		got, err := testutil.Run(testutil.Tape, tensor.Float64, o.output, nil, in...)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range append(got.Grads, got.Out) {
			if w := append(want.Grads, want.Out)[i]; !slices.Equal(g, w) {
				t.Errorf("%s: result %d: want %g, got %g", c, i, w, g)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{
		testutil.Arg("x", 2, 3, 4), testutil.Arg("WeightIH", 8, 3), testutil.Arg("WeightHH", 8, 2), testutil.Arg("BiasIH", 8), testutil.Arg("BiasHH", 8),
		testutil.Arg("start.H", 2, 1, 2), testutil.Arg("start.C", 2, 1, 2),
	}
	build := func(n []*G.Node) (*G.Node, error) {
		p := rnn.Params[*G.Node]{WeightIH: n[1], WeightHH: n[2], BiasIH: n[3], BiasHH: n[4]}
		return rnn.Sequence(rnn.Config{Cell: rnn.LSTM}, n[0], []rnn.Params[*G.Node]{p}, rnn.State[*G.Node]{H: n[5], C: n[6]}, nil)
	}
	testutil.CheckArguments(t, "rnn.Sequence", args, build)
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	count := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		count++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float64, shape...) }
	x, p := f(2, 3, 5), rnn.Params[*G.Node]{WeightIH: f(6, 3), WeightHH: f(6, 2)}
	lstm, wide := rnn.Config{Cell: rnn.LSTM}, rnn.Params[*G.Node]{WeightIH: f(8, 3), WeightHH: f(8, 2)}
	gru := rnn.Config{Cell: rnn.GRU}
	none := rnn.State[*G.Node]{}
	for _, c := range []struct {
		cfg     rnn.Config
		x       *G.Node
		p       rnn.Params[*G.Node]
		start   rnn.State[*G.Node]
		lengths *G.Node
		want    string
	}{
		{rnn.Config{Cell: "gro"}, x, p, none, nil, `want a cell, "lstm", "gru", "tanh" or "relu", got "gro"`},
		{gru, nil, p, none, nil, "x: want a node, got nil"},
		{gru, x, rnn.Params[*G.Node]{WeightHH: p.WeightHH}, none, nil, "WeightIH: want a node, got nil"},
		{gru, f(3, 5), p, none, nil, "x: want (B, I, L), each at least 1, got (3, 5)"},
		{gru, f(2, 3, 0), p, none, nil, "x: want (B, I, L), each at least 1, got (2, 3, 0)"},
		{gru, f(2, 4, 5), p, none, nil, "WeightIH: want (6, 4), got (6, 3)"},
		{rnn.Config{Cell: rnn.LSTM}, x, p, none, nil, "WeightHH: want (4*H, H), H >= 1, got (6, 2)"},
		{gru, x, rnn.Params[*G.Node]{p.WeightIH, p.WeightHH, f(5), nil}, none, nil, "BiasIH: want (6), got (5)"},
		{gru, x, rnn.Params[*G.Node]{p.WeightIH, p.WeightHH, nil, f(6, 1)}, none, nil, "BiasHH: want (6), got (6, 1)"},
		{rnn.Config{Cell: rnn.GRU, Direction: "no"}, x, p, none, nil, `want a direction, "forward", "backward" or "both", got "no"`},
		{rnn.Config{Cell: rnn.GRU, Slot: -2}, x, p, none, nil, "want Slot >= 0, got -2"},
		{rnn.Config{Cell: rnn.GRU, Slot: math.MaxInt}, x, p, rnn.State[*G.Node]{H: f(2, 3, 2)}, nil, "want Slot at most 2147483647, got 9223372036854775807"},
		{rnn.Config{Cell: rnn.GRU, Direction: rnn.Both}, x, p, none, nil, "p: want the parameters of 2 directions, got those of 1"},
		{gru, x, p, rnn.State[*G.Node]{H: f(1, 1, 2)}, nil, "start.H: want (2, S, 2), S >= 1, got (1, 1, 2)"},
		{gru, x, p, rnn.State[*G.Node]{H: f(2, 2)}, nil, "start.H: want (2, S, 2), S >= 1, got (2, 2)"},
		{rnn.Config{Cell: rnn.GRU, Slot: 3}, x, p, rnn.State[*G.Node]{H: f(2, 3, 2)}, nil, "start.H: want (2, S, 2), S >= 4, got (2, 3, 2)"},
		{lstm, x, wide, rnn.State[*G.Node]{H: f(2, 2, 2), C: f(2, 1, 2)}, nil, "start.C: want (2, S, 2), S >= 2, got (2, 1, 2)"},
		{lstm, x, wide, rnn.State[*G.Node]{H: f(2, 1, 2), C: f(2, 2, 2)}, nil, "start.C: want (2, 1, 2), the shape of start.H, got (2, 2, 2)"},
		{gru, x, p, rnn.State[*G.Node]{C: f(2, 1, 2)}, nil, `start.C: want nil, as cell "gru" has no such state, got a node`},
		{gru, x, p, none, f(2), "want lengths (2) of dtype int, got (2) of dtype float64"},
		{gru, x, p, none, node(tensor.Int, 3), "want lengths (2) of dtype int, got (3) of dtype int"},
		{gru, f(1<<20, 3, 1<<20), p, none, nil, "want at most 2147483647 elements in the gates (B, L, gates*H), got 1048576 x 1048576 x 4 x 2"},
	} {
		if _, err := rnn.Sequence(c.cfg, c.x, []rnn.Params[*G.Node]{c.p}, c.start, c.lengths); err == nil || err.Error() != "rnn.Sequence: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		if _, _, err := rnn.SequenceState(c.cfg, c.x, []rnn.Params[*G.Node]{c.p}, c.start, c.lengths); err == nil || err.Error() != "rnn.SequenceState: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

func TestBadLength(t *testing.T) {
	o := operands{cfg: rnn.Config{Cell: rnn.Tanh}, length: true}
	for _, n := range []int{-1, 4} {
		in := o.draw(rand.New(rand.NewPCG(9, 2)), sizes{B: 2, I: 2, H: 2, L: 3}, []int{1, n})
		want := fmt.Sprintf("rnn.Sequence: lengths[1]: want a length in [0, 3], got %d", n)
		if _, err := testutil.Forward(tensor.Float64, o.output, in...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestJoinStates(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 2))
	testutil.Check(t, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return rnn.JoinStates(n...) },
		testutil.Normal(rng, "a", 3, 1, 2), testutil.Normal(rng, "b", 3, 2, 2), testutil.Normal(rng, "c", 3, 1, 2))
	g := G.NewGraph()
	count := 0
	f := func(dt tensor.Dtype, shape ...int) *G.Node {
		count++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)))
	}
	a := f(tensor.Float64, 3, 1, 2)
	if one, err := rnn.JoinStates(a); err != nil || one != a {
		t.Errorf("one state alone: got %v, %v", one, err)
	}
	both, err := rnn.JoinStates(a, f(tensor.Float64, 3, 2, 2))
	if err != nil || !both.Shape().Eq(tensor.Shape{3, 3, 2}) {
		t.Errorf("got %v, %v, want (3, 3, 2)", both, err)
	}
	for want, in := range map[string][]*G.Node{
		"rnn.JoinStates: want at least one state, got none":                      {},
		"rnn.JoinStates: state 1: want a node, got nil":                          {a, nil},
		"rnn.JoinStates: state 1: want dtype float32 or float64, got int":        {a, f(tensor.Int, 3, 1, 2)},
		"rnn.JoinStates: state 1: want (B, S, H), of one B and H, got (2, 1, 2)": {a, f(tensor.Float64, 2, 1, 2)},
		"rnn.JoinStates: state 1: want (B, S, H), of one B and H, got (3, 2)":    {a, f(tensor.Float64, 3, 2)},
		"rnn.JoinStates: state 0: want (B, S, H), of one B and H, got (3)":       {f(tensor.Float64, 3)},
	} {
		if _, err := rnn.JoinStates(in...); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
