package conformance

import (
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/selective"
)

// scanOperands are the arrays of a selective scan, those that not every case has after
// the others.
var scanOperands = []string{"u", "delta", "A", "B", "C", "D", "z", "delta_bias", "x0"}

func formSelective(f *form) {
	b, d, n, l := f.size("batch"), f.size("D"), f.size("N"), f.size("L")
	f.flag("delta_softplus")
	f.optionalNumbers("ref_float32_rel_err_grads", scanOperands...)
	f.arrays([]string{"u", "delta", "g_u", "g_delta", "W", "y"}, b, d, l)
	f.arrays([]string{"A", "g_A"}, d, n)
	f.array("last_state", b, d, n)
	for _, name := range []string{"B", "C"} {
		names := []string{name, "g_" + name}
		switch f.oneOf(name+"_form", "var", "grouped", "fixed") {
		case "grouped":
			f.arrays(names, b, f.size("groups"), n, l)
		case "fixed":
			f.arrays(names, d, n)
		default:
			f.arrays(names, b, n, l)
		}
	}
	if f.flag("has_D") {
		f.arrays([]string{"D", "g_D"}, d)
	}
	if f.flag("has_z") {
		f.arrays([]string{"z", "g_z"}, b, d, l)
	}
	if f.flag("has_delta_bias") {
		f.arrays([]string{"delta_bias", "g_delta_bias"}, d)
	}
	if f.flag("has_state") {
		f.arrays([]string{"x0", "g_x0", "W_last_state"}, b, d, n)
	}
}

// runSelective bounds errors in float32 by twice those of the reference, which has other
// functions for softplus and silu.
func runSelective(o *outcome, dt tensor.Dtype) error {
	c := o.c
	var in []testutil.Input
	for _, name := range append(slices.Clone(scanOperands), "W", "W_last_state") {
		if !c.Has(name) {
			continue
		}
		x, err := input(c, name, 1)
		if err != nil {
			return err
		}
		x.Fixed = name[0] == 'W'
		in = append(in, x)
	}
	var y, end G.Value
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		at := func(name string) *G.Node {
			if i := slices.IndexFunc(in, func(x testutil.Input) bool { return x.Name == name }); i >= 0 {
				return n[i]
			}
			return nil
		}
		x := selective.Inputs[*G.Node]{U: at("u"), Delta: at("delta"), A: at("A"), B: at("B"), C: at("C"), D: at("D"), Z: at("z"), Bias: at("delta_bias")}
		yn, en, err := selective.ScanState(selective.Config{Softplus: c.Meta["delta_softplus"] == true}, x, at("x0"), nil)
		if err != nil {
			return nil, err
		}
		G.Read(yn, &y)
		G.Read(en, &end)
		loss, err := weighted(yn, at("W"))
		if err != nil || at("W_last_state") == nil {
			return loss, err
		}
		more, err := weighted(en, at("W_last_state"))
		if err != nil {
			return nil, err
		}
		return G.Add(loss, more)
	}, nil, in...)
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", testutil.Floats(y), 2*c.Float("ref_float32_rel_err_y", 0)); err != nil {
		return err
	}
	if err := o.against(dt, "last_state", testutil.Floats(end), 0); err != nil {
		return err
	}
	for i, x := range in {
		if x.Fixed {
			continue
		}
		if err := o.against(dt, "g_"+x.Name, r.Grads[i], 2*refErr32(c, x.Name)); err != nil {
			return err
		}
	}
	return nil
}
