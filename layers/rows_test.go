package layers_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/mega"
	"github.com/gorgonia-s4/s4/ops/retention"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// layerRunner runs a layer that make puts on a graph: fwd is what is run of it.
// The gradients are by the inputs, nil where it does not depend on one, then by
// these and the parameters. eval makes it evaluation, on the TapeMachine, with
// gradients by the inputs alone. A graph is made once for each machine, type and
// shapes, and runs again for other inputs, from the same buffers.
func layerRunner[L layers.Layer](eval bool, make func(g *G.ExprGraph, dt tensor.Dtype) L, fwd func(l L, n []*G.Node) (*G.Node, error)) testutil.Runner {
	made := map[string]*layerGraph{}
	return func(vm testutil.VM, dt tensor.Dtype, w []float64, in ...testutil.Input) (*testutil.Result, error) {
		key := fmt.Sprint(vm, dt)
		for _, x := range in {
			key += fmt.Sprint(x.Shape)
		}
		r := made[key]
		if r == nil {
			g := G.NewGraph()
			layer := make(g, dt)
			r = &layerGraph{vm: vm, dt: dt, graph: g, state: buffersOf(layer)}
			r.in, r.wrt = inputNodes(g, dt, in)
			out, err := fwd(layer, r.in)
			if err != nil {
				return nil, err
			}
			if !eval {
				r.wrt = append(r.wrt, layer.Learnables()...)
			}
			if err := r.compile(eval, out); err != nil {
				return nil, err
			}
			made[key] = r
		}
		return r.run(w, in)
	}
}

// layerGraph is a graph of a layerRunner.
type layerGraph struct {
	vm      testutil.VM
	dt      tensor.Dtype
	graph   *G.ExprGraph
	state   saved
	in, wrt G.Nodes
	out, w  *G.Node
	tape    G.VM
	value   G.Value // of out, by the tape
}

// compile adds the weighed sum of the output, and its gradients.
func (r *layerGraph) compile(eval bool, out *G.Node) error {
	r.out = out
	r.w = G.NewTensor(r.graph, r.dt, out.Dims(), G.WithShape(out.Shape()...), G.WithName("test.w"))
	loss := G.Must(G.Sum(G.Must(G.HadamardProd(out, r.w))))
	reached := reachedFrom(loss)
	r.wrt = slices.DeleteFunc(r.wrt, func(n *G.Node) bool { return !reached[n] })
	if r.vm == testutil.Lisp {
		return nil
	}
	G.Read(out, &r.value)
	if _, err := G.Grad(loss, r.wrt...); err != nil {
		return err
	}
	opts := []G.VMOpt{G.BindDualValues(r.wrt...)}
	if eval {
		opts = append(opts, G.EvalMode())
	}
	r.tape = G.NewTapeMachine(r.graph, opts...)
	return nil
}

// run runs the graph with weights w, nil for 1.
func (r *layerGraph) run(w []float64, in []testutil.Input) (*testutil.Result, error) {
	if w == nil {
		w = ones(r.out.Shape().TotalSize())
	}
	r.state.restore()
	for i, n := range append(slices.Clone(r.in), r.w) {
		x := testutil.Input{Shape: r.w.Shape(), F: w}
		if i < len(in) {
			x = in[i]
		}
		if err := G.Let(n, x.Tensor(r.dt)); err != nil {
			return nil, err
		}
	}
	zeroGrads(r.wrt)
	m := r.tape
	if r.vm == testutil.Lisp {
		m = G.NewLispMachine(r.graph)
		defer m.Close()
	}
	defer m.Reset()
	if err := m.RunAll(); err != nil {
		return nil, err
	}
	if r.vm == testutil.Lisp {
		r.value = r.out.Value()
	}
	res := &testutil.Result{Shape: r.out.Shape().Clone(), Out: testutil.Floats(r.value)}
	var err error
	res.Grads, err = gradsOf(append(slices.Clone(r.in), r.wrt...), r.wrt)
	return res, err
}

// inputNodes adds inputs to a graph, and returns which of them are floats.
func inputNodes(g *G.ExprGraph, dt tensor.Dtype, in []testutil.Input) (nodes, floats G.Nodes) {
	for _, x := range in {
		n := G.NewTensor(g, typeOf(dt, x), x.Shape.Dims(), G.WithShape(x.Shape...), G.WithName(x.Name), G.WithValue(x.Tensor(dt)))
		nodes = append(nodes, n)
		if x.I == nil {
			floats = append(floats, n)
		}
	}
	return nodes, floats
}

// gradsOf returns the gradients of nodes, nil of those that are not in wrt.
func gradsOf(nodes, wrt G.Nodes) ([][]float64, error) {
	all := make([][]float64, len(nodes))
	for i, n := range nodes {
		if !slices.Contains(wrt, n) {
			continue
		}
		v, err := n.Grad()
		if err != nil {
			return nil, err
		}
		all[i] = testutil.Floats(v)
	}
	return all, nil
}

// rowsRunner is layerRunner in evaluation, of several outputs together: the numbers
// of each row are those of all of them, (B, ...), one behind the other. A graph is
// made once for each type and batch, and runs again for other inputs.
func rowsRunner[L layers.Layer](make func(g *G.ExprGraph, dt tensor.Dtype) L, fwd func(l L, n []*G.Node) (G.Nodes, error)) testutil.Runner {
	made := map[string]*rowsGraph{}
	return func(_ testutil.VM, dt tensor.Dtype, w []float64, in ...testutil.Input) (*testutil.Result, error) {
		key := fmt.Sprint(dt, in[0].Shape)
		r := made[key]
		if r == nil {
			g := G.NewGraph()
			layer := make(g, dt)
			r = &rowsGraph{dt: dt}
			r.in, r.wrt = inputNodes(g, dt, in)
			outs, err := fwd(layer, r.in)
			if err != nil {
				return nil, err
			}
			if err := r.compile(g, outs); err != nil {
				return nil, err
			}
			made[key] = r
		}
		return r.run(w, in)
	}
}

// rowsGraph is a graph of a rowsRunner.
type rowsGraph struct {
	dt      tensor.Dtype
	in, wrt G.Nodes
	weights G.Nodes // of the outputs
	outs    []G.Value
	vm      G.VM
}

// compile adds the weighed sum of outputs, and its gradients.
func (r *rowsGraph) compile(g *G.ExprGraph, outs G.Nodes) error {
	r.outs = make([]G.Value, len(outs))
	var loss *G.Node
	for i, n := range outs {
		G.Read(n, &r.outs[i])
		w := G.NewTensor(g, r.dt, n.Dims(), G.WithShape(n.Shape()...), G.WithName(fmt.Sprint("test.w", i)))
		r.weights = append(r.weights, w)
		c := G.Must(G.Sum(G.Must(G.HadamardProd(n, w))))
		if loss == nil {
			loss = c
		} else {
			loss = G.Must(G.Add(loss, c))
		}
	}
	reached := reachedFrom(loss)
	r.wrt = slices.DeleteFunc(r.wrt, func(n *G.Node) bool { return !reached[n] })
	if _, err := G.Grad(loss, r.wrt...); err != nil {
		return err
	}
	r.vm = G.NewTapeMachine(g, G.BindDualValues(r.wrt...), G.EvalMode())
	return nil
}

// run runs the graph with weights w (B, ...), nil for 1.
func (r *rowsGraph) run(w []float64, in []testutil.Input) (*testutil.Result, error) {
	batch := in[0].Shape[0]
	for i, n := range r.in {
		if err := G.Let(n, in[i].Tensor(r.dt)); err != nil {
			return nil, err
		}
	}
	width, at := 0, 0 // of a row: of all outputs, and of those before one
	for _, n := range r.weights {
		width += n.Shape().TotalSize() / batch
	}
	if w == nil {
		w = ones(batch * width)
	}
	for _, n := range r.weights {
		m := n.Shape().TotalSize() / batch
		v := testutil.Input{Shape: n.Shape()}
		for b := range batch {
			v.F = append(v.F, w[b*width+at:][:m]...)
		}
		at += m
		if err := G.Let(n, v.Tensor(r.dt)); err != nil {
			return nil, err
		}
	}
	zeroGrads(r.wrt)
	r.vm.Reset()
	if err := r.vm.RunAll(); err != nil {
		return nil, err
	}
	res := &testutil.Result{Shape: tensor.Shape{batch, width}}
	for b := range batch {
		for _, v := range r.outs {
			m := v.Shape().TotalSize() / batch
			res.Out = append(res.Out, testutil.Floats(v)[b*m:][:m]...)
		}
	}
	var err error
	res.Grads, err = gradsOf(r.in, r.wrt)
	return res, err
}

// reachedFrom returns the nodes that a node depends on.
func reachedFrom(n *G.Node) map[*G.Node]bool {
	reached := map[*G.Node]bool{}
	var visit func(n *G.Node)
	visit = func(n *G.Node) {
		if reached[n] {
			return
		}
		reached[n] = true
		for from := n.Graph().From(n.ID()); from.Next(); {
			visit(from.Node().(*G.Node))
		}
	}
	visit(n)
	return reached
}

func typeOf(dt tensor.Dtype, x testutil.Input) tensor.Dtype {
	if x.I != nil {
		return tensor.Int
	}
	return dt
}

func ones(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

// bothWays is layers that look both ways, and mixings and gates of all kinds.
func bothWays() []variant {
	return append(slices.Concat(bidirectionalRecurrents(), aheadConvolutions(), bidirectionalSharedStates()),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true, OffByOne: true, Mixing: layers.MixNone, Channels: 2, Activation: ops.ActSigmoid}}),
		s4Variant(layers.S4Config{DModel: 4, DState: 4, LMax: familyLength, SSM: layers.SSM{Bidirectional: true, Gate: 2, Bottleneck: 2, Channels: 2, GateActivation: ops.ActSiLU}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, Version: vandermonde.DSSExp, LMax: 20, SSM: layers.SSM{Bidirectional: true, UntiedDropout: true, Dropout: 0.2}}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 4, Init: hippo.LegS, SSM: layers.SSM{Bidirectional: true}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}, Norm: layers.BatchNorm, PreNorm: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4}, Norm: layers.NoNorm, PreNorm: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Dropout: 0.2}}, PreNorm: true, Dropout: 0.2, UntiedDropout: true}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Rotary: attention.RotaryHalf}),
		attentionVariant(layers.AttentionConfig{DModel: 2, Heads: 1, Form: attention.Linear}),
		transformerVariant(layers.TransformerConfig{DModel: 2, Heads: 1, FF: 2, Positions: layers.LearnedPositions, MaxLen: familyLength, Dropout: 0.2}),
		positionVariant(layers.PositionConfig{DModel: 2}),
		retentionVariant(layers.RetentionConfig{DModel: 4, Heads: 2, Chunk: 7, Scores: retention.Normalized, Norm: retention.Group}),
		megaVariant(layers.MegaConfig{DModel: 3, DState: 2, ZDim: 2, VDim: 3, FF: 2, Chunk: mega.Whole, LMax: familyLength, Function: mega.Laplace}),
	)
}

// No row of a batch changes another, in Fwd and FwdState and their gradients.
func TestRowsAreApart(t *testing.T) {
	each(t, append(family(), bothWays()...), func(t *testing.T, v variant) {
		make := func(g *G.ExprGraph, dt tensor.Dtype) sequenceLayer {
			l := v.on(t, g, dt)
			inside(l)
			return l
		}
		fwd := rowsRunner(make, func(l sequenceLayer, n []*G.Node) (G.Nodes, error) {
			y, err := l.Fwd(n[0])
			return G.Nodes{y}, err
		})
		rng := rand.New(rand.NewPCG(8, 1))
		for _, l := range []int{5, 59} {
			x := testutil.Normal(rng, "x", 3, v.dModel, l)
			testutil.CheckRows(t, fmt.Sprintf("Fwd, L = %d", l), fwd, 1, x)
		}
		layer := make(G.NewGraph(), tensor.Float64)
		if layer.StateShapes(3) == nil {
			return
		}
		in := []testutil.Input{testutil.Normal(rng, "x", 3, v.dModel, 23)}
		state := states(rng, layer, 3)
		for _, s := range state {
			if !isCount(s.Name) {
				in = append(in, s)
			}
		}
		f := rowsRunner(make, func(l sequenceLayer, n []*G.Node) (G.Nodes, error) { return fwdStateOf(l, n, state) })
		testutil.CheckRows(t, "FwdState", f, len(in), in...)
	})
}

// fwdStateOf runs FwdState on x and a state, of which n has all but the counts. It
// returns the output and the next state without those.
func fwdStateOf(l sequenceLayer, n []*G.Node, state []testutil.Input) (outs G.Nodes, err error) {
	var x0 G.Nodes
	rest := n[1:]
	batch := n[0].Shape()[0]
	for _, s := range state {
		if isCount(s.Name) {
			x0 = append(x0, node(n[0].Graph(), n[0].Dtype(), testutil.Input{Name: s.Name, Shape: tensor.Shape{batch}, F: s.F[:batch]}))
		} else {
			x0, rest = append(x0, rest[0]), rest[1:]
		}
	}
	y, x1, err := l.FwdState(n[0], x0)
	if err != nil {
		return nil, err
	}
	outs = G.Nodes{y}
	for i, s := range state {
		if !isCount(s.Name) {
			outs = append(outs, x1[i])
		}
	}
	return outs, nil
}

// Nor does it in the steps of a recurrence.
func TestStepsOfRowsAreApart(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		const batch, l = 3, 9
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 1e-6} {
			layer := v.on(t, G.NewGraph(), dt)
			for _, factor := range []float64{1e8, 1e20, 1e-20, math.Inf(1), math.NaN()} {
				x := testutil.Normal(rand.New(rand.NewPCG(8, 2)), "x", batch, v.dModel, l)
				n := v.dModel * l
				one := testutil.Input{Name: "x", Shape: tensor.Shape{1, v.dModel, l}, F: append([]float64(nil), x.F[n:2*n]...)}
				for i := range n {
					x.F[i] *= factor
				}
				all, alone := recurrence(t, layer, batch), recurrence(t, layer, 1)
				y, want := stepAll(t, all, dt, x), stepAll(t, alone, dt, one)
				if e := testutil.RelErr(y[len(want):2*len(want)], want); !(e <= tol) {
					t.Errorf("%v, row 0 times %v: output of row 1 is off by %.3g", dt, factor, e)
				}
				states := alone.State()
				for k, st := range all.State() {
					s, want := testutil.Floats(st.Value), testutil.Floats(states[k].Value)
					if e := testutil.RelErr(s[len(want):2*len(want)], want); !(e <= tol) {
						t.Errorf("%v, row 0 times %v: state %q of row 1 is off by %.3g", dt, factor, st.Name, e)
					}
				}
			}
		}
	})
}

func recurrence(t *testing.T, l sequenceLayer, batch int) *layers.Recurrence {
	t.Helper()
	r, err := l.Recurrence(batch)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Nothing behind a length is read, in layers and blocks and their gradients.
func TestPaddingIsNotRead(t *testing.T) {
	for _, v := range append(family(), bothWays()...) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f := layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) sequenceLayer { return v.on(t, g, dt) },
				func(l sequenceLayer, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
			for _, lengths := range [][]int{{51, 7, 0, 44}, {12, 3, 9}} {
				x := testutil.Normal(rand.New(rand.NewPCG(8, 3)), "x", len(lengths), v.dModel, lengths[0])
				testutil.CheckPadding(t, fmt.Sprint("lengths ", lengths), f, []int{2}, x, testutil.Ints("lengths", lengths, len(lengths)))
			}
		})
	}
}

// Nor is it in norms, encoders and what follows them.
func TestNormsAndEncodersDoNotReadPadding(t *testing.T) {
	lengths := []int{5, 0, 9, 2}
	n := testutil.Ints("lengths", lengths, len(lengths))
	rng := rand.New(rand.NewPCG(8, 4))
	x := testutil.Normal(rng, "x", 4, 3, 9)
	for _, cfg := range []layers.NormConfig{{DModel: 3}, {DModel: 3, NoAffine: true}, {DModel: 3, Kind: layers.BatchNorm}, {DModel: 3, Kind: layers.NoNorm}} {
		f := layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) *layers.Norm { return must(layers.NewNorm(g, dt, cfg)) },
			func(l *layers.Norm, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
		testutil.CheckPadding(t, fmt.Sprintf("%+v", cfg), f, []int{2}, x, n)
	}
	linear := func(cfg layers.LinearConfig) testutil.Runner {
		return layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) *layers.Linear { return must(layers.NewLinear(g, dt, cfg)) },
			func(l *layers.Linear, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
	}
	testutil.CheckPadding(t, "Linear", linear(layers.LinearConfig{In: 3, Out: 2}), []int{2}, x, n)
	for _, cfg := range []layers.FeedForwardConfig{{DModel: 3, Activation: ops.ActSigmoid}, {DModel: 3, Gate: true}} {
		testutil.CheckPadding(t, fmt.Sprintf("%+v", cfg), layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) *layers.FeedForward {
			return must(layers.NewFeedForward(g, dt, cfg))
		},
			func(l *layers.FeedForward, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) }), []int{2}, x, n)
	}
	last := testutil.Normal(rng, "x", 4, 9, 3)
	testutil.CheckPadding(t, "Linear of features", linear(layers.LinearConfig{In: 3, Out: 2, ChannelsLast: true}), []int{1}, last, n)
	embedding := layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) *layers.Embedding {
		return must(layers.NewEmbedding(g, dt, layers.EmbeddingConfig{Vocab: 5, DModel: 3}))
	}, func(l *layers.Embedding, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
	ids := make([]int, 4*9)
	for i := range ids {
		ids[i] = i % 5
	}
	testutil.CheckPadding(t, "Embedding", embedding, []int{1}, testutil.Ints("ids", ids, 4, 9), n)
}

// Nor is it in a stack, whatever its blocks hold: a mixer of Gorgonia's own ops,
// which knows nothing of lengths, among them.
func TestStacksDoNotReadPadding(t *testing.T) {
	lengths := []int{23, 4, 0, 17}
	x := testutil.Normal(rand.New(rand.NewPCG(8, 5)), "x", len(lengths), 4, 23)
	for _, preNorm := range []bool{false, true} {
		for _, norm := range []layers.NormKind{layers.LayerNorm, layers.BatchNorm, layers.NoNorm} {
			for _, first := range []layers.MixerConfig{scaleConfig{DModel: 4}, layers.LinearConfig{In: 4, Out: 4}, layers.LSSLConfig{DModel: 4, DState: 4}} {
				block := layers.BlockConfig{Mixer: first, Norm: norm, PreNorm: preNorm, Dropout: 0.2}
				second := block
				second.Mixer, second.UntiedDropout = layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}, true
				third := block
				third.NoResidual = true
				cfg := layers.StackConfig{Blocks: []layers.BlockConfig{block, second, third}}
				f := layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) *layers.Stack { return must(layers.NewStack(g, dt, cfg)) },
					func(l *layers.Stack, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
				testutil.CheckPadding(t, fmt.Sprintf("%+v", cfg), f, []int{2}, x, testutil.Ints("lengths", lengths, len(lengths)))
			}
		}
	}
}

func must[L any](l L, err error) L {
	if err != nil {
		panic(err)
	}
	return l
}
