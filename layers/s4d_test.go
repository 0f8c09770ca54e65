package layers_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Tolerances of a layer run as a recurrence against the same layer run as a
// convolution.
const (
	tolRecurrence64 = 1e-11
	tolRecurrence32 = 2e-5
)

// forward runs a layer on x in evaluation mode.
func forward(t testing.TB, l layers.Layer, g *G.ExprGraph, dt tensor.Dtype, x testutil.Input) []float64 {
	t.Helper()
	n := G.NewTensor(g, dt, 3, G.WithShape(x.Shape...), G.WithName(x.Name), G.WithValue(x.Tensor(dt)))
	y, err := l.Fwd(n)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, g, y)
}

// run returns the value of y in evaluation mode.
func run(t testing.TB, g *G.ExprGraph, y *G.Node) []float64 {
	t.Helper()
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

func newS4D(t testing.TB, g *G.ExprGraph, dt tensor.Dtype, cfg layers.S4DConfig, opts ...layers.Option) *layers.S4D {
	t.Helper()
	l, err := layers.NewS4D(g, dt, cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// stepAll feeds x (B, H, L) to a recurrence and returns the outputs (B, Hout, L).
func stepAll(t testing.TB, r *layers.Recurrence, dt tensor.Dtype, x testutil.Input) []float64 {
	t.Helper()
	b, h, l := x.Shape[0], x.Shape[1], x.Shape[2]
	var out []float64
	for s := range l {
		u := make([]float64, b*h)
		for i := range u {
			u[i] = x.F[i*l+s]
		}
		y, err := r.Step(testutil.Dense(dt, u, b, h))
		if err != nil {
			t.Fatal(err)
		}
		v := testutil.Floats(y)
		if out == nil {
			out = make([]float64, len(v)*l)
		}
		for i := range v {
			out[i*l+s] = v[i]
		}
	}
	return out
}

func TestS4DRecurrenceIsConvolution(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var cfgs []layers.S4DConfig
	for _, init := range hippo.DiagInits() {
		for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
			cfgs = append(cfgs, layers.S4DConfig{DModel: 6, DState: 8, Init: init, Disc: disc})
		}
	}
	cfgs = append(cfgs,
		layers.S4DConfig{DModel: 4, DState: 2, NSSM: 2, SSM: layers.SSM{Channels: 3}},
		layers.S4DConfig{DModel: 3, DState: 6, NSSM: 1, Dt: layers.DtPerState, DtTransform: ssm.Softplus, ATransform: ssm.ReLU},
		layers.S4DConfig{DModel: 1, DState: 64, FixedB: true, SSM: layers.SSM{Mixing: layers.MixLinear, Activation: ops.ActTanh}},
		layers.S4DConfig{DModel: 2, ATransform: ssm.Softplus, SSM: layers.SSM{Channels: 2, Mixing: layers.MixNone, Activation: ops.ActIdentity}},
		layers.S4DConfig{DModel: 5, DState: 4, ATransform: ssm.None, SSM: layers.SSM{Activation: ops.ActSiLU, Dropout: 0.5}},
	)
	for _, cfg := range cfgs {
		for _, l := range []int{1, 2, 17, 100} {
			x := testutil.Normal(rng, "x", 3, cfg.DModel, l)
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: tolRecurrence64, tensor.Float32: tolRecurrence32} {
				g := G.NewGraph()
				layer := newS4D(t, g, dt, cfg)
				want := forward(t, layer, g, dt, x)
				r, err := layer.Recurrence(3)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(stepAll(t, r, dt, x), want); !(e <= tol) {
					t.Errorf("%+v L=%d %v: recurrence off by %.3g > %.3g", cfg, l, dt, e, tol)
				}
			}
		}
	}
}

func TestS4DStateCarriesOver(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := testutil.Normal(rng, "x", 2, 3, 20)
	layer := newS4D(t, G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: 3, DState: 8})
	r, err := layer.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	whole := stepAll(t, r, tensor.Float64, x)
	end := testutil.Floats(r.State()[0].Value)
	r.Reset()
	if again := stepAll(t, r, tensor.Float64, x); testutil.RelErr(again, whole) != 0 {
		t.Error("after Reset the outputs differ")
	}
	// The second half from the state after the first.
	first, second := halves(x)
	r.Reset()
	stepAll(t, r, tensor.Float64, first)
	mid := r.State()
	other, err := layer.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.SetState(mid); err != nil {
		t.Fatal(err)
	}
	stepAll(t, other, tensor.Float64, second)
	if e := testutil.RelErr(testutil.Floats(other.State()[0].Value), end); e != 0 {
		t.Errorf("two halves end in another state: relative error %.3g", e)
	}
	if err := r.SetState(layers.State{{Name: "x", Value: testutil.Dense(tensor.Float64, make([]float64, 6), 2, 3)}}); err == nil || !strings.Contains(err.Error(), `want a state "x" (2, 3, 4, 2), got (2, 3)`) {
		t.Errorf("state of the wrong shape: got error %v", err)
	}
}

// halves splits x (B, H, L) in the middle of L.
func halves(x testutil.Input) (a, b testutil.Input) {
	rows, l := x.Shape[0]*x.Shape[1], x.Shape[2]
	m := l / 2
	a = testutil.Input{Name: "a", Shape: tensor.Shape{x.Shape[0], x.Shape[1], m}}
	b = testutil.Input{Name: "b", Shape: tensor.Shape{x.Shape[0], x.Shape[1], l - m}}
	for r := range rows {
		a.F = append(a.F, x.F[r*l:r*l+m]...)
		b.F = append(b.F, x.F[r*l+m:(r+1)*l]...)
	}
	return a, b
}

func TestS4DRefreshReadsParametersAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	x := testutil.Normal(rng, "x", 1, 2, 9)
	layer := newS4D(t, G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: 2, DState: 4})
	r, err := layer.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	before := stepAll(t, r, tensor.Float64, x)
	for _, p := range layer.Params() {
		for i, d := 0, p.Node.Value().Data().([]float64); i < len(d); i++ {
			d[i] += 0.1
		}
	}
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	after := stepAll(t, r, tensor.Float64, x)
	g := G.NewGraph()
	clone, err := layer.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	want := forward(t, clone, g, tensor.Float64, x)
	if e := testutil.RelErr(after, want); !(e <= tolRecurrence64) {
		t.Errorf("after Refresh: relative error %.3g", e)
	}
	if testutil.RelErr(after, before) < 1e-3 {
		t.Error("the change of parameters changed nothing")
	}
}

func TestS4DIsCausalAndBidirectionalIsNot(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	x := testutil.Normal(rng, "x", 1, 2, 30)
	moved := x
	moved.F = append([]float64(nil), x.F...)
	const at = 20
	moved.F[at]++ // feature 0
	for _, cfg := range []layers.S4DConfig{{DModel: 2, DState: 4}, {DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}} {
		var y [2][]float64
		for i, in := range []testutil.Input{x, moved} {
			g := G.NewGraph()
			y[i] = forward(t, newS4D(t, g, tensor.Float64, cfg), g, tensor.Float64, in)
		}
		early := 0.0
		for s := range at {
			early = max(early, math.Abs(y[0][s]-y[1][s]))
		}
		// A convolution by FFT leaves rounding errors before the change.
		if causal := early < 1e-13; causal == cfg.Bidirectional {
			t.Errorf("bidirectional %v: an input at step %d moves earlier outputs by %.3g", cfg.Bidirectional, at, early)
		}
	}
}

func TestS4DPaddingDoesNotLeak(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	const b, h, l = 2, 3, 12
	x := testutil.Normal(rng, "x", b, h, l)
	lengths := []int{5, 12}
	junk := x
	junk.F = append([]float64(nil), x.F...)
	for i := range h {
		for s := lengths[0]; s < l; s++ {
			junk.F[i*l+s] = 100
		}
	}
	for _, bi := range []bool{false, true} {
		var y [2][]float64
		for k, in := range []testutil.Input{x, junk} {
			g := G.NewGraph()
			layer := newS4D(t, g, tensor.Float64, layers.S4DConfig{DModel: h, DState: 4, SSM: layers.SSM{Bidirectional: bi}})
			xn := G.NewTensor(g, tensor.Float64, 3, G.WithShape(b, h, l), G.WithName("x"), G.WithValue(in.Tensor(tensor.Float64)))
			ln := G.NewVector(g, tensor.Int, G.WithShape(b), G.WithName("lengths"), G.WithValue(tensor.New(tensor.WithShape(b), tensor.WithBacking(append([]int(nil), lengths...)))))
			out, err := layer.FwdLengths(xn, ln)
			if err != nil {
				t.Fatal(err)
			}
			if out, err = ops.Mask(out, ln); err != nil {
				t.Fatal(err)
			}
			y[k] = run(t, g, out)
		}
		if e := testutil.RelErr(y[1], y[0]); !(e <= 1e-13) {
			t.Errorf("bidirectional %v: padding moves the output by %.3g", bi, e)
		}
	}
}

func TestS4DCloneSharesTensors(t *testing.T) {
	g := G.NewGraph()
	layer := newS4D(t, g, tensor.Float64, layers.S4DConfig{DModel: 3, DState: 4}, layers.WithName("enc"), layers.WithSeed(7))
	clone, err := layer.CloneTo(G.NewGraph())
	if err != nil {
		t.Fatal(err)
	}
	a, b := layer.Params(), clone.Params()
	if len(a) != len(b) {
		t.Fatalf("got %d parameters, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i].Name != b[i].Name || !weights.Same(a[i].Node.Value(), b[i].Node.Value()) || a[i].Node == b[i].Node {
			t.Errorf("parameter %d: %s and %s do not share a tensor on two graphs", i, a[i].Name, b[i].Name)
		}
	}
	// The kernel of a longer sequence starts with that of a shorter one.
	g3, g4 := G.NewGraph(), G.NewGraph()
	short, long := kernel(t, layer, g3, 10), kernel(t, layer, g4, 33)
	for h := range 3 {
		if e := testutil.RelErr(long[h*33:h*33+10], short[h*10:(h+1)*10]); !(e <= 1e-14) {
			t.Errorf("feature %d: kernel prefix differs by %.3g", h, e)
		}
	}
}

func kernel(t *testing.T, l *layers.S4D, g *G.ExprGraph, length int) []float64 {
	t.Helper()
	c, err := l.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Kernel(length)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, g, k)
}

func TestS4DSeedAndNameChooseParameters(t *testing.T) {
	values := func(opts ...layers.Option) []float64 {
		var v []float64
		for _, p := range newS4D(t, G.NewGraph(), tensor.Float64, layers.S4DConfig{DModel: 2}, opts...).Params() {
			v = append(v, testutil.Floats(p.Node.Value())...)
		}
		return v
	}
	base := values(layers.WithName("a"), layers.WithSeed(1))
	if testutil.RelErr(values(layers.WithName("a"), layers.WithSeed(1)), base) != 0 {
		t.Error("the same seed and name gave other parameters")
	}
	for what, opts := range map[string][]layers.Option{
		"seed": {layers.WithName("a"), layers.WithSeed(2)},
		"name": {layers.WithName("b"), layers.WithSeed(1)},
	} {
		if testutil.RelErr(values(opts...), base) < 1e-3 {
			t.Errorf("another %s gave the same parameters", what)
		}
	}
}

func TestS4DInitialParameters(t *testing.T) {
	const h = 200
	cfg := layers.S4DConfig{DModel: h, DState: 4, DtMin: 0.01, DtMax: 0.1, Init: hippo.InitLin}
	for _, p := range newS4D(t, G.NewGraph(), tensor.Float64, cfg).Params() {
		v := testutil.Floats(p.Node.Value())
		switch strings.TrimPrefix(p.Name, "s4d.") {
		case "kernel.log_dt":
			lo, hi := math.Inf(1), math.Inf(-1)
			for _, x := range v {
				lo, hi = min(lo, math.Exp(x)), max(hi, math.Exp(x))
			}
			if lo < 0.01 || hi > 0.1 || hi/lo < 8 {
				t.Errorf("step sizes lie in [%g, %g], want [0.01, 0.1] spread", lo, hi)
			}
		case "kernel.A_real":
			for _, x := range v {
				if math.Abs(math.Exp(x)-0.5) > 1e-15 {
					t.Fatalf("decay rate %g, want 1/2", math.Exp(x))
				}
			}
		case "kernel.A_imag":
			if v[0] != 0 || math.Abs(v[1]-math.Pi) > 1e-15 {
				t.Errorf("frequencies %v, want 0 and pi", v[:2])
			}
		case "kernel.C":
			var s float64
			for _, x := range v {
				s += x * x
			}
			if s /= float64(len(v)); math.Abs(s-0.5) > 0.06 {
				t.Errorf("variance of C per part %g, want 1/2", s)
			}
		}
	}
}

func TestS4DHints(t *testing.T) {
	layer := newS4D(t, G.NewGraph(), tensor.Float32, layers.S4DConfig{DModel: 2, SSM: layers.SSM{LRA: 1e-4, FollowLR: []string{"B"}, Frozen: []string{"dt", "C"}}})
	text := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprint(*v)
	}
	got := map[string]string{}
	for _, p := range layer.Params() {
		got[strings.TrimPrefix(p.Name, "s4d.")] = fmt.Sprint(text(p.LR), " ", text(p.WeightDecay), " ", p.Frozen)
	}
	for name, want := range map[string]string{
		"kernel.log_dt": "0.001 0 true", "kernel.A_real": "0.0001 0 false", "kernel.A_imag": "0.0001 0 false",
		"kernel.B": "- 0 false", "kernel.C": "- - true", "D": "- - false", "output_linear.weight": "- - false",
	} {
		if got[name] != want {
			t.Errorf("%s: lr, decay, frozen: got %q, want %q", name, got[name], want)
		}
	}
	if n := len(layer.Learnables()); n != len(layer.Params())-2 {
		t.Errorf("%d learnables of %d parameters, want 2 fewer", n, len(layer.Params()))
	}
}

func TestS4DConfigJSONRoundTrip(t *testing.T) {
	cfg := layers.S4DConfig{DModel: 4, DState: 8, NSSM: 2, Init: hippo.InitInv, Disc: ssm.Bilinear, SSM: layers.SSM{Bidirectional: true, OffByOne: true, Frozen: []string{"A"}, LRA: 0.01}}
	b, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got layers.S4DConfig
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(cfg) {
		t.Errorf("got %+v, want %+v", got, cfg)
	}
}

func TestS4DConfigErrors(t *testing.T) {
	for want, cfg := range map[string]layers.S4DConfig{
		"want DModel >= 1, got 0":                                                  {},
		"want an even DState >= 2 (conjugate pairs), got 7":                        {DModel: 4, DState: 7},
		"want NSSM a divisor of the number of features H = 4, got 3":               {DModel: 4, NSSM: 3},
		"want Channels >= 1, got -1":                                               {DModel: 4, SSM: layers.SSM{Channels: -1}},
		"want 0 < DtMin <= DtMax, got DtMin = 1, DtMax = 0.1":                      {DModel: 4, DtMin: 1},
		"OffByOne is about the second kernel":                                      {DModel: 4, SSM: layers.SSM{OffByOne: true}},
		`want Mixing "glu", "linear", "none", "half_glu1" or "half_glu2", got "x"`: {DModel: 4, SSM: layers.SSM{Mixing: "x"}},
		`want Frozen to name some of dt, A, B, C, D, got "P"`:                      {DModel: 4, SSM: layers.SSM{Frozen: []string{"P"}}},
		`want Frozen to name some of dt, A, C, D, got "B"`:                         {DModel: 4, FixedB: true, SSM: layers.SSM{Frozen: []string{"B"}}},
		"S4DConfig: Init: ":                                                        {DModel: 4, Init: hippo.InitLegT},
		`got "euler"`:                                                              {DModel: 4, Disc: ssm.Euler},
		"S4DConfig: DtTransform: ":                                                 {DModel: 4, DtTransform: ssm.ReLU},
		"S4DConfig: ATransform: ":                                                  {DModel: 4, ATransform: "x"},
		"S4DConfig: Activation: ":                                                  {DModel: 4, SSM: layers.SSM{Activation: "x"}},
		"want P in [0, 1), got 1":                                                  {DModel: 4, SSM: layers.SSM{Dropout: 1}},
		"want a finite LR, got NaN":                                                {DModel: 4, SSM: layers.SSM{LR: math.NaN()}},
		"want a finite LRA, got +Inf":                                              {DModel: 4, SSM: layers.SSM{LRA: math.Inf(1)}},
	} {
		_, err := layers.NewS4D(G.NewGraph(), tensor.Float32, cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `layers: S4D "s4d": S4DConfig: `) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
}

func TestS4DConstructionErrors(t *testing.T) {
	g := G.NewGraph()
	cfg := layers.S4DConfig{DModel: 4}
	newS4D(t, g, tensor.Float32, cfg)
	for what, c := range map[string]struct {
		g    *G.ExprGraph
		dt   tensor.Dtype
		opts []layers.Option
		want string
	}{
		"no graph":   {nil, tensor.Float32, nil, "want a graph, got nil"},
		"dtype":      {G.NewGraph(), tensor.Int, nil, "want dtype float32 or float64, got int"},
		"name clash": {g, tensor.Float32, nil, `the graph already has a node named "s4d.kernel.log_dt"`},
		"empty name": {g, tensor.Float32, []layers.Option{layers.WithName("")}, "want a name"},
	} {
		if _, err := layers.NewS4D(c.g, c.dt, cfg, c.opts...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", what, err, c.want)
		}
	}
}

func TestS4DForwardErrors(t *testing.T) {
	g := G.NewGraph()
	layer := newS4D(t, g, tensor.Float32, layers.S4DConfig{DModel: 4}, layers.WithName("blocks.0.s4d"))
	other := G.NewGraph()
	for want, x := range map[string]*G.Node{
		`layers: S4D "blocks.0.s4d": Fwd: want x (B, 4, L), got nil`:            nil,
		`layers: S4D "blocks.0.s4d": Fwd: want x (B, 4, L), got (2, 3, 5)`:      G.NewTensor(g, tensor.Float32, 3, G.WithShape(2, 3, 5), G.WithName("a")),
		`layers: S4D "blocks.0.s4d": Fwd: want x (B, 4, L), got (2, 4)`:         G.NewMatrix(g, tensor.Float32, G.WithShape(2, 4), G.WithName("b")),
		`layers: S4D "blocks.0.s4d": Fwd: want x of dtype float32, got float64`: G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 4, 5), G.WithName("c")),
		`x is on another graph than the layer`:                                  G.NewTensor(other, tensor.Float32, 3, G.WithShape(2, 4, 5), G.WithName("d")),
	} {
		if _, err := layer.Fwd(x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	bi := newS4D(t, g, tensor.Float32, layers.S4DConfig{DModel: 4, SSM: layers.SSM{Bidirectional: true}}, layers.WithName("bi"))
	if _, err := bi.Recurrence(1); err == nil || !strings.Contains(err.Error(), "a bidirectional layer needs the future") {
		t.Errorf("bidirectional recurrence: got error %v", err)
	}
	if _, err := layer.Recurrence(0); err == nil || !strings.Contains(err.Error(), "want batch >= 1, got 0") {
		t.Errorf("empty batch: got error %v", err)
	}
	r, err := layer.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	for want, u := range map[string]*tensor.Dense{
		"want u (2, 4), got ()":     nil,
		"want u (2, 4), got (2, 5)": testutil.Dense(tensor.Float32, make([]float64, 10), 2, 5),
		"of dtype float32":          testutil.Dense(tensor.Float64, make([]float64, 8), 2, 4),
	} {
		if _, err := r.Step(u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Step: got error %v, want %q", err, want)
		}
	}
}

func TestS4DStepDoesNotAllocate(t *testing.T) {
	layer := newS4D(t, G.NewGraph(), tensor.Float32, layers.S4DConfig{DModel: 16, DState: 16})
	r, err := layer.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	u := testutil.Dense(tensor.Float32, make([]float64, 32), 2, 16)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := r.Step(u); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("a step allocates %v times, want 0", n)
	}
}
