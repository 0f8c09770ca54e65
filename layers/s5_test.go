package layers_test

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/param"
)

func TestSharedStateConfigs(t *testing.T) {
	for want, cfg := range map[string]layers.Config{
		"S5Config: want DModel >= 1, got 0":                                                                                    layers.S5Config{},
		"S5Config: want an even DState >= 2 (conjugate pairs), got 5":                                                          layers.S5Config{DModel: 2, DState: 5},
		"S5Config: want Blocks that divide DState = 12 into blocks of an even number of states, got 5":                         layers.S5Config{DModel: 2, DState: 12, Blocks: 5},
		"S5Config: want Blocks that divide DState = 12 into blocks of an even number of states, got 4":                         layers.S5Config{DModel: 2, DState: 12, Blocks: 4},
		"S5Config: want Blocks that divide DState = 64 into blocks of an even number of states, got -1":                        layers.S5Config{DModel: 2, Blocks: -1},
		"S5Config: want blocks of at most 32768 states, which a dense matrix makes, got 65536":                                 layers.S5Config{DModel: 2, DState: 1 << 16},
		`S5Config: want Output "trunc_standard_normal", "lecun_normal" or "complex_normal", got "x"`:                           layers.S5Config{DModel: 2, Output: "x"},
		`S5Config: Disc: ssm: want discretisation "zoh" or "bilinear", got "euler"`:                                            layers.S5Config{DModel: 2, Disc: ssm.Euler},
		"S5Config: want 0 < DtMin <= DtMax, got DtMin = 1, DtMax = 0.1":                                                        layers.S5Config{DModel: 2, DtMin: 1},
		"S5Config: want Channels 1, as one state has an output for each feature, got 2":                                        layers.S5Config{DModel: 2, SSM: layers.SSM{Channels: 2, Mixing: layers.MixGLU}},
		"S5Config: want OffByOne false: both directions see the present step":                                                  layers.S5Config{DModel: 2, SSM: layers.SSM{Bidirectional: true, OffByOne: true}},
		`S5Config: Mixing "half_glu2" keeps the features: want Channels 1 and no Bottleneck, got 1 and 2`:                      layers.S5Config{DModel: 2, SSM: layers.SSM{Bottleneck: 2, Mixing: layers.MixHalfGLU2}},
		`S5Config: a gated layer maps its Gate*DModel features back to DModel: want Mixing "glu" or "linear", got "half_glu1"`: layers.S5Config{DModel: 2, SSM: layers.SSM{Gate: 2, Mixing: layers.MixHalfGLU1}},
		"LRUConfig: want DState >= 1, got -1":                                                                                  layers.LRUConfig{DModel: 2, DState: -1},
		"LRUConfig: want 0 <= RMin < RMax <= 1, got RMin = 0, RMax = 1.5":                                                      layers.LRUConfig{DModel: 2, RMax: 1.5},
		"LRUConfig: want 0 <= RMin < RMax <= 1, got RMin = 0.9, RMax = 0.9":                                                    layers.LRUConfig{DModel: 2, RMin: 0.9, RMax: 0.9},
		"LRUConfig: want MaxPhase in (0, 2 pi], or 0 for the default, got 7":                                                   layers.LRUConfig{DModel: 2, MaxPhase: 7},
		"LRUConfig: the LRU has no dt: want LRDt 0":                                                                            layers.LRUConfig{DModel: 2, SSM: layers.SSM{LRDt: 0.1}},
		"LRUConfig: want Frozen to name some of A, B, C, D, got \"dt\"":                                                        layers.LRUConfig{DModel: 2, SSM: layers.SSM{Frozen: []string{"dt"}}},
	} {
		if err := cfg.Validate(); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	// With a gate or a bottleneck the default mixing is the linear gate.
	for _, c := range []layers.S5Config{{DModel: 4, SSM: layers.SSM{Gate: 2}}, {DModel: 4, SSM: layers.SSM{Bottleneck: 2}}} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	// What a layer says of its configuration makes the layer again.
	l, err := layers.NewLRU(G.NewGraph(), tensor.Float32, layers.LRUConfig{DModel: 2, SSM: layers.SSM{LR: 0.01}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Config().Validate(); err != nil {
		t.Error(err)
	}
}

// valuesOf returns the values of a parameter of a layer.
func valuesOf(t *testing.T, l layers.Layer, name string) []float64 {
	t.Helper()
	for _, p := range l.Params() {
		if p.Name == l.Name()+"."+name {
			return testutil.Floats(p.Node.Value())
		}
	}
	t.Fatalf("no parameter %q", name)
	return nil
}

// meanSquare is the mean of squares of what is complex or real.
func meanSquare(v []float64) (sum float64) {
	for _, x := range v {
		sum += x * x
	}
	return sum / float64(len(v))
}

// S5 starts as the paper's: the poles of the blocks, matrices of the deviations that the
// public code has, and steps within their range.
func TestS5Start(t *testing.T) {
	const h, n = 48, 64
	const slack = 0.1 // of a mean of some thousand squares
	blocks, err := hippo.NormalBlocks(n, 2, true)
	if err != nil {
		t.Fatal(err)
	}
	for out, want := range map[layers.OutputInit]float64{layers.OutputTruncated: 1. / n, layers.OutputLecun: 1. / n / h, layers.OutputNormal: 0.5} {
		l, err := layers.NewS5(G.NewGraph(), tensor.Float64, layers.S5Config{DModel: h, DState: n, Blocks: 2, Output: out, SSM: layers.SSM{Bidirectional: true}})
		if err != nil {
			t.Fatal(err)
		}
		re, im := valuesOf(t, l, "kernel.Lambda_re"), valuesOf(t, l, "kernel.Lambda_im")
		for p, z := range blocks.Eigenvalues() {
			if re[p] != real(z) || im[p] != imag(z) {
				t.Fatalf("state %d: pole %g + %gi, want %g", p, re[p], im[p], z)
			}
		}
		if v := meanSquare(valuesOf(t, l, "kernel.C")); math.Abs(v/want-1) > slack {
			t.Errorf("%s: C has parts of variance %g, want %g", out, v, want)
		}
		if v := 2 * meanSquare(valuesOf(t, l, "kernel.B")); math.Abs(v*n-1) > slack {
			t.Errorf("B has elements of variance %g, want %g", v, 1./n)
		}
		for _, v := range valuesOf(t, l, "kernel.log_step") {
			if dt := math.Exp(v); dt < 0.001*(1-1e-12) || dt > 0.1*(1+1e-12) {
				t.Errorf("a step of %g", dt)
			}
		}
	}
}

// The LRU starts in a ring, uniform in its area, with states that have the variance of
// their input.
func TestLRUStart(t *testing.T) {
	const n, lo, hi, phase = 2000, 0.5, 0.9, 0.3
	l, err := layers.NewLRU(G.NewGraph(), tensor.Float64, layers.LRUConfig{DModel: 2, DState: n, RMin: lo, RMax: hi, MaxPhase: phase})
	if err != nil {
		t.Fatal(err)
	}
	nu, theta, gamma := valuesOf(t, l, "kernel.nu_log"), valuesOf(t, l, "kernel.theta_log"), valuesOf(t, l, "kernel.gamma_log")
	inner := 0 // in the inner half of the area
	for p := range n {
		r, angle := math.Exp(-math.Exp(nu[p])), math.Exp(theta[p])
		if r < lo-1e-12 || r > hi+1e-12 || angle > phase {
			t.Fatalf("state %d: pole of modulus %g, phase %g", p, r, angle)
		}
		if r*r < (lo*lo+hi*hi)/2 {
			inner++
		}
		if want := math.Sqrt(1 - r*r); math.Abs(math.Exp(gamma[p])-want) > 1e-12 {
			t.Fatalf("state %d: gamma %g, want %g", p, math.Exp(gamma[p]), want)
		}
	}
	if math.Abs(float64(inner)/n-0.5) > 0.05 {
		t.Errorf("%d of %d poles in the inner half of the ring", inner, n)
	}
}

// What System says of every way from a feature to another is what the layer computes.
func TestSystemOfSharedStates(t *testing.T) {
	const l, tol = 12, 1e-11
	alone := layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}
	both := alone
	both.Bidirectional = true
	for _, v := range []variant{
		s5Variant(layers.S5Config{DModel: 3, DState: 4, SSM: alone}), s5Variant(layers.S5Config{DModel: 2, DState: 6, Full: true, Disc: ssm.Bilinear, SSM: both}),
		lruVariant(layers.LRUConfig{DModel: 3, DState: 4, SSM: alone}), lruVariant(layers.LRUConfig{DModel: 2, DState: 3, SSM: both}),
	} {
		h := v.dModel
		g := G.NewGraph()
		layer := v.on(t, g, tensor.Float64)
		x := testutil.Input{Name: "x", Shape: tensor.Shape{h, h, l}, F: make([]float64, h*h*l)} // row i: an impulse in feature i
		const at = l / 2
		for i := range h {
			x.F[(i*h+i)*l+at] = 1
		}
		y := forward(t, layer, g, tensor.Float64, x)
		systems := layer.(layers.Systems)
		for in := range h {
			for out := range h {
				want := make([]float64, l)
				for d := range 2 {
					s, err := systems.System(d*h+out, in)
					if err != nil {
						if d == 1 && !strings.Contains(v.name, "bidirectional") {
							break
						}
						t.Fatal(err)
					}
					k, err := s.Discrete.Kernel(l)
					if err != nil {
						t.Fatal(err)
					}
					r, err := s.Continuous.Discretize(s.Dt, s.Disc, s.Alpha)
					if err != nil {
						t.Fatal(err)
					}
					again, err := r.Kernel(l)
					if err != nil {
						t.Fatal(err)
					}
					if e := testutil.RelErr(again, k); !(e <= tol) {
						t.Errorf("%s: from %d to %d: the continuous system is off by %.3g", v.name, in, out, e)
					}
					want[at] += s.Discrete.D
					for lag := 0; lag+at < l && d == 0; lag++ {
						want[at+lag] += k[lag]
					}
					for lag := 0; lag <= at && d == 1; lag++ {
						want[at-lag] += k[lag]
					}
				}
				if e := testutil.RelErr(y[(in*h+out)*l:][:l], want); !(e <= tol) {
					t.Errorf("%s: from %d to %d: off by %.3g", v.name, in, out, e)
				}
			}
		}
		for _, bad := range [][2]int{{-1, 0}, {2 * h, 0}, {0, h}} {
			if _, err := systems.System(bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), "System: want an output in [0, ") {
				t.Errorf("System(%d, %d): got error %v", bad[0], bad[1], err)
			}
		}
	}
}

// steps runs FwdSteps of a copy of a layer.
func steps(t *testing.T, l *layers.S5, x, dt testutil.Input, lengths []int, opts ...layers.CloneOption) []float64 {
	t.Helper()
	g := G.NewGraph()
	c, err := l.CloneTo(g, opts...)
	if err != nil {
		t.Fatal(err)
	}
	var n *G.Node
	if lengths != nil {
		n = node(g, tensor.Int, testutil.Ints("lengths", lengths, len(lengths)))
	}
	y, err := c.FwdSteps(node(g, tensor.Float64, x), node(g, tensor.Float64, dt), n)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, g, y)
}

// Steps that are all alike are those of another rate; what is behind a length is not
// read; and in two parts a sequence is the whole.
func TestS5AtIrregularSteps(t *testing.T) {
	const b, h, l, tol = 2, 3, 9, 1e-12
	rng := rand.New(rand.NewPCG(3, 11))
	layer, err := layers.NewS5(G.NewGraph(), tensor.Float64, layers.S5Config{DModel: h, DState: 6})
	if err != nil {
		t.Fatal(err)
	}
	x := testutil.Normal(rng, "x", b, h, l)
	dt := testutil.Input{Name: "dt", Shape: tensor.Shape{b, l}, F: make([]float64, b*l)}
	for i := range dt.F {
		dt.F[i] = 1.5
	}
	g := G.NewGraph()
	c, err := layer.CloneTo(g, layers.AtRate(1.5))
	if err != nil {
		t.Fatal(err)
	}
	want := forward(t, c, g, tensor.Float64, x)
	if e := testutil.RelErr(steps(t, layer, x, dt, nil), want); !(e <= tol) {
		t.Errorf("steps of 1.5 are off those at rate 1.5 by %.3g", e)
	}
	dt = testutil.Uniform(rng, "dt", 0.2, 3, b, l)
	short := steps(t, layer, x, dt, []int{4, l})
	for s := 4; s < l; s++ {
		dt.F[s] = -1
		for f := range h {
			if short[f*l+s] != 0 {
				t.Fatalf("output %g behind the length", short[f*l+s])
			}
		}
	}
	if e := testutil.RelErr(steps(t, layer, x, dt, []int{4, l}), short); !(e <= tol) {
		t.Errorf("steps behind the length move the output by %.3g", e)
	}

	dt = testutil.Uniform(rng, "dt", 0.2, 3, b, l)
	part := func(lo, hi int, x0 []testutil.Input) ([]float64, []testutil.Input) {
		g := G.NewGraph()
		c, err := layer.CloneTo(g)
		if err != nil {
			t.Fatal(err)
		}
		cut := func(in testutil.Input) testutil.Input {
			out := testutil.Input{Name: in.Name, Shape: in.Shape.Clone()}
			out.Shape[len(out.Shape)-1] = hi - lo
			for i := 0; i < len(in.F); i += l {
				out.F = append(out.F, in.F[i+lo:i+hi]...)
			}
			return out
		}
		y, x1, err := c.FwdStepsState(node(g, tensor.Float64, cut(x)), node(g, tensor.Float64, cut(dt)), stateNodes(g, tensor.Float64, x0))
		if err != nil {
			t.Fatal(err)
		}
		var yv, sv G.Value
		G.Read(y, &yv)
		G.Read(x1[0], &sv)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		return testutil.Floats(yv), []testutil.Input{{Name: "x", Shape: sv.Shape().Clone(), F: testutil.Floats(sv)}}
	}
	whole := steps(t, layer, x, dt, nil)
	first, mid := part(0, 4, nil)
	second, _ := part(4, l, mid)
	if e := testutil.RelErr(join(first, second, 4, l-4), whole); !(e <= tol) {
		t.Errorf("in parts off by %.3g", e)
	}
}

func TestS5RefusesSteps(t *testing.T) {
	g := G.NewGraph()
	l, err := layers.NewS5(g, tensor.Float64, layers.S5Config{DModel: 2, DState: 4})
	if err != nil {
		t.Fatal(err)
	}
	x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 3}, F: make([]float64, 6)})
	in := func(name string, dt tensor.Dtype, shape ...int) *G.Node {
		return node(g, dt, testutil.Input{Name: name, Shape: shape, F: make([]float64, tensor.Shape(shape).TotalSize())})
	}
	for _, c := range []struct {
		dt   *G.Node
		want string
	}{
		{nil, `layers: S5 "s5": FwdSteps: want dt (1, 3) of dtype float64, got nil`},
		{in("a", tensor.Float32, 1, 3), "want dt (1, 3) of dtype float64, got (1, 3) of dtype float32"},
		{in("b", tensor.Float64, 1, 4), "FwdSteps: dt: want (1, 3), got (1, 4)"},
	} {
		if _, err := l.FwdSteps(x, c.dt, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	if _, err := l.FwdSteps(x, in("zero", tensor.Float64, 1, 3), nil); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), `layers: S5 "s5"`) || !strings.Contains(err.Error(), "dt: want finite step sizes > 0, got 0 at step 0 of row 0") {
		t.Errorf("got error %v", err)
	}
}

// Whatever a learning rate throws the parameters of the poles to, every state decays.
func TestSharedStatesDecayWhateverIsLearned(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 12))
	for _, v := range []variant{s5Variant(layers.S5Config{DModel: 2, DState: 8}), s5Variant(layers.S5Config{DModel: 2, DState: 8, Disc: ssm.Bilinear}), lruVariant(layers.LRUConfig{DModel: 2, DState: 5})} {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			l := v.on(t, G.NewGraph(), dt)
			for _, scale := range []float64{0.1, 10, 1e3, 1e6, 1e12} {
				for _, p := range l.Params() {
					if isPole(p) {
						shift(p, rng, scale)
					}
				}
				r, err := l.Recurrence(1)
				if err != nil {
					t.Fatal(err)
				}
				shape := l.StateShapes(1)[0].Shape
				start := testutil.Normal(rng, "x", shape...)
				start.F[0], start.F[1] = 3, 4
				if err := r.SetState(stateOf(l, dt, []testutil.Input{start})); err != nil {
					t.Fatal(err)
				}
				stepAll(t, r, dt, testutil.Input{Shape: tensor.Shape{1, 2, 50}, F: make([]float64, 100)})
				end := testutil.Floats(r.State()[0].Value)
				for p := range len(end) / 2 {
					before, after := cmplx.Abs(complex(start.F[2*p], start.F[2*p+1])), cmplx.Abs(complex(end[2*p], end[2*p+1]))
					if !(after <= before*(1+1e-5)) { // rounding of float32 products
						t.Errorf("%s %v, scale %g: state %d grows from %g to %g", v.name, dt, scale, p, before, after)
					}
				}
			}
		}
	}
}

// isPole says whether a parameter is one that the poles follow from.
func isPole(p param.Param) bool {
	for _, name := range []string{"Lambda_re", "Lambda_im", "log_step", "nu_log", "theta_log"} {
		if strings.HasSuffix(p.Name, name) {
			return true
		}
	}
	return false
}

// shift adds noise to a parameter.
func shift(p param.Param, rng *rand.Rand, scale float64) {
	switch d := p.Node.Value().Data().(type) {
	case []float32:
		for i := range d {
			d[i] += float32(scale * rng.NormFloat64())
		}
	case []float64:
		for i := range d {
			d[i] += scale * rng.NormFloat64()
		}
	}
}

// Steps of any length are those of FwdSteps.
func TestS5StepsAfter(t *testing.T) {
	const b, h, l = 2, 3, 7
	rng := rand.New(rand.NewPCG(3, 13))
	layer, err := layers.NewS5(G.NewGraph(), tensor.Float64, layers.S5Config{DModel: h, DState: 6})
	if err != nil {
		t.Fatal(err)
	}
	x, dt := testutil.Normal(rng, "x", b, h, l), testutil.Uniform(rng, "dt", 0.2, 3, b, l)
	want := steps(t, layer, x, dt, nil)
	r, err := layer.Recurrence(b)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float64, len(want))
	for s := range l {
		u, after := make([]float64, b*h), make([]float64, b)
		for i := range u {
			u[i] = x.F[i*l+s]
		}
		for i := range after {
			after[i] = dt.F[i*l+s]
		}
		y, err := r.StepAfter(testutil.Dense(tensor.Float64, u, b, h), testutil.Dense(tensor.Float64, after, b))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range testutil.Floats(y) {
			got[i*l+s] = v
		}
	}
	if e := testutil.RelErr(got, want); !(e <= tolRecurrence64) {
		t.Errorf("steps off by %.3g", e)
	}
	u := testutil.Dense(tensor.Float64, make([]float64, b*h), b, h)
	for want, dt := range map[string]*tensor.Dense{
		`layers: S5 "s5": StepAfter: want dt (2) of dtype float64, contiguous, got nil`:                  nil,
		`layers: S5 "s5": StepAfter: want dt (2) of dtype float64, contiguous, got (3) of dtype float64`: testutil.Dense(tensor.Float64, make([]float64, 3), 3),
		`dt: want finite step sizes > 0, got 0 of row 0`:                                                 testutil.Dense(tensor.Float64, make([]float64, 2), 2),
		`layers: S5 "s5": StepAfter: want dt (2) of dtype float64, contiguous, got (2) of dtype float32`: testutil.Dense(tensor.Float32, make([]float64, 2), 2),
	} {
		if _, err := r.StepAfter(u, dt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	lru, err := layers.NewLRU(G.NewGraph(), tensor.Float64, layers.LRUConfig{DModel: h, DState: 6})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = lru.Recurrence(b); err != nil {
		t.Fatal(err)
	}
	if _, err := r.StepAfter(u, nil); err == nil || !strings.Contains(err.Error(), "StepAfter: want a layer whose steps may be of any length, as S5") {
		t.Errorf("got error %v", err)
	}
}
