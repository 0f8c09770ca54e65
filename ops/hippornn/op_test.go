package hippornn_test

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
	"github.com/gorgonia-s4/s4/ops/hippornn"
)

// forms lists combinations of what is optional.
func forms() []form {
	return []form{
		{order: hippornn.Code, gated: true, bias: true},
		{order: hippornn.Code, gated: true, bias: true, hh: true, um: true, start: true, dt: true, lengths: []int{5, 0, 3}},
		{order: hippornn.Code, um: true, hh: true, constant: true, start: true},
		{order: hippornn.Paper, gated: true, bias: true, start: true, lengths: []int{5, 0, 3}},
		{order: hippornn.Paper, gated: true, constant: true, dt: false, lengths: []int{4, 5, 1}},
		{order: hippornn.Paper, bias: true, dt: true},
	}
}

// sort returns the nodes of the inputs as an op takes them.
func (p *problem) sort(n []*G.Node) (x *G.Node, prm hippornn.Params[*G.Node], start hippornn.State[*G.Node], dt, lengths *G.Node) {
	for i, in := range p.in {
		switch in.Name {
		case "x":
			x = n[i]
		case "start.H":
			start.H = n[i]
		case "start.M":
			start.M = n[i]
		case "start.Position":
			start.Position = n[i]
		case "dt":
			dt = n[i]
		case "lengths":
			lengths = n[i]
		}
	}
	for name, to := range paramsOf(&prm) {
		if i := slices.IndexFunc(p.in, func(in testutil.Input) bool { return in.Name == name }); i >= 0 {
			*to = n[i]
		}
	}
	return x, prm, start, dt, lengths
}

func paramsOf[V any](p *hippornn.Params[V]) map[string]*V {
	return map[string]*V{
		"Write": &p.Write, "WriteBias": &p.WriteBias, "WriteMemory": &p.WriteMemory, "Hidden": &p.Hidden, "HiddenBias": &p.HiddenBias,
		"HiddenHidden": &p.HiddenHidden, "Gate": &p.Gate, "GateBias": &p.GateBias,
	}
}

// output is the output alone.
func (p *problem) output(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	x, prm, start, dt, lengths := p.sort(n)
	return hippornn.Sequence(p.cfg, x, prm, start, dt, lengths)
}

// all is the output and the last state in one, each squared so that its gradient depends
// on it.
func (p *problem) all(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	x, prm, start, dt, lengths := p.sort(n)
	y, end, err := hippornn.SequenceState(p.cfg, x, prm, start, dt, lengths)
	if err != nil {
		return nil, err
	}
	sum := G.Must(G.Sum(G.Must(G.Square(y))))
	for _, v := range []*G.Node{end.H, end.M} {
		sum = G.Must(G.Add(sum, G.Must(G.Sum(G.Must(G.Square(v))))))
	}
	return sum, nil
}

// part is one of the results of SequenceState.
func (p *problem) part(pick func(y *G.Node, end hippornn.State[*G.Node]) *G.Node) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		x, prm, start, dt, lengths := p.sort(n)
		y, end, err := hippornn.SequenceState(p.cfg, x, prm, start, dt, lengths)
		return pick(y, end), err
	}
}

func TestGradients(t *testing.T) {
	for _, f := range forms() {
		t.Run(f.String(), func(t *testing.T) {
			p := newProblem(rand.New(rand.NewPCG(1, 2)), f, sizes{B: 3, I: 2, H: 3, M: 2, N: 4, L: 5})
			testutil.Check(t, p.output, p.in...)
			testutil.Check(t, p.all, p.in...)
		})
	}
}

// Outputs and last states against the formulas, with matrices: of batches in several
// blocks, of sequences in several chunks, in float32 too.
func TestValues(t *testing.T) {
	for i, s := range []sizes{{1, 1, 1, 1, 1, 1}, {3, 2, 5, 1, 7, 9}, {9, 3, 4, 2, 17, 40}, {2, 3, 33, 3, 8, 150}} {
		for _, f := range forms() {
			if f.lengths != nil {
				f.lengths = make([]int, s.B)
				for b := range f.lengths {
					f.lengths[b] = (s.L + b*i) % (s.L + 1)
				}
			}
			p := newProblem(rand.New(rand.NewPCG(2, uint64(i))), f, s)
			y, h, m, _ := oracle(p)
			type end = hippornn.State[*G.Node]
			for _, c := range []struct {
				name string
				want []float64
				pick func(*G.Node, end) *G.Node
			}{
				{"y", y, func(y *G.Node, _ end) *G.Node { return y }},
				{"h", h, func(_ *G.Node, e end) *G.Node { return e.H }},
				{"m", m, func(_ *G.Node, e end) *G.Node { return e.M }},
			} {
				for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 5e-6} {
					got, err := testutil.Forward(dt, p.part(c.pick), p.in...)
					if err != nil {
						t.Fatal(err)
					}
					if e := testutil.RelErr(got, c.want); !(e <= tol) {
						t.Errorf("%+v, %v, %v: %s off by %.3g > %g", s, f, dt, c.name, e, tol)
					}
				}
			}
		}
	}
}

// The update of LegS holds for many coefficients and at late times: in float32 no worse
// than its rounding.
func TestLegSOfManyCoefficients(t *testing.T) {
	f := form{order: hippornn.Code, start: true}
	p := newProblem(rand.New(rand.NewPCG(3, 2)), f, sizes{B: 3, I: 1, H: 2, M: 1, N: 256, L: 20})
	copy(p.in[3].F, []float64{1, 100, 1e5})
	_, _, m, _ := oracle(p)
	pick := func(_ *G.Node, e hippornn.State[*G.Node]) *G.Node { return e.M }
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 2e-6} {
		got, err := testutil.Forward(dt, p.part(pick), p.in...)
		if err != nil {
			t.Fatal(err)
		}
		for b := range 3 {
			if e := testutil.RelErr(got[b*256:][:256], m[b*256:][:256]); !(e <= tol) {
				t.Errorf("%v, row %d: off by %.3g > %g", dt, b, e, tol)
			}
		}
	}
}

// batched is the number of the first operands that have rows.
func (p *problem) batched() int {
	return slices.IndexFunc(p.in, func(in testutil.Input) bool { return in.Name == "Write" })
}

func TestRows(t *testing.T) {
	for _, f := range forms() {
		if f.dt = false; f.lengths == nil { // a time cannot be anything
			p := newProblem(rand.New(rand.NewPCG(6, 2)), f, sizes{B: 3, I: 2, H: 3, M: 2, N: 3, L: 6})
			testutil.CheckRows(t, f.String(), testutil.RunnerOf(p.output), p.batched(), p.in...)
		}
	}
}

func TestPadding(t *testing.T) {
	for _, f := range forms() {
		if f.lengths != nil {
			f.lengths = []int{6, 0, 3, 1}
			p := newProblem(rand.New(rand.NewPCG(7, 2)), f, sizes{B: 4, I: 2, H: 3, M: 2, N: 3, L: 6})
			testutil.CheckPadding(t, f.String(), testutil.RunnerOf(p.output), []int{2}, p.in...)
			testutil.CheckPadding(t, f.String()+", state", testutil.RunnerOf(p.all), []int{2}, p.in...)
		}
	}
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{
		testutil.Arg("x", 2, 3, 4), testutil.Arg("Write", 2, 5), testutil.Arg("WriteBias", 2), testutil.Arg("WriteMemory", 2, 4), testutil.Arg("Hidden", 2, 11), testutil.Arg("HiddenBias", 2),
		testutil.Arg("HiddenHidden", 2, 2), testutil.Arg("Gate", 2, 13), testutil.Arg("GateBias", 2),
		testutil.Arg("start.H", 2, 2), testutil.Arg("start.M", 2, 2, 4), testutil.Arg("start.Position", 2), testutil.Arg("dt", 2, 4),
	}
	testutil.CheckArguments(t, "hippornn.Sequence", args, func(n []*G.Node) (*G.Node, error) {
		p := hippornn.Params[*G.Node]{Write: n[1], WriteBias: n[2], WriteMemory: n[3], Hidden: n[4], HiddenBias: n[5], HiddenHidden: n[6], Gate: n[7], GateBias: n[8]}
		start := hippornn.State[*G.Node]{H: n[9], M: n[10], Position: n[11]}
		return hippornn.Sequence(hippornn.Config{Order: hippornn.Code, N: 4}, n[0], p, start, n[12], nil)
	})
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	count := 0
	f := func(shape ...int) *G.Node {
		count++
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)))
	}
	x, code := f(2, 3, 5), hippornn.Params[*G.Node]{Write: f(1, 5), Hidden: f(2, 7)}
	legs := hippornn.Config{Order: hippornn.Code, N: 4}
	constant := hippornn.Config{Order: hippornn.Code, N: 4, A: make([]float64, 16), B: make([]float64, 4)}
	with := func(set func(p *hippornn.Params[*G.Node])) hippornn.Params[*G.Node] {
		p := code
		set(&p)
		return p
	}
	type start = hippornn.State[*G.Node]
	for _, c := range []struct {
		cfg         hippornn.Config
		x           *G.Node
		p           hippornn.Params[*G.Node]
		start       start
		dt, lengths *G.Node
		want        string
	}{
		{hippornn.Config{Order: "no", N: 4}, x, code, start{}, nil, nil, `want an order, "code" or "paper", got "no"`},
		{hippornn.Config{Order: hippornn.Code}, x, code, start{}, nil, nil, "want N >= 1, got 0"},
		{hippornn.Config{Order: hippornn.Code, N: 4, A: make([]float64, 9), B: make([]float64, 4)}, x, code, start{}, nil, nil, "A: want 16 elements, got 9"},
		{hippornn.Config{Order: hippornn.Code, N: 4, A: make([]float64, 16)}, x, code, start{}, nil, nil, "B: want 4 elements, got 0"},
		{legs, nil, code, start{}, nil, nil, "x: want a node, got nil"},
		{legs, f(3, 5), code, start{}, nil, nil, "x: want (B, I, L), each at least 1, got (3, 5)"},
		{legs, f(2, 4, 5), code, start{}, nil, nil, "Write: want (1, 6), got (1, 5)"},
		{legs, x, with(func(p *hippornn.Params[*G.Node]) { p.Write = nil }), start{}, nil, nil, "Write: want it, got nil"},
		{legs, x, with(func(p *hippornn.Params[*G.Node]) { p.Hidden = nil }), start{}, nil, nil, "Hidden: want it, got nil"},
		{legs, x, with(func(p *hippornn.Params[*G.Node]) { p.GateBias = f(2) }), start{}, nil, nil, "GateBias: want nil without Gate, got one"},
		{legs, x, with(func(p *hippornn.Params[*G.Node]) { p.Gate = f(2, 9) }), start{}, nil, nil, "Gate: want (2, 7), got (2, 9)"},
		{hippornn.Config{Order: hippornn.Paper, N: 4}, x, with(func(p *hippornn.Params[*G.Node]) { p.WriteMemory = f(1, 4) }), start{}, nil, nil, `WriteMemory: want nil with order "paper", got one`},
		{hippornn.Config{Order: hippornn.Paper, N: 4}, x, code, start{}, nil, nil, "Write: want (1, 2), got (1, 5)"},
		{legs, x, code, start{H: f(2, 3)}, nil, nil, "start.H: want (2, 2), got (2, 3)"},
		{legs, x, code, start{M: f(2, 4)}, nil, nil, "start.M: want (2, 1, 4), got (2, 4)"},
		{legs, x, code, start{Position: f(3)}, nil, nil, "start.Position: want (2), got (3)"},
		{legs, x, code, start{}, f(2, 4), nil, "dt: want (2, 5), got (2, 4)"},
		{constant, x, code, start{}, f(2, 5), nil, "dt: want nil, as a constant measure has one step, got a node"},
		{constant, x, code, start{Position: f(2)}, nil, nil, "start.Position: want nil, as a constant measure has no time, got a node"},
		{legs, x, code, start{}, nil, f(2), "want lengths (2) of dtype int, got (2) of dtype float64"},
		{legs, f(1<<20, 3, 1<<20), code, start{}, nil, nil, "want at most 2147483647 elements in the inputs (B, I, L), got 1048576 x 3 x 1048576"},
	} {
		if _, err := hippornn.Sequence(c.cfg, c.x, c.p, c.start, c.dt, c.lengths); err == nil || err.Error() != "hippornn.Sequence: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		if _, _, err := hippornn.SequenceState(c.cfg, c.x, c.p, c.start, c.dt, c.lengths); err == nil || err.Error() != "hippornn.SequenceState: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

// What only shows when the graph runs: lengths, times and positions.
func TestErrorsAtRunTime(t *testing.T) {
	s := sizes{B: 2, I: 1, H: 1, M: 1, N: 2, L: 3}
	for _, c := range []struct {
		name  string
		at    int
		value float64
		want  string
	}{
		{"lengths", 1, 4, "lengths[1]: want a length in [0, 3], got 4"},
		{"dt", 2, 0, "dt[0, 2]: want a step > 0, finite, got 0"},
		{"dt", 0, math.Inf(1), "dt[0, 0]: want a step > 0, finite, got +Inf"},
		{"dt", 4, math.NaN(), "dt[1, 1]: want a step > 0, finite, got NaN"},
		{"dt", 5, -1, ""}, // behind the length
		{"start.Position", 1, 0.5, "position of row 1: want 0, at the start, or a finite number >= 1, got 0.5"},
		{"start.Position", 0, math.NaN(), "position of row 0: want 0, at the start, or a finite number >= 1, got NaN"},
	} {
		p := newProblem(rand.New(rand.NewPCG(9, 2)), form{order: hippornn.Code, start: true, dt: true, lengths: []int{3, 2}}, s)
		for i := range p.in {
			switch {
			case p.in[i].Name != c.name:
			case c.name == "lengths":
				p.in[i].I[c.at] = int(c.value)
			default:
				p.in[i].F[c.at] = c.value
			}
		}
		_, err := testutil.Forward(tensor.Float64, p.output, p.in...)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), "hippornn.Sequence: "+c.want) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
}

// values returns the parameters of a problem as steps take them.
func (p *problem) values() (prm hippornn.Params[[]float64]) {
	for name, to := range paramsOf(&prm) {
		*to = p.get(name)
	}
	return prm
}

// cut returns step t of rows of l.
func cut(x []float64, l, t int) []float64 {
	var y []float64
	for i := t; i < len(x); i += l {
		y = append(y, x[i])
	}
	return y
}

// Steps give what the sequence gives and allocate nothing, of batches that one worker
// takes and of those that several do; those of one sequence at once are the same to the
// bit.
func TestSteps(t *testing.T) {
	for _, s := range []sizes{{1, 2, 5, 2, 3, 7}, {3, 2, 5, 2, 3, 7}, {19, 100, 128, 1, 140, 3}} {
		for _, f := range forms() {
			f.lengths, f.start = nil, false
			p := newProblem(rand.New(rand.NewPCG(8, 2)), f, s)
			y, _, m, position := oracle(p)
			w, err := hippornn.NewWeights(p.cfg, s.I, s.H, s.M, p.values())
			if err != nil {
				t.Fatal(err)
			}
			step := w.NewStep()
			start := func() hippornn.State[[]float64] {
				st := hippornn.State[[]float64]{H: make([]float64, s.B*s.H), M: make([]float64, s.B*s.M*s.N)}
				if !f.constant {
					st.Position = make([]float64, s.B)
				}
				return st
			}
			state := start()
			var x, dt, all []float64
			for l := range s.L {
				x = cut(p.get("x"), s.L, l)
				dt = cut(p.get("dt"), s.L, l)
				if err := step.Advance(state, dt, x); err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(state.H, cut(y, s.L, l)); !(e <= 1e-12) {
					t.Errorf("%v: step %d off by %.3g", f, l, e)
				}
				all = append(all, state.H...)
			}
			if e := testutil.RelErr(state.M, m); !(e <= 1e-12) {
				t.Errorf("%v: memory off by %.3g", f, e)
			}
			if !f.constant && !slices.Equal(state.Position, position) {
				t.Errorf("%v: positions %g, want %g", f, state.Position, position)
			}
			if s.B == 1 && !f.dt {
				var xs []float64
				for l := range s.L {
					xs = append(xs, cut(p.get("x"), s.L, l)...)
				}
				scanned, got := start(), make([]float64, len(all))
				if err := step.Scan(got, scanned, xs); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, all) || !slices.Equal(scanned.M, state.M) || !slices.Equal(scanned.Position, state.Position) {
					t.Errorf("%v: steps at once differ from steps", f)
				}
			}
			testutil.CheckNoAllocations(t, f.String(), func() error { return step.Advance(state, dt, x) })
		}
	}
}

func TestBadSteps(t *testing.T) {
	v := func(n int) []float64 { return make([]float64, n) }
	good := hippornn.Params[[]float64]{Write: v(5), Hidden: v(14)}
	cfg := hippornn.Config{Order: hippornn.Code, N: 4}
	for _, c := range []struct {
		cfg     hippornn.Config
		i, h, m int
		p       hippornn.Params[[]float64]
		want    string
	}{
		{hippornn.Config{N: 4}, 3, 2, 1, good, `want an order, "code" or "paper", got ""`},
		{cfg, 0, 2, 1, good, "want I >= 1, got 0"},
		{cfg, 3, 2, -1, good, "want M >= 1, got -1"},
		{cfg, 3, 2, 1, hippornn.Params[[]float64]{Write: v(5)}, "Hidden: want it, got nil"},
		{cfg, 3, 2, 1, hippornn.Params[[]float64]{Write: v(5), Hidden: v(13)}, "Hidden: want 14 elements, got 13"},
	} {
		if _, err := hippornn.NewWeights(c.cfg, c.i, c.h, c.m, c.p); err == nil || err.Error() != "hippornn: NewWeights: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	w, err := hippornn.NewWeights(cfg, 3, 2, 1, good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		state hippornn.State[[]float64]
		dt, x []float64
		want  string
	}{
		{hippornn.State[[]float64]{H: v(2), M: v(4), Position: v(1)}, nil, v(4), "x: want B rows of 3 elements, got 4 elements"},
		{hippornn.State[[]float64]{H: v(3), M: v(4), Position: v(1)}, nil, v(3), "H: want 2 elements, got 3"},
		{hippornn.State[[]float64]{H: v(2), M: v(3), Position: v(1)}, nil, v(3), "M: want 4 elements, got 3"},
		{hippornn.State[[]float64]{H: v(2), M: v(4)}, nil, v(3), "Position: want 1 elements, got 0"},
		{hippornn.State[[]float64]{H: v(2), M: v(4), Position: []float64{0.5}}, nil, v(3), "position of row 0: want 0, at the start, or a finite number >= 1, got 0.5"},
		{hippornn.State[[]float64]{H: v(2), M: v(4), Position: v(1)}, v(1), v(3), "dt[0]: want a step > 0, finite, got 0"},
		{hippornn.State[[]float64]{H: v(2), M: v(4), Position: []float64{1e308}}, []float64{1e308}, v(3), "dt[0]: want a step that leaves the position finite, got 1e+308 at 1e+308"},
		{hippornn.State[[]float64]{H: v(2), M: v(4), Position: v(1)}, v(2), v(3), "dt: want 1 elements, got 2"},
	} {
		if err := w.NewStep().Advance(c.state, c.dt, c.x); err == nil || err.Error() != "hippornn: Step.Advance: "+c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

func TestNextPosition(t *testing.T) {
	x := testutil.Input{Name: "x", Shape: tensor.Shape{2, 1, 3}, F: make([]float64, 6)}
	start := testutil.Input{Name: "start", Shape: tensor.Shape{2}, F: []float64{0, 4}}
	dt := testutil.Input{Name: "dt", Shape: tensor.Shape{2, 3}, F: []float64{7, 2, 0.5, 1, 2, 0.5}}
	for _, c := range []struct {
		in   []testutil.Input
		want []float64
	}{
		{[]testutil.Input{x}, []float64{3, 3}}, {[]testutil.Input{x, start}, []float64{3, 7}},
		{[]testutil.Input{x, dt}, []float64{3.5, 3.5}}, {[]testutil.Input{x, start, dt}, []float64{3.5, 7.5}},
	} {
		got, err := testutil.Forward(tensor.Float32, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			var s, d *G.Node
			for i, in := range c.in {
				switch in.Name {
				case "start":
					s = n[i]
				case "dt":
					d = n[i]
				}
			}
			return hippornn.NextPosition(n[0], s, d)
		}, c.in...)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d inputs: got %g, %v, want %g", len(c.in), got, err, c.want)
		}
	}
	dt.F = []float64{1, 1, 1, 1, 3e38, 3e38} // of which the type has no sum
	_, err := testutil.Forward(tensor.Float32, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return hippornn.NextPosition(n[0], nil, n[1]) }, x, dt)
	if want := "dt of row 1: want steps that leave the position finite, got 6"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	testutil.CheckArguments(t, "hippornn.NextPosition", []testutil.Argument{testutil.Arg("x", 2, 1, 3), testutil.Arg("start", 2), testutil.Arg("dt", 2, 3)},
		func(n []*G.Node) (*G.Node, error) { return hippornn.NextPosition(n[0], n[1], n[2]) })
}
