package attention_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

const (
	tol64 = 1e-12
	tol32 = 2e-6
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// attend returns the op for inputs qkv and, at the end, lengths if there are two.
func attend(c attention.Config) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		if len(in) > 1 {
			return attention.Attend(in[0], c, attention.Lengths(in[1]))
		}
		return attention.Attend(in[0], c)
	}
}

// configs are one of every kind.
var configs = map[string]attention.Config{
	"all":           {Heads: 3},
	"causal":        {Heads: 1, Causal: true},
	"window 1":      {Heads: 2, Causal: true, Window: 1},
	"window 3":      {Heads: 2, Causal: true, Window: 3},
	"window 70":     {Heads: 2, Causal: true, Window: 70},
	"interleaved":   {Heads: 2, Rotary: attention.RotaryInterleaved},
	"half":          {Heads: 2, Causal: true, Rotary: attention.RotaryHalf, Theta: 100},
	"linear":        {Heads: 2, Form: attention.Linear},
	"causal linear": {Heads: 2, Form: attention.Linear, Causal: true},
	"rotary linear": {Heads: 1, Form: attention.Linear, Causal: true, Rotary: attention.RotaryHalf},
}

func TestGradients(t *testing.T) {
	for name, c := range configs {
		t.Run(name, func(t *testing.T) {
			rng := newRand()
			testutil.Check(t, attend(c), testutil.Normal(rng, "qkv", 2, 36, 5))
			testutil.Check(t, attend(c), testutil.Normal(rng, "qkv", 3, 36, 5), testutil.Ints("lengths", []int{3, 0, 5}, 3))
		})
	}
}

func TestRowsAndPadding(t *testing.T) {
	for name, c := range configs {
		t.Run(name, func(t *testing.T) {
			qkv := testutil.Normal(newRand(), "qkv", 3, 36, 6)
			testutil.CheckRows(t, name, testutil.RunnerOf(attend(c)), 1, qkv)
			testutil.CheckPadding(t, name, testutil.RunnerOf(attend(c)), []int{2}, qkv, testutil.Ints("lengths", []int{4, 0, 6}, 3))
		})
	}
}

// TestFormulas holds the op against the formulas at sizes around those of its
// blocks, which depend on the instruction set.
func TestFormulas(t *testing.T) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(l))
			testFormulas(t)
		})
	}
}

func testFormulas(t *testing.T) {
	rng := newRand()
	for _, l := range []int{1, 2, 11, 12, 13, 31, 32, 33, 95, 97, 191, 193, 260} {
		for _, hd := range []int{1, 2, 5, 64} {
			heads := 1 + 2*rng.IntN(2)
			e := heads * hd
			c := attention.Config{Heads: heads, Causal: rng.IntN(3) > 0}
			if hd%2 == 0 {
				c.Rotary = []attention.Rotary{attention.NoRotary, attention.RotaryHalf, attention.RotaryInterleaved}[rng.IntN(3)]
			}
			switch n := rng.IntN(3); {
			case n == 0:
				c.Form = attention.Linear
			case n == 1 && c.Causal:
				c.Window = []int{1, 2, 12, 33, l, l + 5}[rng.IntN(6)]
			}
			lengths := []int{l, rng.IntN(l + 1), 0}
			if l > 100 && hd > 5 {
				lengths = lengths[1:2]
			}
			checkFormula(t, c, testutil.Normal(rng, "qkv", len(lengths), 3*e, l), lengths)
		}
	}
}

// checkFormula holds the output of the op in both types against the formulas.
func checkFormula(t *testing.T, c attention.Config, qkv testutil.Input, lengths []int) {
	t.Helper()
	e, l := qkv.Shape[1]/3, qkv.Shape[2]
	var want []float64
	for b, n := range lengths {
		y, _, _ := problem{Config: c, e: e, l: l, qkv: qkv.F[b*3*e*l:][:3*e*l]}.solve(n)
		want = append(want, y...)
	}
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: tol64, tensor.Float32: tol32} {
		got, err := testutil.Forward(dt, attend(c), qkv, testutil.Ints("lengths", lengths, len(lengths)))
		if err != nil {
			t.Fatal(err)
		}
		if err := testutil.RelErr(got, want); !(err <= tol) {
			t.Errorf("%+v, %v, E %d, L %d, lengths %v: relative error %.3g > %g", c, dt, e, l, lengths, err, tol)
		}
	}
}

// state is a state x0 with what the ops need to be called.
type state struct {
	in        []testutil.Input
	positions []int
}

// newState returns a random state of a batch.
func newState(rng *rand.Rand, c attention.Config, hd, slots int, positions ...int) state {
	b := len(positions)
	s := state{positions: positions}
	if c.Form == attention.Linear {
		s.in = []testutil.Input{testutil.Normal(rng, "S", b, c.Heads, hd, hd), testutil.Uniform(rng, "z", 1, 3, b, c.Heads, hd)}
	} else {
		s.in = []testutil.Input{testutil.Normal(rng, "k", b, c.Heads, slots, hd), testutil.Normal(rng, "v", b, c.Heads, slots, hd)}
	}
	if c.Form != attention.Linear || c.Rotary != attention.NoRotary {
		p := testutil.Uniform(rng, "position", 0, 1, b)
		for i, n := range positions {
			p.F[i] = float64(n)
		}
		p.Fixed = true
		s.in = append(s.in, p)
	}
	return s
}

// attendState returns one of the results of AttendState, y first.
func attendState(c attention.Config, which int) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		y, x1, err := attention.AttendState(in[0], G.Nodes(in[1:]), c)
		if err != nil {
			return nil, err
		}
		return append(G.Nodes{y}, x1...)[which], nil
	}
}

// weighted returns the sum of all results of AttendState times random numbers.
func weighted(c attention.Config) testutil.Build {
	return func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		y, x1, err := attention.AttendState(in[0], in[1:], c)
		if err != nil {
			return nil, err
		}
		rng := newRand()
		var sum *G.Node
		for i, n := range append(G.Nodes{y}, x1...) {
			w := testutil.Normal(rng, fmt.Sprint("weights", i), n.Shape()...)
			wn := G.NewTensor(g, n.Dtype(), n.Dims(), G.WithShape(n.Shape()...), G.WithName(w.Name), G.WithValue(w.Tensor(n.Dtype())))
			s := G.Must(G.Sum(G.Must(G.HadamardProd(n, wn))))
			if sum == nil {
				sum = s
			} else {
				sum = G.Must(G.Add(sum, s))
			}
		}
		return sum, nil
	}
}

var causal = []string{"causal", "window 1", "window 3", "window 70", "half", "causal linear", "rotary linear"}

func TestStateGradients(t *testing.T) {
	for _, name := range causal {
		c := configs[name]
		t.Run(name, func(t *testing.T) {
			rng := newRand()
			for _, l := range []int{5, 2} { // more steps than slots, and fewer
				slots := 4
				if c.Window > 0 {
					slots = max(1, c.Window-1)
				}
				qkv := testutil.Normal(rng, "qkv", 3, 36, l)
				s := newState(rng, c, 12/c.Heads, slots, 0, 2, 1001)
				testutil.Check(t, weighted(c), append([]testutil.Input{qkv}, s.in...)...)
				testutil.Check(t, weighted(c), qkv)
			}
		})
	}
}

// TestParts holds a sequence in parts, each going on from the state of the one
// before, against the whole.
func TestParts(t *testing.T) {
	for _, name := range causal {
		c := configs[name]
		for _, parts := range [][]int{{1, 1, 1, 37}, {33, 5, 2}, {40}} {
			rng := newRand()
			qkv := testutil.Normal(rng, "qkv", 2, 36, 40)
			whole, err := testutil.Run(testutil.Tape, tensor.Float64, attend(c), nil, qkv)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testutil.Run(testutil.Tape, tensor.Float64, inParts(c, parts), nil, qkv)
			if err != nil {
				t.Fatal(err)
			}
			for what, e := range map[string]float64{"output": testutil.RelErr(got.Out, whole.Out), "gradient": testutil.RelErr(got.Grads[0], whole.Grads[0])} {
				if !(e <= 1e-11) {
					t.Errorf("%s in parts of %v: %s: relative error %.3g", name, parts, what, e)
				}
			}
		}
	}
}

// inParts computes attention part by part.
func inParts(c attention.Config, parts []int) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var ys, x G.Nodes
		lo := 0
		for _, n := range parts {
			part := G.Must(G.Slice(in[0], nil, nil, G.S(lo, lo+n)))
			part = G.Must(G.Reshape(part, tensor.Shape{2, 36, n}))
			y, x1, err := attention.AttendState(G.Must(contiguous(part)), x, c)
			if err != nil {
				return nil, err
			}
			ys, x = append(ys, y), x1
			lo += n
		}
		if len(ys) == 1 {
			return ys[0], nil
		}
		return G.Concat(2, ys...)
	}
}

func TestArguments(t *testing.T) {
	g := G.NewGraph()
	i := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		i++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("n", i)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float64, shape...) }
	two, causal := attention.Config{Heads: 2}, attention.Config{Heads: 2, Causal: true}
	window := attention.Config{Heads: 2, Causal: true, Window: 4}
	linear := attention.Config{Heads: 2, Causal: true, Form: attention.Linear}
	for want, f := range map[string]func() error{
		"attention.Attend: want qkv (B, 3E, L), got nil":                                     attendError(nil, two),
		"attention.Attend: want qkv (B, 3E, L), got (2, 12)":                                 attendError(f(2, 12), two),
		"attention.Attend: want qkv (B, 3E, L), got (2, 13, 4)":                              attendError(f(2, 13, 4), two),
		"attention.Attend: want qkv (B, 3E, L) of dtype float32 or float64, got dtype int":   attendError(node(tensor.Int, 2, 12, 4), two),
		"attention.Attend: want Heads >= 1, got 0":                                           attendError(f(2, 12, 4), attention.Config{}),
		"attention.Attend: want Heads that divide the 4 features, got 3":                     attendError(f(2, 12, 4), attention.Config{Heads: 3}),
		"attention.Attend: want an even number of features of a head with Rotary, got 1":     attendError(f(2, 12, 4), attention.Config{Heads: 4, Rotary: attention.RotaryHalf}),
		"attention.Attend: want Rotary \"\", \"interleaved\" or \"half\", got \"x\"":         attendError(f(2, 12, 4), attention.Config{Heads: 4, Rotary: "x"}),
		"attention.Attend: want Form \"softmax\" or \"linear\", got \"x\"":                   attendError(f(2, 12, 4), attention.Config{Heads: 4, Form: "x"}),
		"attention.Attend: want Window in [0, 1073741824], got -1":                           attendError(f(2, 12, 4), attention.Config{Heads: 4, Causal: true, Window: -1}),
		"attention.Attend: want Window 3 with Causal, got it without":                        attendError(f(2, 12, 4), attention.Config{Heads: 4, Window: 3}),
		"attention.Attend: want Window 0 with Form \"linear\", got 3":                        attendError(f(2, 12, 4), attention.Config{Heads: 4, Causal: true, Window: 3, Form: attention.Linear}),
		"attention.Attend: want a finite Theta >= 1, or 0 for 10000, got -1":                 attendError(f(2, 12, 4), attention.Config{Heads: 4, Theta: -1}),
		"attention.Attend: want lengths (2) of dtype int, got (3) of dtype int":              attendError(f(2, 12, 4), two, attention.Lengths(node(tensor.Int, 3))),
		"attention.Attend: want lengths (2) of dtype int, got (2) of dtype float64":          attendError(f(2, 12, 4), two, attention.Lengths(f(2))),
		"attention.AttendState: want Causal with a state, got attention that sees all steps": stateError(f(2, 12, 4), two),
		"attention.AttendState: x0: want 3 nodes, got 2":                                     stateError(f(2, 12, 4), causal, f(2, 2, 5, 2), f(2, 2, 5, 2)),
		"attention.AttendState: x0: k: want (2, 2, T, 2), got nil":                           stateError(f(2, 12, 4), causal, nil, f(2, 2, 5, 2), f(2)),
		"attention.AttendState: x0: k: want (2, 2, 5, 2), got (3, 2, 5, 2)":                  stateError(f(2, 12, 4), causal, f(3, 2, 5, 2), f(2, 2, 5, 2), f(2)),
		"attention.AttendState: x0: k: want (2, 2, 5, 2), got (2, 1, 5, 4)":                  stateError(f(2, 12, 4), causal, f(2, 1, 5, 4), f(2, 2, 5, 2), f(2)),
		"attention.AttendState: x0: v: want (2, 2, 5, 2), got (2, 2, 6, 2)":                  stateError(f(2, 12, 4), causal, f(2, 2, 5, 2), f(2, 2, 6, 2), f(2)),
		"attention.AttendState: x0: v: want dtype float64, got float32":                      stateError(f(2, 12, 4), causal, f(2, 2, 5, 2), node(tensor.Float32, 2, 2, 5, 2), f(2)),
		"attention.AttendState: x0: k: want (2, 2, 3, 2), got (2, 2, 4, 2)":                  stateError(f(2, 12, 4), window, f(2, 2, 4, 2), f(2, 2, 4, 2), f(2)),
		"attention.AttendState: x0: position: want (2), got (3)":                             stateError(f(2, 12, 4), causal, f(2, 2, 5, 2), f(2, 2, 5, 2), f(3)),
		"attention.AttendState: x0: S: want (2, 2, 2, 2), got (2, 2, 3, 2)":                  stateError(f(2, 12, 4), linear, f(2, 2, 3, 2), f(2, 2, 2)),
		"attention.AttendState: x0: z: want (2, 2, 2), got (2, 2, 3)":                        stateError(f(2, 12, 4), linear, f(2, 2, 2, 2), f(2, 2, 3)),
	} {
		if err := f(); err == nil || err.Error() != want {
			t.Errorf("want error %q, got %v", want, err)
		}
	}
}

func attendError(qkv *G.Node, c attention.Config, opts ...attention.Option) func() error {
	return func() error {
		_, err := attention.Attend(qkv, c, opts...)
		return err
	}
}

func stateError(qkv *G.Node, c attention.Config, x0 ...*G.Node) func() error {
	return func() error {
		_, _, err := attention.AttendState(qkv, x0, c)
		return err
	}
}

// TestValues holds the values that are checked when a graph runs.
func TestValues(t *testing.T) {
	rng := newRand()
	qkv := testutil.Normal(rng, "qkv", 2, 12, 4)
	c := attention.Config{Heads: 2, Causal: true}
	for _, n := range []int{-1, 5} {
		if _, err := testutil.Forward(tensor.Float32, attend(c), qkv, testutil.Ints("lengths", []int{1, n}, 2)); err == nil {
			t.Errorf("length %d: want an error, got none", n)
		}
	}
	for _, p := range []float64{-1, 0.5, 1e300} {
		s := newState(rng, c, 2, 3, 0, 0)
		s.in[2].F[1] = p
		for which := range 4 {
			if _, err := testutil.Forward(tensor.Float64, attendState(c, which), slices.Concat([]testutil.Input{qkv}, s.in)...); err == nil {
				t.Errorf("position %g: want an error from result %d, got none", p, which)
			}
		}
	}
}

// TestLargeScores holds float32 against float64 where scores are large, and where
// the greatest come last: exponentials are relative to what changes on the way.
func TestLargeScores(t *testing.T) {
	const l = 450
	for _, scale := range []float64{1, 30, 1e4} {
		for name, c := range map[string]attention.Config{"all": {Heads: 1}, "causal": {Heads: 1, Causal: true}, "window": {Heads: 1, Causal: true, Window: 300}} {
			qkv := testutil.Normal(newRand(), "qkv", 1, 6, l)
			for i := range l {
				qkv.F[i], qkv.F[l+i] = 1, 0
				qkv.F[2*l+i] = math.Round(scale*float64(i)/l*64) / 64 * math.Sqrt2 // scores rise to scale
			}
			for i := range qkv.F {
				qkv.F[i] = float64(float32(qkv.F[i]))
			}
			w := testutil.Normal(newRand(), "w", 1, 2, l).F
			want, err := testutil.Run(testutil.Tape, tensor.Float64, attend(c), w, qkv)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testutil.Run(testutil.Tape, tensor.Float32, attend(c), w, qkv)
			if err != nil {
				t.Fatal(err)
			}
			// A score of 1e4 is rounded to 1e-3, by which a weight is then off.
			tol := 1e-6 + scale*0x1p-23
			if e := testutil.RelErr(got.Out, want.Out); !(e <= tol) {
				t.Errorf("%s, scores up to %g: output: relative error %.3g > %.3g", name, scale, e, tol)
			}
			if e := testutil.RelErr(got.Grads[0], want.Grads[0]); !(e <= 4*tol) {
				t.Errorf("%s, scores up to %g: gradient: relative error %.3g > %.3g", name, scale, e, 4*tol)
			}
			y, _, _ := problem{Config: c, e: 2, l: l, qkv: qkv.F}.solve(l)
			if e := testutil.RelErr(want.Out, y); !(e <= 1e-10) {
				t.Errorf("%s, scores up to %g: float64: relative error %.3g", name, scale, e)
			}
		}
	}
}

// TestScoresOfAnySize holds the gradient where the scores are so large that rounding
// errors are more than what exponentials are finite of: the weights of a query add up
// to 1, so that what it gives to all values is the gradient of its output.
func TestScoresOfAnySize(t *testing.T) {
	const l = 70
	for _, scale := range []float64{1, 1e4, 1e8, 1e15} {
		for name, c := range map[string]attention.Config{
			"all": {Heads: 1}, "causal": {Heads: 1, Causal: true}, "window": {Heads: 1, Causal: true, Window: 20}, "long window": {Heads: 1, Causal: true, Window: 250},
		} {
			qkv := testutil.Normal(newRand(), "qkv", 1, 3*16, l)
			for i := range 2 * 16 * l {
				qkv.F[i] *= scale
			}
			w := testutil.Uniform(newRand(), "w", 0, 1, 1, 16, l).F
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-6, tensor.Float32: 1e-2} {
				r, err := testutil.Run(testutil.Tape, dt, attend(c), w, qkv)
				if err != nil {
					t.Fatal(err)
				}
				for f := range 16 {
					var got, want float64
					for i := range l {
						got += r.Grads[0][(2*16+f)*l+i]
						want += w[f*l+i]
					}
					if !(math.Abs(got-want) <= tol*want) {
						t.Fatalf("%s, %v, scale %g: want gradients of the values that add up to %g, got %g", name, dt, scale, want, got)
					}
				}
			}
		}
	}
}

// TestRowAlone holds a row of a batch against the row by itself, bit for bit.
func TestRowAlone(t *testing.T) {
	for name, c := range configs {
		qkv := testutil.Normal(newRand(), "qkv", 3, 36, 50)
		w := testutil.Normal(newRand(), "w", 3, 12, 50).F
		batch, err := testutil.Run(testutil.Tape, tensor.Float32, attend(c), w, qkv)
		if err != nil {
			t.Fatal(err)
		}
		row := testutil.Input{Name: "qkv", Shape: tensor.Shape{1, 36, 50}, F: qkv.F[36*50 : 2*36*50]}
		one, err := testutil.Run(testutil.Tape, tensor.Float32, attend(c), w[12*50:2*12*50], row)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(one.Out, batch.Out[12*50:2*12*50]) || !slices.Equal(one.Grads[0], batch.Grads[0][36*50:2*36*50]) {
			t.Errorf("%s: a row by itself gives other numbers", name)
		}
	}
}

// TestCacheIsNotRead holds the slots in front of those that count: no bit depends on
// them, and they get no gradient.
func TestCacheIsNotRead(t *testing.T) {
	for _, name := range []string{"causal", "window 3", "half"} {
		c := configs[name]
		rng := newRand()
		slots := 4
		if c.Window > 0 {
			slots = c.Window - 1
		}
		qkv, s := testutil.Normal(rng, "qkv", 2, 36, 5), newState(rng, c, 12/c.Heads, slots, 0, 1)
		var want *testutil.Result
		for _, junk := range []float64{0, math.NaN()} {
			in := []testutil.Input{qkv}
			for _, x := range s.in {
				x.F = slices.Clone(x.F)
				eachUnused(x, s.positions, func(i int) { x.F[i] = junk })
				in = append(in, x)
			}
			got, err := testutil.Run(testutil.Tape, tensor.Float64, weighted(c), nil, in...)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got.Out, want.Out) {
				t.Errorf("%s, %g in front: the output changes", name, junk)
			}
			for i := range 3 {
				if !slices.Equal(got.Grads[i], want.Grads[i]) {
					t.Errorf("%s, %g in front: gradient of %s changes", name, junk, in[i].Name)
				}
			}
			for i := 1; i < 3; i++ {
				eachUnused(in[i], s.positions, func(j int) {
					if got.Grads[i][j] != 0 {
						t.Errorf("%s, %g in front: gradient %d of %s is %g", name, junk, j, in[i].Name, got.Grads[i][j])
					}
				})
			}
		}
	}
}

// eachUnused calls f for every element of a cache in front of those that count.
func eachUnused(x testutil.Input, positions []int, f func(i int)) {
	if x.Shape.Dims() != 4 {
		return
	}
	heads, slots, hd := x.Shape[1], x.Shape[2], x.Shape[3]
	for i := range x.F {
		if i/hd%slots < slots-positions[i/(heads*slots*hd)] {
			f(i)
		}
	}
}

// contiguous copies a view.
func contiguous(x *G.Node) (*G.Node, error) { return ops.Contiguous(x) }
