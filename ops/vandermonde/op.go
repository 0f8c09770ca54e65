package vandermonde

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Kernel adds the S4D kernels of the given raw parameters to their graph and
// returns them, (CH, H, cfg.L). See [Params] for the parameters and [Plan] for
// the formula. The shapes are
//
//	Dt     (H, 1) or (H): one step size for each feature; or (H, N): one for each state
//	AReal  (S, N)
//	AImag  (S, N)
//	B      (S, N, 2) or (1, S, N, 2); nil: all ones, as in the minimal S4D
//	C      (CH, H, N, 2), or (H, N, 2) for one channel
//
// with S a divisor of H. All are float32 or all float64. Gradients are exact
// and go to all of them. An error names the parameter, the wanted shape or
// value and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Kernel(cfg Config, p Params[*G.Node]) (*G.Node, error) {
	const name = "vandermonde.Kernel"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name,
		graphop.Named("Dt", p.Dt), graphop.Named("AReal", p.AReal), graphop.Named("AImag", p.AImag),
		graphop.Named("C", p.C), graphop.Optional("B", p.B))
	if err != nil {
		return nil, err
	}
	size, err := kernelSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}},
		func() graphop.Core[float32] { return newKernelCore[float32](cfg, size) },
		func() graphop.Core[float64] { return newKernelCore[float64](cfg, size) },
		in...)
}

// kernelSize reads the size off the shapes of the nodes.
func kernelSize(p *Params[*G.Node]) (Size, error) {
	var s Size
	var err error
	if s.S, s.N, err = matrixSize(p); err != nil {
		return s, err
	}
	cs := p.C.Shape()
	if d := cs.Dims(); (d != 3 && d != 4) || cs[d-2] != s.N || cs[d-1] != 2 {
		return s, fmt.Errorf("C: want (CH, H, %d, 2) or (H, %[1]d, 2), got %v", s.N, cs)
	}
	s.CH, s.H = 1, cs[cs.Dims()-3]
	if cs.Dims() == 4 {
		s.CH = cs[0]
	}
	if err := s.Validate(); err != nil {
		return s, err
	}
	s.DtPerState = p.Dt.Shape().TotalSize() != s.H
	return s, wantModel(s, p)
}

// matrixSize reads the number of state matrices and of states off the shape of
// AReal.
func matrixSize(p *Params[*G.Node]) (s, n int, err error) {
	a := p.AReal.Shape()
	if a.Dims() != 2 || a[1] < 1 {
		return 0, 0, fmt.Errorf("AReal: want (S, N), N >= 1, got %v", a)
	}
	return a[0], a[1], nil
}

// wantModel returns an error unless the parameters of the recurrence, all but
// C, have the shapes of size s.
func wantModel(s Size, p *Params[*G.Node]) error {
	if err := graphop.WantShape("AReal", p.AReal, []int{s.S, s.N}); err != nil {
		return err
	}
	if err := graphop.WantShape("AImag", p.AImag, []int{s.S, s.N}); err != nil {
		return err
	}
	if err := graphop.WantShape("Dt", p.Dt, []int{s.H, 1}, []int{s.H}, []int{s.H, s.N}); err != nil {
		return err
	}
	if p.B == nil {
		return nil
	}
	return graphop.WantShape("B", p.B, []int{s.S, s.N, 2}, []int{1, s.S, s.N, 2})
}

// DSSKernel adds the DSS kernels of the given raw parameters to their graph and
// returns them, (CH, H, cfg.L). See [DSSParams] for the parameters and
// [DSSPlan] for the formula. The shapes are
//
//	LogDt   (H, 1) or (H): one step size for each feature; or (H, 2): one each
//	        for the real and the imaginary part of Lambda
//	Lambda  (N, 2)
//	W       (CH, H, N, 2)
//
// All are float32 or all float64. Gradients go to all of them. An error names
// the parameter, the wanted shape or value and what came.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func DSSKernel(cfg DSSConfig, p DSSParams[*G.Node]) (*G.Node, error) {
	const name = "vandermonde.DSSKernel"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, graphop.Named("LogDt", p.LogDt), graphop.Named("Lambda", p.Lambda), graphop.Named("W", p.W))
	if err != nil {
		return nil, err
	}
	size, err := dssSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}},
		func() graphop.Core[float32] { return newDSSCore[float32](cfg, size) },
		func() graphop.Core[float64] { return newDSSCore[float64](cfg, size) },
		in...)
}

// dssSize reads the size off the shapes of the nodes.
func dssSize(p *DSSParams[*G.Node]) (DSSSize, error) {
	var s DSSSize
	ws := p.W.Shape()
	if ws.Dims() != 4 || ws[3] != 2 {
		return s, fmt.Errorf("W: want (CH, H, N, 2), got %v", ws)
	}
	s.CH, s.H, s.N = ws[0], ws[1], ws[2]
	if err := s.Validate(); err != nil {
		return s, err
	}
	s.SeparateDt = p.LogDt.Shape().TotalSize() != s.H
	return s, wantDSSModel(s, p)
}

// wantDSSModel returns an error unless the parameters of the recurrence, all
// but W, have the shapes of size s.
func wantDSSModel(s DSSSize, p *DSSParams[*G.Node]) error {
	if err := graphop.WantShape("Lambda", p.Lambda, []int{s.N, 2}); err != nil {
		return err
	}
	return graphop.WantShape("LogDt", p.LogDt, []int{s.H, 1}, []int{s.H}, []int{s.H, 2})
}

// kernelCore is a Plan behind graphop: inputs Dt, AReal, AImag, C and, if there
// are five, B.
type kernelCore[T num.Float] struct{ plan *Plan[T] }

// newKernelCore takes what Kernel has checked: NewPlan cannot fail on it.
func newKernelCore[T num.Float](cfg Config, size Size) kernelCore[T] {
	plan, err := NewPlan[T](cfg, size)
	if err != nil {
		panic(err)
	}
	return kernelCore[T]{plan}
}

func (k kernelCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return k.plan.Forward(out, kernelParams(in))
}

func (k kernelCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	g := Params[[]T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], C: grad[3]}
	if len(grad) > 4 {
		g.B = grad[4]
	}
	return k.plan.Backward(g, kernelParams(in), gout)
}

func kernelParams[T num.Float](in []graphop.Arg[T]) Params[[]T] {
	p := Params[[]T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, C: in[3].F}
	if len(in) > 4 {
		p.B = in[4].F
	}
	return p
}

// dssCore is a DSSPlan behind graphop: inputs LogDt, Lambda, W.
type dssCore[T num.Float] struct{ plan *DSSPlan[T] }

// newDSSCore takes what DSSKernel has checked: NewDSSPlan cannot fail on it.
func newDSSCore[T num.Float](cfg DSSConfig, size DSSSize) dssCore[T] {
	plan, err := NewDSSPlan[T](cfg, size)
	if err != nil {
		panic(err)
	}
	return dssCore[T]{plan}
}

func (d dssCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return d.plan.Forward(out, DSSParams[[]T]{LogDt: in[0].F, Lambda: in[1].F, W: in[2].F})
}

func (d dssCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	g := DSSParams[[]T]{LogDt: grad[0], Lambda: grad[1], W: grad[2]}
	return d.plan.Backward(g, DSSParams[[]T]{LogDt: in[0].F, Lambda: in[1].F, W: in[2].F}, gout)
}
