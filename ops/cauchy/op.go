package cauchy

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Kernel adds the DPLR kernels of the given raw parameters to their graph and
// returns them, (CH, H, cfg.L). See [Params] for the parameters and the package
// documentation for the formula. The shapes are
//
//	Dt     (H, 1) or (H): one step size for each feature; or (H, N): one for each
//	       state
//	AReal  (S, N)
//	AImag  (S, N)
//	P      (R, S, N, 2), or (S, N, 2) for rank 1
//	B      (S, N, 2) or (1, S, N, 2)
//	C      (CH, H, N, 2), or (H, N, 2) for one channel: C~, see [SetupC]
//
// with S a divisor of H. All are float32 or all float64. Gradients are exact
// and go to all of them, that of P from both of its places. An error names the
// parameter, the wanted shape or value and what came. The length that C~ is
// tuned to is that of cfg unless [TunedTo] says where to read it.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Kernel(cfg Config, p Params[*G.Node], opts ...Option) (*G.Node, error) {
	const name = "cauchy.Kernel"
	o, err := newOptions(opts)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(matrix(&p), graphop.Named("B", p.B), graphop.Named("C", p.C))...)
	if err != nil {
		return nil, err
	}
	size, err := kernelSize(&p)
	if err == nil {
		err = wantB(&size, &p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}},
		func() graphop.Core[float32] { return newTunedCore(cfg, o, kernelPlanner[float32](size)) },
		func() graphop.Core[float64] { return newTunedCore(cfg, o, kernelPlanner[float64](size)) },
		in...)
}

// matrix names the parameters that all ops begin with.
func matrix(p *Params[*G.Node]) []graphop.Argument {
	return []graphop.Argument{
		graphop.Named("Dt", p.Dt), graphop.Named("AReal", p.AReal), graphop.Named("AImag", p.AImag), graphop.Named("P", p.P),
	}
}

// kernelSize reads the size off the shapes of the parameters but B.
func kernelSize(p *Params[*G.Node]) (Size, error) {
	cs := p.C.Shape()
	d := cs.Dims()
	if (d != 3 && d != 4) || cs[d-1] != 2 {
		return Size{}, fmt.Errorf("C: want (CH, H, N, 2) or (H, N, 2), got %v", cs)
	}
	s, err := modelSize(cs[d-3], p)
	if err != nil {
		return s, err
	}
	if cs[d-2] != s.N {
		return s, fmt.Errorf("C: want (CH, H, %d, 2) or (H, %[1]d, 2), got %v", s.N, cs)
	}
	if d == 4 {
		s.CH = cs[0]
	}
	return s, s.Validate()
}

// modelSize reads the size of h features off the shapes of dt, A and P, with
// one channel.
func modelSize(h int, p *Params[*G.Node]) (Size, error) {
	s := Size{CH: 1, H: h}
	a := p.AReal.Shape()
	if a.Dims() != 2 || a[1] < 1 {
		return s, fmt.Errorf("AReal: want (S, N), N >= 1, got %v", a)
	}
	s.S, s.N = a[0], a[1]
	rank, ok := leading(p.P, s.S, s.N, 2)
	if !ok {
		return s, fmt.Errorf("P: want (R, %d, %d, 2) or (%[1]d, %[2]d, 2), got %v", s.S, s.N, p.P.Shape())
	}
	s.R = rank
	if err := s.Validate(); err != nil {
		return s, err
	}
	if err := graphop.WantShape("AImag", p.AImag, []int{s.S, s.N}); err != nil {
		return s, err
	}
	s.DtPerState = s.N > 1 && slices.Equal(p.Dt.Shape(), []int{h, s.N})
	return s, graphop.WantShape("Dt", p.Dt, []int{h, 1}, []int{h}, []int{h, s.N})
}

func wantB(s *Size, p *Params[*G.Node]) error {
	return graphop.WantShape("B", p.B, []int{s.S, s.N, 2}, []int{1, s.S, s.N, 2})
}

// leading returns the first dimension of a node whose others are given, 1 where
// there are no others.
func leading(n *G.Node, others ...int) (first int, ok bool) {
	shape := []int(n.Shape())
	if slices.Equal(shape, others) {
		return 1, true
	}
	if len(shape) == 0 || !slices.Equal(shape[1:], others) {
		return 0, false
	}
	return shape[0], true
}

// kernelCore is a Plan behind graphop: inputs are the parameters, in order.
type kernelCore[T num.Float] struct{ plan *Plan[T] }

// kernelPlanner makes cores of what Kernel has checked: NewPlan cannot fail on
// it.
func kernelPlanner[T num.Float](size Size) func(Config) graphop.Core[T] {
	return func(cfg Config) graphop.Core[T] {
		plan, err := NewPlan[T](cfg, size)
		if err != nil {
			panic(err)
		}
		return kernelCore[T]{plan}
	}
}

func (k kernelCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return k.plan.Forward(out, kernelParams(in))
}

func (k kernelCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	g := Params[[]T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], P: grad[3], B: grad[4], C: grad[5]}
	return k.plan.Backward(g, kernelParams(in), gout)
}

func kernelParams[T num.Float](in []graphop.Arg[T]) Params[[]T] {
	return Params[[]T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F, B: in[4].F, C: in[5].F}
}
