package mimo

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// PolesConfig says how the poles of S5 follow from its parameters.
type PolesConfig struct {
	Disc ssm.Disc // ssm.ZOH, which "" means too, or ssm.Bilinear
	Rate float64  // multiplies every step size: 2 for input at half the sampling rate; 0: 1
	// Unclipped leaves the real part of a pole as it is. Then a part that is not
	// negative is an error when the graph runs. By default it is at most ClipRe.
	Unclipped bool
}

// Validate returns an error that names the first field out of range.
func (c PolesConfig) Validate() error {
	if c.Disc != "" {
		if err := c.Disc.Validate(ssm.ZOH, ssm.Bilinear); err != nil {
			return err
		}
	}
	return ssm.Dynamics{Rate: c.Rate}.Validate()
}

// dt is the step size of a raw parameter, and its derivative.
func (c PolesConfig) dt(raw float64) (dt, deriv float64) { return ssm.Dynamics{Rate: c.Rate}.Dt(raw) }

// S5Params are the parameters of the poles of S5: V is *gorgonia.Node or a slice.
type S5Params[V any] struct {
	LambdaRe, LambdaIm V // (P)
	LogStep            V // (P, 1): dt = Rate e^LogStep
}

// S5Poles adds the poles and the factors of S5 to the graph of its parameters, (2, 2,
// P): number 0 of the first axis is a, 1 is beta, of each the real parts, then the
// imaginary ones. With lambda = LambdaRe + i LambdaIm and z = dt lambda they are
//
//	zoh       a = e^z,                      beta = (e^z - 1)/lambda
//	bilinear  a = (1 + z/2)/(1 - z/2),      beta = dt/(1 - z/2)
//
// and |a| < 1. With dt (B, L), of steps that are not equally far apart, dt[b, l] more
// multiplies the step sizes at step l of row b, and the result is (2, B, L, 2, P). It is
// positive, or an error when the graph runs. What is behind lengths (B) of dtype int, or
// nil, is not read.
//
// Gradients are exact and go to all parameters and to dt; that of LambdaRe is 0 where
// it is clipped. An error names the argument, the wanted shape and what came.
func S5Poles(cfg PolesConfig, p S5Params[*G.Node], dt, lengths *G.Node) (*G.Node, error) {
	const name = "mimo.S5Poles"
	fail := func(err error) (*G.Node, error) { return nil, fmt.Errorf("%s: %w", name, err) }
	if err := cfg.Validate(); err != nil {
		return fail(err)
	}
	in, err := graphop.Floats(name, graphop.Named("LambdaRe", p.LambdaRe), graphop.Named("LambdaIm", p.LambdaIm),
		graphop.Named("LogStep", p.LogStep), graphop.Optional("dt", dt))
	if err != nil {
		return nil, err
	}
	s := p.LambdaRe.Shape()
	if s.Dims() != 1 || s[0] < 1 {
		return fail(fmt.Errorf("LambdaRe: want (P), P >= 1, got %v", s))
	}
	c := poleSizes{P: s[0]}
	if err := size.First(graphop.WantShape("LambdaIm", p.LambdaIm, s), graphop.WantShape("LogStep", p.LogStep, []int{c.P, 1})); err != nil {
		return fail(err)
	}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{2, 2, c.P}}
	if dt != nil {
		ds := dt.Shape()
		if ds.Dims() != 2 || ds.TotalSize() == 0 {
			return fail(fmt.Errorf("dt: want (B, L), each at least 1, got %v", ds))
		}
		c.varying, c.B, c.L = true, ds[0], ds[1]
		spec.Out = tensor.Shape{2, c.B, c.L, 2, c.P}
		if err := size.First(size.Tensor("the poles (2, B, L, 2, P)", spec.Out...), graphop.WantLengths(lengths, c.B)); err != nil {
			return fail(err)
		}
	}
	if dt != nil && lengths != nil {
		spec.Ints = []int{len(in)}
		in = append(in, lengths)
	}
	return graphop.Build(spec,
		func() (graphop.Core[float32], error) { return &s5Poles[float32]{cfg: cfg, poleSizes: c}, nil },
		func() (graphop.Core[float64], error) { return &s5Poles[float64]{cfg: cfg, poleSizes: c}, nil }, in...)
}

// poleSizes are the sizes of poles.
type poleSizes struct {
	P       int
	varying bool
	B, L    int // only if varying
}

// len is the number of the poles, and of the factors, in numbers.
func (s poleSizes) len() int {
	if s.varying {
		return s.B * s.L * 2 * s.P
	}
	return 2 * s.P
}

// s5Poles is the core of S5Poles.
type s5Poles[T num.Float] struct {
	cfg PolesConfig
	poleSizes
	sums graphop.Scratch[float64] // (B, 3, P): gradients of a row
}

// Rooms implements graphop.Roomy.
func (c *s5Poles[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.sums} }

// lengths returns the lengths of the rows, nil for all.
func (c *s5Poles[T]) lengths(in []graphop.Arg[T]) []int {
	if len(in) < 5 {
		return nil
	}
	return in[4].I
}

func (c *s5Poles[T]) Forward(out []T, in []graphop.Arg[T]) error {
	re := in[0].F
	for p, v := range re {
		if c.cfg.Unclipped && v >= 0 {
			return fmt.Errorf("LambdaRe: want < 0, as Unclipped does not keep it so, got %g at state %d", float64(v), p)
		}
	}
	a, beta := out[:c.len()], out[c.len():]
	if !c.varying {
		c.row(a, beta, in, 1)
		return nil
	}
	if err := c.check(in); err != nil {
		return err
	}
	w := 2 * c.P
	par.For(c.B, func(_, b int) {
		n := graphop.Length(c.lengths(in), b, c.L)
		for l := range n {
			at := (b*c.L + l) * w
			c.row(a[at:at+w], beta[at:at+w], in, float64(in[3].F[b*c.L+l]))
		}
		clear(a[(b*c.L+n)*w : (b+1)*c.L*w])
		clear(beta[(b*c.L+n)*w : (b+1)*c.L*w])
	})
	return nil
}

// check reports a step that is not positive.
func (c *s5Poles[T]) check(in []graphop.Arg[T]) error {
	lengths := c.lengths(in)
	if err := graphop.ValidLengths(lengths, c.L); err != nil {
		return err
	}
	for b := range c.B {
		for l, v := range in[3].F[b*c.L:][:graphop.Length(lengths, b, c.L)] {
			if !(v > 0) || !num.Finite(v) {
				return fmt.Errorf("dt: want finite step sizes > 0, got %g at step %d of row %d", float64(v), l, b)
			}
		}
	}
	return nil
}

// pole is pole p at dt times its step size.
func (c *s5Poles[T]) pole(in []graphop.Arg[T], p int, dt float64) (s s5Pole, step, deriv float64) {
	step, deriv = c.cfg.dt(float64(in[2].F[p]))
	return c.cfg.discretize(float64(in[0].F[p]), float64(in[1].F[p]), dt*step), step, deriv
}

// row writes the poles and factors at dt times their step sizes, as planes.
func (c *s5Poles[T]) row(a, beta []T, in []graphop.Arg[T], dt float64) {
	for p := range c.P {
		s, _, _ := c.pole(in, p, dt)
		setInside(a, p, s.Ab)
		setPlane(beta, p, s.beta())
	}
}

func (c *s5Poles[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	rows := max(1, c.B)
	sums := c.sums.Of(rows * 3 * c.P)
	clear(sums)
	a, beta := gout[:c.len()], gout[c.len():]
	if !c.varying {
		c.backRow(sums, a, beta, in, 1)
	} else {
		w := 2 * c.P
		par.For(c.B, func(_, b int) {
			n := graphop.Length(c.lengths(in), b, c.L)
			for l := range n {
				i := b*c.L + l
				dt := c.backRow(sums[b*3*c.P:][:3*c.P], a[i*w:][:w], beta[i*w:][:w], in, float64(in[3].F[i]))
				grad[3][i] = T(dt)
			}
			clear(grad[3][b*c.L+n : (b+1)*c.L])
		})
	}
	for i := range 3 {
		for p := range c.P {
			var sum float64
			for b := range rows {
				sum += sums[(b*3+i)*c.P+p]
			}
			grad[i][p] = T(sum)
		}
	}
	return nil
}

// backRow adds the gradients of the parameters (3, P) by the poles and factors of row to
// sums, and returns that of dt.
func (c *s5Poles[T]) backRow(sums []float64, a, beta []T, in []graphop.Arg[T], dt float64) (gdt float64) {
	for p := range c.P {
		s, step, deriv := c.pole(in, p, dt)
		lambda, of := s.back(plane(a, p), plane(beta, p))
		sums[p] += real(lambda)
		sums[c.P+p] += imag(lambda)
		sums[2*c.P+p] += of * dt * deriv
		gdt += of * step
	}
	return gdt
}

// S5PoleValues returns what S5Poles computes without dt, (2, 2, P), of slices. It returns
// an error if the configuration or a length is wrong.
func S5PoleValues[T num.Float](cfg PolesConfig, p S5Params[[]T]) ([]T, error) {
	n := len(p.LambdaRe)
	if err := size.First(cfg.Validate(), size.Positive("P", n), num.CheckLen("LambdaIm", p.LambdaIm, n, false), num.CheckLen("LogStep", p.LogStep, n, false)); err != nil {
		return nil, fmt.Errorf("mimo: S5PoleValues: %w", err)
	}
	c := s5Poles[T]{cfg: cfg, poleSizes: poleSizes{P: n}}
	out := make([]T, 4*n)
	if err := c.Forward(out, []graphop.Arg[T]{{F: p.LambdaRe}, {F: p.LambdaIm}, {F: p.LogStep}}); err != nil {
		return nil, fmt.Errorf("mimo: S5PoleValues: %w", err)
	}
	return out, nil
}
