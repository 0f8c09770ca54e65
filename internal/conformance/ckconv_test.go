package conformance

import (
	"fmt"
	"maps"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers"
)

// formCKConv: the last entry of a kernel is that of the present step.
func formCKConv(f *form) {
	b, in, out, l := f.axis("x", 0, 3), f.size("C_in"), f.size("C_out"), f.size("L")
	h := f.size("hidden")
	f.agree("B", b)
	f.positive("omega_0")
	rate, trained := f.size("sr_change"), f.size("train_length")
	if rate > 0 && trained > 0 && l > 0 && int(math.Round(float64(trained)/float64(l))) != rate {
		f.failf("meta.json: want \"sr_change\" \"train_length\" / \"L\", rounded, got %d, %d and %d", rate, trained, l)
	}
	f.optionalNumber("ref_float32_rel_err_y")
	f.optionalNumbers("ref_float32_rel_err_grads", "x")
	f.arrays([]string{"x", "g_x"}, b, in, l)
	f.arrays([]string{"y", "W"}, b, out, l)
	f.array("kernel", out, in, l)
	f.arrays([]string{"p_bias", "g_bias"}, out)
	pairs := unknown
	if in > 0 && out > 0 {
		pairs = in * out
	}
	for i, width := range [][2]int{{1, h}, {h, h}, {h, pairs}} {
		name := func(p, s string) string { return fmt.Sprintf("%s_kernel_net__%d__%s", p, 4*i, s) }
		for _, p := range []string{"p", "g"} {
			f.array(name(p, "weight_v"), width[1], width[0], 1)
			f.array(name(p, "weight_g"), width[1], 1, 1)
			f.array(name(p, "bias"), width[1])
		}
	}
}

// withFirstWeight returns a case with the weight of the first layer of the network in the
// place of its norm and direction, which of one input is a sign.
func withFirstWeight(c *golden.Case) *golden.Case {
	w := *c
	w.Arrays = maps.Clone(c.Arrays)
	direction := c.Arrays["p_kernel_net__0__weight_v"]
	for _, p := range []string{"p", "g"} {
		norm := c.Arrays[p+"_kernel_net__0__weight_g"]
		a := golden.Array{Shape: direction.Shape, F: make([]float64, len(norm.F))}
		for i, v := range norm.F {
			a.F[i] = math.Copysign(1, direction.F[i]) * v
		}
		w.Arrays[p+"_kernel_net__0__weight"] = a
	}
	return &w
}

// goldenCKConv makes the layer of a case, at its rate.
func goldenCKConv(g *G.ExprGraph, dt tensor.Dtype, c *golden.Case) (*layers.CKConv, error) {
	omega, err := c.Number("omega_0")
	if err != nil {
		return nil, err
	}
	trained, err := layers.NewCKConv(G.NewGraph(), dt, layers.CKConvConfig{
		In: c.Int("C_in", 0), Out: c.Int("C_out", 0), Hidden: c.Int("hidden", 0), LMax: c.Int("train_length", 0), Omega0: omega,
	})
	if err == nil {
		err = assign(c, trained.Params(), dashed(trained, "p_"), dashed(trained, "g_"))
	}
	if err != nil {
		return nil, err
	}
	return trained.CloneTo(g, layers.AtRate(float64(c.Int("sr_change", 1))))
}

func runCKConv(o *outcome, dt tensor.Dtype) error {
	o.c = withFirstWeight(o.c)
	c := o.c
	g := G.NewGraph()
	l, err := goldenCKConv(g, dt, c)
	if err != nil {
		return err
	}
	x := sequence(g, dt, c.Arrays["x"])
	y, err := l.Fwd(x)
	if err != nil {
		return err
	}
	out, err := backward(g, dt, y, c.Arrays["W"].F, append(l.Learnables(), x))
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", out, 0); err != nil {
		return err
	}
	if err := o.gradient(dt, "g_x", x, 1); err != nil {
		return err
	}
	for _, p := range l.Params() {
		if err := o.gradient(dt, dashed(l, "g_")(p.Name), p.Node, 1); err != nil {
			return err
		}
	}
	if err := o.ckKernels(dt); err != nil {
		return err
	}
	return o.ckSteps(dt)
}

// ckKernels compares the kernels: what the layer answers to an impulse in each input, from
// the last entry on.
func (o *outcome) ckKernels(dt tensor.Dtype) error {
	k := o.c.Arrays["kernel"]
	out, in, steps := k.Shape[0], k.Shape[1], k.Shape[2]
	impulses := golden.Array{Shape: []int{in, in, steps}, F: make([]float64, in*in*steps)}
	for i := range in {
		impulses.F[(i*in+i)*steps] = 1
	}
	g := G.NewGraph()
	l, err := goldenCKConv(g, dt, o.c)
	if err != nil {
		return err
	}
	y, err := l.Fwd(sequence(g, dt, impulses))
	if err != nil {
		return err
	}
	v, err := backward(g, dt, y, make([]float64, in*out*steps), l.Learnables())
	if err != nil {
		return err
	}
	got := make([]float64, len(v)) // (out, in, steps) of (in, out, steps)
	for at, x := range v {
		i, p, t := at/(out*steps), at/steps%out, at%steps
		got[(p*in+i)*steps+steps-1-t] = x - o.c.Arrays["p_bias"].F[p]
	}
	return o.against(dt, "kernel", got, 0)
}

// ckSteps feeds the sequence step by step.
func (o *outcome) ckSteps(dt tensor.Dtype) error {
	l, err := goldenCKConv(G.NewGraph(), dt, o.c)
	if err != nil {
		return err
	}
	x := o.c.Arrays["x"]
	rec, err := l.Recurrence(x.Shape[0])
	if err != nil {
		return err
	}
	y, _, err := layers.ScanStates(rec, testutil.Dense(dt, x.F, x.Shape...))
	if err != nil {
		return err
	}
	return o.against(dt, "y", testutil.Floats(y), 0)
}
