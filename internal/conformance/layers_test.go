package conformance

import (
	"fmt"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// assign copies golden parameters into a layer. array gives the array of the
// case that holds a parameter; each of the others gives one that is of its
// shape: its gradient, its value after some steps.
func assign(c *golden.Case, ps []param.Param, array func(param string) string, others ...func(param string) string) error {
	for _, p := range ps {
		a, err := floats(c, array(p.Name))
		if err != nil {
			return err
		}
		if want := p.Node.Shape(); !slices.Equal(long(a.Shape), long(want)) {
			return fmt.Errorf("array %s: want shape %v but for axes of length 1, got %s", array(p.Name), want, shapeText(a.Shape))
		}
		for _, other := range others {
			b, err := floats(c, other(p.Name))
			if err != nil {
				return err
			}
			if !slices.Equal(a.Shape, b.Shape) {
				return fmt.Errorf("array %s: want the shape %s of %s, got %s", other(p.Name), shapeText(a.Shape), array(p.Name), shapeText(b.Shape))
			}
		}
		if err := set(p, scaled(a.F, storedSign(c, p.Name))); err != nil {
			return err
		}
	}
	return nil
}

// floats returns a float array of the case that has one of the given ranks, or
// any, and elements.
func floats(c *golden.Case, name string, ranks ...int) (golden.Array, error) {
	a, err := c.Array(name)
	switch {
	case err != nil:
	case a.F == nil:
		err = fmt.Errorf("array %s: want floats, got integers", name)
	case len(a.F) == 0:
		err = fmt.Errorf("array %s: want elements, got shape %s", name, shapeText(a.Shape))
	case len(ranks) > 0 && !slices.Contains(ranks, len(a.Shape)):
		err = fmt.Errorf("array %s: want one of %v axes, got shape %s", name, ranks, shapeText(a.Shape))
	}
	return a, err
}

// long returns a shape without its axes of length 1: the reference modules have
// them where we have none, and none where we have them.
func long(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
}

// set copies v into the tensor of a parameter.
func set(p param.Param, v []float64) error {
	switch d := p.Node.Value().Data().(type) {
	case []float64:
		if len(d) != len(v) {
			return fmt.Errorf("parameter %s: want %d values, got %d", p.Name, len(d), len(v))
		}
		copy(d, v)
	case []float32:
		if len(d) != len(v) {
			return fmt.Errorf("parameter %s: want %d values, got %d", p.Name, len(d), len(v))
		}
		for i, x := range v {
			d[i] = float32(x)
		}
	}
	return nil
}

// storedSign is -1 where a reference module stores the negative of our
// parameter: the minimal S4D (which has log_A_real) stores Im A.
func storedSign(c *golden.Case, param string) float64 {
	if !strings.HasSuffix(param, "kernel.A_imag") {
		return 1
	}
	for name := range c.Arrays {
		if strings.HasSuffix(name, "log_A_real") {
			return -1
		}
	}
	return 1
}

// arrayName returns the array of a case that holds one of our parameters. The
// reference modules name some of them otherwise, and S4Block keeps the kernel
// and D one level further down.
func arrayName(c *golden.Case, prefix, param string) string {
	name := strings.ReplaceAll(param, ".", "__")
	for _, pre := range []string{prefix, prefix + "layer__"} {
		for _, r := range []*strings.Replacer{
			strings.NewReplacer(),
			strings.NewReplacer("kernel__log_dt", "kernel__inv_dt"),
			strings.NewReplacer("kernel__A_real", "kernel__log_A_real"),
			strings.NewReplacer("output_linear__", "output_linear__0__"),
		} {
			if s := pre + r.Replace(name); c.Has(s) {
				return s
			}
		}
	}
	return prefix + name
}

// s4dConfig reads the configuration of an S4D layer of h features off the
// parameters and description of a case.
func s4dConfig(c *golden.Case, prefix string, h int) (layers.S4DConfig, error) {
	dt, err := floats(c, arrayName(c, prefix, "kernel.log_dt"), 1, 2)
	if err != nil {
		return layers.S4DConfig{}, err
	}
	a, err := floats(c, arrayName(c, prefix, "kernel.A_imag"), 2)
	if err != nil {
		return layers.S4DConfig{}, err
	}
	d, err := floats(c, arrayName(c, prefix, "D"), 1, 2)
	if err != nil {
		return layers.S4DConfig{}, err
	}
	cfg := layers.S4DConfig{DModel: h, NSSM: a.Shape[0], DState: 2 * a.Shape[1], FixedB: !c.Has(arrayName(c, prefix, "kernel.B")), Disc: ssm.ZOH, SSM: layers.SSM{Channels: len(d.F) / h}}
	if len(dt.F) > h && len(dt.F) == len(a.F) {
		cfg.Dt = layers.DtPerState
	}
	desc := c.String("desc")
	if strings.Contains(desc, "bilinear") {
		cfg.Disc = ssm.Bilinear
	}
	if strings.Contains(desc, "bidirectional") {
		cfg.Bidirectional, cfg.OffByOne = true, true
	}
	return cfg, nil
}

// s4Config is s4dConfig for a layer with a low-rank part. The C that the case
// stores is C~ for the length of its sequence.
func s4Config(c *golden.Case, prefix string, h int) (layers.S4Config, error) {
	diag, err := s4dConfig(c, prefix, h)
	if err != nil {
		return layers.S4Config{}, err
	}
	p, err := floats(c, arrayName(c, prefix, "kernel.P"), 4)
	if err != nil {
		return layers.S4Config{}, err
	}
	return layers.S4Config{DModel: diag.DModel, NSSM: diag.NSSM, DState: diag.DState, Rank: p.Shape[0], LMax: c.Arrays["x"].Shape[2], SSM: layers.SSM{Channels: diag.Channels}}, nil
}

// isDPLR reports whether a layer has a low-rank part.
func isDPLR(c *golden.Case) bool {
	for name := range c.Arrays {
		if strings.HasSuffix(name, "kernel__P") {
			return true
		}
	}
	return false
}

func runLayer(o *outcome, dt tensor.Dtype) error {
	c := o.c
	x, w := c.Arrays["x"], c.Arrays["W"]
	g := G.NewGraph()
	layer, err := goldenLayer(g, dt, c)
	if err != nil {
		return err
	}
	array := func(kind string) func(string) string {
		return func(param string) string {
			return arrayName(c, kind, strings.TrimPrefix(param, layer.Name()+"."))
		}
	}
	// The cases name their parameters p_, their gradients g_.
	if err := assign(c, layer.Params(), array("p_"), array("g_")); err != nil {
		return err
	}
	xn := G.NewTensor(g, dt, 3, G.WithShape(x.Shape...), G.WithName("x"), G.WithValue(testutil.Dense(dt, x.F, x.Shape...)))
	y, err := layer.Fwd(xn)
	if err != nil {
		return err
	}
	out, err := backward(g, dt, y, w.F, append(layer.Learnables(), xn))
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", out, 0); err != nil {
		return err
	}
	if err := o.gradient(dt, "g_x", xn, 1); err != nil {
		return err
	}
	for _, p := range layer.Params() {
		if err := o.gradient(dt, array("g_")(p.Name), p.Node, storedSign(c, p.Name)); err != nil {
			return err
		}
	}
	return nil
}

// goldenLayer makes the layer or block of a case.
func goldenLayer(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (layers.Layer, error) {
	h := c.Arrays["x"].Shape[1]
	if isDPLR(c) {
		cfg, err := s4Config(c, "p_", h)
		if err != nil {
			return nil, err
		}
		return layers.NewS4(g, dt, cfg)
	}
	if !c.Has("p_norm__weight") {
		cfg, err := s4dConfig(c, "p_", h)
		if err != nil {
			return nil, err
		}
		return layers.NewS4D(g, dt, cfg)
	}
	cfg, err := s4dConfig(c, "p_layer__", h)
	if err != nil {
		return nil, err
	}
	return layers.NewBlock(g, dt, layers.BlockConfig{Mixer: cfg, PreNorm: strings.Contains(c.Name, "prenorm")})
}

// backward runs y and the gradients of sum(w*y) and returns y.
func backward(g *G.ExprGraph, dt tensor.Dtype, y *G.Node, w []float64, wrt G.Nodes) ([]float64, error) {
	wn := G.NewTensor(g, dt, y.Shape().Dims(), G.WithShape(y.Shape()...), G.WithName("w"), G.WithValue(testutil.Dense(dt, w, y.Shape()...)))
	prod, err := G.HadamardProd(y, wn)
	if err != nil {
		return nil, err
	}
	loss, err := G.Sum(prod)
	if err != nil {
		return nil, err
	}
	var v G.Value
	G.Read(y, &v)
	if _, err := G.Grad(loss, wrt...); err != nil {
		return nil, err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(wrt...), G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	return testutil.Floats(v), nil
}

// gradient compares the gradient of a node with an array of the case.
func (o *outcome) gradient(dt tensor.Dtype, array string, n *G.Node, sign float64) error {
	v, err := n.Grad()
	if err != nil {
		return fmt.Errorf("%s: %w", array, err)
	}
	return o.against(dt, array, scaled(testutil.Floats(v), sign), 0)
}

// recurrentLayer is a layer that is a recurrence too.
type recurrentLayer interface {
	layers.Layer
	FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error)
	Recurrence(batch int) (*layers.Recurrence, error)
}

// recurrence makes the layer of a case of kind recurrence, without mixing.
func recurrence(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (recurrentLayer, error) {
	a, err := c.Array("A")
	if err != nil {
		return nil, err
	}
	logDt, err := c.Array("log_dt")
	if err != nil {
		return nil, err
	}
	h := len(logDt.F)
	values := map[string][]float64{
		"log_dt": logDt.F, "A_real": component(a.F, 0), "A_imag": scaled(component(a.F, 1), -1),
		"B": c.Arrays["B"].F, "C": c.Arrays["C"].F, "D": make([]float64, h),
	}
	for i, v := range values["A_real"] {
		values["A_real"][i] = math.Log(-v)
	}
	var l recurrentLayer
	switch mode := c.String("mode"); mode {
	case "diag":
		l, err = layers.NewS4D(g, dt, layers.S4DConfig{DModel: h, NSSM: a.Shape[0], DState: 2 * a.Shape[1], Disc: ssm.Disc(c.String("disc")), SSM: layers.SSM{Activation: ops.ActIdentity, Mixing: layers.MixNone}})
	case "dplr":
		values["P"], values["C"] = c.Arrays["P"].F, c.Arrays["Ct"].F
		l, err = layers.NewS4(g, dt, layers.S4Config{DModel: h, NSSM: a.Shape[0], DState: 2 * a.Shape[1], Rank: c.Arrays["P"].Shape[0], LMax: c.Int("L", 0), SSM: layers.SSM{Activation: ops.ActIdentity, Mixing: layers.MixNone}})
	default:
		err = fmt.Errorf("unknown mode %q", mode)
	}
	if err != nil {
		return nil, err
	}
	for _, p := range l.Params() {
		if err := set(p, values[p.Name[strings.LastIndex(p.Name, ".")+1:]]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// runRecurrence runs a state space model without mixing as a convolution and
// step by step, from a zero and from a given state.
func runRecurrence(o *outcome, dt tensor.Dtype) error {
	c := o.c
	u, err := c.Array("u")
	if err != nil {
		return err
	}
	x0, err := c.Array("x0")
	if err != nil {
		return err
	}
	silence := golden.Array{Shape: u.Shape, F: make([]float64, len(u.F))}
	impulse := golden.Array{Shape: []int{1, u.Shape[1], u.Shape[2]}, F: make([]float64, u.Shape[1]*u.Shape[2])}
	for i := 0; i < len(impulse.F); i += u.Shape[2] {
		impulse.F[i] = 1
	}
	for _, x := range []struct {
		u       golden.Array
		x0      *golden.Array
		y, last string
	}{
		{u, nil, "y_zero_state", "x_final_zero"},
		{u, &x0, "y_with_state", "x_final_with_state"},
		{silence, &x0, "K_state", ""},
		{impulse, nil, "K", ""},
	} {
		if err := o.fwdState(dt, x.u, x.x0, x.y, x.last); err != nil {
			return err
		}
	}
	layer, err := recurrence(G.NewGraph(), dt, c)
	if err != nil {
		return err
	}
	rec, err := layer.Recurrence(u.Shape[0])
	if err != nil {
		return err
	}
	if err := o.steps(dt, rec, u, "y_zero_state", "x_final_zero", ""); err != nil {
		return err
	}
	if err := rec.SetState(layers.State{{Name: "x", Value: testutil.Dense(dt, x0.F, x0.Shape...)}}); err != nil {
		return err
	}
	all := "x_all_with_state"
	if !c.Has(all) {
		all = ""
	}
	return o.steps(dt, rec, u, "y_with_state", "x_final_with_state", all)
}

// fwdState feeds u (B, H, L) to the layer of the case, from x0 or, if that is
// nil, from zero, and compares the output and, unless last is empty, the final
// state.
func (o *outcome) fwdState(dt tensor.Dtype, u golden.Array, x0 *golden.Array, y, last string) error {
	g := G.NewGraph()
	layer, err := recurrence(g, dt, o.c)
	if err != nil {
		return err
	}
	node := func(name string, a golden.Array) *G.Node {
		return G.NewTensor(g, dt, len(a.Shape), G.WithShape(a.Shape...), G.WithName(name), G.WithValue(testutil.Dense(dt, a.F, a.Shape...)))
	}
	var start G.Nodes
	if x0 != nil {
		start = G.Nodes{node("x0", *x0)}
	}
	yn, xn, err := layer.FwdState(node("u", u), start)
	if err != nil {
		return err
	}
	var yv, xv G.Value
	G.Read(yn, &yv)
	G.Read(xn[0], &xv)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	if err := o.against(dt, y, testutil.Floats(yv), 0); err != nil {
		return err
	}
	if last == "" {
		return nil
	}
	return o.against(dt, last, testutil.Floats(xv), 0)
}

// steps feeds u (B, H, L) to a recurrence and compares the outputs, the final
// state and, if all is not empty, every state (B, H, N, L, 2).
func (o *outcome) steps(dt tensor.Dtype, rec *layers.Recurrence, u golden.Array, y, final, all string) error {
	b, h, l := u.Shape[0], u.Shape[1], u.Shape[2]
	ys := make([]float64, len(u.F))
	var states []float64
	for t := range l {
		ut := make([]float64, b*h)
		for i := range ut {
			ut[i] = u.F[i*l+t]
		}
		yt, err := rec.Step(testutil.Dense(dt, ut, b, h))
		if err != nil {
			return err
		}
		for i, v := range testutil.Floats(yt) {
			ys[i*l+t] = v
		}
		if all != "" {
			x := testutil.Floats(rec.State()[0].Value)
			if states == nil {
				states = make([]float64, len(x)*l)
			}
			for i := range len(x) / 2 {
				copy(states[2*(i*l+t):], x[2*i:2*i+2])
			}
		}
	}
	if all != "" {
		if err := o.against(dt, all, states, 0); err != nil {
			return err
		}
	}
	if err := o.against(dt, y, ys, 0); err != nil {
		return err
	}
	return o.against(dt, final, testutil.Floats(rec.State()[0].Value), 0)
}

// runModel trains the classifier of example.py for a few AdamW steps.
func runModel(o *outcome, dt tensor.Dtype) error {
	c := o.c
	cfg, err := s4dConfig(c, "p0_blocks__0__layer__", c.Arrays["p0_encoder__weight"].Shape[0])
	if err != nil {
		return err
	}
	m, err := models.NewClassifier(G.NewGraph(), dt, models.ClassifierConfig{
		Features: c.Int("d_input", 0), Classes: c.Int("d_output", 0),
		Stack: layers.StackConfig{Repeat: c.Int("n_layers", 0), Blocks: []layers.BlockConfig{{Mixer: cfg}}},
	}, 0)
	if err != nil {
		return err
	}
	array := func(kind string) func(string) string {
		return func(param string) string { return arrayName(c, kind, param) }
	}
	x, target, losses := c.Arrays["x"], c.Arrays["target"], c.Arrays["losses"]
	trained := array(fmt.Sprintf("p%d_", len(losses.F)))
	if err := assign(c, m.Params(), array("p0_"), array("g_"), trained); err != nil {
		return err
	}
	batch, length := x.Shape[0], x.Shape[1]
	gr, err := m.Build(task.Training, batch, length)
	if err != nil {
		return err
	}
	var learn G.Nodes
	for _, p := range gr.Params {
		learn = append(learn, p.Node)
	}
	if _, err := G.Grad(gr.Loss, learn...); err != nil {
		return err
	}
	var loss, logits G.Value
	G.Read(gr.Loss, &loss)
	G.Read(gr.Outputs[task.Logits], &logits)
	vm := G.NewTapeMachine(gr.G, G.BindDualValues(learn...))
	defer vm.Close()
	opt := train.NewAdamW(train.ParamGroups(gr.Params, train.LR(0.01), train.WeightDecay(0.01)))
	full := slices.Repeat([]int{length}, batch)
	var got []float64
	for step := range len(losses.F) {
		if err := G.Let(gr.Inputs[task.X], testutil.Dense(dt, x.F, x.Shape...)); err != nil {
			return err
		}
		if err := G.Let(gr.Inputs[task.Lengths], tensor.New(tensor.WithShape(batch), tensor.WithBacking(slices.Clone(full)))); err != nil {
			return err
		}
		if err := G.Let(gr.Inputs[task.Target], tensor.New(tensor.WithShape(batch), tensor.WithBacking(slices.Clone(target.I)))); err != nil {
			return err
		}
		if err := vm.RunAll(); err != nil {
			return err
		}
		got = append(got, testutil.Floats(loss)[0])
		if step == 0 {
			if err := o.against(dt, "logits", testutil.Floats(logits), 0); err != nil {
				return err
			}
			for _, p := range gr.Params {
				if err := o.gradient(dt, array("g_")(p.Name), p.Node, storedSign(c, p.Name)); err != nil {
					return err
				}
			}
		}
		if err := opt.Step(G.NodesToValueGrads(learn)); err != nil {
			return err
		}
		vm.Reset()
	}
	if err := o.against(dt, "losses", got, 0); err != nil {
		return err
	}
	for _, p := range m.Params() {
		v := scaled(testutil.Floats(p.Node.Value()), storedSign(c, p.Name))
		if err := o.against(dt, trained(p.Name), v, 0); err != nil {
			return err
		}
	}
	return nil
}
