package selective_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/selective"
)

const tolScan = 1e-13

// operands are inputs of an op under test, and how they are handed over.
type operands struct {
	groups                                    int // 0: none
	fixedB, fixedC                            bool
	softplus, skip, gate, bias, start, length bool
	logA                                      bool
}

func (o operands) String() string {
	return fmt.Sprintf("groups %d, fixed B %t C %t, softplus %t, D %t, z %t, bias %t, start %t, lengths %t, log A %t",
		o.groups, o.fixedB, o.fixedC, o.softplus, o.skip, o.gate, o.bias, o.start, o.length, o.logA)
}

func each(f func(o operands)) {
	for _, o := range []operands{
		{}, {softplus: true, skip: true, gate: true, bias: true, start: true, length: true},
		{groups: 1, gate: true, logA: true}, {groups: 2, softplus: true, bias: true, skip: true}, {groups: 2, start: true, length: true, gate: true},
		{fixedB: true, softplus: true, length: true}, {fixedC: true, start: true, gate: true, skip: true}, {fixedB: true, fixedC: true, bias: true},
		{groups: 2, fixedB: true, softplus: true, start: true}, {groups: 2, fixedC: true, skip: true, length: true},
	} {
		f(o)
	}
}

type sizes struct{ B, D, N, L int }

// draw returns inputs: what has rows comes first.
func (o operands) draw(rng *rand.Rand, s sizes, lengths []int) []testutil.Input {
	in := []testutil.Input{testutil.Normal(rng, "U", s.B, s.D, s.L), testutil.Uniform(rng, "Delta", 0.01, 0.7, s.B, s.D, s.L)}
	if o.softplus {
		in[1] = testutil.Normal(rng, "Delta", s.B, s.D, s.L)
	}
	if o.gate {
		in = append(in, testutil.Normal(rng, "Z", s.B, s.D, s.L))
	}
	if o.start {
		in = append(in, testutil.Normal(rng, "start", s.B, s.D, s.N))
	}
	varying := []int{s.B, s.N, s.L}
	if o.groups > 0 {
		varying = []int{s.B, o.groups, s.N, s.L}
	}
	for _, x := range []struct {
		name  string
		fixed bool
	}{{"B", o.fixedB}, {"C", o.fixedC}} {
		if !x.fixed {
			in = append(in, testutil.Normal(rng, x.name, varying...))
		}
	}
	in = append(in, testutil.Uniform(rng, "A", -2, -0.1, s.D, s.N))
	if o.fixedB {
		in = append(in, testutil.Normal(rng, "B", s.D, s.N))
	}
	if o.fixedC {
		in = append(in, testutil.Normal(rng, "C", s.D, s.N))
	}
	if o.skip {
		in = append(in, testutil.Normal(rng, "D", s.D))
	}
	if o.bias {
		in = append(in, testutil.Uniform(rng, "Bias", 0, 0.3, s.D))
	}
	if o.length {
		in = append(in, testutil.Ints("lengths", lengths, s.B))
	}
	return in
}

// batched is the number of inputs that have rows.
func (o operands) batched() int {
	n := 4
	for _, b := range []bool{o.gate, o.start} {
		if b {
			n++
		}
	}
	for _, b := range []bool{o.fixedB, o.fixedC} {
		if b {
			n--
		}
	}
	return n
}

func byName[V any](in []testutil.Input, v func(i int) V) map[string]V {
	m := map[string]V{}
	for i, x := range in {
		m[x.Name] = v(i)
	}
	return m
}

// hand hands the inputs over.
func (o operands) hand(in []testutil.Input, n []*G.Node) (cfg selective.Config, x selective.Inputs[*G.Node], start, lengths *G.Node) {
	m := byName(in, func(i int) *G.Node { return n[i] })
	x = selective.Inputs[*G.Node]{U: m["U"], Delta: m["Delta"], A: m["A"], B: m["B"], C: m["C"], D: m["D"], Z: m["Z"], Bias: m["Bias"]}
	return selective.Config{Softplus: o.softplus, LogA: o.logA}, x, m["start"], m["lengths"]
}

// output is the output alone.
func (o operands) output(in []testutil.Input) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return selective.Scan(o.hand(in, n)) }
}

// all is the output and the last state in one, each squared so that its gradient
// depends on it.
func (o operands) all(in []testutil.Input) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		y, end, err := selective.ScanState(o.hand(in, n))
		if err != nil {
			return nil, err
		}
		return G.Add(G.Must(G.Sum(G.Must(G.Square(y)))), G.Must(G.Sum(G.Must(G.Square(end)))))
	}
}

// scan is the formula, number by number: the output, and the last state.
func (o operands) scan(in []testutil.Input, s sizes) (y, end []float64) {
	m := byName(in, func(i int) testutil.Input { return in[i] })
	groups := max(1, o.groups)
	at := func(name string, fixed bool, b, d, n, l int) float64 {
		if fixed {
			return m[name].F[d*s.N+n]
		}
		return m[name].F[((b*groups+d/(s.D/groups))*s.N+n)*s.L+l]
	}
	y, end = make([]float64, s.B*s.D*s.L), make([]float64, s.B*s.D*s.N)
	for b := range s.B {
		steps := s.L
		if o.length {
			steps = m["lengths"].I[b]
		}
		for d := range s.D {
			x := end[(b*s.D+d)*s.N:][:s.N]
			if o.start {
				copy(x, m["start"].F[(b*s.D+d)*s.N:])
			}
			for l := range steps {
				i := (b*s.D+d)*s.L + l
				dt, u := m["Delta"].F[i], m["U"].F[i]
				if o.bias {
					dt += m["Bias"].F[d]
				}
				if o.softplus {
					dt = math.Log1p(math.Exp(dt))
				}
				var v float64
				for n := range x {
					a := m["A"].F[d*s.N+n]
					if o.logA {
						a = -math.Exp(a)
					}
					x[n] = math.Exp(dt*a)*x[n] + dt*at("B", o.fixedB, b, d, n, l)*u
					v += at("C", o.fixedC, b, d, n, l) * x[n]
				}
				if o.skip {
					v += m["D"].F[d] * u
				}
				if o.gate {
					z := m["Z"].F[i]
					v *= z / (1 + math.Exp(-z))
				}
				y[i] = v
			}
		}
	}
	return y, end
}

// The output and the state are the formula, for whole chunks and blocks and not, for
// channels in one part and in several.
func TestScan(t *testing.T) {
	each(func(o operands) {
		rng := rand.New(rand.NewPCG(1, 3))
		for _, s := range []sizes{{1, 2, 1, 1}, {3, 6, 4, 64}, {2, 34, 3, 65}, {1, 130, 2, 7}, {9, 18, 2, 130}} {
			lengths := []int{s.L, 0, (s.L + 1) / 2, 1, 0, s.L, 1, 1, 1}[:s.B]
			in := o.draw(rng, s, lengths)
			want, wantEnd := o.scan(in, s)
			var y, end G.Value
			_, err := testutil.Forward(tensor.Float64, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				yn, en, err := selective.ScanState(o.hand(in, n))
				if err == nil {
					G.Read(yn, &y)
					G.Read(en, &end)
				}
				return yn, err
			}, in...)
			if err != nil {
				t.Fatalf("%v: %v", o, err)
			}
			alone, err := testutil.Forward(tensor.Float64, o.output(in), in...)
			if err != nil {
				t.Fatalf("%v: %v", o, err)
			}
			for what, e := range map[string]float64{
				"output": testutil.RelErr(testutil.Floats(y), want), "output alone": testutil.RelErr(alone, want), "state": testutil.RelErr(testutil.Floats(end), wantEnd),
			} {
				if !(e <= tolScan) {
					t.Errorf("%v, %v: %s off by %.3g > %.3g", o, s, what, e, tolScan)
				}
			}
		}
	})
}

func TestGradients(t *testing.T) {
	each(func(o operands) {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			in := o.draw(rand.New(rand.NewPCG(2, 3)), sizes{3, 2, 2, 4}, []int{4, 0, 3})
			testutil.Check(t, o.output(in), in...)
			testutil.Check(t, o.all(in), in...)
		})
	})
}

// More than a chunk, and channels of one row in several parts.
func TestGradientsOfManySteps(t *testing.T) {
	o := operands{softplus: true, gate: true, skip: true, bias: true, start: true}
	in := o.draw(rand.New(rand.NewPCG(3, 3)), sizes{1, 1, 2, 66}, nil)
	testutil.Check(t, o.all(in), in...)
	in = o.draw(rand.New(rand.NewPCG(4, 3)), sizes{1, 18, 1, 2}, nil)
	testutil.Check(t, o.all(in), in...)
}

func TestRows(t *testing.T) {
	each(func(o operands) {
		if o.length {
			return
		}
		in := o.draw(rand.New(rand.NewPCG(5, 3)), sizes{3, 2, 2, 5}, nil)
		testutil.CheckRows(t, o.String(), testutil.RunnerOf(o.output(in)), o.batched(), in...)
	})
}

func TestPadding(t *testing.T) {
	each(func(o operands) {
		if !o.length {
			return
		}
		in := o.draw(rand.New(rand.NewPCG(6, 3)), sizes{4, 2, 2, 6}, []int{6, 0, 3, 1})
		steps := []int{2, 2} // of U and Delta
		if o.gate {
			steps = append(steps, 2)
		}
		testutil.CheckPadding(t, o.String(), testutil.RunnerOf(o.output(in)), steps, in...)
		testutil.CheckPadding(t, o.String()+", state", testutil.RunnerOf(o.all(in)), steps, in...)
	})
	o := operands{length: true} // B and C have their steps last
	in := o.draw(rand.New(rand.NewPCG(7, 3)), sizes{4, 2, 2, 6}, []int{6, 0, 3, 1})
	testutil.CheckPadding(t, "B and C", testutil.RunnerOf(o.output(in)), []int{2, 2, 2, 2}, in...)
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{
		testutil.Arg("U", 2, 4, 5), testutil.Arg("Delta", 2, 4, 5), testutil.Arg("A", 4, 3), testutil.Arg("B", 2, 3, 5), testutil.Arg("C", 2, 3, 5),
		testutil.Arg("D", 4), testutil.Arg("Z", 2, 4, 5), testutil.Arg("Bias", 4), testutil.Arg("start", 2, 4, 3),
	}
	testutil.CheckArguments(t, "selective.Scan", args, func(n []*G.Node) (*G.Node, error) {
		in := selective.Inputs[*G.Node]{U: n[0], Delta: n[1], A: n[2], B: n[3], C: n[4], D: n[5], Z: n[6], Bias: n[7]}
		return selective.Scan(selective.Config{}, in, n[8], nil)
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
	ok := selective.Inputs[*G.Node]{U: f(2, 4, 5), Delta: f(2, 4, 5), A: f(4, 3), B: f(2, 3, 5), C: f(2, 3, 5)}
	for _, c := range []struct {
		change         func(x *selective.Inputs[*G.Node])
		start, lengths *G.Node
		want           string
	}{
		{func(x *selective.Inputs[*G.Node]) { x.U = nil }, nil, nil, "U: want a node, got nil"},
		{func(x *selective.Inputs[*G.Node]) { x.U = f(4, 5) }, nil, nil, "U: want (B, D, L), each at least 1, got (4, 5)"},
		{func(x *selective.Inputs[*G.Node]) { x.A = f(3, 3) }, nil, nil, "A: want (4, N), N >= 1, got (3, 3)"},
		{func(x *selective.Inputs[*G.Node]) { x.Delta = f(2, 4, 6) }, nil, nil, "Delta: want (2, 4, 5), got (2, 4, 6)"},
		{func(x *selective.Inputs[*G.Node]) { x.B = f(2, 3, 6) }, nil, nil, "B: want (2, 3, 5) or (2, 1, 3, 5) or (4, 3), got (2, 3, 6)"},
		{func(x *selective.Inputs[*G.Node]) { x.B = f(2, 3, 3, 5) }, nil, nil, "want groups of B and C that divide the 4 channels, got 3"},
		{func(x *selective.Inputs[*G.Node]) { x.B = f(2, 2, 3, 5) }, nil, nil, "C: want (2, 2, 3, 5) or (4, 3), got (2, 3, 5)"},
		{func(x *selective.Inputs[*G.Node]) { x.D = f(3) }, nil, nil, "D: want (4), got (3)"},
		{func(x *selective.Inputs[*G.Node]) { x.Z = f(2, 4) }, nil, nil, "Z: want (2, 4, 5), got (2, 4)"},
		{func(x *selective.Inputs[*G.Node]) { x.Bias = node(tensor.Float32, 4) }, nil, nil, "Bias: want dtype float64 like the other inputs, got float32"},
		{func(*selective.Inputs[*G.Node]) {}, f(2, 4, 2), nil, "start: want (2, 4, 3), got (2, 4, 2)"},
		{func(*selective.Inputs[*G.Node]) {}, nil, node(tensor.Int, 3), "want lengths (2) of dtype int, got (3) of dtype int"},
		{func(x *selective.Inputs[*G.Node]) { x.U, x.A = f(1<<20, 1, 1<<20), f(1, 1) }, nil, nil, "B: want (1048576, 1, 1048576) or (1048576, 1, 1, 1048576) or (1, 1), got (2, 3, 5)"},
	} {
		in := ok
		c.change(&in)
		if _, err := selective.Scan(selective.Config{}, in, c.start, c.lengths); err == nil || !strings.HasSuffix(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "selective.Scan: ") {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		if _, _, err := selective.ScanState(selective.Config{}, in, c.start, c.lengths); err == nil || !strings.HasPrefix(err.Error(), "selective.ScanState: ") {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

func TestBadLength(t *testing.T) {
	o := operands{length: true}
	for _, n := range []int{-1, 4} {
		in := o.draw(rand.New(rand.NewPCG(8, 3)), sizes{2, 2, 2, 3}, []int{1, n})
		want := fmt.Sprintf("selective.Scan: lengths[1]: want a length in [0, 3], got %d", n)
		if _, err := testutil.Forward(tensor.Float64, o.output(in), in...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
