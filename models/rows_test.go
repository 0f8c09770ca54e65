package models_test

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
)

// runner runs a classifier on x and lengths, nil without: its output is the
// logits, and its gradients those of the parameters, unless eval is set.
func runner(cfg models.ClassifierConfig, eval bool) testutil.Runner {
	return func(vm testutil.VM, dt tensor.Dtype, w []float64, in ...testutil.Input) (*testutil.Result, error) {
		g := G.NewGraph()
		m, err := models.NewClassifier(g, dt, cfg, 1)
		if err != nil {
			return nil, err
		}
		nodes := nodesOf(g, dt, in, 2)
		out, err := m.Fwd(nodes[0], nodes[1])
		if err != nil {
			return nil, err
		}
		b := in[0].Shape[0]
		labels := G.NewVector(g, tensor.Int, G.WithShape(b), G.WithName("labels"), G.WithValue(testutil.Ints("labels", make([]int, b), b).Tensor(dt)))
		loss, err := ops.CrossEntropy(out, labels)
		if err != nil {
			return nil, err
		}
		return gradients(vm, eval, g, out, loss, m.Learnables(), len(in))
	}
}

// nodesOf puts inputs on a graph: n nodes, of which those behind the inputs are nil.
func nodesOf(g *G.ExprGraph, dt tensor.Dtype, in []testutil.Input, n int) G.Nodes {
	nodes := make(G.Nodes, n)
	for i, x := range in {
		t := dt
		if x.I != nil {
			t = tensor.Int
		}
		nodes[i] = G.NewTensor(g, t, x.Shape.Dims(), G.WithShape(x.Shape...), G.WithName(x.Name), G.WithValue(x.Tensor(dt)))
	}
	return nodes
}

// gradients runs a graph of so many inputs and returns an output and the gradients of
// a loss by parameters, unless eval is set.
func gradients(vm testutil.VM, eval bool, g *G.ExprGraph, out, loss *G.Node, wrt G.Nodes, inputs int) (*testutil.Result, error) {
	res := &testutil.Result{Shape: out.Shape().Clone(), Grads: make([][]float64, inputs)}
	if eval {
		wrt = nil
	}
	if vm == testutil.Lisp {
		machine := G.NewLispMachine(g)
		defer machine.Close()
		if err := machine.RunAll(); err != nil {
			return nil, err
		}
		res.Out = testutil.Floats(out.Value())
	} else {
		var v G.Value
		G.Read(out, &v)
		opts := []G.VMOpt{G.EvalMode()}
		if !eval {
			if _, err := G.Grad(loss, wrt...); err != nil {
				return nil, err
			}
			opts = []G.VMOpt{G.BindDualValues(wrt...)}
		}
		machine := G.NewTapeMachine(g, opts...)
		defer machine.Close()
		if err := machine.RunAll(); err != nil {
			return nil, err
		}
		res.Out = testutil.Floats(v)
	}
	for _, n := range wrt {
		gv, err := n.Grad()
		if err != nil {
			return nil, err
		}
		res.Grads = append(res.Grads, testutil.Floats(gv))
	}
	return res, nil
}

// classifiers lists models of tokens and of features, with blocks of all kinds.
func classifiers() []models.ClassifierConfig {
	var list []models.ClassifierConfig
	for _, block := range []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4}},
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}, PreNorm: true},
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true, Norm: layers.BatchNorm, Dropout: 0.2},
		{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: 40, SSM: layers.SSM{Gate: 2, Bottleneck: 2}}, PreNorm: true, Norm: layers.NoNorm},
		{Mixer: layers.DSSConfig{DModel: 4, DState: 4}, Norm: layers.NoNorm},
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true, Dropout: 0.1, UntiedDropout: true}}, Norm: layers.BatchNorm},
	} {
		c := models.ClassifierConfig{Classes: 3, Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{block}}, Features: 2}
		list = append(list, c)
		c.Features, c.Vocab = 0, 7
		list = append(list, c)
	}
	for _, pool := range ops.PoolModes() {
		c := list[0]
		c.Pool = pool
		list = append(list, c)
	}
	return list
}

// sequences returns a batch for a model.
func sequences(cfg models.ClassifierConfig, b, l int) testutil.Input {
	if cfg.Vocab == 0 {
		return testutil.Normal(rand.New(rand.NewPCG(9, 1)), "x", b, l, cfg.Features)
	}
	ids := make([]int, b*l)
	for i := range ids {
		ids[i] = (i*i + 1) % cfg.Vocab
	}
	return testutil.Ints("x", ids, b, l)
}

// Nothing behind a length is read: neither logits nor a gradient depends on it.
func TestPaddingIsNotRead(t *testing.T) {
	lengths := []int{31, 5, 0, 17}
	for _, cfg := range classifiers() {
		x := sequences(cfg, len(lengths), 31)
		testutil.CheckPadding(t, name(cfg), runner(cfg, false), []int{1}, x, testutil.Ints("lengths", lengths, len(lengths)))
	}
}

// No example changes the logits of another.
func TestExamplesAreApart(t *testing.T) {
	for _, cfg := range classifiers() {
		if cfg.Vocab == 0 {
			testutil.CheckRows(t, name(cfg), runner(cfg, true), 1, sequences(cfg, 3, 31))
		}
	}
}

func name(cfg models.ClassifierConfig) string {
	b := cfg.Stack.Blocks[0]
	return "features " + map[bool]string{true: "yes", false: "no"}[cfg.Features > 0] + ", norm " + string(b.Norm) + ", pool " + string(cfg.Pool)
}
