package mimo_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/mimo"
)

// operands are inputs of an op under test, and how they are handed over.
type operands struct {
	mimo.Config
	directions                  int
	varying, skip, start, count bool
}

func (o operands) String() string {
	return fmt.Sprintf("pairs %t, %d directions, varying %t, D %t, start %t, lengths %t", o.Pairs, o.directions, o.varying, o.skip, o.start, o.count)
}

// sizes are those of the arguments of an op.
type sizes struct{ B, H, L, P int }

// draw returns inputs. What has rows comes first: x, then the start and the poles that vary.
func (o operands) draw(rng *rand.Rand, s sizes, lengths []int) []testutil.Input {
	in := []testutil.Input{testutil.Normal(rng, "x", s.B, s.H, s.L)}
	if o.start && o.directions == 1 {
		in = append(in, testutil.Normal(rng, "start", s.B, s.P, 2))
	} else if o.start {
		in = append(in, testutil.Normal(rng, "start", s.B, 2, s.P, 2))
	}
	poles := []int{2, 2, s.P}
	if o.varying {
		poles = []int{2, s.B, s.L, 2, s.P}
	}
	in = append(in, testutil.Uniform(rng, "poles", -0.7, 0.7, poles...),
		testutil.Normal(rng, "B", s.P, s.H, 2), testutil.Normal(rng, "C", o.directions, s.H, s.P, 2))
	if o.skip {
		in = append(in, testutil.Normal(rng, "D", 1, s.H))
	}
	if o.count {
		in = append(in, testutil.Ints("lengths", lengths, s.B))
	}
	return in
}

// sort returns the nodes of the inputs as an op takes them.
func (o operands) sort(n []*G.Node) (x *G.Node, p mimo.Params[*G.Node], start, lengths *G.Node) {
	next := func(has bool) *G.Node {
		if !has {
			return nil
		}
		first := n[0]
		n = n[1:]
		return first
	}
	x, start = next(true), next(o.start)
	p.Poles, p.B, p.C, p.D = next(true), next(true), next(true), next(o.skip)
	return x, p, start, next(o.count)
}

// output is the output alone.
func (o operands) output(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	x, p, start, lengths := o.sort(n)
	return mimo.Sequence(o.Config, x, p, start, lengths)
}

// all is the output and the last state in one, each squared so that its gradient
// depends on it.
func (o operands) all(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	x, p, start, lengths := o.sort(n)
	y, end, err := mimo.SequenceState(o.Config, x, p, start, lengths)
	if err != nil {
		return nil, err
	}
	return G.Add(G.Must(G.Sum(G.Must(G.Square(y)))), G.Must(G.Sum(G.Must(G.Square(end)))))
}

func eachOperands(f func(o operands)) {
	for _, directions := range []int{1, 2} {
		for _, varying := range []bool{false, true} {
			f(operands{Config: mimo.Config{Pairs: true}, directions: directions, varying: varying, skip: true})
			f(operands{directions: directions, varying: varying, start: true, count: true})
			f(operands{Config: mimo.Config{Pairs: varying}, directions: directions, varying: varying, skip: true, start: true, count: true})
		}
	}
}

func TestGradients(t *testing.T) {
	eachOperands(func(o operands) {
		t.Run(o.String(), func(t *testing.T) {
			in := o.draw(rand.New(rand.NewPCG(1, 2)), sizes{B: 3, H: 2, L: 4, P: 2}, []int{4, 0, 3})
			if !o.start {
				testutil.Check(t, o.output, in...)
			}
			testutil.Check(t, o.all, in...)
		})
	})
}

func TestRows(t *testing.T) {
	for _, directions := range []int{1, 2} {
		o := operands{directions: directions, skip: true, start: true}
		in := o.draw(rand.New(rand.NewPCG(6, 2)), sizes{B: 3, H: 2, L: 6, P: 3}, nil)
		testutil.CheckRows(t, o.String(), testutil.RunnerOf(o.output), 2, in...)
	}
}

func TestPadding(t *testing.T) {
	eachOperands(func(o operands) {
		if !o.count || o.varying {
			return
		}
		in := o.draw(rand.New(rand.NewPCG(7, 2)), sizes{B: 4, H: 2, L: 6, P: 3}, []int{6, 0, 3, 1})
		testutil.CheckPadding(t, o.String(), testutil.RunnerOf(o.output), []int{2}, in...)
		testutil.CheckPadding(t, o.String()+", state", testutil.RunnerOf(o.all), []int{2}, in...)
	})
}

// model is what an op computes, by the formulas.
func (o operands) model(s sizes, in []testutil.Input, lengths []int) (y, end []float64) {
	find := map[string][]float64{}
	for _, i := range in {
		find[i.Name] = i.F
	}
	z := func(v []float64, i int) complex128 { return complex(v[2*i], v[2*i+1]) }
	poles := func(k, b, l, p int) complex128 {
		v, row := find["poles"], k
		if o.varying {
			row = (k*s.B+b)*s.L + l
		}
		return complex(v[row*2*s.P+p], v[(row*2+1)*s.P+p])
	}
	gain := 1.0
	if o.Pairs {
		gain = 2
	}
	y, end = make([]float64, s.B*s.H*s.L), make([]float64, s.B*o.directions*s.P*2)
	for b := range s.B {
		n := s.L
		if lengths != nil {
			n = lengths[b]
		}
		for d := range o.directions {
			x := make([]complex128, s.P)
			for p := range x {
				if o.start {
					x[p] = z(find["start"], (b*o.directions+d)*s.P+p)
				}
			}
			for i := range n {
				l := i
				if d == 1 {
					l = n - 1 - i
				}
				for p := range x {
					var v complex128
					for h := range s.H {
						v += z(find["B"], p*s.H+h) * complex(find["x"][(b*s.H+h)*s.L+l], 0)
					}
					x[p] = poles(0, b, l, p)*x[p] + poles(1, b, l, p)*v
					for h := range s.H {
						y[(b*s.H+h)*s.L+l] += gain * real(z(find["C"], (d*s.H+h)*s.P+p)*x[p])
					}
				}
			}
			for p, v := range x {
				i := ((b*o.directions+d)*s.P + p) * 2
				end[i], end[i+1] = real(v), imag(v)
			}
		}
		if d := find["D"]; d != nil {
			for h := range s.H {
				for l := range n {
					y[(b*s.H+h)*s.L+l] += d[h] * find["x"][(b*s.H+h)*s.L+l]
				}
			}
		}
	}
	return y, end
}

// What the op computes is what the package comment says, also over several chunks.
func TestFormula(t *testing.T) {
	const tol64, tol32 = 1e-12, 1e-5
	eachOperands(func(o operands) {
		for _, s := range []sizes{{1, 1, 1, 1}, {2, 3, 17, 5}, {3, 3, 600, 4}} {
			lengths := []int{s.L, 0, s.L * 2 / 3}[:s.B]
			in := o.draw(rand.New(rand.NewPCG(3, 2)), s, lengths)
			if !o.count {
				lengths = nil
			}
			wantY, wantEnd := o.model(s, in, lengths)
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: tol64, tensor.Float32: tol32} {
				var state bool
				y, err := testutil.Forward(dt, o.output, in...)
				if err != nil {
					t.Fatal(err)
				}
				end, err := testutil.Forward(dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
					x, p, start, lengths := o.sort(n)
					_, end, err := mimo.SequenceState(o.Config, x, p, start, lengths)
					state = true
					return end, err
				}, in...)
				if err != nil || !state {
					t.Fatal(err)
				}
				if e := testutil.RelErr(y, wantY); !(e <= tol) {
					t.Errorf("%v %+v %v: output off by %.3g > %.3g", o, s, dt, e, tol)
				}
				if e := testutil.RelErr(end, wantEnd); !(e <= tol) {
					t.Errorf("%v %+v %v: last state off by %.3g > %.3g", o, s, dt, e, tol)
				}
			}
		}
	})
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{
		testutil.Arg("x", 2, 3, 4), testutil.Arg("Poles", 2, 2, 5), testutil.Arg("B", 5, 3, 2), testutil.Arg("C", 1, 3, 5, 2), testutil.Arg("D", 1, 3),
		testutil.Arg("start", 2, 5, 2),
	}
	testutil.CheckArguments(t, "mimo.Sequence", args, func(n []*G.Node) (*G.Node, error) {
		return mimo.Sequence(mimo.Config{}, n[0], mimo.Params[*G.Node]{Poles: n[1], B: n[2], C: n[3], D: n[4]}, n[5], nil)
	})
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	count := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		count++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float64, shape...) }
	x, poles, b, c, d := f(2, 3, 4), f(2, 2, 5), f(5, 3, 2), f(1, 3, 5, 2), f(1, 3)
	for _, k := range []struct {
		x              *G.Node
		p              mimo.Params[*G.Node]
		start, lengths *G.Node
		want           string
	}{
		{nil, mimo.Params[*G.Node]{Poles: poles, B: b, C: c}, nil, nil, "x: want a node, got nil"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: b}, nil, nil, "C: want a node, got nil"},
		{f(2, 3), mimo.Params[*G.Node]{Poles: poles, B: b, C: c}, nil, nil, "x: want (B, H, L), each at least 1, got (2, 3)"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: f(5, 2, 2), C: c}, nil, nil, "B: want (P, 3, 2), P >= 1, got (5, 2, 2)"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: b, C: f(3, 3, 5, 2)}, nil, nil, "C: want (1, 3, 5, 2) or (2, 3, 5, 2), got (3, 3, 5, 2)"},
		{x, mimo.Params[*G.Node]{Poles: f(2, 2, 4), B: b, C: c}, nil, nil, "Poles: want (2, 2, 5) or (2, 2, 4, 2, 5), got (2, 2, 4)"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: b, C: c, D: f(3)}, nil, nil, "D: want (1, 3), got (3)"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: b, C: c, D: d}, f(2, 2, 5, 2), nil, "start: want (2, 5, 2), got (2, 2, 5, 2)"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: b, C: f(2, 3, 5, 2)}, f(2, 5, 2), nil, "start: want (2, 2, 5, 2), got (2, 5, 2)"},
		{x, mimo.Params[*G.Node]{Poles: poles, B: b, C: c}, nil, node(tensor.Int, 3), "want lengths (2) of dtype int, got (3) of dtype int"},
	} {
		if _, err := mimo.Sequence(mimo.Config{}, k.x, k.p, k.start, k.lengths); err == nil || err.Error() != "mimo.Sequence: "+k.want {
			t.Errorf("got error %v, want %q", err, k.want)
		}
		if _, _, err := mimo.SequenceState(mimo.Config{}, k.x, k.p, k.start, k.lengths); err == nil || err.Error() != "mimo.SequenceState: "+k.want {
			t.Errorf("got error %v, want %q", err, k.want)
		}
	}
	o := operands{directions: 1, count: true}
	for _, n := range []int{-1, 4} {
		in := o.draw(rand.New(rand.NewPCG(9, 2)), sizes{B: 2, H: 2, L: 3, P: 1}, []int{1, n})
		want := fmt.Sprintf("mimo.Sequence: lengths[1]: want a length in [0, 3], got %d", n)
		if _, err := testutil.Forward(tensor.Float64, o.output, in...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// A step is the sequence op, and many at once are the steps to the bit.
func TestStep(t *testing.T) {
	const tol = 1e-12
	o := operands{Config: mimo.Config{Pairs: true}, directions: 1, start: true}
	for _, s := range []sizes{{2, 3, 9, 5}, {1, 70, 140, 33}, {150, 64, 3, 40}} {
		in := o.draw(rand.New(rand.NewPCG(4, 2)), s, nil)
		want, wantEnd := o.model(s, in, nil)
		prm := mimo.Params[[]float64]{Poles: in[2].F, B: in[3].F, C: in[4].F}
		r, err := mimo.NewStep(o.Config, s.P, s.H, prm)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float64, r.StateLen(s.B))
		if err := r.Load(x, in[1].F); err != nil {
			t.Fatal(err)
		}
		got, all := make([]float64, len(want)), make([]float64, s.L*s.H)
		u, y := make([]float64, s.B*s.H), make([]float64, s.B*s.H)
		first := make([]float64, s.L*s.H) // inputs of row 0
		for l := range s.L {
			for i := range u {
				u[i] = in[0].F[i*s.L+l]
			}
			if err := r.Advance(y, x, u); err != nil {
				t.Fatal(err)
			}
			for i := range y {
				got[i*s.L+l] = y[i]
			}
			copy(first[l*s.H:], u[:s.H])
			copy(all[l*s.H:], y[:s.H])
		}
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%+v: steps off by %.3g", s, e)
		}
		if e := testutil.RelErr(r.Store(x), wantEnd); !(e <= tol) {
			t.Errorf("%+v: last state off by %.3g", s, e)
		}
		fork := r.Fork()
		one, out := make([]float64, r.StateLen(1)), make([]float64, s.L*s.H)
		if err := fork.Load(one, in[1].F[:2*s.P]); err != nil {
			t.Fatal(err)
		}
		if err := fork.Scan(out, one, first); err != nil {
			t.Fatal(err)
		}
		for i, v := range all {
			if out[i] != v {
				t.Fatalf("%+v: Scan gives %g where the steps give %g", s, out[i], v)
			}
		}
		for i, v := range one {
			if x[i] != v {
				t.Fatalf("%+v: Scan leaves state %g where the steps leave %g", s, v, x[i])
			}
		}
	}
}

func TestStepErrors(t *testing.T) {
	prm := mimo.Params[[]float32]{Poles: make([]float32, 8), B: make([]float32, 12), C: make([]float32, 12)}
	s, err := mimo.NewStep(mimo.Config{}, 2, 3, prm)
	if err != nil {
		t.Fatal(err)
	}
	v := func(n int) []float32 { return make([]float32, n) }
	_, errP := mimo.NewStep(mimo.Config{}, 0, 3, prm)
	_, errPoles := mimo.NewStep(mimo.Config{}, 2, 3, mimo.Params[[]float32]{Poles: v(7), B: v(12), C: v(12)})
	for _, c := range []struct {
		err  error
		want string
	}{
		{errP, "mimo: NewStep: want P >= 1, got 0"},
		{errPoles, "mimo: NewStep: Poles: want 8 elements, got 7"},
		{s.Advance(v(3), v(4), v(4)), "mimo: Step.Advance: u: want rows of 3 elements, got 4 elements"},
		{s.Advance(v(3), v(8), v(3)), "mimo: Step.Advance: x: want 4 elements, got 8"},
		{s.Advance(v(2), v(4), v(3)), "mimo: Step.Advance: y: want 3 elements, got 2"},
		{s.Scan(v(6), v(8), v(6)), "mimo: Step.Scan: x: want 4 elements, got 8"},
		{s.Load(v(4), v(3)), "mimo: Step.Load: src: want 4 elements, got 3"},
		{s.Load(v(3), v(3)), "mimo: Step.Load: x: want B states of 4 elements, got 3 elements"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	const p, h, batch = 64, 32, 16 // rows on all workers
	prm := mimo.Params[[]float32]{Poles: make([]float32, 4*p), B: make([]float32, 2*p*h), C: make([]float32, 2*p*h)}
	s, err := mimo.NewStep(mimo.Config{}, p, h, prm)
	if err != nil {
		t.Fatal(err)
	}
	y, x, u := make([]float32, batch*h), make([]float32, s.StateLen(batch)), make([]float32, batch*h)
	if n := testing.AllocsPerRun(10, func() { err = s.Advance(y, x, u) }); n > 0 || err != nil {
		t.Errorf("a step allocates %g times, error %v", n, err)
	}
}

// Steps of S5 that are all of one length are those at that rate, and one of another length
// is what the sequence op makes of it.
func TestStepsOfAnyLength(t *testing.T) {
	const tol = 1e-13
	const b, h, p = 3, 4, 5
	rng := rand.New(rand.NewPCG(5, 2))
	in := s5Inputs(rng, p)
	poles := mimo.S5Params[[]float64]{LambdaRe: in[0].F, LambdaIm: in[1].F, LogStep: in[2].F}
	prm := mimo.Params[[]float64]{B: testutil.Normal(rng, "B", p, h, 2).F, C: testutil.Normal(rng, "C", h, p, 2).F}
	start, u := testutil.Normal(rng, "start", b, p, 2).F, testutil.Normal(rng, "u", b, h).F
	advance := func(rate float64, dt []float64) (y, end []float64) {
		t.Helper()
		s, err := mimo.NewS5Step(mimo.Config{Pairs: true}, mimo.PolesConfig{Rate: rate}, h, poles, prm)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float64, s.StateLen(b))
		y = make([]float64, b*h)
		if err := s.Load(x, start); err != nil {
			t.Fatal(err)
		}
		f := s.Fork()
		if dt == nil {
			err = f.Advance(y, x, u)
		} else {
			err = f.AdvanceAt(y, x, u, dt)
		}
		if err != nil {
			t.Fatal(err)
		}
		return y, f.Store(x)
	}
	mixed, mixedEnd := advance(1, []float64{0.5, 1, 2.5})
	for row, dt := range []float64{0.5, 1, 2.5} {
		y, end := advance(dt, nil)
		if e := testutil.RelErr(mixed[row*h:][:h], y[row*h:][:h]); !(e <= tol) {
			t.Errorf("a step of %g: output off by %.3g", dt, e)
		}
		if e := testutil.RelErr(mixedEnd[row*2*p:][:2*p], end[row*2*p:][:2*p]); !(e <= tol) {
			t.Errorf("a step of %g: state off by %.3g", dt, e)
		}
	}
	s, err := mimo.NewS5Step(mimo.Config{}, mimo.PolesConfig{}, h, poles, prm)
	if err != nil {
		t.Fatal(err)
	}
	y, x := make([]float64, h), make([]float64, s.StateLen(1))
	for dt, want := range map[float64]string{0: "got 0 of row 0", -1: "got -1 of row 0"} {
		if err := s.AdvanceAt(y, x, u[:h], []float64{dt}); err == nil || !strings.Contains(err.Error(), "mimo: S5Step.AdvanceAt: dt: want finite step sizes > 0, "+want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if err := s.AdvanceAt(y, x, u[:h], nil); err == nil || err.Error() != "mimo: S5Step.AdvanceAt: dt: want 1 elements, got 0" {
		t.Errorf("got error %v", err)
	}
	if n := testing.AllocsPerRun(10, func() { err = s.AdvanceAt(y, x, u[:h], []float64{2}) }); n > 1 || err != nil { // the slice
		t.Errorf("a step allocates %g times, error %v", n, err)
	}
}
