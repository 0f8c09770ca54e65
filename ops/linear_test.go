package ops

import (
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naiveLinear is y[b][o][l] = sum over i of w[o][i] x(b, i, l) + bias[o].
func naiveLinear(nb, no, ni, nl int, x func(b, i, l int) float64, w, bias []float64) []float64 {
	y := make([]float64, 0, nb*no*nl)
	for b := range nb {
		for o := range no {
			for l := range nl {
				var s float64
				if bias != nil {
					s = bias[o]
				}
				for i := range ni {
					s += w[o*ni+i] * x(b, i, l)
				}
				y = append(y, s)
			}
		}
	}
	return y
}

var linearSizes = [][4]int{{1, 1, 1, 1}, {2, 3, 4, 17}, {3, 5, 2, 1}, {2, 17, 3, 300}, {5, 1, 7, 3}}

func TestLinear(t *testing.T) {
	rng := newRand(1)
	for _, n := range linearSizes {
		B, I, O, L := n[0], n[1], n[2], n[3]
		w, bias := testutil.Normal(rng, "w", O, I), testutil.Normal(rng, "b", O)

		x := testutil.Normal(rng, "x", B, I, L)
		f := build(func(n []*G.Node) (*G.Node, error) { return Linear(n[0], n[1], n[2]) })
		at := func(b, i, l int) float64 { return x.F[(b*I+i)*L+l] }
		checkValue(t, f, naiveLinear(B, O, I, L, at, w.F, bias.F), x, w, bias)
		testutil.Check(t, f, x, w, bias)
		noBias := build(func(n []*G.Node) (*G.Node, error) { return Linear(n[0], n[1], nil) })
		checkValue(t, noBias, naiveLinear(B, O, I, L, at, w.F, nil), x, w)
		testutil.Check(t, noBias, x, w)

		x = testutil.Normal(rng, "x", B, L, I)
		f = build(func(n []*G.Node) (*G.Node, error) { return FeatureLinear(n[0], n[1], n[2]) })
		at = func(b, i, l int) float64 { return x.F[(b*L+l)*I+i] }
		checkValue(t, f, naiveLinear(B, O, I, L, at, w.F, bias.F), x, w, bias)
		testutil.Check(t, f, x, w, bias)

		x = testutil.Normal(rng, "x", B, I)
		f = build(func(n []*G.Node) (*G.Node, error) { return Linear(n[0], n[1], n[2]) })
		at = func(b, i, _ int) float64 { return x.F[b*I+i] }
		checkValue(t, f, naiveLinear(B, O, I, 1, at, w.F, bias.F), x, w, bias)
		testutil.Check(t, f, x, w, bias)
		testutil.Check(t, noBias, x, w)
	}
}

// Where x is data, its gradient is left out; the others are the same.
func TestLinearOfData(t *testing.T) {
	rng := newRand(2)
	w, bias := testutil.Normal(rng, "w", 4, 3), testutil.Normal(rng, "b", 4)
	for _, c := range []struct {
		x testutil.Input
		f func(x, w, b *G.Node, opts ...LinearOption) (*G.Node, error)
	}{
		{testutil.Normal(rng, "x", 2, 3, 7), Linear},
		{testutil.Normal(rng, "x", 2, 3), Linear},
		{testutil.Normal(rng, "x", 2, 7, 3), FeatureLinear},
		{testutil.Normal(rng, "x", 2, 3, 7), LinearGLU},
	} {
		c.x.Fixed = true
		testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) { return c.f(n[0], n[1], n[2]) }), c.x, w, bias)
	}
}

func TestLinearGLU(t *testing.T) {
	rng := newRand(3)
	for _, n := range linearSizes {
		B, I, H, L := n[0], n[1], n[2], n[3]
		x, w, bias := testutil.Normal(rng, "x", B, I, L), testutil.Normal(rng, "w", 2*H, I), testutil.Normal(rng, "b", 2*H)
		z := naiveLinear(B, 2*H, I, L, func(b, i, l int) float64 { return x.F[(b*I+i)*L+l] }, w.F, bias.F)
		f := build(func(n []*G.Node) (*G.Node, error) { return LinearGLU(n[0], n[1], n[2]) })
		checkValue(t, f, naiveGLU(z, B, H, L), x, w, bias)
		testutil.Check(t, f, x, w, bias)
		testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) { return LinearGLU(n[0], n[1], nil) }), x, w)
	}
}

// TestLinearGate compares LinearGate with the ops that it stands for.
func TestLinearGate(t *testing.T) {
	rng := newRand(11)
	const pIn, pOut = 0.3, 0.4
	for _, n := range linearSizes {
		B, H, L := n[0], n[1], n[3]
		in := []testutil.Input{testutil.Normal(rng, "x", B, H, L), testutil.Normal(rng, "w", H, H), testutil.Normal(rng, "b", H)}
		for _, act := range []Activation{ActIdentity, ActGELU, ActTanh} {
			for _, ofX := range []bool{false, true} {
				opts := func(more ...LinearOption) []LinearOption {
					if ofX {
						more = append(more, GateX())
					}
					return append(more, Activated(act))
				}
				apart := func(dropIn, dropOut float64) testutil.Build {
					return build(func(n []*G.Node) (*G.Node, error) {
						h, err := Activate(act, n[0])
						if err != nil {
							return nil, err
						}
						if h, err = Dropout(h, dropIn, newMasks(1, 0), Tied()); err != nil {
							return nil, err
						}
						z, err := Linear(h, n[1], n[2])
						if err != nil {
							return nil, err
						}
						if ofX {
							h = n[0]
						}
						if h, err = Gate(h, z); err != nil {
							return nil, err
						}
						return Dropout(h, dropOut, newMasks(2, 0), Tied())
					})
				}
				plain := build(func(n []*G.Node) (*G.Node, error) { return LinearGate(n[0], n[1], n[2], opts()...) })
				dropped := build(func(n []*G.Node) (*G.Node, error) {
					return LinearGate(n[0], n[1], n[2], opts(DropInput(pIn, newMasks(1, 0)), DropOutput(pOut, newMasks(2, 0)))...)
				})
				sameResults(t, plain, apart(0, 0), in...)
				sameResults(t, dropped, apart(pIn, pOut), in...)
				if L < 100 && act == ActGELU {
					testutil.Check(t, plain, in...)
					testutil.Check(t, dropped, in...)
				}
			}
		}
		testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) { return LinearGate(n[0], n[1], nil) }), in[:2]...)
	}
}

// TestLinearFused compares every option with the ops it stands for.
func TestLinearFused(t *testing.T) {
	rng := newRand(5)
	const pIn, pOut = 0.3, 0.4
	linear := func(gate bool, n []*G.Node, opts ...LinearOption) (*G.Node, error) {
		if gate {
			return LinearGLU(n[0], n[1], n[2], opts...)
		}
		return Linear(n[0], n[1], n[2], opts...)
	}
	for _, n := range linearSizes {
		B, I, H, L := n[0], n[1], n[2], n[3]
		in := []testutil.Input{testutil.Normal(rng, "x", B, I, L), testutil.Normal(rng, "w", 2*H, I), testutil.Normal(rng, "b", 2*H)}
		for _, act := range Activations() {
			for _, gate := range []bool{false, true} {
				mIn, mOut := newMasks(1, 0), newMasks(2, 0)
				fused := build(func(n []*G.Node) (*G.Node, error) {
					mIn, mOut = newMasks(1, 0), newMasks(2, 0)
					return linear(gate, n, Activated(act), DropInput(pIn, mIn), DropOutput(pOut, mOut))
				})
				apart := build(func(n []*G.Node) (*G.Node, error) {
					x, err := Activate(act, n[0])
					if err != nil {
						return nil, err
					}
					if x, err = Dropout(x, pIn, newMasks(1, 0), Tied()); err != nil {
						return nil, err
					}
					y, err := linear(gate, []*G.Node{x, n[1], n[2]})
					if err != nil {
						return nil, err
					}
					return Dropout(y, pOut, newMasks(2, 0), Tied())
				})
				if act == ActGELU || act == ActTanh { // with a derivative of its own, and without
					testutil.Check(t, fused, in...)
				}
				sameResults(t, fused, apart, in...)
				for _, m := range []*Masks{mIn, mOut} {
					if c := m.shared.state[1]; c != 1 {
						t.Errorf("the counter of the masks is %d after a step, want 1", c)
					}
				}
				only := build(func(n []*G.Node) (*G.Node, error) { return linear(gate, n, Activated(act)) })
				noDrop := build(func(n []*G.Node) (*G.Node, error) {
					x, err := Activate(act, n[0])
					if err != nil {
						return nil, err
					}
					return linear(gate, []*G.Node{x, n[1], n[2]})
				})
				sameResults(t, only, noDrop, in...)
			}
		}
	}
}

// A dropout of elements is that of Dropout, at any step where a unit begins.
func TestLinearDropInputElements(t *testing.T) {
	rng := newRand(8)
	const p = 0.3
	for _, n := range append(linearSizes, [4]int{2, 3, 4, 1301}) {
		B, I, O, L := n[0], n[1], n[2], n[3]
		in := []testutil.Input{testutil.Normal(rng, "x", B, I, L), testutil.Normal(rng, "w", O, I)}
		fused := build(func(n []*G.Node) (*G.Node, error) {
			return Linear(n[0], n[1], nil, Activated(ActGELU), DropInputElements(p, newMasks(1, 0)))
		})
		sameResults(t, fused, build(func(n []*G.Node) (*G.Node, error) {
			x, err := GELU(n[0])
			if err != nil {
				return nil, err
			}
			if x, err = Dropout(x, p, newMasks(1, 0)); err != nil {
				return nil, err
			}
			return Linear(x, n[1], nil)
		}), in...)
		if L > 1000 {
			continue
		}
		in[0] = testutil.Normal(rng, "x", B, 2*I, L)
		testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) {
			return Linear(n[0], n[1], nil, Gated(ActGELU), DropInputElements(p, newMasks(1, 0)))
		}), in...)
	}
}

// A gate is the product of one half of the features, activated, and the other.
func TestLinearGated(t *testing.T) {
	rng := newRand(6)
	const p = 0.3
	for _, n := range linearSizes {
		B, I, H, L := n[0], n[1], n[2], n[3]
		in := []testutil.Input{testutil.Normal(rng, "x", B, 2*I, L), testutil.Normal(rng, "w", 2*H, I), testutil.Normal(rng, "b", 2*H)}
		for _, act := range Activations() {
			f := build(func(n []*G.Node) (*G.Node, error) { return Linear(n[0], n[1], n[2], Gated(act)) })
			checkValue(t, f, naiveLinear(B, 2*H, I, L, naiveGate(act, in[0].F, I, L), in[1].F, in[2].F), in...)
			if L < 100 && (act == ActGELU || act == ActIdentity) {
				testutil.Check(t, f, in...)
			}
		}
		glu := func(opts ...LinearOption) testutil.Build {
			return build(func(n []*G.Node) (*G.Node, error) {
				return LinearGLU(n[0], n[1], n[2], append(opts, Gated(ActSiLU))...)
			})
		}
		z := naiveLinear(B, 2*H, I, L, naiveGate(ActSiLU, in[0].F, I, L), in[1].F, in[2].F)
		checkValue(t, glu(), naiveGLU(z, B, H, L), in...)
		testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) {
			return LinearGLU(n[0], n[1], n[2], Gated(ActSiLU), DropInput(p, newMasks(1, 0)))
		}), in...)
	}
}

// naiveGate is kind of feature i of x (B, 2I, L) times feature I+i.
func naiveGate(kind Activation, x []float64, ni, nl int) func(b, i, l int) float64 {
	f := ActivationFunc[float64](kind)
	return func(b, i, l int) float64 {
		v := []float64{x[(b*2*ni+i)*nl+l]}
		f(v, v)
		return v[0] * x[(b*2*ni+ni+i)*nl+l]
	}
}

// An open gate lets what a dropout leaves through.
func TestLinearGatedDropout(t *testing.T) {
	rng := newRand(7)
	const B, I, O, L, p = 3, 4, 5, 600, 0.4
	a, w := testutil.Normal(rng, "a", B, I, L), testutil.Normal(rng, "w", O, I)
	x := testutil.Input{Name: "x", Shape: tensor.Shape{B, 2 * I, L}}
	for b := range B {
		x.F = append(append(x.F, a.F[b*I*L:(b+1)*I*L]...), slices.Repeat([]float64{1}, I*L)...)
	}
	run := func(in testutil.Input, opt LinearOption) *testutil.Result {
		r, err := testutil.Run(testutil.Tape, tensor.Float64, build(func(n []*G.Node) (*G.Node, error) {
			return Linear(n[0], n[1], nil, opt, DropInput(p, newMasks(1, 0)))
		}), nil, in, w)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	got, want := run(x, Gated(ActReLU)), run(a, Activated(ActReLU))
	if !slices.Equal(got.Out, want.Out) || !slices.Equal(got.Grads[1], want.Grads[1]) {
		t.Error("the output or the gradient of w differ from those of Activated")
	}
	for b := range B {
		if !slices.Equal(got.Grads[0][2*b*I*L:][:I*L], want.Grads[0][b*I*L:][:I*L]) {
			t.Errorf("the gradient of row %d of x differs from that of Activated", b)
		}
	}
}

// Without training the masks let everything pass.
func TestLinearFusedEvaluation(t *testing.T) {
	const B, I, H, L = 2, 5, 3, 300
	d := linearDims{b: B, i: I, o: 2 * H, l: L, bias: 2}
	o := linearOptions{act: ActSiLU, dropInput: dropoutConfig{p: 0.5, masks: newMasks(1, 0)}, dropOutput: dropoutConfig{p: 0.5, masks: newMasks(2, 0)}}
	for name, core := range map[string]func(o linearOptions) graphop.Core[float64]{
		"linear": func(o linearOptions) graphop.Core[float64] { return newLinear[float64](d, o) },
		"gated":  func(o linearOptions) graphop.Core[float64] { return newLinearGLU[float64](d, o) },
	} {
		out := B * 2 * H * L
		if name == "gated" {
			out /= 2
		}
		eval := newPass[float64](core(o), out, []int{B * I * L, 2 * H * I, 2 * H})
		eval.core.(graphop.TrainModer).SetTraining(false)
		want := newPass[float64](core(linearOptions{act: ActSiLU}), out, []int{B * I * L, 2 * H * I, 2 * H})
		eval.run(t)
		want.run(t)
		for i, r := range eval.results() {
			if !slices.Equal(r, want.results()[i]) {
				t.Errorf("%s: result %d differs from that without dropout", name, i)
			}
		}
	}
}

func naiveGLU(z []float64, nb, nh, nl int) []float64 {
	y := make([]float64, 0, len(z)/2)
	for b := range nb {
		for h := range nh {
			for l := range nl {
				y = append(y, z[(b*2*nh+h)*nl+l]/(1+math.Exp(-z[((b*2+1)*nh+h)*nl+l])))
			}
		}
	}
	return y
}

// In evaluation LinearGLU and LinearGate keep nothing; their results are the same.
func TestGatedLinearEvaluation(t *testing.T) {
	const B, I, H, L = 2, 5, 3, 300
	glu := linearDims{b: B, i: I, o: 2 * H, l: L, bias: 2}
	gate := linearDims{b: B, i: H, o: H, l: L, bias: 2}
	for name, c := range map[string]struct {
		core func() (graphop.Core[float64], *gatedLinear[float64])
		in   []int
	}{
		"LinearGLU": {func() (graphop.Core[float64], *gatedLinear[float64]) {
			c := newLinearGLU[float64](glu, linearOptions{act: ActIdentity})
			return c, c.gatedLinear
		}, []int{B * I * L, 2 * H * I, 2 * H}},
		"LinearGate": {func() (graphop.Core[float64], *gatedLinear[float64]) {
			c := newLinearGate[float64](gate, linearOptions{act: ActSiLU})
			return c, c.gatedLinear
		}, []int{B * H * L, H * H, H}},
	} {
		kept, _ := c.core()
		again, common := c.core()
		train, eval := newPass[float64](kept, B*H*L, c.in), newPass[float64](again, B*H*L, c.in)
		eval.core.(graphop.TrainModer).SetTraining(false)
		train.run(t)
		eval.run(t)
		want := train.results()
		for i, got := range eval.results() {
			if e := testutil.RelErr(got, want[i]); e != 0 {
				t.Errorf("%s: result %d: relative error %g, want 0", name, i, e)
			}
		}
		if z := common.z.Of(0); cap(z) > 0 {
			t.Errorf("%s: evaluation keeps %d elements, want 0", name, cap(z))
		}
	}
}

func TestLinearCores(t *testing.T) {
	const B, I, O, L = 5, 24, 36, 700
	d := linearDims{b: B, i: I, o: O, l: L, bias: 2}
	params := []int{O * I, O}
	checkPass(t, newPass[float32](newLinear[float32](d, linearOptions{act: ActIdentity}), B*O*L, append([]int{B * I * L}, params...)), once)
	checkPass(t, newPass[float32](newLinearGLU[float32](d, linearOptions{act: ActIdentity}), B*O/2*L, append([]int{B * I * L}, params...)), once)
	state := dropoutState(1, 0)
	masks := masksOf(state)
	o := linearOptions{act: ActGELU, dropInput: dropoutConfig{p: 0.2, masks: masks}, dropOutput: dropoutConfig{p: 0.2, masks: masks}}
	again := func() { state.Data().([]int64)[1] = 0 }
	checkPass(t, newPass[float32](newLinear[float32](d, o), B*O*L, append([]int{B * I * L}, params...)), again)
	checkPass(t, newPass[float32](newLinearGLU[float32](d, o), B*O/2*L, append([]int{B * I * L}, params...)), again)
	square := linearDims{b: B, i: O, o: O, l: L, bias: 2}
	for _, o.gateX = range []bool{false, true} {
		checkPass(t, newPass[float32](newLinearGate[float32](square, o), B*O*L, []int{B * O * L, O * O, O}), again)
	}
	o.gateX, d.gated = false, true
	checkPass(t, newPass[float32](newLinear[float32](d, o), B*O*L, append([]int{B * 2 * I * L}, params...)), again)
	d.gated, d.featuresLast = false, true
	checkPass(t, newPass[float32](newLinear[float32](d, linearOptions{act: ActIdentity}), B*O*L, append([]int{B * I * L}, params...)), once)
	v := linearDims{b: 70, i: 150, o: 200, l: 1, bias: 2}
	checkPass(t, newPass[float32](newLinearVector[float32](v), v.b*v.o, []int{v.b * v.i, v.o * v.i, v.o}), once)
}

func TestLinearErrors(t *testing.T) {
	g := newGraph()
	x, w, b := g.f64("x", 2, 3, 5), g.f64("w", 4, 3), g.f64("b", 4)
	for _, c := range []struct {
		f    func(x, w, b *G.Node) (*G.Node, error)
		x    *G.Node
		w, b *G.Node
		want string
	}{
		{nil, nil, w, b, "ops.Linear: want x (B, I, L) or (B, I), got nil"},
		{nil, g.f64("x1", 3), w, b, "ops.Linear: want x (B, I, L) or (B, I), got (3)"},
		{nil, g.ints("xi", 2, 3), w, b, "ops.Linear: want x (B, I, L) or (B, I) of dtype float32 or float64, got dtype int"},
		{nil, g.f64("x0", 2, 3, 0), w, b, "ops.Linear: want x (B, I, L) or (B, I) with every axis at least 1, got (2, 3, 0)"},
		{nil, x, nil, b, "ops.Linear: want w (O, I), got nil"},
		{nil, x, b, b, "ops.Linear: want w (O, I), got (4)"},
		{nil, x, g.f64("w1", 4, 2), b, "ops.Linear: want w (4, 3), got (4, 2)"},
		{nil, x, g.f32("w2", 4, 3), b, "ops.Linear: want w (4, 3) of dtype float64, got dtype float32"},
		{nil, x, w, g.f64("b1", 5), "ops.Linear: want b (4), got (5)"},
		{nil, x, w, g.f64("b2", 4, 1), "ops.Linear: want b (4), got (4, 1)"},
		{feature, x, w, b, "ops.FeatureLinear: want w (4, 5), got (4, 3)"},
		{feature, g.f64("x2", 2, 3), w, b, "ops.FeatureLinear: want x (B, L, F), got (2, 3)"},
		{gated, x, g.f64("w3", 3, 3), nil, "ops.LinearGLU: want w (2H, 3), got (3, 3)"},
		{gated, g.f64("x3", 2, 3), w, nil, "ops.LinearGLU: want x (B, I, L), got (2, 3)"},
		{nil, x, newGraph().f64("other", 4, 3), nil, "ops.Linear: "},
	} {
		if c.f == nil {
			c.f = func(x, w, b *G.Node) (*G.Node, error) { return Linear(x, w, b) }
		}
		_, err := c.f(c.x, c.w, c.b)
		wantError(t, err, c.want)
	}
}

func gated(x, w, b *G.Node) (*G.Node, error) { return LinearGLU(x, w, b) }

func feature(x, w, b *G.Node) (*G.Node, error) { return FeatureLinear(x, w, b) }

func TestLinearOptionErrors(t *testing.T) {
	g := newGraph()
	x, w := g.f64("x", 2, 3, 5), g.f64("w", 4, 3)
	masks := newMasks(1, 0)
	const only = ": want Activated, Gated, DropInput and DropOutput with x (B, I, L) only"
	for _, c := range []struct {
		f    func(opts ...LinearOption) (*G.Node, error)
		opt  LinearOption
		want string
	}{
		{func(o ...LinearOption) (*G.Node, error) { return Linear(g.f64("v", 2, 3), w, nil, o...) }, Activated(ActGELU), "ops.Linear" + only},
		{func(o ...LinearOption) (*G.Node, error) { return FeatureLinear(x, g.f64("w5", 4, 5), nil, o...) }, DropInput(0.1, masks), "ops.FeatureLinear" + only},
		{func(o ...LinearOption) (*G.Node, error) { return Linear(g.f64("v2", 2, 3), w, nil, o...) }, Gated(ActIdentity), "ops.Linear" + only},
		{func(o ...LinearOption) (*G.Node, error) { return Linear(x, w, nil, o...) }, Gated(ActSiLU), "ops.Linear: want x (B, 2I, L) with Gated, got (2, 3, 5)"},
		{func(o ...LinearOption) (*G.Node, error) { return LinearGLU(g.f64("x4", 2, 4, 5), w, nil, o...) }, Gated(ActSiLU), "ops.LinearGLU: want w (4, 2), got (4, 3)"},
		{func(o ...LinearOption) (*G.Node, error) { return Linear(x, w, nil, o...) }, Activated("swish"), `ops.Linear: want an activation of`},
		{func(o ...LinearOption) (*G.Node, error) { return Linear(x, w, nil, o...) }, DropInput(1, masks), "ops.Linear: want p in [0, 1), got 1"},
		{func(o ...LinearOption) (*G.Node, error) { return LinearGLU(x, w, nil, o...) }, DropOutput(0.5, nil), "ops.LinearGLU: want masks that NewMasks made, got none"},
	} {
		_, err := c.f(c.opt)
		wantError(t, err, c.want)
	}
}

func TestLinearFloat32Error(t *testing.T) {
	// Long sums stay at the error of their terms: 64 x 1000 steps.
	rng := newRand(4)
	x, w, bias := testutil.Normal(rng, "x", 64, 3, 1000), testutil.Normal(rng, "w", 2, 3), testutil.Normal(rng, "b", 2)
	f := build(func(n []*G.Node) (*G.Node, error) { return Linear(n[0], n[1], n[2]) })
	want, err := testutil.Run(testutil.Tape, tensor.Float64, f, nil, x, w, bias)
	if err != nil {
		t.Fatal(err)
	}
	got, err := testutil.Run(testutil.Tape, tensor.Float32, f, nil, x, w, bias)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 3; i++ {
		if e := testutil.RelErr(got.Grads[i], want.Grads[i]); !(e <= testutil.TolFloat32) {
			t.Errorf("gradient %d: relative error %g", i, e)
		}
	}
}

func BenchmarkLinear(b *testing.B) {
	const B, I, O, L = 50, 128, 256, 1024
	d := linearDims{b: B, i: I, o: O, l: L, bias: 2}
	bench(b, newPass[float32](newLinear[float32](d, linearOptions{act: ActIdentity}), B*O*L, []int{B * I * L, O * I, O}))
}

func BenchmarkLinearGLU(b *testing.B) {
	const B, I, H, L = 50, 128, 128, 1024
	d := linearDims{b: B, i: I, o: 2 * H, l: L, bias: 2}
	bench(b, newPass[float32](newLinearGLU[float32](d, linearOptions{act: ActIdentity}), B*H*L, []int{B * I * L, 2 * H * I, 2 * H}))
}

// BenchmarkLinearGLUFused is the mixing of a block.
func BenchmarkLinearGLUFused(b *testing.B) {
	const B, I, H, L = 50, 128, 128, 1024
	d := linearDims{b: B, i: I, o: 2 * H, l: L, bias: 2}
	drop := dropoutConfig{p: 0.1, masks: newMasks(1, 0)}
	core := newLinearGLU[float32](d, linearOptions{act: ActGELU, dropInput: drop, dropOutput: drop})
	bench(b, newPass[float32](core, B*H*L, []int{B * I * L, 2 * H * I, 2 * H}))
}
