package conformance

import (
	"math"
	"strings"

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

// rootMeanSquare is the norm in front of the layer of a case, of x (B, E, L): the
// reference's surroundings, which are no layer here.
type rootMeanSquare struct {
	x, w       []float64
	rows, e, l int
	scale      []float64 // (B, L): the inverse of the root
}

const rmsEps = 1e-5

func newRootMeanSquare(c *golden.Case) rootMeanSquare {
	x := c.Arrays["x"]
	r := rootMeanSquare{x: x.F, w: c.Arrays["p_norm__weight"].F, rows: x.Shape[0], e: x.Shape[1], l: x.Shape[2]}
	r.scale = make([]float64, r.rows*r.l)
	r.each(func(at, i, step int) { r.scale[step] += r.x[at] * r.x[at] / float64(r.e) })
	for i, v := range r.scale {
		r.scale[i] = 1 / math.Sqrt(v+rmsEps)
	}
	return r
}

// each calls f for every element: its place, its feature, and its step.
func (r rootMeanSquare) each(f func(at, i, step int)) {
	for at := range r.x {
		b, i, t := at/(r.e*r.l), at/r.l%r.e, at%r.l
		f(at, i, b*r.l+t)
	}
}

func (r rootMeanSquare) forward() []float64 {
	y := make([]float64, len(r.x))
	r.each(func(at, i, step int) { y[at] = r.x[at] * r.scale[step] * r.w[i] })
	return y
}

// backward returns the gradients of x and of the weight.
func (r rootMeanSquare) backward(g []float64) (dx, dw []float64) {
	dx, dw = make([]float64, len(r.x)), make([]float64, r.e)
	mean := make([]float64, len(r.scale)) // of g w x
	r.each(func(at, i, step int) {
		dw[i] += g[at] * r.x[at] * r.scale[step]
		mean[step] += g[at] * r.w[i] * r.x[at] / float64(r.e)
	})
	r.each(func(at, i, step int) {
		s := r.scale[step]
		dx[at] = s*g[at]*r.w[i] - s*s*s*mean[step]*r.x[at]
	})
	return dx, dw
}

func runMamba(o *outcome, dt tensor.Dtype) error {
	c := o.c
	cfg := layers.MambaConfig{
		DModel: c.Int("d_model", 0), Expand: c.Int("expand", 0), DState: c.Int("d_state", 0), Kernel: c.Int("d_conv", 0),
		DtRank: c.Int("dt_rank", 0), Bias: c.Meta["bias"] == true,
	}
	g := G.NewGraph()
	l, err := layers.NewMamba(g, dt, cfg)
	if err != nil {
		return err
	}
	named := func(prefix string) func(string) string {
		return func(param string) string {
			return prefix + strings.ReplaceAll(strings.TrimPrefix(param, l.Name()+"."), ".", "__")
		}
	}
	if err := assign(c, l.Params(), named("p_"), named("g_")); err != nil {
		return err
	}
	x, residual := c.Arrays["x"], c.Meta["residual"] == true
	if residual {
		x.F = newRootMeanSquare(c).forward()
	}
	xn := sequence(g, dt, x)
	y, err := l.Fwd(xn)
	if err != nil {
		return err
	}
	out, err := backward(g, dt, y, c.Arrays["W"].F, append(l.Learnables(), xn))
	if err != nil {
		return err
	}
	if err := o.mambaInput(dt, xn, residual); err != nil {
		return err
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, named("g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	if err := o.against(dt, "y", o.withResidual(out, residual), 0); err != nil {
		return err
	}
	return o.mambaStates(dt, l, x, residual)
}

// withResidual returns the output y of the layer, plus the input if the case has a
// residual connection.
func (o *outcome) withResidual(y []float64, residual bool) []float64 {
	if residual {
		for i, v := range o.c.Arrays["x"].F {
			y[i] += v
		}
	}
	return y
}

// mambaInput compares the gradients of the input, and of the norm in front of the layer.
func (o *outcome) mambaInput(dt tensor.Dtype, xn *G.Node, residual bool) error {
	if !residual {
		return o.gradient(dt, "g_x", xn, 1)
	}
	v, err := xn.Grad()
	if err != nil {
		return err
	}
	dx, dw := newRootMeanSquare(o.c).backward(testutil.Floats(v))
	for i, w := range o.c.Arrays["W"].F {
		dx[i] += w
	}
	if err := o.against(dt, "g_x", dx, 0); err != nil {
		return err
	}
	return o.against(dt, "g_norm__weight", dw, 0)
}

// mambaStates compares the state behind the last step, and the output step by step, of
// a layer whose input is x.
func (o *outcome) mambaStates(dt tensor.Dtype, l *layers.Mamba, x golden.Array, residual bool) error {
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
	o.compare(dt, "y step by step", o.withResidual(testutil.Floats(y), residual), o.c.Arrays["y"].F, 0)
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
