package conformance

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// formSequence demands input, output and weights (B, E, L) and returns the sizes.
// Where the metadata says that there are lengths, it demands them.
func formSequence(f *form) (b, e, l int) {
	b, e, l = f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("x", 2, 3)
	f.agree("B", b)
	f.agree("E", e)
	f.agree("L", l)
	f.arrays([]string{"x", "g_x", "W", "y"}, b, e, l)
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads")
	if f.flag("has_lengths") {
		f.lengths("lengths", b, l)
	}
	return b, e, l
}

// formHeads demands what says how an attention on e features works and returns the
// number of heads and of the features of each.
func formHeads(f *form, e int) (heads, hd int) {
	heads, hd = f.size("heads"), f.size("head_dim")
	if heads > 0 && hd > 0 && e > 0 && heads*hd != e {
		f.failf("meta.json: want \"heads\" * \"head_dim\" = %d, got %d * %d", e, heads, hd)
	}
	f.flag("causal")
	return heads, hd
}

// arraysOf demands a parameter and its gradient.
func (f *form) arraysOf(param string, shape ...int) {
	f.arrays([]string{"p_" + param, "g_" + param}, shape...)
}

// formProjections demands the linear maps of an attention on e features.
func formProjections(f *form, prefix string, bias bool, e int) {
	triple := 3 * e
	if e < 0 {
		triple = unknown
	}
	f.arraysOf(prefix+"in_proj_weight", triple, e)
	f.arraysOf(prefix+"out_proj__weight", e, e)
	if bias {
		f.arraysOf(prefix+"in_proj_bias", triple)
		f.arraysOf(prefix+"out_proj__bias", e)
	}
}

// rotaries are the positions of a case that turn queries and keys.
var rotaries = map[string]attention.Rotary{"rotary_interleaved": attention.RotaryInterleaved, "rotary_half": attention.RotaryHalf}

// formAttention leaves out the weights of the softmax, which no layer returns.
func formAttention(f *form) {
	b, e, l := formSequence(f)
	heads, hd := formHeads(f, e)
	f.oneOf("positions", "none", "rotary_interleaved", "rotary_half")
	if f.c.Meta["window"] != nil {
		f.size("window")
	}
	formProjections(f, "", f.flag("bias"), e)
	linear := f.oneOf("form", "softmax", "linear") == "linear"
	f.optional("attn", b, heads, l, l)
	switch {
	case f.c.Meta["causal"] != true:
	case linear:
		f.array("state_S", b, heads, hd, hd)
		f.array("state_z", b, heads, hd)
	default:
		f.arrays([]string{"k_cache", "v_cache"}, b, heads, l, hd)
	}
}

func formTransformerLayer(f *form) {
	_, e, _ := formSequence(f)
	formHeads(f, e)
	f.oneOf("positions", "none", "sinusoidal", "rotary_interleaved", "rotary_half")
	f.oneOf("activation", "gelu (erf)")
	f.flag("prenorm")
	f.optionalNumber("layer_norm_eps")
	ff := f.size("d_ff")
	formProjections(f, "self_attn__", true, e)
	f.arraysOf("linear1__weight", ff, e)
	f.arraysOf("linear1__bias", ff)
	f.arraysOf("linear2__weight", e, ff)
	for _, name := range []string{"linear2__bias", "norm1__weight", "norm1__bias", "norm2__weight", "norm2__bias"} {
		f.arraysOf(name, e)
	}
}

// sequenceMixer is a mixer that has a state if it is causal.
type sequenceMixer interface {
	recurrentLayer
	layers.Mixer
	layers.Stateful
}

// runAttention holds a layer against a case, causal ones also with the state that
// they leave and step by step.
func runAttention(o *outcome, dt tensor.Dtype) error {
	c := o.c
	form, rotary := attention.Form(c.String("form")), rotaries[c.String("positions")]
	cfg := layers.AttentionConfig{
		DModel: c.Arrays["x"].Shape[1], Heads: c.Int("heads", 0), Form: form, Causal: c.Meta["causal"] == true,
		Window: c.Int("window", 0), Rotary: rotary, Theta: c.Float("rotary_base", 0), NoBias: c.Meta["bias"] != true,
	}
	return o.mixer(dt, func(g *G.ExprGraph) (sequenceMixer, error) { return layers.NewAttention(g, dt, cfg) },
		func(param string) string { return strings.ReplaceAll(param, ".", "__") })
}

// runTransformerLayer is runAttention for a Transformer layer, which a case keeps
// under the names of torch.nn.TransformerEncoderLayer.
func runTransformerLayer(o *outcome, dt tensor.Dtype) error {
	c := o.c
	cfg := layers.TransformerConfig{
		DModel: c.Arrays["x"].Shape[1], Heads: c.Int("heads", 0), FF: c.Int("d_ff", 0), Causal: c.Meta["causal"] == true,
		Rotary: rotaries[c.String("positions")], PreNorm: c.Meta["prenorm"] == true, NormEps: c.Float("layer_norm_eps", 0),
	}
	if c.String("positions") == "sinusoidal" {
		cfg.Positions = layers.SinusoidalPositions
	}
	names := strings.NewReplacer("self_attn.layer.", "self_attn__", "self_attn.norm.", "norm1__", "feedforward.layer.", "", "feedforward.norm.", "norm2__", ".", "__")
	return o.mixer(dt, func(g *G.ExprGraph) (sequenceMixer, error) { return layers.NewTransformer(g, dt, cfg) }, names.Replace)
}

// mixer compares output and gradients of a layer, and if it is causal its states and
// steps, with a case. array names a parameter as the case does, but for its p_ or g_.
func (o *outcome) mixer(dt tensor.Dtype, newLayer func(g *G.ExprGraph) (sequenceMixer, error), array func(param string) string) error {
	c := o.c
	x := c.Arrays["x"]
	g := G.NewGraph()
	layer, err := newLayer(g)
	if err != nil {
		return err
	}
	named := func(prefix string) func(string) string {
		return func(param string) string { return prefix + array(strings.TrimPrefix(param, layer.Name()+".")) }
	}
	if err := assign(c, layer.Params(), named("p_"), named("g_")); err != nil {
		return err
	}
	xn := sequence(g, dt, x)
	y, err := layer.FwdLengths(xn, lengthsOf(g, c))
	if err != nil {
		return err
	}
	out, err := backward(g, dt, y, c.Arrays["W"].F, append(layer.Learnables(), xn))
	if err != nil {
		return err
	}
	o.compare(dt, "y", valid(c, out), valid(c, c.Arrays["y"].F), 0)
	if err := o.gradient(dt, "g_x", xn, 1); err != nil {
		return err
	}
	for _, p := range layer.Params() {
		if err := o.gradient(dt, named("g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	if c.Meta["causal"] != true {
		return nil
	}
	if err := o.finalState(dt, layer); err != nil {
		return err
	}
	return o.stepped(dt, layer)
}

// sequence adds the input of a case to a graph.
func sequence(g *G.ExprGraph, dt tensor.Dtype, x golden.Array) *G.Node {
	return G.NewTensor(g, dt, 3, G.WithShape(x.Shape...), G.WithName("x"), G.WithValue(testutil.Dense(dt, x.F, x.Shape...)))
}

// lengthsOf adds the lengths of a case to a graph, and returns nil if it has none.
func lengthsOf(g *G.ExprGraph, c *golden.Case) *G.Node {
	n := c.Arrays["lengths"].I
	if n == nil {
		return nil
	}
	return G.NewVector(g, tensor.Int, G.WithShape(len(n)), G.WithName("lengths"), G.WithValue(tensor.New(tensor.WithShape(len(n)), tensor.WithBacking(slices.Clone(n)))))
}

// valid returns the steps of y (B, E, L) that are not padding.
func valid(c *golden.Case, y []float64) []float64 {
	x := c.Arrays["x"]
	if !c.Has("lengths") {
		return y
	}
	var v []float64
	for b, n := range c.Arrays["lengths"].I {
		for e := range x.Shape[1] {
			v = append(v, y[(b*x.Shape[1]+e)*x.Shape[2]:][:n]...)
		}
	}
	return v
}

// finalState compares the state behind the last step, as far as the case has it.
func (o *outcome) finalState(dt tensor.Dtype, of sequenceMixer) error {
	g := G.NewGraph()
	layer, err := layers.Clone(of, g)
	if err != nil {
		return err
	}
	_, x1, err := layer.FwdState(sequence(g, dt, o.c.Arrays["x"]), nil)
	if err != nil {
		return err
	}
	values := make([]G.Value, len(x1))
	for i, n := range x1 {
		G.Read(n, &values[i])
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	arrays := map[string]string{"k": "k_cache", "v": "v_cache", "S": "state_S", "z": "state_z"}
	for i, s := range layer.StateShapes(1) {
		name := arrays[s.Name]
		if !o.c.Has(name) {
			continue
		}
		o.compare(dt, name, testutil.Floats(values[i]), newest(o.c.Arrays[name], values[i].Shape()), 0)
	}
	return nil
}

// newest returns the last steps of a cache (B, heads, L, hd) as far as one of another
// shape holds them. Sums have no steps and are returned as they are.
func newest(a golden.Array, shape tensor.Shape) []float64 {
	if len(shape) != 4 || a.Shape[2] <= shape[2] {
		return a.F
	}
	var v []float64
	l, hd := a.Shape[2], a.Shape[3]
	for r := range len(a.F) / (l * hd) {
		v = append(v, a.F[(r*l+l-shape[2])*hd:(r+1)*l*hd]...)
	}
	return v
}

// stepped compares the steps of a layer.
func (o *outcome) stepped(dt tensor.Dtype, layer sequenceMixer) error {
	x := o.c.Arrays["x"]
	rec, err := layer.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	y, _, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return fmt.Errorf("step by step: %w", err)
	}
	o.compare(dt, "y step by step", valid(o.c, testutil.Floats(y)), valid(o.c, o.c.Arrays["y"].F), 0)
	return nil
}
