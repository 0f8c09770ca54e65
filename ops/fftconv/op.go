package fftconv

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Option changes what Conv does.
type Option func(*options)

type options struct {
	config
	lengths *G.Node
}

// WithMode sets the mode. The default is Causal.
func WithMode(m Mode) Option { return func(o *options) { o.Mode = m } }

// WithLengths makes only the first lengths[b] samples of the rows b count: it
// is for sequences padded on the right, and what they are padded with does not
// matter. The output, and the gradient of u, are 0 behind them. lengths is (B), of dtype int; a length that is not
// in [0, L] is an error when the graph runs. nil is no option.
func WithLengths(lengths *G.Node) Option { return func(o *options) { o.lengths = lengths } }

// Conv adds the convolution of u with the kernels k, and a skip d, to their
// graph and returns it, (B, C*H, L), channels before features. See the package
// comment for the formula. The shapes are
//
//	u   (B, H, L)
//	k   (C, H, Lk), or (H, Lk) for one channel; in both bidirectional modes
//	    (2C, H, Lk), the causal kernels first. Lk may be less or more than L
//	d   (C, H), or (H) for one channel; nil: no skip
//
// All are float32 or all float64. Gradients are exact and go to all of them. An
// error names the argument, the wanted shape and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Conv(u, k, d *G.Node, opts ...Option) (*G.Node, error) {
	const name = "fftconv.Conv"
	var o options
	for _, f := range opts {
		f(&o)
	}
	cfg := o.config
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, graphop.Named("u", u), graphop.Named("k", k), graphop.Optional("d", d))
	if err != nil {
		return nil, err
	}
	size, err := convSize(cfg, u, k, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{size.B, size.CH * size.H, size.L}}
	if err := graphop.WantLengths(o.lengths, size.B); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if o.lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, o.lengths)
	}
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return newCore[float32](cfg, size) },
		func() (graphop.Core[float64], error) { return newCore[float64](cfg, size) },
		in...)
}

// convSize reads the size off the shapes of the nodes.
func convSize(cfg config, u, k, d *G.Node) (sizes, error) {
	var s sizes
	us := u.Shape()
	if us.Dims() != 3 || us.TotalSize() == 0 {
		return s, fmt.Errorf("u: want (B, H, L), each at least 1, got %v", us)
	}
	s.B, s.H, s.L = us[0], us[1], us[2]
	ks, err := kernelShape(cfg, s.H, k.Shape())
	if err != nil {
		return s, err
	}
	s.CH, s.LK = ks[0]/cfg.directions(), ks[2]
	if d == nil {
		return s, nil
	}
	ds := d.Shape()
	if ds.Eq(tensor.Shape{s.CH, s.H}) || s.CH == 1 && ds.Eq(tensor.Shape{s.H}) {
		return s, nil
	}
	if s.CH == 1 {
		return s, fmt.Errorf("d: want (1, %d) or (%[1]d), got %v", s.H, ds)
	}
	return s, fmt.Errorf("d: want (%d, %d), got %v", s.CH, s.H, ds)
}

// kernelShape returns the shape of k with all its three axes.
func kernelShape(cfg config, h int, ks tensor.Shape) (tensor.Shape, error) {
	full := ks
	if cfg.directions() == 1 && ks.Dims() == 2 {
		full = tensor.Shape{1, ks[0], ks[1]}
	}
	if full.Dims() == 3 && full[0]%cfg.directions() == 0 && full[1] == h && full.TotalSize() > 0 {
		return full, nil
	}
	if cfg.directions() == 1 {
		return nil, fmt.Errorf("k: want (C, %d, Lk) or (%[1]d, Lk), C and Lk at least 1, got %v", h, ks)
	}
	return nil, fmt.Errorf("k: want (2C, %d, Lk) for mode %s, C and Lk at least 1, got %v", h, cfg.mode(), ks)
}

// core is a plan behind graphop: inputs u, k, d if there is one, and lengths if
// there are any.
type core[T num.Float] struct{ plan *plan[T] }

func newCore[T num.Float](cfg config, size sizes) (graphop.Core[T], error) {
	plan, err := newPlan[T](cfg, size)
	return core[T]{plan}, err
}

// Rooms implements graphop.Roomy.
func (c core[T]) Rooms() []graphop.Holder {
	if s, ok := c.plan.method.(*spectral[T]); ok {
		return []graphop.Holder{&s.space}
	}
	return nil
}

func (c core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return c.plan.Forward(out, coreInputs(in))
}

func (c core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	g := inputs[T]{U: grad[0], K: grad[1]}
	if len(grad) > 2 {
		g.D = grad[2] // nil where the input is lengths
	}
	return c.plan.Backward(g, coreInputs(in), gout)
}

func coreInputs[T num.Float](in []graphop.Arg[T]) inputs[T] {
	x := inputs[T]{U: in[0].F, K: in[1].F}
	for _, a := range in[2:] {
		if a.I != nil {
			x.Lengths = a.I
		} else {
			x.D = a.F
		}
	}
	return x
}
