package conformance

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ndconv"
)

// roundings is how often the error of the reference a gradient in float32 may have: it
// rounds what is between two axes, which a convolution of all axes at once does not.
const roundings = 2

// axesOf is the number of axes of a case.
func axesOf(c *golden.Case) int {
	if c.Kind == "s4nd_conv3d" {
		return 3
	}
	return 2
}

// kernelName is what the kernels of an axis are called.
func kernelName(axis int) string { return fmt.Sprintf("k%d", axis+1) }

// formNDConv: cases without metadata have one term and are causal.
func formNDConv(f *form) {
	n := axesOf(f.c)
	b, h, ch := f.axis("u", 0, 2+n), f.axis("u", 1, 2+n), f.axis("D", 0, 2)
	terms := 1
	if f.c.Meta["trank"] != nil {
		terms = f.size("trank")
	}
	if f.c.Meta["bidirectional"] != nil && f.flag("bidirectional") {
		terms *= 2
	}
	f.agree("B", b)
	f.agree("H", h)
	f.agree("channels", ch)
	f.optionalNumber("ref_float32_rel_err_y")
	var shape, kernels []int
	grads := []string{"u", "D"}
	for a := range n {
		shape = append(shape, f.axis("u", 2+a, 2+n))
		kernels = append(kernels, f.axis(kernelName(a), 2, 3))
		grads = append(grads, kernelName(a))
		each := terms * ch
		if terms < 0 || ch < 0 {
			each = unknown
		}
		f.arraysOfOp(kernelName(a), each, h, kernels[a])
	}
	f.optionalNumbers("ref_float32_rel_err_grads", grads...)
	f.agreeList("L", shape)
	f.agreeList("L_kernel", kernels)
	f.arraysOfOp("u", append([]int{b, h}, shape...)...)
	f.arraysOfOp("D", ch, h)
	outputs := ch * h
	if ch < 0 || h < 0 {
		outputs = unknown
	}
	f.arrays([]string{"W", "y"}, append([]int{b, outputs}, shape...)...)
}

// arraysOfOp demands an input and its gradient.
func (f *form) arraysOfOp(name string, shape ...int) {
	f.arrays([]string{name, "g_" + name}, shape...)
}

// agreeList is agree for a list.
func (f *form) agreeList(key string, want []int) {
	for _, n := range want {
		if n < 0 {
			return
		}
	}
	if got := f.c.Meta[key]; got != nil && asJSON(got) != asJSON(want) {
		f.failf("meta.json: want %q %s, got %s", key, asJSON(want), asJSON(got))
	}
}

// runNDConv has the axes of the images in one, as the op has them.
func runNDConv(o *outcome, dt tensor.Dtype) error {
	c := o.c
	n := axesOf(c)
	u := c.Arrays["u"]
	cfg := ndconv.Config{Shape: u.Shape[2:], Rank: c.Int("trank", 1)}
	in := []testutil.Input{{Name: "u", Shape: tensor.Shape{u.Shape[0], u.Shape[1], tensor.Shape(cfg.Shape).TotalSize()}, F: u.F}}
	for a := range n {
		k, err := input(c, kernelName(a), 1)
		if err != nil {
			return err
		}
		in = append(in, k)
		if c.Meta["bidirectional"] == true {
			cfg.Modes = append(cfg.Modes, fftconv.BidirectionalReference)
		}
	}
	d, err := input(c, "D", 1)
	if err != nil {
		return err
	}
	in = append(in, d)
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, x []*G.Node) (*G.Node, error) {
		return ndconv.Conv(cfg, x[0], x[1:1+n], x[1+n])
	}, c.Arrays["W"].F, in...)
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", r.Out, c.Float("ref_float32_rel_err_y", 0)); err != nil {
		return err
	}
	for i, x := range in {
		if err := o.against(dt, "g_"+x.Name, r.Grads[i], roundings*refErr32(c, x.Name)); err != nil {
			return err
		}
	}
	return nil
}
