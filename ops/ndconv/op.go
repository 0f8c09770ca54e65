package ndconv

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Option changes what Conv does.
type Option func(*options)

type options struct{ lengths *G.Node }

// WithLengths makes only the first lengths[b] samples of the rows b count, in the order in
// which they are in memory: the others are not read, and taken for 0. The output, and the
// gradient of u, are 0 there. lengths is (B), of dtype int; a length that is not in [0, L]
// is an error when the graph runs. nil is no option. Whole images have L; a row of an image
// that is not there has 0.
func WithLengths(lengths *G.Node) Option { return func(o *options) { o.lengths = lengths } }

// Conv adds the convolution of the images u with the products of the kernels k, and a skip
// d, to their graph and returns it, (B, C*H, L), channels before features. See the package
// comment for the formula. The shapes are
//
//	u     (B, H, L): L is the product of cfg.Shape, the last axis contiguous
//	k[a]  (n, H, Lk), n = C R, or 2 C R for both directions of axis a, the causal kernels
//	      first: kernel r C + c is that of term r and channel c. Lk may be less or more than
//	      the length of the axis, and differ between axes
//	d     (C, H); nil: no skip
//
// All are float32 or all float64. Gradients are exact and go to all of them. An error
// names the argument, the wanted shape and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Conv(cfg Config, u *G.Node, k []*G.Node, d *G.Node, opts ...Option) (*G.Node, error) {
	const name = "ndconv.Conv"
	var o options
	for _, f := range opts {
		f(&o)
	}
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(k) != len(cfg.Shape) {
		return nil, fmt.Errorf("%s: k: want the kernels of %d axes, got %d", name, len(cfg.Shape), len(k))
	}
	args := []graphop.Argument{graphop.Named("u", u)}
	for a, n := range k {
		args = append(args, graphop.Named(fmt.Sprintf("k[%d]", a), n))
	}
	in, err := graphop.Floats(name, append(args, graphop.Optional("d", d))...)
	if err != nil {
		return nil, err
	}
	g, err := readGeometry(cfg, u, k, d)
	if err == nil {
		err = graphop.WantLengths(o.lengths, g.B)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{g.B, g.CH * g.H, g.L}, Optional: []int{0}}
	if o.lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return core[float32]{newPlan[float32](g)} },
		func() graphop.Core[float64] { return core[float64]{newPlan[float64](g)} },
		in...)
}

// readGeometry reads the sizes off the shapes of the nodes.
func readGeometry(cfg Config, u *G.Node, k []*G.Node, d *G.Node) (g geometry, err error) {
	g.R, g.L, g.skip = cfg.rank(), tensor.Shape(cfg.Shape).TotalSize(), d != nil
	us := u.Shape()
	if us.Dims() != 3 || us.TotalSize() == 0 || us[2] != g.L {
		return g, fmt.Errorf("u: want (B, H, %d) for axes %v, B and H at least 1, got %v", g.L, cfg.Shape, us)
	}
	g.B, g.H = us[0], us[1]
	for a, n := range k {
		ks, per := n.Shape(), g.R*cfg.directions(a)
		want := fmt.Sprintf("(%d C, %d, Lk)", per, g.H)
		if g.CH > 0 {
			want = fmt.Sprintf("(%d, %d, Lk)", per*g.CH, g.H)
		}
		if ks.Dims() != 3 || ks.TotalSize() == 0 || ks[1] != g.H || ks[0]%per != 0 || g.CH > 0 && ks[0] != per*g.CH {
			return g, fmt.Errorf("k[%d]: want %s for mode %s and Rank %d, each at least 1, got %v", a, want, cfg.mode(a), g.R, ks)
		}
		g.CH = ks[0] / per
		g.axes = append(g.axes, newLine(cfg, a, ks[2]))
	}
	if d != nil {
		if err := graphop.WantShape("d", d, []int{g.CH, g.H}); err != nil {
			return g, err
		}
	}
	return g, size.Tensor("the output (B, C*H, L)", g.B, g.CH, g.H, g.L)
}

// core is a plan behind graphop: inputs u, the kernels of the axes, d if there is one, and
// lengths if there are any.
type core[T num.Float] struct{ *plan[T] }

// inputs sorts what belongs to the inputs, by index.
func (c core[T]) inputs(f func(i int) []T) inputs[T] {
	x := inputs[T]{U: f(0)}
	for a := range c.axes {
		x.K[a] = f(1 + a)
	}
	if c.skip {
		x.D = f(1 + len(c.axes))
	}
	return x
}

// values is inputs of values.
func (c core[T]) values(in []graphop.Arg[T]) inputs[T] {
	x := c.inputs(func(i int) []T { return in[i].F })
	x.Lengths = in[len(in)-1].I
	return x
}

func (c core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return c.plan.Forward(out, c.values(in))
}

func (c core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	return c.plan.Backward(c.inputs(func(i int) []T { return grad[i] }), c.values(in), gout)
}
