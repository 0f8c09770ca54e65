package conformance

import (
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// cutoffs returns the cutoffs of a case, and reports what is no list of sizes.
func (f *form) cutoffs() []int {
	list, ok := f.c.Meta["cutoffs"].([]any)
	if !ok {
		f.failf("meta.json: want \"cutoffs\" a list of numbers, got %s", asJSON(f.c.Meta["cutoffs"]))
	}
	var cs []int
	for _, v := range list {
		n, ok := v.(float64)
		if !ok || n != float64(int(n)) || n < 1 || n > maxSize {
			f.failf("meta.json: want \"cutoffs\" numbers from 1 to %d, got %s", maxSize, asJSON(v))
			return nil
		}
		cs = append(cs, int(n))
	}
	return cs
}

// formAdaptive leaves out the parameters, which are for the layers to check.
func formAdaptive(f *form) {
	m := f.size("M")
	f.cutoffs()
	f.optionalNumber("ref_float32_rel_err_output")
	f.optionalNumbers("ref_float32_rel_err_grads")
	f.arrays([]string{"output", "W_output"}, m)
	f.array("loss_mean", 1)
	switch f.oneOf("variant", "torch", "projected") {
	case "torch":
		h, v := f.size("d"), f.size("n_classes")
		f.flag("head_bias")
		f.size("div_value")
		f.arrays([]string{"hidden", "g_hidden"}, m, h)
		f.array("log_prob", m, v)
		f.targets("target", m, v)
	case "projected":
		h, v := f.size("d_proj"), f.size("n_tokens")
		f.size("d_embed")
		f.size("div_val")
		f.flag("tie_weights")
		f.ties()
		f.arrays([]string{"delta", "g_delta", "embedding", "W_embedding"}, m, h)
		f.array("log_prob", m, v)
		f.targets("target", m, v)
		f.targets("tokens", m, v)
	}
}

// ties returns which clusters have the projection of the embedding.
func (f *form) ties() []bool {
	list, ok := f.c.Meta["tie_projs"].([]any)
	if !ok {
		f.failf("meta.json: want \"tie_projs\" a list of true and false, got %s", asJSON(f.c.Meta["tie_projs"]))
	}
	ts := []bool{}
	for _, v := range list {
		t, ok := v.(bool)
		if !ok {
			f.failf("meta.json: want \"tie_projs\" true or false, got %s", asJSON(v))
		}
		ts = append(ts, t)
	}
	return ts
}

// adaptiveCase is a case on a graph. Each of its M tokens is a row of the batch.
type adaptiveCase struct {
	o         *outcome
	dt        tensor.Dtype
	g         *G.ExprGraph
	table     *layers.AdaptiveEmbedding // nil in variant torch
	head      *layers.AdaptiveSoftmax
	hidden    *G.Node
	input     *G.Node // whose gradient the case has: the hidden vector, or what it is more than
	embedding *G.Node // this
}

// runAdaptive holds the likelihoods of the targets, the probabilities of all tokens, the
// embedding and all gradients against a case; and the steps.
func runAdaptive(o *outcome, dt tensor.Dtype) error {
	if err := runAdaptiveNLL(o, dt); err != nil {
		return err
	}
	return runAdaptiveScores(o, dt)
}

// newAdaptive makes the layers of a case and what they read.
func newAdaptive(o *outcome, dt tensor.Dtype) (a *adaptiveCase, err error) {
	a = &adaptiveCase{o: o, dt: dt, g: G.NewGraph()}
	c := o.c
	f := &form{c: c}
	if c.String("variant") == "torch" {
		a.head, err = layers.NewAdaptiveSoftmax(a.g, dt, layers.AdaptiveSoftmaxConfig{Variant: layers.AdaptiveTorch, Vocab: c.Int("n_classes", 0),
			DModel: c.Int("d", 0), Cutoffs: f.cutoffs(), DivVal: c.Int("div_value", 0), HeadBias: c.Meta["head_bias"] == true})
		if err != nil {
			return nil, err
		}
		if err := a.assign(a.head.Params()); err != nil {
			return nil, err
		}
		a.input = a.rows("hidden")
		a.hidden = a.input
		return a, nil
	}
	h, v, embed, div := c.Int("d_proj", 0), c.Int("n_tokens", 0), c.Int("d_embed", 0), c.Int("div_val", 0)
	a.table, err = layers.NewAdaptiveEmbedding(a.g, dt, layers.AdaptiveEmbeddingConfig{Vocab: v, DModel: h, DEmbed: embed, Cutoffs: f.cutoffs(), DivVal: div}, layers.WithName("emb"))
	if err != nil {
		return nil, err
	}
	a.head, err = layers.NewAdaptiveSoftmax(a.g, dt, layers.AdaptiveSoftmaxConfig{Vocab: v, DModel: h, DEmbed: embed, Cutoffs: f.cutoffs(), DivVal: div,
		Tie: c.Meta["tie_weights"] == true, TieProjs: f.ties(), NoBias: !hasBiases(c)}, layers.WithName("loss"), layers.TiedTo(a.table))
	if err != nil {
		return nil, err
	}
	if err := a.assign(append(a.table.Params(), a.head.Params()...)); err != nil {
		return nil, err
	}
	if a.embedding, err = a.table.Fwd(a.ints("tokens")); err != nil {
		return nil, err
	}
	a.input = a.rows("delta")
	a.hidden, err = G.Add(a.embedding, a.input)
	return a, err
}

// hasBiases says whether a case of variant projected has biases.
func hasBiases(c *golden.Case) bool {
	for name := range c.Arrays {
		if strings.HasPrefix(name, "p_loss__out_layers_biases") || name == "p_loss__cluster_bias" {
			return true
		}
	}
	return false
}

// adaptiveArray names a parameter as a case does, but for its p_ or g_.
func adaptiveArray(prefix string) func(string) string {
	return func(name string) string {
		return prefix + strings.ReplaceAll(strings.TrimPrefix(name, "adaptivesoftmax."), ".", "__")
	}
}

func (a *adaptiveCase) assign(ps []param.Param) error {
	return assign(a.o.c, ps, adaptiveArray("p_"), adaptiveArray("g_"))
}

// rows adds an array (M, h) to the graph as (M, h, 1).
func (a *adaptiveCase) rows(name string) *G.Node {
	x := a.o.c.Arrays[name]
	shape := append(slices.Clone(x.Shape), 1)
	return G.NewTensor(a.g, a.dt, 3, G.WithShape(shape...), G.WithName(name), G.WithValue(testutil.Dense(a.dt, x.F, shape...)))
}

// ints adds an array (M) of integers to the graph as (M, 1).
func (a *adaptiveCase) ints(name string) *G.Node {
	v := slices.Clone(a.o.c.Arrays[name].I)
	return G.NewMatrix(a.g, tensor.Int, G.WithShape(len(v), 1), G.WithName(name), G.WithValue(tensor.New(tensor.WithShape(len(v), 1), tensor.WithBacking(v))))
}

// weighted returns the sum of y times an array, which is as y but for axes of length 1,
// times a sign.
func (a *adaptiveCase) weighted(y *G.Node, array string, sign float64) (*G.Node, error) {
	w := testutil.Dense(a.dt, scaled(a.o.c.Arrays[array].F, sign), y.Shape()...)
	p, err := G.HadamardProd(y, G.NewTensor(a.g, a.dt, y.Shape().Dims(), G.WithShape(y.Shape()...), G.WithName(array), G.WithValue(w)))
	if err != nil {
		return nil, err
	}
	return G.Sum(p)
}

// runAdaptiveNLL compares the likelihoods of the targets and the gradients.
func runAdaptiveNLL(o *outcome, dt tensor.Dtype) error {
	a, err := newAdaptive(o, dt)
	if err != nil {
		return err
	}
	nll, err := a.head.NLL(a.hidden, a.ints("target"), nil)
	if err != nil {
		return err
	}
	loss, err := a.weighted(nll, "W_output", -1)
	if err != nil {
		return err
	}
	wrt := append(a.head.Learnables(), a.input)
	read := []*G.Node{nll}
	if a.table != nil {
		part, err := a.weighted(a.embedding, "W_embedding", 1)
		if err != nil {
			return err
		}
		if loss, err = G.Add(loss, part); err != nil {
			return err
		}
		wrt, read = append(wrt, a.table.Learnables()...), append(read, a.embedding)
	}
	if _, err := G.Grad(loss, wrt...); err != nil {
		return err
	}
	values, err := runGraph(a.g, wrt, read...)
	if err != nil {
		return err
	}
	out := scaled(testutil.Floats(values[0]), -1)
	o.compare(dt, "output", out, o.c.Arrays["output"].F, 0)
	var sum float64
	for _, v := range out {
		sum -= v
	}
	o.compare(dt, "loss_mean", []float64{sum / float64(len(out))}, o.c.Arrays["loss_mean"].F, 0)
	if a.table != nil {
		o.compare(dt, "embedding", testutil.Floats(values[1]), o.c.Arrays["embedding"].F, 0)
	}
	for _, n := range wrt {
		array := adaptiveArray("g_")(n.Name())
		if err := o.gradient(dt, array, n, 1); err != nil {
			return err
		}
	}
	return nil
}

// runGraph runs a graph whose gradients by wrt are on it, and returns the values of nodes.
func runGraph(g *G.ExprGraph, wrt G.Nodes, read ...*G.Node) ([]G.Value, error) {
	values := make([]G.Value, len(read))
	for i, n := range read {
		G.Read(n, &values[i])
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(wrt...))
	defer vm.Close()
	return values, vm.RunAll()
}

// runAdaptiveScores compares the probabilities of all tokens, and the steps.
func runAdaptiveScores(o *outcome, dt tensor.Dtype) error {
	a, err := newAdaptive(o, dt)
	if err != nil {
		return err
	}
	scores, err := a.head.Fwd(a.hidden)
	if err != nil {
		return err
	}
	values, err := runGraph(a.g, nil, scores, a.hidden)
	if err != nil {
		return err
	}
	want := o.c.Arrays["log_prob"].F
	o.compare(dt, "log_prob", testutil.Floats(values[0]), want, 0)
	m := len(o.c.Arrays["target"].I)
	hidden := testutil.Floats(values[1])
	if a.table != nil {
		r, err := a.table.Recurrence(m)
		if err != nil {
			return err
		}
		e, err := r.Step(tensor.New(tensor.WithShape(m), tensor.WithBacking(slices.Clone(o.c.Arrays["tokens"].I))))
		if err != nil {
			return err
		}
		o.compare(dt, "embedding step by step", testutil.Floats(e), o.c.Arrays["embedding"].F, 0)
	}
	r, err := a.head.Recurrence(m)
	if err != nil {
		return err
	}
	y, err := r.Step(testutil.Dense(dt, hidden, m, len(hidden)/m))
	if err != nil {
		return err
	}
	o.compare(dt, "log_prob step by step", testutil.Floats(y), want, 0)
	return nil
}
