package mega

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

const tol = 1e-12

// batch is the operands of a batch of b sequences of l steps.
type batch struct {
	b, z, v, l, m                  int
	zs, vs, gamma, beta, bias      testutil.Input
	stateZ, stateV, statePositions testutil.Input
}

func newBatch(c Config, b, z, v, l int, positions ...float64) batch {
	rng := rand.New(rand.NewPCG(uint64(l), 2))
	m := max(c.chunk(l), l) + 1
	return batch{
		b, z, v, l, m, testutil.Normal(rng, "z", b, z, l), testutil.Normal(rng, "v", b, v, l), testutil.Normal(rng, "gamma", 2, z), testutil.Normal(rng, "beta", 2, z),
		testutil.Normal(rng, "bias", 2*m-1), testutil.Normal(rng, "state.z", b, c.Slots(), z), testutil.Normal(rng, "state.v", b, c.Slots(), v),
		testutil.Input{Name: "position", Shape: tensor.Shape{b}, F: positions, Fixed: true},
	}
}

func (s batch) inputs() []testutil.Input {
	return []testutil.Input{s.zs, s.vs, s.gamma, s.beta, s.bias}
}

func (s batch) withState() []testutil.Input {
	return append(s.inputs(), s.stateZ, s.stateV, s.statePositions)
}

func inputsOf(in []*G.Node) Inputs[*G.Node] {
	return Inputs[*G.Node]{Z: in[0], V: in[1], Gamma: in[2], Beta: in[3], Bias: in[4]}
}

// attended is Attend of inputs, and of a state if there are more.
func attended(c Config) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var from *State[*G.Node]
		if len(in) > 5 {
			from = &State[*G.Node]{Z: in[5], V: in[6], Position: in[7]}
		}
		return Attend(c, inputsOf(in), from, nil)
	}
}

// naive is the definition, of sequences from the start of a chunk on.
func (s batch) naive(c Config) []float64 {
	y := make([]float64, s.b*s.v*s.l)
	chunk := c.chunk(s.l)
	affine := func(k, b, n, f int) float64 {
		return s.zs.F[(b*s.z+f)*s.l+n]*s.gamma.F[k*s.z+f] + s.beta.F[k*s.z+f]
	}
	for b := range s.b {
		for i := range s.l {
			first := i / chunk * chunk
			end := min(first+chunk, s.l)
			if c.Causal {
				end = i + 1
			}
			a, sum := make([]float64, end-first), 0.
			for j := first; j < end; j++ {
				var score float64
				for f := range s.z {
					score += affine(0, b, i, f) * affine(1, b, j, f)
				}
				bias := s.bias.F[s.m-1+j-i]
				if c.Function == Laplace {
					a[j-first] = (1 + math.Erf((score/float64(end-first)+bias-0.707107)/(0.282095*math.Sqrt2))) / 2
					sum = 1
				} else {
					a[j-first] = math.Exp(score/math.Sqrt(float64(s.z)) + bias)
					sum += a[j-first]
				}
			}
			for f := range s.v {
				for j, w := range a {
					y[(b*s.v+f)*s.l+i] += w / sum * s.vs.F[(b*s.v+f)*s.l+first+j]
				}
			}
		}
	}
	return y
}

func configs() []Config {
	return []Config{
		{Chunk: Whole}, {Chunk: 3, Causal: true}, {Chunk: 4, Function: Laplace}, {Chunk: Whole, Function: Laplace, Causal: true}, {Chunk: 1},
	}
}

func TestAttend(t *testing.T) {
	for _, c := range configs() {
		for _, l := range []int{1, 4, 7, 150} {
			s := newBatch(c, 2, 3, 2, l)
			got, err := testutil.Forward(tensor.Float64, attended(c), s.inputs()...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(got, s.naive(c)); !(e <= tol) {
				t.Errorf("%+v L=%d: off by %.3g", c, l, e)
			}
		}
		testutil.Check(t, attended(c), newBatch(c, 2, 3, 2, 5).inputs()...)
	}
}

func TestPaddingAndRows(t *testing.T) {
	for _, c := range configs() {
		s := newBatch(c, 4, 2, 3, 7)
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			return Attend(c, Inputs[*G.Node]{Z: in[0], V: in[1], Gamma: in[2], Beta: in[3], Bias: in[4]}, nil, in[5])
		}
		testutil.CheckPadding(t, fmt.Sprint(c), testutil.RunnerOf(f), []int{2, 2}, append(s.inputs(), testutil.Ints("lengths", []int{7, 0, 4, 5}, 4))...)
		testutil.CheckRows(t, fmt.Sprint(c), testutil.RunnerOf(attended(c)), 2, s.inputs()...)
	}
}

// part is steps [lo, hi) of rows of l.
func part(in testutil.Input, l, lo, hi int) testutil.Input {
	out := testutil.Input{Name: in.Name, Shape: in.Shape.Clone()}
	out.Shape[2] = hi - lo
	for at := 0; at < len(in.F); at += l {
		out.F = append(out.F, in.F[at+lo:at+hi]...)
	}
	return out
}

// slots is tensor i of the state behind the sequence.
func slots(c Config, i int) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var from *State[*G.Node]
		if len(in) > 2 {
			from = &State[*G.Node]{Z: in[2], V: in[3], Position: in[4]}
		}
		to, err := Cache(c, in[0], in[1], from)
		return []*G.Node{to.Z, to.V, to.Position}[i], err
	}
}

// A sequence in parts, each from the state after the one before, is the whole.
func TestParts(t *testing.T) {
	for _, f := range Functions() {
		const l = 14
		c := Config{Function: f, Causal: true, Chunk: 5}
		s := newBatch(c, 2, 3, 2, l)
		want := s.naive(c)
		var state []testutil.Input
		lo := 0
		for _, hi := range []int{2, 3, 5, 11, 12, 14} {
			z, v := part(s.zs, l, lo, hi), part(s.vs, l, lo, hi)
			in := append([]testutil.Input{z, v, s.gamma, s.beta, s.bias}, state...)
			got, err := testutil.Forward(tensor.Float64, attended(c), in...)
			if err != nil {
				t.Fatal(err)
			}
			y := part(testutil.Input{Shape: tensor.Shape{2, 2, l}, F: want}, l, lo, hi)
			if e := testutil.RelErr(got, y.F); !(e <= tol) {
				t.Errorf("%s: steps [%d, %d) off by %.3g", f, lo, hi, e)
			}
			var next []testutil.Input
			for i, shape := range []tensor.Shape{{2, 4, 3}, {2, 4, 2}, {2}} {
				x, err := testutil.Forward(tensor.Float64, slots(c, i), append([]testutil.Input{z, v}, state...)...)
				if err != nil {
					t.Fatal(err)
				}
				next = append(next, testutil.Input{Name: []string{"state.z", "state.v", "position"}[i], Shape: shape, F: x, Fixed: i == 2})
			}
			state, lo = next, hi
		}
	}
}

func TestGradientsOfStates(t *testing.T) {
	for _, f := range Functions() {
		c := Config{Function: f, Causal: true, Chunk: 4}
		s := newBatch(c, 3, 3, 2, 6, 0, 3, 1)
		testutil.Check(t, attended(c), s.withState()...)
	}
	c := Config{Causal: true, Chunk: 8}
	s := newBatch(c, 3, 3, 2, 4, 0, 5, 2)
	for i := range 2 {
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return c.cache("cache", "x", in[0], in[1], in[2]) }
		x := []testutil.Input{s.zs, s.vs}[i]
		testutil.Check(t, f, x, []testutil.Input{s.stateZ, s.stateV}[i], s.statePositions)
	}
}

func TestRotaryBias(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	const z, m = 4, 5
	a, b := testutil.Normal(rng, "alpha", 1, z), testutil.Normal(rng, "beta", 1, z)
	f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return RotaryBias(in[0], in[1], m) }
	testutil.Check(t, f, a, b)
	got, err := testutil.Forward(tensor.Float64, f, a, b)
	if err != nil {
		t.Fatal(err)
	}
	turned := func(x []float64, n int) []float64 {
		y := make([]float64, z)
		for t := range z / 2 {
			s, c := math.Sincos(float64(n) * math.Pow(10000, -float64(t)/(z/2)))
			y[t], y[t+z/2] = x[t]*c-x[t+z/2]*s, x[t+z/2]*c+x[t]*s
		}
		return y
	}
	for i := range m {
		for j := range m {
			var want float64
			for k, v := range turned(a.F, i) {
				want += v * turned(b.F, j)[k]
			}
			if e := math.Abs(got[m-1+j-i] - want); !(e <= tol) {
				t.Errorf("query %d, key %d: got %g, want %g", i, j, got[m-1+j-i], want)
			}
		}
	}
}

func TestBlend(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	const b, d, l = 2, 3, 5
	in := []testutil.Input{testutil.Normal(rng, "x", b, d, l), testutil.Normal(rng, "u", b, d, l), testutil.Normal(rng, "h", b, d, l)}
	f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Blend(in[0], in[1], in[2], nil) }
	testutil.Check(t, f, in...)
	got, err := testutil.Forward(tensor.Float64, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range got {
		g := 1 / (1 + math.Exp(-in[1].F[i]))
		if want := in[0].F[i] + g*(in[2].F[i]-in[0].F[i]); !(math.Abs(y-want) <= tol) {
			t.Errorf("element %d: got %g, want %g", i, y, want)
		}
	}
	padded := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Blend(in[0], in[1], in[2], in[3]) }
	testutil.CheckPadding(t, "Blend", testutil.RunnerOf(padded), []int{2, 2, 2}, append(in, testutil.Ints("lengths", []int{5, 2}, 2))...)
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	z, v, w, bias := node("z", 2, 4, 6), node("v", 2, 3, 6), node("w", 2, 4), node("bias", 11)
	in := Inputs[*G.Node]{Z: z, V: v, Gamma: w, Beta: w, Bias: bias}
	attend := func(c Config, in Inputs[*G.Node], from *State[*G.Node]) func() error {
		return func() error { _, err := Attend(c, in, from, nil); return err }
	}
	for want, f := range map[string]func() error{
		`want Function one of ["softmax" "laplace"], got "relu"`:            attend(Config{Function: "relu", Chunk: 1}, in, nil),
		"want Chunk >= 1, or -1 for whole sequences, got 0":                 attend(Config{}, in, nil),
		"V: want (2, V, 6), V >= 1, got (2, 4)":                             attend(Config{Chunk: 2}, Inputs[*G.Node]{Z: z, V: w, Gamma: w, Beta: w, Bias: bias}, nil),
		"Gamma: want (2, 4), got (11)":                                      attend(Config{Chunk: 2}, Inputs[*G.Node]{Z: z, V: v, Gamma: bias, Beta: w, Bias: bias}, nil),
		"Bias: want (2M-1) with M at least the 6 steps of a chunk, got (5)": attend(Config{Chunk: Whole}, Inputs[*G.Node]{Z: z, V: v, Gamma: w, Beta: w, Bias: node("short", 5)}, nil),
		"want Causal and chunks with a state, got Causal false and Chunk 3": attend(Config{Chunk: 3}, in, &State[*G.Node]{Z: z, V: v, Position: w}),
		"state: Z: want (2, 2, 4), got (2, 4, 6)":                           attend(Config{Chunk: 3, Causal: true}, in, &State[*G.Node]{Z: z, V: v, Position: w}),
		"want Causal and chunks with a state, got Causal true and Chunk -1": func() error { _, err := Cache(Config{Chunk: Whole, Causal: true}, z, v, nil); return err },
		"mega.Cache: v: want (2, V, 6), got (2, 4)":                         func() error { _, err := Cache(Config{Chunk: 3, Causal: true}, z, w, nil); return err },
		"mega.Cache: state: Z: want a node, got nil": func() error {
			_, err := Cache(Config{Chunk: 3, Causal: true}, z, v, &State[*G.Node]{V: v, Position: w})
			return err
		},
		"want at most 2147483647 elements in the gradients of the bias (B, chunks, 2C-1), got 2 x 2 x 2147483647": func() error {
			d := dims{Config: Config{Causal: true, Chunk: 1 << 30}, b: 2, z: 1, v: 1, l: 2, m: 1 << 30, state: true, lengths: -1}
			return newAttend[float32](d).Backward(nil, nil, nil, nil)
		},
		"mega.RotaryBias: alpha: want (1, Z), Z even, got (2, 4)": func() error { _, err := RotaryBias(w, w, 3); return err },
		"mega.Blend: h: want (2, 4, 6), got (2, 3, 6)":            func() error { _, err := Blend(z, z, v, nil); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	s := newBatch(Config{Chunk: 4, Causal: true}, 1, 2, 2, 3, 4)
	if _, err := testutil.Forward(tensor.Float64, attended(Config{Chunk: 4, Causal: true}), s.withState()...); err == nil || !strings.Contains(err.Error(), "position[0]: want a whole number in [0, 4), got 4") {
		t.Errorf("got error %v", err)
	}
}

// Steps of rows at positions of their own, which join and leave, are those of each alone.
func TestStep(t *testing.T) {
	for _, f := range Functions() {
		const l = 11
		c := Config{Function: f, Causal: true, Chunk: 4}
		s := newBatch(c, 2, 3, 2, l)
		want := s.naive(c)
		r, err := NewStep(c, s.z, s.v, Inputs[[]float64]{Gamma: s.gamma.F, Beta: s.beta.F, Bias: s.bias.F})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reset(2); err != nil {
			t.Fatal(err)
		}
		at := func(x []float64, n int) []float64 {
			var rows []float64
			for i := n; i < len(x); i += l {
				rows = append(rows, x[i])
			}
			return rows
		}
		y := make([]float64, 4)
		for n := range l {
			if n == 6 { // through a state, and in the other order twice
				x := r.Store()
				if err := r.Load(x); err != nil {
					t.Fatal(err)
				}
				r.Regroup([]int{1, 0})
				r.Regroup([]int{1, 0})
			}
			if err := r.Advance(y, at(s.zs.F, n), at(s.vs.F, n)); err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(y, at(want, n)); !(e <= tol) {
				t.Errorf("%s: step %d off by %.3g", f, n, e)
			}
		}
	}
	r, err := NewStep(Config{Causal: true, Chunk: 2}, 1, 1, Inputs[[]float64]{Gamma: make([]float64, 2), Beta: make([]float64, 2), Bias: make([]float64, 3)})
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"mega: Step.Advance: z: want 1 elements, got 2":             r.Advance([]float64{0}, []float64{1, 2}, []float64{1}),
		"mega: Step.AdvanceRows: y: want 1 elements, got 2":         r.AdvanceRows(0, 0, []float64{0, 0}, []float64{1}, []float64{1}),
		"mega: Step.AdvanceRows: want rows in [0, 1), got 1 from 1": r.AdvanceRows(0, 1, []float64{0}, []float64{1}, []float64{1}),
		"mega: Step.AdvanceRows: want a worker in [0, ":             r.AdvanceRows(-1, 0, []float64{0}, []float64{1}, []float64{1}),
		"mega: Step: position[0]: want a whole number in [0, 2), g": r.Load(State[[]float64]{Z: []float64{1}, V: []float64{1}, Position: []float64{2}}),
		"mega: Step: want batch >= 1, got 0":                        r.Reset(0),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	_, err = NewStep(Config{Causal: true, Chunk: 3}, 1, 1, Inputs[[]float64]{Gamma: make([]float64, 2), Beta: make([]float64, 2), Bias: make([]float64, 3)})
	if want := "mega: NewStep: Bias: want (2M-1) with M at least the 3 steps of a chunk, got (3)"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

// Sums over chunks are added in order, whatever worker has computed them.
func TestDeterministic(t *testing.T) {
	for _, c := range configs() {
		s := newBatch(c, 5, 8, 6, 70)
		testutil.CheckDeterministic(t, func() any {
			r, err := testutil.Run(testutil.Tape, tensor.Float32, attended(c), nil, s.inputs()...)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(r)
		})
	}
}
