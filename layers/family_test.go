package layers_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// sequenceLayer is what all state space layers, and blocks, have in common.
type sequenceLayer interface {
	layers.Layer
	FwdLengths(x, lengths *G.Node) (*G.Node, error)
	FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error)
	StateShapes(batch int) []layers.StateShape
	Recurrence(batch int) (*layers.Recurrence, error)
}

// variant is one configuration of one kind of layer.
type variant struct {
	name   string
	dModel int
	make   func(g *G.ExprGraph, dt tensor.Dtype, opts ...layers.Option) (sequenceLayer, error)
	clone  func(l sequenceLayer, g *G.ExprGraph, opts ...layers.CloneOption) (sequenceLayer, error)
}

// variantOf describes the layer that newLayer makes of cfg and cloneTo copies.
func variantOf[L sequenceLayer, C any](dModel int, cfg C,
	newLayer func(*G.ExprGraph, tensor.Dtype, C, ...layers.Option) (L, error),
	cloneTo func(L, *G.ExprGraph, ...layers.CloneOption) (L, error),
) variant {
	text, err := json.Marshal(cfg)
	if err != nil {
		panic(err)
	}
	kind := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", cfg), "layers."), "Config")
	return variant{
		name: kind + string(text), dModel: dModel,
		make: func(g *G.ExprGraph, dt tensor.Dtype, opts ...layers.Option) (sequenceLayer, error) {
			return newLayer(g, dt, cfg, opts...)
		},
		clone: func(l sequenceLayer, g *G.ExprGraph, opts ...layers.CloneOption) (sequenceLayer, error) {
			return cloneTo(l.(L), g, opts...)
		},
	}
}

func s4Variant(c layers.S4Config) variant {
	return variantOf(c.DModel, c, layers.NewS4, (*layers.S4).CloneTo)
}

func s4dVariant(c layers.S4DConfig) variant {
	return variantOf(c.DModel, c, layers.NewS4D, (*layers.S4D).CloneTo)
}

func dssVariant(c layers.DSSConfig) variant {
	return variantOf(c.DModel, c, layers.NewDSS, (*layers.DSS).CloneTo)
}

func lsslVariant(c layers.LSSLConfig) variant {
	return variantOf(c.DModel, c, layers.NewLSSL, (*layers.LSSL).CloneTo)
}

func blockVariant(c layers.BlockConfig) variant {
	return variantOf(c.DModel(), c, layers.NewBlock, (*layers.Block).CloneTo)
}

// familyLength is the length of the longest sequence of the tests of the
// family: what kernels are tuned to.
const familyLength = 60

// family lists configurations of every kind of layer that is a recurrence, and
// blocks around them.
func family() []variant { return append(stateSpaces(), others()...) }

// others are those that are no state space layers.
func others() []variant {
	return slices.Concat(feedForwards(), recurrents(), convolutions(), transformers(), mambas(), retentions(), megas(), sharedStates())
}

// stateSpaces are those that are state space layers, or blocks around them.
func stateSpaces() []variant {
	var vs []variant
	for _, init := range hippo.DPLRInits() {
		vs = append(vs, s4Variant(layers.S4Config{DModel: 4, DState: 6, Init: init, LMax: familyLength}))
	}
	vs = append(vs,
		s4Variant(layers.S4Config{DModel: 4, DState: 2, NSSM: 2, Rank: 3, LMax: familyLength, DtTransform: ssm.Softplus, SSM: layers.SSM{Channels: 3}}),
		s4Variant(layers.S4Config{DModel: 3, DState: 16, NSSM: 1, ATransform: ssm.ReLU, LMax: familyLength}),
		s4Variant(layers.S4Config{DModel: 2, DState: 4, LMax: 2 * familyLength, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity, Channels: 2}}),
		s4Variant(layers.S4Config{DModel: 4, DState: 4, LMax: familyLength, SSM: layers.SSM{Gate: 3, Bottleneck: 2, MultActivation: ops.ActGELU, Dropout: 0.2}}),
		s4Variant(layers.S4Config{DModel: 3, DState: 4, LMax: familyLength, SSM: layers.SSM{Gate: 1, GateActivation: ops.ActSigmoid, Mixing: layers.MixLinear}}),
		s4Variant(layers.S4Config{DModel: 4, DState: 6, NSSM: 2, Rank: 2, LMax: familyLength, Dt: layers.DtPerState}),
		s4dVariant(layers.S4DConfig{DModel: 4, DState: 8, Init: hippo.InitLegS, Disc: ssm.Bilinear, NSSM: 2, SSM: layers.SSM{Channels: 2}}),
		s4dVariant(layers.S4DConfig{DModel: 3, DState: 6, NSSM: 1, Dt: layers.DtPerState, FixedB: true}),
		s4dVariant(layers.S4DConfig{DModel: 6, DState: 4, SSM: layers.SSM{Gate: 2, Bottleneck: 3, Channels: 2}}),
		dssVariant(layers.DSSConfig{DModel: 4, DState: 3, Version: vandermonde.DSSExp, SSM: layers.SSM{Gate: 2, Bottleneck: 2}}),
		lsslVariant(layers.LSSLConfig{DModel: 4, DState: 4, NSSM: 2, SSM: layers.SSM{Bottleneck: 2, Mixing: layers.MixLinear}}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 4, SSM: layers.SSM{Gate: 2}}),
	)
	for _, v := range vandermonde.DSSVersions() {
		vs = append(vs, dssVariant(layers.DSSConfig{DModel: 3, DState: 5, Version: v, LMax: familyLength, SSM: layers.SSM{Channels: 2}}))
	}
	for _, m := range []hippo.Measure{hippo.LegS, hippo.LegT, hippo.LagT} {
		vs = append(vs, lsslVariant(layers.LSSLConfig{DModel: 4, DState: 7, Init: m, NSSM: 2, SSM: layers.SSM{Channels: 3}}))
	}
	return append(vs,
		lsslVariant(layers.LSSLConfig{DModel: 3, DState: 8, Alpha: 1, SSM: layers.SSM{Frozen: []string{"dt", "A", "B"}}}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 2, Alpha: 0.75, DtTransform: ssm.Softplus, SSM: layers.SSM{Frozen: []string{"A"}}}),
		blockVariant(layers.BlockConfig{Mixer: layers.LSSLConfig{DModel: 3, DState: 5}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, Version: vandermonde.DSSExp, Dt: layers.DtPerFeature, Init: layers.DSSInitRandom}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: familyLength}, PreNorm: true, Dropout: 0.1}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 3, DState: 4}, Norm: layers.BatchNorm}),
		blockVariant(layers.BlockConfig{Mixer: layers.DSSConfig{DModel: 3, DState: 4, Version: vandermonde.DSSExp}, Norm: layers.NoNorm}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 3, DState: 4}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 3, DState: 4}, PreNorm: true, NoResidual: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.DSSConfig{DModel: 3, DState: 4, Version: vandermonde.DSSExp}, NoResidual: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Dropout: 0.2}}, PreNorm: true, Norm: layers.NoNorm, NoResidual: true, Dropout: 0.1}),
	)
}

// eachVariant runs a test on every variant, in parallel.
func eachVariant(t *testing.T, f func(t *testing.T, v variant)) { each(t, family(), f) }

// eachStateSpace runs a test on every variant that is a state space layer, or a
// block around one.
func eachStateSpace(t *testing.T, f func(t *testing.T, v variant)) { each(t, stateSpaces(), f) }

// each runs a test on variants, in parallel.
func each(t *testing.T, vs []variant, f func(t *testing.T, v variant)) {
	for _, v := range vs {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f(t, v)
		})
	}
}

// on makes the layer of a variant on a graph.
func (v variant) on(t testing.TB, g *G.ExprGraph, dt tensor.Dtype) sequenceLayer {
	t.Helper()
	l, err := v.make(g, dt, layers.WithSeed(3))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 0))
	for _, b := range l.Buffers() { // running statistics as after some training
		if !strings.Contains(b.Name, "running_") {
			continue
		}
		v := testutil.Uniform(rng, b.Name, 0.5, 2, b.Value.Shape()...).Tensor(dt)
		if err := tensor.Copy(b.Value, v); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// node adds an input of a test to a graph.
func node(g *G.ExprGraph, dt tensor.Dtype, in testutil.Input) *G.Node {
	return G.NewTensor(g, dt, in.Shape.Dims(), G.WithShape(in.Shape...), G.WithName(in.Name), G.WithValue(in.Tensor(dt)))
}

// stepsSeen is the number of steps that a state drawn for a test remembers, where
// that is a number.
const stepsSeen = 3

// last returns the last component of the name of a tensor of a state.
func last(name string) string { return name[strings.LastIndex(name, ".")+1:] }

// isCount says whether a tensor of a state counts steps: it has no gradient.
func isCount(name string) bool { return last(name) == "position" }

// states draws a state of a layer for a batch, by the names of its tensors.
func states(rng *rand.Rand, l sequenceLayer, batch int) []testutil.Input {
	var all []testutil.Input
	for _, s := range l.StateShapes(batch) {
		shape := s.Shape.Clone()
		if s.Grows > 0 {
			shape[s.Grows] = stepsSeen
		}
		in := testutil.Normal(rng, s.Name, shape...)
		for i, v := range in.F {
			switch last(s.Name) {
			case "position":
				in.F[i] = stepsSeen
			case "z": // sums of what is positive
				in.F[i] = 1 + math.Abs(v)
			}
		}
		all = append(all, in)
	}
	return all
}

// zeroStates is the state at the start of a sequence.
func zeroStates(l sequenceLayer, batch int) []testutil.Input {
	var all []testutil.Input
	for _, s := range l.StateShapes(batch) {
		all = append(all, testutil.Input{Name: s.Name, Shape: s.Shape, F: make([]float64, s.Shape.TotalSize())})
	}
	return all
}

// stateNodes adds a state to a graph.
func stateNodes(g *G.ExprGraph, dt tensor.Dtype, state []testutil.Input) G.Nodes {
	var ns G.Nodes
	for _, in := range state {
		in.Name = "state." + in.Name
		ns = append(ns, node(g, dt, in))
	}
	return ns
}

// stateOf returns a state as a session has it.
func stateOf(l sequenceLayer, dt tensor.Dtype, state []testutil.Input) layers.State {
	var s layers.State
	for i, in := range l.StateShapes(1) {
		s = append(s, layers.StateTensor{Name: in.Name, Value: state[i].Tensor(dt), Grows: in.Grows})
	}
	return s
}

// numbers returns those of all tensors of a state.
func numbers(s layers.State) []float64 {
	var all []float64
	for _, t := range s {
		all = append(all, testutil.Floats(t.Value)...)
	}
	return all
}

// numbersOf is numbers for what FwdState returned.
func numbersOf(state []testutil.Input) []float64 {
	var all []float64
	for _, in := range state {
		all = append(all, in.F...)
	}
	return all
}

// fwdState runs FwdState from x0, nil for zero, in evaluation mode.
func fwdState(t *testing.T, l sequenceLayer, g *G.ExprGraph, dt tensor.Dtype, x testutil.Input, x0 []testutil.Input) (y []float64, state []testutil.Input) {
	t.Helper()
	yn, sn, err := l.FwdState(node(g, dt, x), stateNodes(g, dt, x0))
	if err != nil {
		t.Fatal(err)
	}
	shapes := l.StateShapes(x.Shape[0])
	if len(sn) != len(shapes) {
		t.Fatalf("want a state of %d tensors, got %d", len(shapes), len(sn))
	}
	values := make([]G.Value, 1+len(sn))
	for i, n := range append(G.Nodes{yn}, sn...) {
		G.Read(n, &values[i])
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for i, v := range values[1:] {
		state = append(state, testutil.Input{Name: shapes[i].Name, Shape: v.Shape().Clone(), F: testutil.Floats(v)})
	}
	return testutil.Floats(values[0]), state
}

func TestRecurrenceIsConvolution(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		rng := rand.New(rand.NewPCG(3, 1))
		for _, l := range []int{1, 2, 17, familyLength} {
			x := testutil.Normal(rng, "x", 2, v.dModel, l)
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: tolRecurrence64, tensor.Float32: tolRecurrence32} {
				g := G.NewGraph()
				layer := v.on(t, g, dt)
				want := forward(t, layer, g, dt, x)
				r, err := layer.Recurrence(2)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(stepAll(t, r, dt, x), want); !(e <= tol) {
					t.Errorf("L=%d %v: recurrence off by %.3g > %.3g", l, dt, e, tol)
				}
			}
		}
	})
}

func TestS4DenseRecurrenceIsConvolution(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	x := testutil.Normal(rng, "x", 2, 4, familyLength)
	for _, init := range hippo.DPLRInits() {
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: tolRecurrence64, tensor.Float32: tolRecurrence32} {
			g := G.NewGraph()
			layer, err := layers.NewS4(g, dt, layers.S4Config{DModel: 4, DState: 8, Init: init, LMax: familyLength})
			if err != nil {
				t.Fatal(err)
			}
			want := forward(t, layer, g, dt, x)
			r, err := layers.NewRecurrence(layer.Dense(), 2)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(stepAll(t, r, dt, x), want); !(e <= tol) {
				t.Errorf("%s %v: dense recurrence off by %.3g > %.3g", init, dt, e, tol)
			}
		}
	}
}

// A sequence in two parts, the second from the state after the first, is the
// whole; and the states are those of the recurrence.
func TestFwdStateInParts(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		rng := rand.New(rand.NewPCG(3, 3))
		x := testutil.Normal(rng, "x", 2, v.dModel, 23)
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 10 * tolRecurrence64, tensor.Float32: 10 * tolRecurrence32} {
			g := G.NewGraph()
			layer := v.on(t, g, dt)
			x0 := states(rng, layer, 2)
			whole, end := fwdState(t, layer, g, dt, x, x0)
			if v.dModel*2*23 != len(whole) && !strings.Contains(v.name, `"mixing":"none"`) {
				t.Fatalf("output of %d elements", len(whole))
			}

			on := func() (sequenceLayer, *G.ExprGraph) {
				g := G.NewGraph()
				c, err := v.clone(layer, g)
				if err != nil {
					t.Fatal(err)
				}
				return c, g
			}
			first, second := halves(x)
			c, cg := on()
			y1, mid := fwdState(t, c, cg, dt, first, x0)
			c, cg = on()
			y2, after := fwdState(t, c, cg, dt, second, mid)
			if e := testutil.RelErr(join(y1, y2, first.Shape[2], second.Shape[2]), whole); !(e <= tol) {
				t.Errorf("%v: output in parts off by %.3g > %.3g", dt, e, tol)
			}
			if e := testutil.RelErr(numbersOf(after), numbersOf(end)); !(e <= tol) {
				t.Errorf("%v: state in parts off by %.3g > %.3g", dt, e, tol)
			}

			r, err := layer.Recurrence(2)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.SetState(stateOf(layer, dt, x0)); err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(stepAll(t, r, dt, x), whole); !(e <= tol) {
				t.Errorf("%v: recurrence from a state off by %.3g > %.3g", dt, e, tol)
			}
			if e := testutil.RelErr(numbers(r.State()), numbersOf(end)); !(e <= tol) {
				t.Errorf("%v: state of the recurrence off by %.3g > %.3g", dt, e, tol)
			}

			c, cg = on()
			fromNil, _ := fwdState(t, c, cg, dt, x, nil)
			c, cg = on()
			if e := testutil.RelErr(fromNil, forward(t, c, cg, dt, x)); !(e <= tol) {
				t.Errorf("%v: FwdState from zero and Fwd differ by %.3g > %.3g", dt, e, tol)
			}
		}
	})
}

// join puts the rows of a (rows, la) and b (rows, lb) behind each other.
func join(a, b []float64, la, lb int) []float64 {
	var y []float64
	for r := range len(a) / la {
		y = append(y, a[r*la:(r+1)*la]...)
		y = append(y, b[r*lb:(r+1)*lb]...)
	}
	return y
}

// No output depends on a later input, nor, with lengths, on padding.
func TestCausality(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		rng := rand.New(rand.NewPCG(3, 4))
		const at, l = 20, 31
		x := testutil.Normal(rng, "x", 1, v.dModel, l)
		moved := x
		moved.F = append([]float64(nil), x.F...)
		for h := range v.dModel {
			moved.F[h*l+at] += float64(1 + h*h) // which no norm takes out
		}
		var y [2][]float64
		for i, in := range []testutil.Input{x, moved} {
			g := G.NewGraph()
			y[i] = forward(t, v.on(t, g, tensor.Float64), g, tensor.Float64, in)
		}
		var before, after float64
		for i, a := range y[0] {
			if d := math.Abs(a - y[1][i]); i%l < at {
				before = max(before, d)
			} else {
				after = max(after, d)
			}
		}
		if !(before < 1e-12) || !(after > 1e-6) { // a convolution by FFT leaves rounding errors
			t.Errorf("an input at step %d moves earlier outputs by %.3g, later ones by %.3g", at, before, after)
		}
	})
}

// What stands behind the end of a sequence does not change the output before
// it, whether the layer looks ahead or not.
func TestPaddingDoesNotLeak(t *testing.T) {
	vs := append(family(),
		s4Variant(layers.S4Config{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		s4Variant(layers.S4Config{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true, OffByOne: true, Bottleneck: 2, Gate: 2}}),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4Config{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}, Norm: layers.BatchNorm, PreNorm: true}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Form: attention.Linear, Rotary: attention.RotaryHalf}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2, Positions: layers.SinusoidalPositions}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2, PreNorm: true, Rotary: attention.RotaryInterleaved}),
		blockVariant(layers.BlockConfig{Mixer: layers.TransformerConfig{DModel: 4, Heads: 2}, Norm: layers.NoNorm, NoResidual: true}),
	)
	vs = append(vs, bidirectionalRecurrents()...)
	vs = append(vs, bidirectionalSharedStates()...)
	vs = append(vs, aheadConvolutions()...)
	const batch, l = 2, 12
	lengths := []int{5, l}
	for _, v := range vs {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(3, 7))
			x := testutil.Normal(rng, "x", batch, v.dModel, l)
			junk := x
			junk.F = append([]float64(nil), x.F...)
			for h := range v.dModel {
				for s := lengths[0]; s < l; s++ {
					junk.F[h*l+s] = 100
				}
			}
			var y [2][]float64
			for k, in := range []testutil.Input{x, junk} {
				g := G.NewGraph()
				n := G.NewVector(g, tensor.Int, G.WithShape(batch), G.WithName("lengths"),
					G.WithValue(tensor.New(tensor.WithShape(batch), tensor.WithBacking(append([]int(nil), lengths...)))))
				out, err := v.on(t, g, tensor.Float64).FwdLengths(node(g, tensor.Float64, in), n)
				if err != nil {
					t.Fatal(err)
				}
				if out, err = ops.Mask(out, n); err != nil {
					t.Fatal(err)
				}
				y[k] = run(t, g, out)
			}
			if e := testutil.RelErr(y[1], y[0]); !(e <= 1e-12) {
				t.Errorf("padding moves the output by %.3g", e)
			}
		})
	}
}

// The output for the first steps does not depend on how many follow.
func TestOutputPrefixIsIndependentOfLength(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		rng := rand.New(rand.NewPCG(3, 5))
		x := testutil.Normal(rng, "x", 1, v.dModel, familyLength)
		g := G.NewGraph()
		layer := v.on(t, g, tensor.Float64)
		long := forward(t, layer, g, tensor.Float64, x)
		first, _ := halves(x)
		g = G.NewGraph()
		c, err := v.clone(layer, g)
		if err != nil {
			t.Fatal(err)
		}
		short := forward(t, c, g, tensor.Float64, first)
		half := first.Shape[2]
		for r := range len(short) / half {
			if e := testutil.RelErr(short[r*half:(r+1)*half], long[r*familyLength:][:half]); !(e <= 1e-11) {
				t.Fatalf("row %d: prefix differs by %.3g", r, e)
			}
		}
	})
}

// lossGraph is sum(w*y) + sum(ws*state), y and state from that in in[1:], on a graph.
type lossGraph struct {
	in, wrt G.Nodes // x and x0; what it has gradients by: the parameters, x and x0
	total   *G.Node
	value   G.Value
}

func newLossGraph(t *testing.T, l sequenceLayer, g *G.ExprGraph, dt tensor.Dtype, in []testutil.Input, w, ws []float64) *lossGraph {
	t.Helper()
	x, x0 := node(g, dt, in[0]), stateNodes(g, dt, in[1:])
	y, state, err := l.FwdState(x, x0)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(n *G.Node, w []float64, name string) *G.Node {
		wn := node(g, dt, testutil.Input{Name: name, Shape: n.Shape(), F: w[:n.Shape().TotalSize()]})
		return G.Must(G.Sum(G.Must(G.HadamardProd(n, wn))))
	}
	lg := &lossGraph{in: append(G.Nodes{x}, x0...), wrt: append(l.Learnables(), x), total: sum(y, w, "w")}
	for i, s := range l.StateShapes(1) {
		if !isCount(s.Name) {
			lg.total = G.Must(G.Add(lg.total, sum(state[i], ws, "ws."+s.Name)))
			lg.wrt = append(lg.wrt, x0[i])
		}
	}
	G.Read(lg.total, &lg.value)
	return lg
}

// gradients returns those of a lossGraph.
func gradients(t *testing.T, l sequenceLayer, g *G.ExprGraph, dt tensor.Dtype, in []testutil.Input, w, ws []float64) (grads [][]float64) {
	t.Helper()
	lg := newLossGraph(t, l, g, dt, in, w, ws)
	if _, err := G.Grad(lg.total, lg.wrt...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(lg.wrt...), G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for _, n := range lg.wrt {
		gv, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		grads = append(grads, testutil.Floats(gv))
	}
	return grads
}

// losses returns what computes a lossGraph from the numbers that in and the parameters
// have then.
func losses(t *testing.T, l sequenceLayer, g *G.ExprGraph, in []testutil.Input, w, ws []float64) func() float64 {
	t.Helper()
	lg := newLossGraph(t, l, g, tensor.Float64, in, w, ws)
	vm := G.NewTapeMachine(g, G.EvalMode())
	return func() float64 {
		for i, n := range lg.in {
			if err := G.Let(n, in[i].Tensor(tensor.Float64)); err != nil {
				t.Fatal(err)
			}
		}
		vm.Reset()
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		return testutil.Floats(lg.value)[0]
	}
}

// inside moves the state matrix of an LSSL layer off the edge of the stable
// ones, where LegT and LagT begin and the gradient depends on the side.
func inside(l layers.Layer) {
	for _, p := range l.Params() {
		if !strings.HasSuffix(p.Name, "kernel.c") {
			continue
		}
		switch d := p.Node.Value().Data().(type) {
		case []float64:
			for i := range d {
				d[i] += 0.1
			}
		case []float32:
			for i := range d {
				d[i] += 0.1
			}
		}
	}
}

// Gradients by every parameter, the input and the initial state: along random
// directions against finite differences, and float32 against float64.
func TestLayerGradients(t *testing.T) {
	const (
		step  = 1e-5
		tol   = 2e-6
		tol32 = 2e-3 // relative to the largest gradient
	)
	eachVariant(t, func(t *testing.T, v variant) {
		rng := rand.New(rand.NewPCG(3, 6))
		layer := v.on(t, G.NewGraph(), tensor.Float64)
		inside(layer)
		in := append([]testutil.Input{testutil.Normal(rng, "x", 2, v.dModel, 7)}, states(rng, layer, 2)...)
		w := testutil.Normal(rng, "w", 2*v.dModel*7*3).F
		longest := 1
		for _, s := range in[1:] {
			longest = max(longest, s.Shape.TotalSize()*(7+stepsSeen))
		}
		ws := testutil.Normal(rng, "ws", longest).F
		clone := func() (sequenceLayer, *G.ExprGraph) {
			g := G.NewGraph()
			c, err := v.clone(layer, g)
			if err != nil {
				t.Fatal(err)
			}
			return c, g
		}
		c, g := clone()
		grads := gradients(t, c, g, tensor.Float64, in, w, ws)
		c, g = clone()
		loss := losses(t, c, g, in, w, ws)
		values := func() (names []string, vs [][]float64) {
			for _, n := range layer.Learnables() {
				names, vs = append(names, n.Name()), append(vs, n.Value().Data().([]float64))
			}
			for _, s := range in {
				if !isCount(s.Name) {
					names, vs = append(names, s.Name), append(vs, s.F)
				}
			}
			return names, vs
		}
		names, vs := values()
		for i, name := range names {
			dir := testutil.Normal(rng, "dir", len(vs[i])).F
			shift := func(by float64) float64 {
				for k, d := range dir {
					vs[i][k] += by * d
				}
				defer func() {
					for k, d := range dir {
						vs[i][k] -= by * d
					}
				}()
				return loss()
			}
			var got, scale float64
			for k, d := range dir {
				got += grads[i][k] * d
				scale += math.Abs(grads[i][k] * d)
			}
			h := step / max(1, scale) // states that hardly decay make some gradients huge
			want := (shift(h) - shift(-h)) / (2 * h)
			if !(math.Abs(got-want) <= tol*(scale+1e-3)) {
				t.Errorf("%s: derivative %.9g, finite difference %.9g", name, got, want)
			}
		}
		g = G.NewGraph()
		layer32 := v.on(t, g, tensor.Float32)
		inside(layer32)
		grads32 := gradients(t, layer32, g, tensor.Float32, in, w, ws)
		for i, name := range names {
			if e := testutil.RelErr(grads32[i], grads[i]); !(e <= tol32) {
				t.Errorf("%s: float32 gradient off by %.3g > %g", name, e, tol32)
			}
		}
	})
}
