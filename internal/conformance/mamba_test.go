package conformance

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
)

func formMamba(f *form) {
	b, l, e, n := f.axis("x", 0, 3), f.axis("x", 2, 3), f.size("d_model"), f.size("d_state")
	f.agree("B", b)
	f.agree("L", l)
	f.optionalNumbers("ref_float32_rel_err_grads")
	k, expand, r := f.size("d_conv"), f.size("expand"), f.size("dt_rank")
	d := expand * e
	if expand < 0 || e < 0 {
		d = unknown
	}
	f.agree("d_inner", d)
	f.arrays([]string{"x", "g_x", "W", "y"}, b, e, l)
	for name, shape := range map[string][]int{
		"A_log": {d, n}, "D": {d}, "in_proj__weight": {2 * d, e}, "conv1d__weight": {d, 1, k}, "conv1d__bias": {d},
		"x_proj__weight": {r + 2*n, d}, "dt_proj__weight": {d, r}, "dt_proj__bias": {d}, "out_proj__weight": {e, d},
	} {
		f.arrays([]string{"p_" + name, "g_" + name}, shape...)
	}
	if f.flag("bias") {
		f.arrays([]string{"p_in_proj__bias", "g_in_proj__bias"}, 2*d)
		f.arrays([]string{"p_out_proj__bias", "g_out_proj__bias"}, e)
	}
	if f.flag("residual") {
		f.arrays([]string{"p_norm__weight", "g_norm__weight"}, e)
	}
	f.array("conv_state_final", b, d, k)
	f.array("ssm_state_final", b, d, n)
}

// mambaOf returns the layer of a case, in a block behind an RMSNorm if it has a residual
// connection.
func mambaOf(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (sequenceMixer, error) {
	cfg := layers.MambaConfig{
		DModel: c.Int("d_model", 0), Expand: c.Int("expand", 0), DState: c.Int("d_state", 0), Kernel: c.Int("d_conv", 0),
		DtRank: c.Int("dt_rank", 0), Bias: c.Meta["bias"] == true,
	}
	if c.Meta["residual"] != true {
		return layers.NewMamba(g, dt, cfg)
	}
	return layers.NewBlock(g, dt, layers.BlockConfig{Mixer: cfg, Norm: layers.RMSNorm, PreNorm: true})
}

func runMamba(o *outcome, dt tensor.Dtype) error {
	c := o.c
	g := G.NewGraph()
	l, err := mambaOf(g, dt, c)
	if err != nil {
		return err
	}
	if err := assign(c, l.Params(), dashed(l, "p_"), dashed(l, "g_")); err != nil {
		return err
	}
	x := c.Arrays["x"]
	xn := sequence(g, dt, x)
	y, err := l.FwdLengths(xn, nil)
	if err != nil {
		return err
	}
	out, err := backward(g, dt, y, c.Arrays["W"].F, append(l.Learnables(), xn))
	if err != nil {
		return err
	}
	if err := o.gradient(dt, "g_x", xn, 1); err != nil {
		return err
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, dashed(l, "g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	if err := o.against(dt, "y", out, 0); err != nil {
		return err
	}
	return o.mambaStates(dt, l, x)
}

// mambaStates compares the state behind the last step, and the output step by step, of
// a layer whose input is x.
func (o *outcome) mambaStates(dt tensor.Dtype, l sequenceMixer, x golden.Array) error {
	g := G.NewGraph()
	on, err := layers.Clone(l, g)
	if err != nil {
		return err
	}
	_, x1, err := on.FwdState(sequence(g, dt, x), nil)
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
	rec, err := l.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	y, _, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return err
	}
	o.compare(dt, "y step by step", testutil.Floats(y), o.c.Arrays["y"].F, 0)
	window := newestOfWindow(o.c.Arrays["conv_state_final"])
	for i, s := range rec.State() {
		for how, v := range map[string]G.Value{"in a graph": values[i], "step by step": s.Value} {
			want := o.c.Arrays["ssm_state_final"].F
			if s.Name == "window" {
				want = window
			}
			o.compare(dt, "state "+s.Name+" "+how, testutil.Floats(v), want, 0)
		}
	}
	return nil
}

// newestOfWindow leaves out the oldest of the inputs (B, D, K), which the next step does
// not read.
func newestOfWindow(a golden.Array) []float64 {
	k := a.Shape[2]
	var v []float64
	for r := range len(a.F) / k {
		v = append(v, a.F[r*k+1:(r+1)*k]...)
	}
	return v
}
