package krylov

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/ssmop"
)

// Kernel adds the LSSL kernels of the given raw parameters to their graph and
// returns them, (CH, H, cfg.L):
//
//	K[c,h,l] = C[c,h] Ab_h^l Bb_h
//
// (LSSL, section 3) where Ab (N, N) and Bb (N) are A and B discretised with dt_h.
// All arithmetic is in float64 and a result is rounded once. See [Params] for the
// parameters. The shapes are
//
//	Dt     (H, 1) or (H)
//	A      (S, N) each, but Dl and Du (S, N-1); or (N) and (N-1) for S = 1
//	C      (CH, H, N), or (H, N) for one channel
//
// with N at least 2 and S a divisor of H. All are float32 or all float64.
// Gradients are exact and go to all of them, or to C alone with Config.Frozen.
// An error names the parameter, the wanted shape or value and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Kernel(cfg Config, p Params[*G.Node]) (*G.Node, error) {
	return apply("krylov.Kernel", cfg, structuredKind, append(parameters(&p), graphop.Named("C", p.C)), tridiagonalSize)
}

// parameters names Dt and the parts of A.
func parameters(p *Params[*G.Node]) []graphop.Argument {
	args := []graphop.Argument{graphop.Named("Dt", p.Dt)}
	nodes := p.A.Parts()
	for i, part := range structuredParts(0) { // for their names
		args = append(args, graphop.Named(part.name, nodes[i]))
	}
	return args
}

// apply makes the op of one kind of the arguments Dt, the parts of theta and C.
// models returns S and N by the shapes of the parts.
func apply(name string, cfg Config, kind kind, args []graphop.Argument, models func(parts []*G.Node) (s, n int, err error)) (*G.Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, args...)
	if err != nil {
		return nil, err
	}
	last := len(in) - 1
	var size Size
	if size.S, size.N, err = models(in[1:last]); err == nil {
		err = size.outer(kind, in[0], in[last])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}}
	if cfg.Frozen {
		for i := range last {
			spec.NoGrad = append(spec.NoGrad, i)
		}
	}
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return newCore[float32](cfg, size, kind) },
		func() (graphop.Core[float64], error) { return newCore[float64](cfg, size, kind) },
		in...)
}

// tridiagonalSize reads S and N off the shapes of the parts of A.
func tridiagonalSize(parts []*G.Node) (s, n int, err error) {
	d := parts[2].Shape()
	switch {
	case d.Dims() == 1 && d[0] >= 2:
		s, n = 1, d[0]
	case d.Dims() == 2 && d[1] >= 2:
		s, n = d[0], d[1]
	default:
		return 0, 0, fmt.Errorf("A.D: want (S, N) or (N), N >= 2, got %v", d)
	}
	for i, p := range structuredParts(n) {
		shapes := [][]int{{s, p.width}}
		if s == 1 {
			shapes = append(shapes, []int{p.width})
		}
		if err := graphop.WantShape(p.name, parts[i], shapes...); err != nil {
			return 0, 0, err
		}
	}
	return s, n, nil
}

// outer reads CH and H off the shape of C, and checks all.
func (s *Size) outer(kind kind, dt, c *G.Node) (err error) {
	if s.CH, s.H, err = ssmop.Outputs("C", c, s.N); err != nil {
		return err
	}
	if err := s.validate(kind.minN); err != nil {
		return err
	}
	_, err = ssmop.Steps("Dt", dt, s.H, 1)
	return err
}

// core is a bank behind graphop: inputs Dt, the parts of theta and C.
type core[T num.Float] struct{ bank *bank[T] }

func newCore[T num.Float](cfg Config, size Size, kind kind) (graphop.Core[T], error) {
	b, err := newBank[T](cfg, size, kind)
	return core[T]{b}, err
}

func (c core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.bind(in)
	return c.bank.forward(out)
}

func (c core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.bind(in)
	last := len(grad) - 1
	c.bank.grad.set(grad[0], grad[last], grad[1:last]...)
	defer c.bank.grad.forget()
	return c.bank.backward(gout)
}

func (c core[T]) bind(in []graphop.Arg[T]) {
	p, last := &c.bank.prm, len(in)-1
	p.dt, p.c, p.parts = in[0].F, in[last].F, p.parts[:0]
	for _, a := range in[1:last] {
		p.parts = append(p.parts, a.F)
	}
}
