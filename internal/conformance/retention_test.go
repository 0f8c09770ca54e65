package conformance

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/retention"
)

func formRetention(f *form) {
	b, e, l := f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("x", 2, 3)
	v := f.axis("p_v_proj__weight", 0, 2)
	f.agree("B", b)
	f.agree("E", e)
	f.agree("V", v)
	f.agree("L", l)
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads")
	f.arrays([]string{"x", "g_x", "W", "y"}, b, e, l)
	heads, dk, dv := f.size("heads"), f.size("key_dim"), f.size("value_dim")
	if heads > 0 && dk > 0 && dv > 0 && e > 0 && v > 0 && (heads*dk != e || heads*dv != v) {
		f.failf("meta.json: want \"heads\" of %d and %d features, got %d of \"key_dim\" %d and \"value_dim\" %d", e, v, heads, dk, dv)
	}
	f.optionalNumber("chunk")
	f.optionalNumber("position_offset")
	f.oneOf("decay", "arange", "linspace")
	f.oneOf("rotation", "rotary_linspace", "xpos")
	f.flag("scale_k")
	f.positive("norm_eps")
	f.arraysOf("q_proj__weight", e, e)
	f.arraysOf("k_proj__weight", e, e)
	f.arraysOf("v_proj__weight", v, e)
	f.arraysOf("g_proj__weight", v, e)
	f.arraysOf("out_proj__weight", e, v)
	if f.oneOf("norm", "rms", "group") == "group" {
		f.arraysOf("group_norm__weight", v)
		f.arraysOf("group_norm__bias", v)
	}
	f.array("gamma", heads)
	hasState := f.flag("has_state")
	if f.oneOf("scores", "plain", "normalized") == "normalized" {
		return
	}
	f.array("state_final", b, heads, dk, dv)
	if hasState {
		f.arrays([]string{"state0", "g_state0", "W_state_final"}, b, heads, dk, dv)
	}
}

// stateFrame turns states of a case, which are in the frame of step 0, to that of step
// n, in which a layer has them.
type stateFrame struct {
	dk, dv, n int
	xpos      bool
}

// frameOf returns the frame of a step of a case.
func frameOf(c *golden.Case, n int) stateFrame {
	return stateFrame{c.Int("key_dim", 0), c.Int("value_dim", 0), n, c.String("rotation") == "xpos"}
}

// turn returns states with the pairs of their rows turned by angle times their frequency
// and multiplied by zeta^(steps/512).
func (f stateFrame) turn(s []float64, angle, steps float64) []float64 {
	out := make([]float64, len(s))
	for at := 0; at < len(s); at += f.dk * f.dv {
		for i := range f.dk / 2 {
			theta, zeta := 1., 1.
			if f.xpos {
				theta = math.Pow(10000, -2*float64(i)/float64(f.dk))
				zeta = (2*float64(i) + 0.4*float64(f.dk)) / (1.4 * float64(f.dk))
			} else if f.dk > 2 {
				theta = math.Pow(10000, -float64(i)/(float64(f.dk)/2-1))
			}
			sin, cos := math.Sincos(angle * theta)
			z := math.Pow(zeta, steps/512)
			for j := range f.dv {
				a, b := at+2*i*f.dv+j, at+(2*i+1)*f.dv+j
				out[a], out[b] = z*(cos*s[a]-sin*s[b]), z*(cos*s[b]+sin*s[a])
			}
		}
	}
	return out
}

// in turns states to the frame, and outOf back. gradIn and gradOut do so to gradients.
func (f stateFrame) in(s []float64) []float64      { return f.turn(s, float64(-f.n), float64(f.n)) }
func (f stateFrame) outOf(s []float64) []float64   { return f.turn(s, float64(f.n), float64(-f.n)) }
func (f stateFrame) gradIn(s []float64) []float64  { return f.turn(s, float64(-f.n), float64(-f.n)) }
func (f stateFrame) gradOut(s []float64) []float64 { return f.turn(s, float64(f.n), float64(f.n)) }

func runRetention(o *outcome, dt tensor.Dtype) error {
	c := o.c
	x := c.Arrays["x"]
	cfg := layers.RetentionConfig{
		DModel: x.Shape[1], Heads: c.Int("heads", 0), VWidth: c.Int("heads", 0) * c.Int("value_dim", 0), Chunk: c.Int("chunk", 0),
		Decay: retention.Decay(c.String("decay")), Positions: retention.Positions(c.String("rotation")), Scores: retention.Scores(c.String("scores")),
		Norm: retention.Norm(c.String("norm")), NormEps: c.Float("norm_eps", 0), UnscaledKeys: c.Meta["scale_k"] != true,
	}
	g := G.NewGraph()
	l, err := layers.NewRetention(g, dt, cfg)
	if err != nil {
		return err
	}
	if err := assign(c, l.Params(), dashed(l, "p_"), dashed(l, "g_")); err != nil {
		return err
	}
	o.compare(dt, "gamma", retention.Config{Heads: cfg.Heads, Decay: cfg.Decay}.Gammas(), c.Arrays["gamma"].F, 0)
	offset := c.Int("position_offset", 0)
	run := stateRun{x: x, end: frameOf(c, offset+x.Shape[2]-1).gradIn(c.Arrays["W_state_final"].F)}
	if c.Meta["has_state"] == true {
		run.start = frameOf(c, offset-1).in(c.Arrays["state0"].F)
	}
	got, err := run.do(g, dt, l, c)
	if err != nil {
		return err
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, dashed(l, "g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	for array, v := range map[string][]float64{"y": got.y, "g_x": got.dx} {
		if err := o.against(dt, array, v, 0); err != nil {
			return err
		}
	}
	if run.start != nil {
		if err := o.against(dt, "g_state0", frameOf(c, offset-1).gradOut(got.dStart), 0); err != nil {
			return err
		}
	}
	if cfg.Scores != retention.Plain {
		return nil
	}
	if err := o.against(dt, "state_final", frameOf(c, offset+x.Shape[2]-1).outOf(got.end), 0); err != nil {
		return err
	}
	return o.stateSteps(dt, l, run.start, got.end)
}

// stateRun is a run of a layer that has a state of one tensor: from a state or none, with
// weights of the state after the last step in the loss or none.
type stateRun struct {
	x          golden.Array
	start, end []float64
}

// stateGot is what comes of it.
type stateGot struct{ y, end, dx, dStart []float64 }

// do runs the layer, and the gradients of the loss of the case.
func (r stateRun) do(g *G.ExprGraph, dt tensor.Dtype, l sequenceMixer, c *golden.Case) (got stateGot, err error) {
	xn := sequence(g, dt, r.x)
	wrt := append(l.Learnables(), xn)
	var x0 G.Nodes
	shapes := l.StateShapes(r.x.Shape[0])
	if r.start != nil {
		x0 = G.Nodes{G.NewTensor(g, dt, len(shapes[0].Shape), G.WithShape(shapes[0].Shape...), G.WithName("state0"), G.WithValue(testutil.Dense(dt, r.start, shapes[0].Shape...)))}
		wrt = append(wrt, x0[0])
	}
	var y *G.Node
	var x1 G.Nodes
	if len(shapes) > 0 {
		y, x1, err = l.FwdState(xn, x0)
	} else {
		y, err = l.FwdLengths(xn, lengthsOf(g, c))
	}
	if err != nil {
		return got, err
	}
	weights := func(name string, like *G.Node, w []float64) *G.Node {
		return G.NewTensor(g, dt, like.Shape().Dims(), G.WithShape(like.Shape()...), G.WithName(name), G.WithValue(testutil.Dense(dt, w, like.Shape()...)))
	}
	loss, err := weighted(y, weights("W", y, c.Arrays["W"].F))
	if err == nil && len(r.end) > 0 {
		var more *G.Node
		if more, err = weighted(x1[0], weights("W_state", x1[0], r.end)); err == nil {
			loss, err = G.Add(loss, more)
		}
	}
	if err != nil {
		return got, err
	}
	var yv, ev G.Value
	G.Read(y, &yv)
	if len(x1) > 0 {
		G.Read(x1[0], &ev)
	}
	if _, err := G.Grad(loss, wrt...); err != nil {
		return got, err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(wrt...), G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return got, err
	}
	got.y = testutil.Floats(yv)
	if len(x1) > 0 {
		got.end = testutil.Floats(ev)
	}
	v, err := xn.Grad()
	if err != nil {
		return got, err
	}
	got.dx = testutil.Floats(v)
	if x0 == nil {
		return got, nil
	}
	if v, err = x0[0].Grad(); err == nil {
		got.dStart = testutil.Floats(v)
	}
	return got, err
}

// stateSteps compares the steps of a layer from a state, or none, and the state that they
// leave.
func (o *outcome) stateSteps(dt tensor.Dtype, l sequenceMixer, start, end []float64) error {
	x := o.c.Arrays["x"]
	rec, err := l.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	if start != nil {
		s := rec.State()
		s[0].Value = testutil.Dense(dt, start, s[0].Value.Shape()...)
		if err := rec.SetState(s); err != nil {
			return err
		}
	}
	y, _, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return err
	}
	o.compare(dt, "y step by step", testutil.Floats(y), o.c.Arrays["y"].F, 0)
	o.compare(dt, "state step by step", testutil.Floats(rec.State()[0].Value), end, 0)
	return nil
}
