package retention

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// tol is how far the forms of retention may be apart.
const tol = 1e-12

// sequence is the operands of a batch.
type sequence struct {
	Config
	b, e, v, l int
	q, k, x    testutil.Input // x: the values
	start      testutil.Input
}

func newSequence(c Config, b, e, v, l int) sequence {
	rng := rand.New(rand.NewPCG(uint64(l), 8))
	return sequence{
		c, b, e, v, l, testutil.Normal(rng, "q", b, e, l), testutil.Normal(rng, "k", b, e, l), testutil.Normal(rng, "v", b, v, l),
		testutil.Normal(rng, "start", b, c.Heads, e/c.Heads, v/c.Heads),
	}
}

func (s sequence) inputs() []testutil.Input { return []testutil.Input{s.q, s.k, s.x} }

// turned returns the features of a head of x at a step as positions turn them: key is -1
// for keys, 1 for queries.
func (s sequence) turned(x []float64, b, h, n int, key float64) []float64 {
	dk := s.e / s.Heads
	f := make([]float64, dk)
	for i := range f {
		f[i] = x[(b*s.e+h*dk+i)*s.l+n]
		if key < 0 && s.ScaleKeys {
			f[i] /= math.Sqrt(float64(dk))
		}
	}
	for i := range dk / 2 {
		theta, zeta := 1., 1.
		switch s.Positions {
		case NoPositions:
			continue
		case XPos:
			theta = math.Pow(10000, -2*float64(i)/float64(dk))
			zeta = (2*float64(i) + 0.4*float64(dk)) / (1.4 * float64(dk))
		default:
			if dk > 2 {
				theta = math.Pow(10000, -float64(i)/(float64(dk)/2-1))
			}
		}
		z := complex(f[2*i], f[2*i+1]) * cmplx.Rect(math.Pow(zeta, key*float64(n)/512), float64(n)*theta)
		f[2*i], f[2*i+1] = real(z), imag(z)
	}
	return f
}

// parallel is the definition, without a state at the start.
func (s sequence) parallel() []float64 {
	y := make([]float64, s.b*s.v*s.l)
	dv := s.v / s.Heads
	for b := range s.b {
		for h, gamma := range s.Gammas() {
			for n := range s.l {
				q := s.turned(s.q.F, b, h, n, 1)
				var root, sum float64
				o := make([]float64, dv)
				for m := range n + 1 {
					d := math.Pow(gamma, float64(n-m))
					root += d
					var score float64
					for i, k := range s.turned(s.k.F, b, h, m, -1) {
						score += d * q[i] * k
					}
					sum += math.Abs(score)
					for f := range dv {
						o[f] += score * s.x.F[(b*s.v+h*dv+f)*s.l+m]
					}
				}
				z := 1.
				if root = math.Sqrt(root); s.Scores == Normalized {
					z = root * min(max(sum/root, 1), 5e4)
				}
				for f := range dv {
					y[(b*s.v+h*dv+f)*s.l+n] = o[f] / z
				}
			}
		}
	}
	return y
}

// step returns the output (B, V) of a Step for every step, as (B, V, L), and the state.
func (s sequence) recurrent(t *testing.T, start []float64) (y, state []float64) {
	t.Helper()
	r, err := NewStep[float64](s.Config, s.e, s.v)
	if err != nil {
		t.Fatal(err)
	}
	at := func(x []float64, features, n int) []float64 {
		var row []float64
		for i := range s.b * features {
			row = append(row, x[i*s.l+n])
		}
		return row
	}
	y, state = make([]float64, s.b*s.v*s.l), make([]float64, r.StateLen(s.b))
	copy(state, start)
	row := make([]float64, s.b*s.v)
	for n := range s.l {
		if err := r.Advance(row, state, at(s.q.F, s.e, n), at(s.k.F, s.e, n), at(s.x.F, s.v, n)); err != nil {
			t.Fatal(err)
		}
		for i, v := range row {
			y[i*s.l+n] = v
		}
	}
	return y, state
}

func retain(c Config) testutil.Build {
	return func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var start *G.Node
		if len(in) > 3 {
			start = in[3]
		}
		return Retain(c, in[0], in[1], in[2], start, nil)
	}
}

// configs are one of every kind.
func configs() []Config {
	return []Config{
		{Heads: 2, Chunk: 4, ScaleKeys: true}, {Heads: 1, Chunk: 3, Decay: Linspace, Positions: XPos},
		{Heads: 2, Chunk: 5, Decay: Linspace, Positions: NoPositions},
	}
}

// The three forms of retention are one.
func TestParallelChunkwiseRecurrent(t *testing.T) {
	for _, c := range configs() {
		for _, l := range []int{1, 2, 3, 4, 5, 15, 31} {
			s := newSequence(c, 2, 8, 6, l)
			want := s.parallel()
			for _, chunk := range []int{1, c.Chunk, 0} {
				c.Chunk = chunk
				y, err := testutil.Forward(tensor.Float64, retain(c), s.inputs()...)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(y, want); !(e <= tol) {
					t.Errorf("%+v L=%d: chunkwise and parallel differ by %.3g", c, l, e)
				}
			}
			if y, _ := s.recurrent(t, nil); !(testutil.RelErr(y, want) <= tol) {
				t.Errorf("%+v L=%d: recurrent and parallel differ by %.3g", c, l, testutil.RelErr(y, want))
			}
		}
	}
}

func TestNormalized(t *testing.T) {
	for _, c := range configs() {
		c.Scores = Normalized
		for _, l := range []int{1, 4, 13} {
			s := newSequence(c, 2, 8, 6, l)
			for i := range s.q.F {
				s.q.F[i] *= 3 // so that sums are on both sides of 1
			}
			y, err := testutil.Forward(tensor.Float64, retain(c), s.inputs()...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(y, s.parallel()); !(e <= tol) {
				t.Errorf("%+v L=%d: off by %.3g", c, l, e)
			}
		}
	}
}

// The gradient with z a constant is that of plain attention by scores over it: exact
// where no sum is above 1, as with small queries.
func TestGradients(t *testing.T) {
	for _, c := range configs() {
		s := newSequence(c, 2, 4, 6, 7)
		testutil.Check(t, retain(c), s.inputs()...)
		testutil.Check(t, retain(c), append(s.inputs(), s.start)...)
		c.Scores = Normalized
		for i := range s.q.F {
			s.q.F[i] /= 50
		}
		testutil.Check(t, retain(c), s.inputs()...)
	}
}

func TestState(t *testing.T) {
	for _, c := range configs() {
		for _, l := range []int{1, 3, 11} {
			s := newSequence(c, 2, 4, 6, l)
			in := append(s.inputs(), s.start)
			y, state := s.recurrent(t, s.start.F)
			got, err := testutil.Forward(tensor.Float64, retain(c), in...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(got, y); !(e <= tol) {
				t.Errorf("%+v L=%d: output off by %.3g", c, l, e)
			}
			end := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
				_, end, err := RetainState(c, in[0], in[1], in[2], in[3], nil)
				return end, err
			}
			if got, err = testutil.Forward(tensor.Float64, end, in...); err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(got, state); !(e <= tol) {
				t.Errorf("%+v L=%d: state off by %.3g", c, l, e)
			}
		}
		s := newSequence(c, 2, 4, 6, 7)
		// Output and state behind each other, as the op has them.
		testutil.Check(t, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			o := retainOp{name: "retention.RetainState", cfg: c, q: in[0], k: in[1], v: in[2], start: in[3]}
			if err := o.check(); err != nil {
				return nil, err
			}
			return o.build(tensor.Shape{2*6*7 + o.stateShape().TotalSize()}, true)
		}, append(s.inputs(), s.start)...)
	}
}

// A state needs no position: after very many steps it is as exact as after a few.
func TestStateOfLongSequences(t *testing.T) {
	c := Config{Heads: 1, Positions: XPos}
	r, err := NewStep[float32](c, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, r.StateLen(1)), make([]float32, 2)
	for n := range 200_000 {
		if err := r.Advance(y, x, []float32{1, 0, 1, 0}, []float32{1, 0, 1, 0}, []float32{1, -1}); err != nil {
			t.Fatal(err)
		}
		if n == 5000 || n == 199_999 {
			if !(y[0] == -y[1]) || !(math.Abs(float64(y[0])) > 0.1) || math.IsInf(float64(y[0]), 0) {
				t.Errorf("step %d: got %v", n, y)
			}
		}
	}
}

func TestPaddingAndRows(t *testing.T) {
	for _, scores := range AllScores() {
		c := Config{Heads: 2, Chunk: 3, Scores: scores}
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Retain(c, in[0], in[1], in[2], nil, in[3]) }
		s := newSequence(c, 4, 4, 4, 7)
		testutil.CheckPadding(t, string(scores), testutil.RunnerOf(f), []int{2, 2, 2}, append(s.inputs(), testutil.Ints("lengths", []int{7, 0, 4, 3}, 4))...)
		testutil.CheckRows(t, string(scores), testutil.RunnerOf(retain(c)), 3, s.inputs()...)
	}
}

// The state after a sequence that is padded is that after its last step.
func TestStateOfPadded(t *testing.T) {
	c := configs()[1]
	s := newSequence(c, 3, 4, 6, 7)
	f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		_, end, err := RetainState(c, in[0], in[1], in[2], in[3], in[4])
		return end, err
	}
	lengths := []int{7, 0, 4}
	got, err := testutil.Forward(tensor.Float64, f, append(s.inputs(), s.start, testutil.Ints("lengths", lengths, 3))...)
	if err != nil {
		t.Fatal(err)
	}
	n := len(got) / 3
	for b, l := range lengths {
		part := newSequence(c, 1, 4, 6, l)
		for i, from := range []*testutil.Input{&s.q, &s.k, &s.x} {
			to := []*testutil.Input{&part.q, &part.k, &part.x}[i]
			features := from.Shape[1]
			to.F = nil
			for f := range features {
				to.F = append(to.F, from.F[(b*features+f)*7:][:l]...)
			}
		}
		_, want := part.recurrent(t, s.start.F[b*n:][:n])
		if e := testutil.RelErr(got[b*n:][:n], want); !(e <= tol) {
			t.Errorf("row %d: off by %.3g", b, e)
		}
	}
}

func TestGate(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	const b, v, l = 2, 6, 5
	o, g := testutil.Normal(rng, "o", b, v, l), testutil.Normal(rng, "gate", b, v, l)
	w, bias := testutil.Normal(rng, "weight", v), testutil.Normal(rng, "bias", v)
	for _, norm := range Norms() {
		c := NormConfig{Heads: 2, Norm: norm, Eps: norm.Eps()}
		in := []testutil.Input{o, g}
		weight, shift := []float64(nil), []float64(nil)
		if norm == Group {
			in, weight, shift = append(in, w, bias), w.F, bias.F
		}
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			if len(in) == 2 {
				return Gate(c, in[0], in[1], nil, nil)
			}
			return Gate(c, in[0], in[1], in[2], in[3])
		}
		testutil.Check(t, f, in...)
		got, err := testutil.Forward(tensor.Float64, f, in...)
		if err != nil {
			t.Fatal(err)
		}
		step, err := NewGateStep(c, v, weight, shift)
		if err != nil {
			t.Fatal(err)
		}
		for n := range l {
			var x, gate, want []float64
			for i := range b * v {
				x, gate, want = append(x, o.F[i*l+n]), append(gate, g.F[i*l+n]), append(want, got[i*l+n])
			}
			if err := step.Apply(x, gate); err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(x, want); !(e <= tol) {
				t.Errorf("%s: step and sequence differ by %.3g", norm, e)
			}
		}
		if e := testutil.RelErr(got, naiveGate(c, o.F, g.F, weight, shift, v, l)); !(e <= tol) {
			t.Errorf("%s: off by %.3g", norm, e)
		}
	}
}

// Squares that float32 has no room for are no reason for an output of 0.
func TestGateOfLargeOutputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	o, g := testutil.Normal(rng, "o", 2, 6, 5), testutil.Normal(rng, "gate", 2, 6, 5)
	for i := range o.F {
		o.F[i] *= 1e25
	}
	w, bias := testutil.Normal(rng, "weight", 6), testutil.Normal(rng, "bias", 6)
	f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		return Gate(NormConfig{Heads: 2, Norm: Group, Eps: Group.Eps()}, in[0], in[1], in[2], in[3])
	}
	got, err := testutil.Forward(tensor.Float32, f, o, g, w, bias)
	if err != nil {
		t.Fatal(err)
	}
	want, err := testutil.Forward(tensor.Float64, f, o, g, w, bias)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(got, want); !(e <= 1e-5) {
		t.Errorf("off by %.3g", e)
	}
}

func naiveGate(c NormConfig, o, g, weight, bias []float64, v, l int) []float64 {
	y := make([]float64, len(o))
	dv := v / c.Heads
	for i, x := range o {
		first, f := i/(dv*l)*dv*l+i%l, i/l%v
		var mean, square float64
		for j := range dv {
			mean += o[first+j*l] / float64(dv)
		}
		if c.Norm == RMS {
			mean = 0
		}
		for j := range dv {
			square += (o[first+j*l] - mean) * (o[first+j*l] - mean) / float64(dv)
		}
		y[i] = (x - mean) / math.Sqrt(square+c.Eps)
		if c.Norm == Group {
			y[i] = y[i]*weight[f] + bias[f]
		}
		y[i] *= g[i] / (1 + math.Exp(-g[i]))
	}
	return y
}

func TestDeterministic(t *testing.T) {
	const l = 150
	d := dims{Config: Config{Heads: 3}, b: 5, e: 12, v: 24, l: l, dk: 4, dv: 8}
	values := func(n int) []float32 {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	in := []graphop.Arg[float32]{{F: values(5 * 12 * l)}, {F: values(5 * 12 * l)}, {F: values(5 * 24 * l)}}
	g := values(5 * 24 * l)
	testutil.CheckDeterministic(t, func() any {
		var all [][]float32
		for _, scores := range AllScores() {
			d.Scores = scores
			c := newCore[float32](d, places{-1, -1}, false)
			y := make([]float32, len(g))
			grad := [][]float32{make([]float32, len(in[0].F)), make([]float32, len(in[1].F)), make([]float32, len(in[2].F))}
			if err := c.Forward(y, in); err != nil {
				t.Fatal(err)
			}
			if err := c.Backward(grad, in, y, g); err != nil {
				t.Fatal(err)
			}
			all = append(append(all, y), grad...)
		}
		return fmt.Sprint(all)
	})
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	q, k, v, s := node("q", 2, 4, 3), node("k", 2, 4, 3), node("v", 2, 6, 3), node("s", 2, 2, 2, 3)
	for want, f := range map[string]func() error{
		"k: want (2, 4, 3), got (2, 6, 3)":                        func() error { _, err := Retain(Config{Heads: 2}, q, v, v, nil, nil); return err },
		"v: want (2, V, 3), V >= 1, got (2, 2, 2, 3)":             func() error { _, err := Retain(Config{Heads: 2}, q, k, s, nil, nil); return err },
		"want Heads >= 1, got 0":                                  func() error { _, err := Retain(Config{}, q, k, v, nil, nil); return err },
		"start: want (2, 2, 2, 3), got (2, 6, 3)":                 func() error { _, err := Retain(Config{Heads: 2}, q, k, v, v, nil); return err },
		"want Heads that divide the 4 features of keys and the 6": func() error { _, err := Retain(Config{Heads: 4}, q, k, v, nil, nil); return err },
		`want no start with Scores "normalized", got one`:         func() error { _, err := Retain(Config{Heads: 2, Scores: Normalized}, q, k, v, s, nil); return err },
		`want Scores "plain" with a state, got "normalized"`: func() error {
			_, _, err := RetainState(Config{Heads: 2, Scores: Normalized}, q, k, v, nil, nil)
			return err
		},
		"want Chunk in [1, 4096], or 0 for 64, got -1":                 func() error { return Config{Heads: 2, Chunk: -1}.Validate(4, 6) },
		`want Decay one of ["arange" "linspace"], got "x"`:             func() error { return Config{Heads: 2, Decay: "x"}.Validate(4, 6) },
		`want an even number of features of the keys of a head, or Po`: func() error { return Config{Heads: 2}.Validate(6, 6) },
		"want Positions one of":                                        func() error { return Config{Heads: 2, Positions: "x"}.Validate(4, 6) },
		"want Scores one of":                                           func() error { return Config{Heads: 2, Scores: "x"}.Validate(4, 6) },
		"want a norm of":                                               func() error { _, err := Gate(NormConfig{Heads: 2, Norm: "x"}, v, v, nil, nil); return err },
		"gate: want (2, 6, 3), got (2, 4, 3)":                          func() error { _, err := Gate(NormConfig{Heads: 2}, v, q, nil, nil); return err },
		`want no weight and bias with the norm "rms", got one`:         func() error { _, err := Gate(NormConfig{Heads: 2}, v, v, s, nil); return err },
		"weight: want (6), got nil":                                    func() error { _, err := Gate(NormConfig{Heads: 2, Norm: Group}, v, v, nil, nil); return err },
		"states before the chunks of a head (chunks, dk, dv), got 1048576 x 256 x 256": func() error { // of which the gradient keeps all
			d := dims{Config: Config{Heads: 1, Chunk: 1}, b: 1, e: 256, v: 256, l: 1 << 20, dk: 256, dv: 256}
			return newChunked[float32](d, places{-1, -1}, false).Backward(nil, nil, nil, nil)
		},
		"want Scores \"plain\" for steps": func() error { _, err := NewStep[float64](Config{Heads: 1, Scores: Normalized}, 4, 4); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	r, err := NewStep[float64](Config{Heads: 1}, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Advance(make([]float64, 2), make([]float64, 8), make([]float64, 3), make([]float64, 4), make([]float64, 2)); err == nil || err.Error() != "retention: Step.Advance: q: want 4 elements, got 3" {
		t.Errorf("got error %v", err)
	}
	if err := r.AdvanceRows(make([]float64, 2), make([]float64, 8), make([]float64, 4), make([]float64, 3), make([]float64, 2)); err == nil || err.Error() != "retention: Step.AdvanceRows: k: want 4 elements, got 3" {
		t.Errorf("got error %v", err)
	}
}

func TestGateStepErrors(t *testing.T) {
	of := func(c NormConfig, v int, w []float64) error {
		_, err := NewGateStep(c, v, w, w)
		return err
	}
	s, err := NewGateStep[float64](NormConfig{Heads: 2}, 6, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"retention: NewGateStep: want features >= 1, got 0":             of(NormConfig{Heads: 2}, 0, nil),
		"retention: NewGateStep: want Heads that divide the 6 features": of(NormConfig{Heads: 4}, 6, nil),
		"retention: NewGateStep: want a finite Eps >= 0, got -1":        of(NormConfig{Heads: 2, Eps: -1}, 6, nil),
		"retention: NewGateStep: want a finite Eps >= 0, got NaN":       of(NormConfig{Heads: 2, Eps: math.NaN()}, 6, nil),
		"retention: NewGateStep: want a norm of":                        of(NormConfig{Heads: 2, Norm: "x"}, 6, nil),
		"retention: NewGateStep: weight: want 6 elements, got 5":        of(NormConfig{Heads: 2, Norm: Group}, 6, make([]float64, 5)),
		"retention: GateStep.Apply: o: want 6 elements, got 5":          s.Apply(make([]float64, 5), make([]float64, 5)),
		"retention: GateStep.Apply: o: want 6 elements, got 0":          s.Apply(nil, nil),
		"retention: GateStep.Apply: o: want 6 elements, got 7":          s.Apply(make([]float64, 7), make([]float64, 7)),
		"retention: GateStep.Apply: gate: want 12 elements, got 6":      s.Apply(make([]float64, 12), make([]float64, 6)),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
