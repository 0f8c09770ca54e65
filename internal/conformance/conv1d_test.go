package conformance

import (
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/conv1d"
)

// conv1dOptions reads what a convolution is off the metadata of a case.
func conv1dOptions(c *golden.Case) ([]conv1d.Option, error) {
	var v [3]int
	for i, key := range []string{"stride", "dilation", "groups"} {
		var err error
		if v[i], err = c.Integer(key); err != nil {
			return nil, err
		}
	}
	opts := []conv1d.Option{conv1d.WithStride(v[0]), conv1d.WithDilation(v[1]), conv1d.WithGroups(v[2])}
	if c.Meta["padding"] == "causal" {
		return opts, nil
	}
	n, err := c.Integer("padding")
	return append(opts, conv1d.WithPadding(n)), err
}

func formConv1D(f *form) {
	b, in, l := f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("x", 2, 3)
	out, k, groups, dilation := f.axis("p_weight", 0, 3), f.size("kernel"), f.size("groups"), f.size("dilation")
	f.size("stride")
	f.optionalNumbers("ref_float32_rel_err_grads", "x", "p_weight", "p_bias", "state0")
	f.agree("B", b)
	f.agree("C_in", in)
	f.agree("C_out", out)
	f.agree("L", l)
	f.arrays([]string{"x", "g_x"}, b, in, l)
	perGroup := unknown
	if in > 0 && groups > 0 {
		perGroup = in / groups
	}
	f.arrays([]string{"p_weight", "g_weight"}, out, perGroup, k)
	if f.flag("bias") {
		f.arrays([]string{"p_bias", "g_bias"}, out)
	}
	if f.flag("has_state") {
		f.arrays([]string{"state0", "g_state0", "state_final"}, b, in, (k-1)*dilation)
	} else {
		f.optional("state_final", b, in, (k-1)*dilation)
	}
	steps := unknown
	opts, err := conv1dOptions(f.c)
	if err == nil && l > 0 && k > 0 {
		steps, err = conv1d.OutputLength(l, k, opts...)
	}
	if err != nil {
		f.fail(err)
	}
	if got := f.axis("y", 2, 3); steps >= 0 && got >= 0 && got != steps {
		f.failf("meta.json: want \"padding\" and the rest such that the output has the %d steps of y, got %d", got, steps)
	}
	f.arrays([]string{"W", "y"}, b, out, steps)
}

func runConv1D(o *outcome, dt tensor.Dtype) error {
	c := o.c
	opts, err := conv1dOptions(c)
	if err != nil {
		return err
	}
	var in []testutil.Input
	for _, name := range []string{"x", "p_weight", "p_bias", "state0"} {
		if !c.Has(name) {
			continue
		}
		x, err := input(c, name, 1)
		if err != nil {
			return err
		}
		in = append(in, x)
	}
	w, err := c.Array("W")
	if err != nil {
		return err
	}
	at := func(n []*G.Node, name string) *G.Node {
		if i := slices.IndexFunc(in, func(x testutil.Input) bool { return x.Name == name }); i >= 0 {
			return n[i]
		}
		return nil
	}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return conv1d.Conv(n[0], n[1], at(n, "p_bias"), append(opts, conv1d.WithState(at(n, "state0")))...)
	}, w.F, in...)
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", r.Out, 0); err != nil {
		return err
	}
	for i, x := range in {
		g := "g_" + strings.TrimPrefix(x.Name, "p_")
		if err := o.against(dt, g, r.Grads[i], refErr32(c, x.Name)); err != nil {
			return err
		}
	}
	if !c.Has("state_final") {
		return nil
	}
	last, err := testutil.Forward(dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return conv1d.FinalState(n[0], at(n, "state0"), c.Arrays["state_final"].Shape[2])
	}, in...)
	if err != nil {
		return err
	}
	return o.against(dt, "state_final", last, 0)
}

// What a case of one tap has no use for is held against another.
func TestConv1DMetadata(t *testing.T) {
	for _, c := range golden.Cases(t, "conv1d") {
		if c.Int("dilation", 1) == 1 {
			continue
		}
		wantFailure(t, damaged(c, func(c *golden.Case) { delete(c.Meta, "dilation") }), "without dilation", `"dilation"`)
		wantFailure(t, damaged(c, func(c *golden.Case) { c.Meta["dilation"] = 1.0 }), "another dilation", "want shape")
		if c.Has("state0") {
			d := damaged(c, func(c *golden.Case) { delete(c.Arrays, "state0"); delete(c.Meta, "arrays") })
			wantFailure(t, d, "without state0", `"state0"`)
		}
	}
}
