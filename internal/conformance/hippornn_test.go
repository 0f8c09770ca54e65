package conformance

import (
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/hippornn"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// hasAny says whether a case has a parameter, or its gradient, of one of the names.
func hasAny(c *golden.Case, names ...string) bool {
	for _, name := range names {
		if c.Has("p_"+name) || c.Has("g_"+name) {
			return true
		}
	}
	return false
}

// hippoBiases are those of either order.
var hippoBiases = []string{"W_uxh__bias", "W_hxm__bias", "W_gxm__W_g__bias", "W_f__bias", "W_h__bias", "W_g__bias"}

// formHiPPORNN: what is optional shows in the arrays.
func formHiPPORNN(f *form) {
	h, in, l, m, n := f.size("H"), f.size("I"), f.size("L"), f.size("M"), f.size("N")
	b := f.axis("x", 0, 3)
	f.agree("B", b)
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads", "x")
	measure, order := f.oneOf("measure", "legs", "legt", "lmu"), f.oneOf("order", "code", "paper")
	f.oneOf("disc", "bilinear", "zoh")
	gated := f.oneOf("gate", "G", "none") == "G"
	if measure != "legs" {
		f.positive("dt")
	}
	f.optionalNumber("t0")
	f.arrays([]string{"x", "g_x"}, b, in, l)
	f.arrays([]string{"y", "W"}, b, h, l)
	f.array("memory_all", b, m, n, l)
	f.array("memory_final", b, m, n)
	if f.flag("has_state") {
		f.arrays([]string{"h0", "g_h0"}, b, h)
		f.arrays([]string{"m0", "g_m0", "W_memory_final"}, b, m, n)
	}
	f.hippoParams(h, in, m, n, order == "paper", gated)
}

// hippoParams demands the parameters, and their gradients.
func (f *form) hippoParams(h, in, m, n int, paper, gated bool) {
	if min(h, in, m, n) < 0 {
		return
	}
	biased := hasAny(f.c, hippoBiases...)
	linear := func(name string, out, in int) {
		f.arrays([]string{"p_" + name + "__weight", "g_" + name + "__weight"}, out, in)
		if biased {
			f.arrays([]string{"p_" + name + "__bias", "g_" + name + "__bias"}, out)
		}
	}
	cols := in + m*n
	if paper {
		linear("W_h", h, cols+h)
		if gated {
			linear("W_g", h, cols+h)
		}
		linear("W_f", m, h)
		return
	}
	linear("W_uxh", m, in+h)
	linear("W_hxm", h, cols)
	if hasAny(f.c, "W_um") {
		f.arrays([]string{"p_W_um", "g_W_um"}, m, n)
	}
	if hasAny(f.c, "W_hh__weight") {
		f.arrays([]string{"p_W_hh__weight", "g_W_hh__weight"}, h, h)
		cols += h
	}
	if gated {
		linear("W_gxm__W_g", h, cols)
	}
}

// goldenHiPPORNN makes the layer of a case.
func goldenHiPPORNN(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (*layers.HiPPORNN, error) {
	cfg := layers.HiPPORNNConfig{
		DModel: c.Int("I", 0), Hidden: c.Int("H", 0), MemorySize: c.Int("M", 0), MemoryOrder: c.Int("N", 0),
		Measure: hippo.Measure(c.String("measure")), Disc: ssm.Disc(c.String("disc")), UpdateOrder: hippornn.Order(c.String("order")),
		NoGate: c.String("gate") == "none", NoBias: !hasAny(c, hippoBiases...),
		MemoryToSignal: hasAny(c, "W_um"), HiddenToHidden: hasAny(c, "W_hh__weight"),
	}
	if cfg.Measure != hippo.LegS {
		var err error
		if cfg.Step, err = c.Number("dt"); err != nil {
			return nil, err
		}
	}
	l, err := layers.NewHiPPORNN(g, dt, cfg)
	if err != nil {
		return nil, err
	}
	return l, assign(c, l.Params(), dashed(l, "p_"), dashed(l, "g_"))
}

// dashed names the arrays that belong to the parameters of a layer, or of that in a block,
// whose dots are two dashes.
func dashed(l layers.Layer, prefix string) func(param string) string {
	return func(param string) string {
		param = strings.TrimPrefix(strings.TrimPrefix(param, l.Name()+"."), "layer.")
		return prefix + strings.ReplaceAll(param, ".", "__")
	}
}

// hippoStart is the state of a case before its first step, nil for the start.
func hippoStart(c *golden.Case, l *layers.HiPPORNN) []testutil.Input {
	if !c.Has("h0") {
		return nil
	}
	var start []testutil.Input
	for _, s := range l.StateShapes(c.Arrays["x"].Shape[0]) {
		in := testutil.Input{Name: s.Name, Shape: s.Shape, F: make([]float64, s.Shape.TotalSize())}
		if a, ok := c.Arrays[s.Name+"0"]; ok {
			in.F = a.F
		} else {
			for i := range in.F {
				in.F[i] = float64(c.Int("t0", 0))
			}
		}
		start = append(start, in)
	}
	return start
}

func runHiPPORNN(o *outcome, dt tensor.Dtype) error {
	c := o.c
	g := G.NewGraph()
	l, err := goldenHiPPORNN(g, dt, c)
	if err != nil {
		return err
	}
	node := func(name string, a golden.Array) *G.Node {
		return G.NewTensor(g, dt, len(a.Shape), G.WithShape(a.Shape...), G.WithName(name), G.WithValue(testutil.Dense(dt, a.F, a.Shape...)))
	}
	x := node("x", c.Arrays["x"])
	var x0 G.Nodes
	for _, in := range hippoStart(c, l) {
		x0 = append(x0, node(in.Name+"0", golden.Array{Shape: in.Shape, F: in.F}))
	}
	y, x1, err := l.FwdState(x, x0)
	if err != nil {
		return err
	}
	var values [2]G.Value
	G.Read(y, &values[0])
	G.Read(x1[1], &values[1])
	loss, err := weighted(y, node("W", c.Arrays["W"]))
	wrt := append(l.Learnables(), x)
	if err == nil && x0 != nil {
		wrt = append(wrt, x0[:2]...)
		var more *G.Node
		if more, err = weighted(x1[1], node("W_m", c.Arrays["W_memory_final"])); err == nil {
			loss, err = G.Add(loss, more)
		}
	}
	if err != nil {
		return err
	}
	if _, err := G.Grad(loss, wrt...); err != nil {
		return err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(wrt...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return err
	}
	for i, name := range []string{"y", "memory_final"} {
		if err := o.against(dt, name, testutil.Floats(values[i]), 0); err != nil {
			return err
		}
	}
	for i, n := range append(G.Nodes{x}, x0[:min(2, len(x0))]...) {
		if err := o.gradient(dt, []string{"g_x", "g_h0", "g_m0"}[i], n, 1); err != nil {
			return err
		}
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, dashed(l, "g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	return o.hippoSteps(dt)
}

// hippoSteps feeds the sequence step by step, from the state of the case, and compares
// the memory after every step.
func (o *outcome) hippoSteps(dt tensor.Dtype) error {
	c := o.c
	l, err := goldenHiPPORNN(G.NewGraph(), dt, c)
	if err != nil {
		return err
	}
	x := c.Arrays["x"]
	rec, err := l.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	if start := hippoStart(c, l); start != nil {
		var state layers.State
		for _, in := range start {
			state = append(state, layers.StateTensor{Name: in.Name, Value: in.Tensor(dt)})
		}
		if err := rec.SetState(state); err != nil {
			return err
		}
	}
	y, states, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", testutil.Floats(y), 0); err != nil {
		return err
	}
	m, steps := testutil.Floats(states[1].Value), x.Shape[2] // (L, B, M, N)
	all := make([]float64, len(m))
	for i, v := range m {
		n := len(m) / steps
		all[i%n*steps+i/n] = v
	}
	return o.against(dt, "memory_all", all, 0)
}
