package conformance

import (
	"fmt"
	"math/cmplx"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/mimo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// formS5Init leaves out what depends on the phases of the eigenvectors.
func formS5Init(f *form) {
	n, h, p := f.size("N"), f.size("H"), f.size("P")
	f.size("J")
	f.flag("conj_sym")
	f.array("Lambda", p, 2)
	f.array("B0", n, h)
	f.array("C0", h, n, 2)
	f.array("absB", p, h)
	f.array("absC", h, p)
	f.array("CB", h, p, 2)
	f.array("A_normal", n, n)
}

func runS5Init(o *outcome, _ tensor.Dtype) error {
	c := o.c
	n, h, conj := c.Int("N", 0), c.Int("H", 0), c.Meta["conj_sym"] == true
	blocks, err := hippo.NormalBlocks(n, c.Int("J", 0), conj)
	if err != nil {
		return err
	}
	b, err := blocks.Inputs(c.Arrays["B0"].F, h)
	if err != nil {
		return err
	}
	c0 := make([]complex128, h*n)
	for i := range c0 {
		c0[i] = complex(c.Arrays["C0"].F[2*i], c.Arrays["C0"].F[2*i+1])
	}
	out, err := blocks.Outputs(c0, h)
	if err != nil {
		return err
	}
	var products []complex128
	for i, v := range out {
		p := len(out) / h
		products = append(products, v*b[i%p*h+i/p])
	}
	return o.all(map[string][]float64{
		"Lambda": pairs(blocks.Eigenvalues()), "absB": moduli(b), "absC": moduli(out), "CB": pairs(products), "A_normal": normal(blocks, n, conj),
	})
}

// normal returns k Re(V diag(Lambda) V^H) of all blocks, k = 2 for pairs, else 1.
func normal(blocks *hippo.Blocks, n int, conj bool) []float64 {
	k := 1.0
	if conj {
		k = 2
	}
	a := make([]float64, n*n)
	size, _ := blocks.V.Dims()
	for i := range n {
		for j := range size {
			col := i/size*size + j
			for m, l := range blocks.Lambda {
				a[i*n+col] += k * real(blocks.V.At(i%size, m)*l*cmplx.Conj(blocks.V.At(j, m)))
			}
		}
	}
	return a
}

// formS5Params demands the parameters of a model of n states and h features, and their
// gradients, under a prefix.
func formS5Params(f *form, prefix string, n, h int) {
	f.arraysOf(prefix+"Lambda_re", n)
	f.arraysOf(prefix+"Lambda_im", n)
	f.arraysOf(prefix+"B", n, h, 2)
	f.arraysOf(prefix+"D", h)
	f.arraysOf(prefix+"log_step", n, 1)
	f.flag("conj_sym")
	f.flag("clip_eigs")
	f.positive("step_rescale")
	f.oneOf("disc", "zoh", "bilinear")
	switch bi := f.flag("bidirectional"); {
	case !bi:
		f.arraysOf(prefix+"C", h, n, 2)
	case f.c.String("C_init") == "complex_normal":
		f.arraysOf(prefix+"C", h, 2*n, 2)
	default:
		f.arraysOf(prefix+"C1", h, n, 2)
		f.arraysOf(prefix+"C2", h, n, 2)
	}
}

// formLRUParams is formS5Params for an LRU.
func formLRUParams(f *form, prefix string, n, h int) {
	for _, name := range []string{"nu_log", "theta_log", "gamma_log"} {
		f.arraysOf(prefix+name, n)
	}
	for _, part := range []string{"_re", "_im"} {
		f.arraysOf(prefix+"B"+part, n, h)
		f.arraysOf(prefix+"C"+part, h, n)
	}
	f.arraysOf(prefix+"D", h)
}

// formShared demands what a sequence through a model of shared states has, and returns
// the sizes.
func formShared(f *form) (b, h, l, n int) {
	b, h, l = f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("x", 2, 3)
	n = f.size("P")
	f.agree("B", b)
	f.agree("H", h)
	f.agree("L", l)
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads")
	f.arrays([]string{"x", "g_x", "W", "y"}, b, h, l)
	return b, h, l, n
}

// formStates demands the states of a case, the first if it has anything of one.
func formStates(f *form, b, n int) {
	f.array("state_final", b, n, 2)
	if f.c.Has("state0") || f.c.Has("g_state0") || f.c.Has("W_state_final") {
		f.arrays([]string{"state0", "g_state0", "W_state_final"}, b, n, 2)
	}
}

func formS5Layer(f *form) {
	b, h, l, n := formShared(f)
	formS5Params(f, "", n, h)
	formStates(f, b, n)
	if f.c.Meta["bidirectional"] == true {
		f.array("state_final_reverse", b, n, 2)
	}
	if f.flag("irregular") {
		f.arrays([]string{"dt_steps", "g_dt_steps"}, b, l)
	}
}

func formLRU(f *form) {
	b, h, _, n := formShared(f)
	formLRUParams(f, "", n, h)
	formStates(f, b, n)
}

// formSharedBlock: a residual block around S5 or an LRU.
func formSharedBlock(f *form) {
	_, h, _, n := formShared(f)
	if f.c.Kind == "lru_block" {
		formLRUParams(f, "seq__", n, h)
	} else {
		formS5Params(f, "seq__", n, h)
	}
	f.flag("prenorm")
	f.arraysOf("norm__scale", h)
	f.arraysOf("norm__bias", h)
	activation := f.oneOf("activation", "full_glu", "half_glu1", "half_glu2", "gelu")
	for _, out := range []string{"out1", "out2"} {
		if activation == "full_glu" || out == "out2" && activation != "gelu" {
			f.arraysOf(out+"__kernel", h, h)
			f.arraysOf(out+"__bias", h)
		}
	}
}

// formS5SSM: a model alone, of one sequence (L, H).
func formS5SSM(f *form) {
	h, l, n := f.size("H"), f.size("L"), f.size("P_half")
	f.oneOf("disc", "zoh", "bilinear")
	outputs := n
	if f.flag("bidirectional") {
		outputs = 2 * n
	}
	both := func(name string, shape ...int) { f.arrays([]string{name, "g_" + name}, shape...) }
	both("Lambda", n, 2)
	both("B", n, h, 2)
	both("C", h, outputs, 2)
	both("D", h)
	both("log_step", n)
	both("u", l, h)
	f.arrays([]string{"W", "y"}, l, h)
}

// asS5Layer returns a case of kind s5_ssm as one of kind s5_layer.
func asS5Layer(c *golden.Case) *golden.Case {
	l := &golden.Case{Name: c.Name, Kind: "s5_layer", Arrays: map[string]golden.Array{}, Meta: map[string]any{
		"P": c.Meta["P_half"], "disc": c.Meta["disc"], "bidirectional": c.Meta["bidirectional"], "conj_sym": true, "clip_eigs": true, "step_rescale": 1.0,
		"irregular": false, "C_init": "complex_normal",
	}}
	for to, from := range map[string]string{"x": "u", "g_x": "g_u", "W": "W", "y": "y"} {
		a := c.Arrays[from]
		l.Arrays[to] = golden.Array{Shape: []int{1, a.Shape[1], a.Shape[0]}, F: turned(a)}
	}
	for ours, theirs := range map[string]string{"p_": "", "g_": "g_"} {
		for _, name := range []string{"B", "C", "D", "log_step"} {
			l.Arrays[ours+name] = c.Arrays[theirs+name]
		}
		lambda := c.Arrays[theirs+"Lambda"]
		for i, name := range []string{"Lambda_re", "Lambda_im"} {
			l.Arrays[ours+name] = golden.Array{Shape: lambda.Shape[:1], F: component(lambda.F, i)}
		}
	}
	return l
}

// turned returns the transpose of a matrix.
func turned(a golden.Array) []float64 {
	m, n := a.Shape[0], a.Shape[1]
	t := make([]float64, len(a.F))
	for i := range m {
		for j := range n {
			t[j*m+i] = a.F[i*n+j]
		}
	}
	return t
}

// columns returns columns [lo, hi) of the second axis of an array of three.
func columns(a golden.Array, lo, hi int) []float64 {
	n, m := a.Shape[1], a.Shape[2]
	var v []float64
	for i := range a.Shape[0] {
		v = append(v, a.F[(i*n+lo)*m:(i*n+hi)*m]...)
	}
	return v
}

// joinedParts returns complex numbers of arrays of their parts.
func joinedParts(re, im golden.Array) []float64 {
	v := make([]float64, 2*len(re.F))
	for i := range re.F {
		v[2*i], v[2*i+1] = re.F[i], im.F[i]
	}
	return v
}

// sharedParam returns what an S5 or an LRU layer, or a block around one, calls a
// parameter, with the kind of array p_ or g_, in our layout.
func sharedParam(c *golden.Case, kind, param string) ([]float64, error) {
	get := func(name string) golden.Array { return c.Arrays[kind+name] }
	seq := ""
	if strings.HasSuffix(c.Kind, "_block") {
		seq = "seq__"
	}
	switch name := strings.TrimPrefix(strings.TrimPrefix(param, "layer."), "kernel."); name {
	case "Lambda_re", "Lambda_im", "log_step", "nu_log", "theta_log", "gamma_log", "D":
		return get(seq + name).F, nil
	case "B", "C":
		switch a := get(seq + name); {
		case c.Has(kind + seq + name + "_re"):
			return joinedParts(get(seq+name+"_re"), get(seq+name+"_im")), nil
		case name == "C" && c.Has(kind+seq+"C1"):
			return append(append([]float64{}, get(seq+"C1").F...), get(seq+"C2").F...), nil
		case name == "C" && c.Meta["bidirectional"] == true:
			n := a.Shape[1]
			return append(columns(a, 0, n/2), columns(a, n/2, n)...), nil
		default:
			return a.F, nil
		}
	case "norm.weight":
		return get("norm__scale").F, nil
	case "norm.bias":
		return get("norm__bias").F, nil
	case "output_linear.weight", "output_linear.bias":
		var v []float64
		for _, out := range []string{"out1", "out2"} {
			if !c.Has(kind + out + "__kernel") {
				continue
			}
			if strings.HasSuffix(name, "bias") {
				v = append(v, get(out+"__bias").F...)
			} else {
				v = append(v, turned(get(out+"__kernel"))...)
			}
		}
		return v, nil
	}
	return nil, fmt.Errorf("no array of the case is parameter %q", param)
}

// sharedConfig returns the configuration of the model of a case, without what follows it.
func sharedConfig(c *golden.Case) layers.MixerConfig {
	h, n := c.Arrays["x"].Shape[1], c.Int("P", 0)
	around := layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity, Bidirectional: c.Meta["bidirectional"] == true}
	switch c.String("activation") {
	case "full_glu":
		around.Mixing, around.Activation = layers.MixGLU, ops.ActGELUTanh
	case "half_glu1", "half_glu2":
		around.Mixing, around.Activation = layers.Mixing(c.String("activation")), ops.ActGELUTanh
	case "gelu":
		around.Activation = ops.ActGELUTanh
	}
	if strings.HasPrefix(c.Kind, "lru") {
		return layers.LRUConfig{DModel: h, DState: n, SSM: around}
	}
	full := c.Meta["conj_sym"] != true
	if !full {
		n *= 2
	}
	return layers.S5Config{DModel: h, DState: n, Full: full, Disc: ssm.Disc(c.String("disc")), Unclipped: c.Meta["clip_eigs"] != true, SSM: around}
}

// sharedLayer makes the layer of a case on a graph, with its parameters.
func sharedLayer(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (sequenceMixer, error) {
	var cfg layers.Config = sharedConfig(c)
	if strings.HasSuffix(c.Kind, "_block") {
		cfg = layers.BlockConfig{Mixer: cfg.(layers.MixerConfig), PreNorm: c.Meta["prenorm"] == true, NormEps: 1e-6}
	}
	l, err := layers.New(G.NewGraph(), dt, cfg, layers.WithName("l"))
	if err != nil {
		return nil, err
	}
	for _, p := range l.Params() {
		v, err := sharedParam(c, "p_", strings.TrimPrefix(p.Name, "l."))
		if err == nil {
			err = set(p, v)
		}
		if err != nil {
			return nil, err
		}
	}
	l, err = layers.Clone(l, g, layers.AtRate(c.Float("step_rescale", 1)))
	if err != nil {
		return nil, err
	}
	return l.(sequenceMixer), nil
}

// runShared runs a layer of S5, of the LRU or a block around one, from the state of the
// case if it has one, and unless it looks both ways or is sampled irregularly step by
// step.
func runShared(o *outcome, dt tensor.Dtype) error {
	if o.c.Kind == "s5_ssm" {
		given := o.c
		o.c = asS5Layer(given)
		defer func() { o.c = given }()
	}
	c := o.c
	g := G.NewGraph()
	l, err := sharedLayer(g, dt, c)
	if err != nil {
		return err
	}
	node := func(name string) *G.Node {
		a := c.Arrays[name]
		return G.NewTensor(g, dt, len(a.Shape), G.WithShape(a.Shape...), G.WithName(name), G.WithValue(testutil.Dense(dt, a.F, a.Shape...)))
	}
	x := node("x")
	wrt, names := append(l.Learnables(), x), []string{}
	for _, p := range l.Params() {
		names = append(names, strings.TrimPrefix(p.Name, "l."))
	}
	var steps *G.Node
	if c.Meta["irregular"] == true {
		steps = node("dt_steps")
		wrt = append(wrt, steps)
	}
	var x0 G.Nodes
	if c.Has("state0") {
		x0 = G.Nodes{node("state0")}
		wrt = append(wrt, x0[0])
	}
	y, end, err := sharedForward(l, x, steps, x0, c.Has("state_final") && c.Meta["bidirectional"] != true)
	if err != nil {
		return err
	}
	loss, err := weighted(y, node("W"))
	if err != nil {
		return err
	}
	if c.Has("W_state_final") {
		more, err := weighted(end, node("W_state_final"))
		if err != nil {
			return err
		}
		if loss, err = G.Add(loss, more); err != nil {
			return err
		}
	}
	var yv, endv G.Value
	G.Read(y, &yv)
	if end != nil {
		G.Read(end, &endv)
	}
	if _, err := G.Grad(loss, wrt...); err != nil {
		return err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(wrt...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	if err := o.against(dt, "y", testutil.Floats(yv), c.Float("ref_float32_rel_err_y", 0)); err != nil {
		return err
	}
	if end != nil {
		if err := o.against(dt, "state_final", testutil.Floats(endv), 0); err != nil {
			return err
		}
	}
	for i, n := range wrt {
		v, err := n.Grad()
		if err != nil {
			return err
		}
		if i >= len(names) {
			if err := o.against(dt, "g_"+n.Name(), testutil.Floats(v), 0); err != nil {
				return err
			}
			continue
		}
		want, err := sharedParam(c, "g_", names[i])
		if err != nil {
			return err
		}
		o.compare(dt, "g_"+names[i], testutil.Floats(v), want, 0)
	}
	switch {
	case c.Has("state_final_reverse"):
		return o.sharedEnds(dt)
	case steps != nil || c.Meta["bidirectional"] == true:
		return nil
	}
	return o.sharedSteps(dt)
}

// sharedForward adds the layer to the graph of x, with the last state if it is asked for.
func sharedForward(l sequenceMixer, x, steps *G.Node, x0 G.Nodes, state bool) (y, end *G.Node, err error) {
	var x1 G.Nodes
	switch s5, _ := l.(*layers.S5); {
	case steps != nil && state:
		y, x1, err = s5.FwdStepsState(x, steps, x0)
	case steps != nil:
		y, err = s5.FwdSteps(x, steps, nil)
	case state:
		y, x1, err = l.FwdState(x, x0)
	default:
		y, err = l.FwdLengths(x, nil)
	}
	if err == nil && len(x1) > 0 {
		end = x1[0]
	}
	return y, end, err
}

// sharedSteps feeds the sequence step by step, from the state of the case.
func (o *outcome) sharedSteps(dt tensor.Dtype) error {
	c := o.c
	l, err := sharedLayer(G.NewGraph(), dt, c)
	if err != nil {
		return err
	}
	x := c.Arrays["x"]
	rec, err := l.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	if a, err := c.Array("state0"); err == nil {
		if err := rec.SetState(layers.State{{Name: "x", Value: testutil.Dense(dt, a.F, a.Shape...)}}); err != nil {
			return err
		}
	}
	y, _, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", testutil.Floats(y), 0); err != nil || !c.Has("state_final") {
		return err
	}
	return o.against(dt, "state_final", testutil.Floats(rec.State()[0].Value), 0)
}

// sharedEnds compares the last states of both directions, which no layer returns, with
// those of the op.
func (o *outcome) sharedEnds(dt tensor.Dtype) error {
	c := o.c
	g := G.NewGraph()
	count := 0
	node := func(f []float64, shape ...int) *G.Node {
		count++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)), G.WithValue(testutil.Dense(dt, f, shape...)))
	}
	x := c.Arrays["x"]
	h, n := x.Shape[1], c.Int("P", 0)
	out, err := sharedParam(c, "p_", "kernel.C")
	if err != nil {
		return err
	}
	cfg := mimo.PolesConfig{Disc: ssm.Disc(c.String("disc")), Rate: c.Float("step_rescale", 1), Unclipped: c.Meta["clip_eigs"] != true}
	poles, err := mimo.S5Poles(cfg, mimo.S5Params[*G.Node]{
		LambdaRe: node(c.Arrays["p_Lambda_re"].F, n), LambdaIm: node(c.Arrays["p_Lambda_im"].F, n), LogStep: node(c.Arrays["p_log_step"].F, n, 1),
	}, nil, nil)
	if err != nil {
		return err
	}
	_, end, err := mimo.SequenceState(mimo.Config{Pairs: c.Meta["conj_sym"] == true}, node(x.F, x.Shape...),
		mimo.Params[*G.Node]{Poles: poles, B: node(c.Arrays["p_B"].F, n, h, 2), C: node(out, 2, h, n, 2)}, nil, nil)
	if err != nil {
		return err
	}
	var v G.Value
	G.Read(end, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	a := golden.Array{Shape: []int{x.Shape[0], 2, 2 * n}, F: testutil.Floats(v)}
	if err := o.against(dt, "state_final", columns(a, 0, 1), 0); err != nil {
		return err
	}
	return o.against(dt, "state_final_reverse", columns(a, 1, 2), 0)
}
