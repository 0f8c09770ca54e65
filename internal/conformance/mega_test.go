package conformance

import (
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/ema"
	"github.com/gorgonia-s4/s4/ops/mega"
)

// formAverages demands the parameters of averages of d features in so many directions.
func formAverages(f *form, prefix string, d, directions, n int) {
	k := d
	if d > 0 {
		k *= directions
	}
	for _, name := range []string{"delta", "alpha", "beta"} {
		f.arraysOf(prefix+name, k, n, 1)
	}
	f.arraysOf(prefix+"gamma", k, n)
	f.arraysOf(prefix+"omega", d)
}

// formMegaSequence demands input and output, and returns the sizes.
func formMegaSequence(f *form) (b, d, l int) {
	b, d, l = f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("x", 2, 3)
	f.agree("B", b)
	f.agree("D", d)
	f.agree("L", l)
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads")
	f.arrays([]string{"x", "g_x", "W", "y"}, b, d, l)
	return b, d, l
}

func formMegaEMA(f *form) {
	b, d, l := formMegaSequence(f)
	n, directions, taps := f.size("N"), 1, l
	if f.flag("bidirectional") {
		directions = 2
	}
	if f.c.Meta["truncation"] != nil {
		taps = min(l, f.size("truncation"))
	}
	formAverages(f, "", d, directions, n)
	rows := d
	if d > 0 {
		rows *= directions
	}
	f.array("kernel", rows, taps)
	if f.flag("has_lengths") {
		f.lengths("lengths", b, l)
	}
	if f.flag("has_state") {
		f.arrays([]string{"state0", "g_state0", "W_state_final"}, b, d, n)
	}
	if directions == 1 && f.c.Meta["truncation"] == nil {
		f.array("state_final", b, d, n)
	}
}

func runMegaEMA(o *outcome, dt tensor.Dtype) error {
	c := o.c
	x := c.Arrays["x"]
	cfg := layers.EMAConfig{DModel: x.Shape[1], DState: c.Int("N", 0), Bidirectional: c.Meta["bidirectional"] == true, Truncation: c.Int("truncation", 0)}
	g := G.NewGraph()
	l, err := layers.NewEMA(g, dt, cfg)
	if err != nil {
		return err
	}
	named := func(prefix string) func(string) string {
		return func(param string) string { return prefix + strings.TrimPrefix(param, l.Name()+".") }
	}
	if err := assign(c, l.Params(), named("p_"), named("g_")); err != nil {
		return err
	}
	if err := o.emaKernel(dt, l); err != nil {
		return err
	}
	run := stateRun{x: x, start: c.Arrays["state0"].F, end: c.Arrays["W_state_final"].F}
	got, err := run.do(g, dt, l, c)
	if err != nil {
		return err
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, named("g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	o.compare(dt, "y", valid(c, got.y), valid(c, c.Arrays["y"].F), 0)
	if err := o.against(dt, "g_x", got.dx, 0); err != nil {
		return err
	}
	if run.start != nil {
		if err := o.against(dt, "g_state0", got.dStart, 0); err != nil {
			return err
		}
	}
	if got.end == nil {
		return nil
	}
	if err := o.against(dt, "state_final", got.end, 0); err != nil {
		return err
	}
	return o.stateSteps(dt, l, run.start, got.end)
}

// emaKernel compares the kernels of a layer.
func (o *outcome) emaKernel(dt tensor.Dtype, l *layers.EMA) error {
	g := G.NewGraph()
	node := map[string]*G.Node{}
	for _, p := range l.Params() {
		name := strings.TrimPrefix(p.Name, l.Name()+".")
		s := p.Node.Shape()
		node[name] = G.NewTensor(g, dt, s.Dims(), G.WithShape(s...), G.WithName(name), G.WithValue(testutil.Dense(dt, testutil.Floats(p.Node.Value()), s...)))
	}
	k, err := ema.Kernel(ema.Params[*G.Node]{Delta: node["delta"], Alpha: node["alpha"], Beta: node["beta"], Gamma: node["gamma"]}, o.c.Arrays["kernel"].Shape[1])
	if err != nil {
		return err
	}
	var v G.Value
	G.Read(k, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	return o.against(dt, "kernel", testutil.Floats(v), 0)
}

func formMegaLayer(f *form) {
	_, d, l := formMegaSequence(f)
	n, z, v, reach := f.size("N"), f.size("Z"), f.size("V"), f.size("max_positions")
	chunk := l
	if f.c.Meta["chunk"] != -1. {
		chunk = f.size("chunk")
	}
	if reach > 0 && chunk > 0 && reach < min(l, chunk) {
		f.failf("meta.json: want \"max_positions\" at least the %d steps of a \"chunk\", got %d", min(l, chunk), reach)
	}
	f.oneOf("attention", "softmax", "laplace")
	f.flag("prenorm")
	directions := 2
	if f.flag("causal") {
		directions = 1
	}
	formAverages(f, "move__", d, directions, n)
	base := unknown
	if d > 0 && z > 0 && v > 0 {
		base = 2*d + z + v
	}
	f.arraysOf("v_proj__weight", v, d)
	f.arraysOf("v_proj__bias", v)
	f.arraysOf("mx_proj__weight", base, d)
	f.arraysOf("mx_proj__bias", base)
	f.arraysOf("h_proj__weight", d, v)
	f.arraysOf("h_proj__bias", d)
	f.arraysOf("norm__norm__weight", d)
	f.arraysOf("norm__norm__bias", d)
	f.arraysOf("gamma", 2, z)
	f.arraysOf("beta", 2, z)
	if f.oneOf("rel_pos_bias", "simple", "rotary") == "rotary" {
		f.arraysOf("rel_pos_bias__alpha", 1, z)
		f.arraysOf("rel_pos_bias__beta", 1, z)
		return
	}
	lags := unknown
	if reach > 0 {
		lags = 2*reach - 1
	}
	f.arraysOf("rel_pos_bias__rel_pos_bias", lags)
}

// runMegaLayer leaves out the steps of what is causal without chunks: a layer in one chunk,
// which has them, computes the same.
func runMegaLayer(o *outcome, dt tensor.Dtype) error {
	c := o.c
	x := c.Arrays["x"]
	cfg := layers.MegaAttentionConfig{
		DModel: x.Shape[1], DState: c.Int("N", 0), ZDim: c.Int("Z", 0), VDim: c.Int("V", 0), Causal: c.Meta["causal"] == true,
		Function: mega.Function(c.String("attention")), Chunk: c.Int("chunk", 0), Bias: layers.RelativeBias(c.String("rel_pos_bias")),
		LMax: c.Int("max_positions", 0), PreNorm: c.Meta["prenorm"] == true,
	}
	if cfg.Causal && cfg.Chunk == mega.Whole {
		cfg.Chunk = c.Int("max_positions", 0)
	}
	return o.mixer(dt, func(g *G.ExprGraph) (sequenceMixer, error) { return layers.NewMegaAttention(g, dt, cfg) },
		func(param string) string {
			param = strings.ReplaceAll(param, ".", "__")
			if strings.HasPrefix(param, "norm__") {
				return "norm__" + param
			}
			return param
		})
}
