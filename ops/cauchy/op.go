package cauchy

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/ssmop"
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
//	C      (CH, H, N, 2), or (H, N, 2) for one channel: C~, see [TuneC]
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
	size, err := sizeOf(&p, p.C)
	if err == nil {
		err = wantB(&size, &p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Build(
		graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}},
		func() (graphop.Core[float32], error) { return newTunedCore(cfg, o, kernelPlanner[float32](size)) },
		func() (graphop.Core[float64], error) { return newTunedCore(cfg, o, kernelPlanner[float64](size)) },
		in...)
}

// matrix names the parameters that all ops begin with.
func matrix(p *Params[*G.Node]) []graphop.Argument {
	return []graphop.Argument{
		graphop.Named("Dt", p.Dt), graphop.Named("AReal", p.AReal), graphop.Named("AImag", p.AImag), graphop.Named("P", p.P),
	}
}

// sizeOf reads the size off the shapes of the parameters but B; c is C, or nil
// for an op without.
func sizeOf(p *Params[*G.Node], c *G.Node) (Size, error) {
	b, err := ssmop.ReadBank(p.Dt, p.AReal, p.AImag, c)
	s := Size{CH: b.CH, H: b.H, S: b.S, N: b.N, DtPerState: b.DtPerState}
	if err != nil {
		return s, err
	}
	rank, ok := leading(p.P, s.S, s.N, 2)
	if !ok {
		return s, fmt.Errorf("%s: want (R, %d, %d, 2) or (%[2]d, %[3]d, 2), got %v", "P", s.S, s.N, p.P.Shape())
	}
	s.R = rank
	return s, s.Validate()
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

// kernelCore is a plan behind graphop: inputs are the parameters, in order.
type kernelCore[T num.Float] struct{ plan *plan[T] }

// kernelPlanner makes the cores of kernels of a size.
func kernelPlanner[T num.Float](size Size) planner[T] {
	return func(cfg Config) (graphop.Core[T], error) {
		plan, err := newPlan[T](cfg, size)
		return kernelCore[T]{plan}, err
	}
}

// Rooms implements graphop.Roomy.
func (k kernelCore[T]) Rooms() []graphop.Holder { return []graphop.Holder{&k.plan.saved} }

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
