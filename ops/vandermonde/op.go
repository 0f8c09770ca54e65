package vandermonde

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/ssmop"
)

// Kernel adds the S4D kernels of the given raw parameters to their graph and
// returns them, (CH, H, cfg.L):
//
//	K[c,h,l] = 2 Re sum_n C[c,h,n] Bb[h,n] Ab[h,n]^l
//
// (S4D, section 3; the factor 2 and the real part stand for the other half of the
// conjugate pairs). See [Params] for the parameters. The shapes are
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
	size, err := sizeOfModel(&p, p.C)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Build(
		graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}},
		func() (graphop.Core[float32], error) { return newKernelCore[float32](cfg, size) },
		func() (graphop.Core[float64], error) { return newKernelCore[float64](cfg, size) },
		in...)
}

// sizeOfModel reads the size off the shapes of the parameters; c is C, or nil for
// an op without.
func sizeOfModel(p *Params[*G.Node], c *G.Node) (Size, error) {
	b, err := ssmop.ReadBank(p.Dt, p.AReal, p.AImag, c)
	s := Size(b)
	if err == nil {
		err = s.Validate()
	}
	if err == nil && p.B != nil {
		err = graphop.WantShape("B", p.B, []int{s.S, s.N, 2}, []int{1, s.S, s.N, 2})
	}
	return s, err
}

// DSSKernel adds the DSS kernels of the given raw parameters to their graph and
// returns them, (CH, H, cfg.L):
//
//	K[c,h,l] = Re sum_n W[c,h,n] s[h,n] e^(l dt_h Lambda_n)
//
// with the scale s of the version; with softmax, where Re Lambda_n > 0, l is
// counted from the end: l - (L-1). With separate step sizes, dt Lambda stands
// for dt_h0 Re Lambda + i dt_h1 Im Lambda everywhere. See [DSSParams] for the
// parameters. The shapes are
//
//	LogDt   (H, 1) or (H): one step size for each feature; or (H, 2): one each
//	        for the real and the imaginary part of Lambda
//	Lambda  (N, 2)
//	W       (CH, H, N, 2), or (H, N, 2) for one channel
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
	in, err := graphop.Floats(name, append(dssParameters(&p), graphop.Named("W", p.W))...)
	if err != nil {
		return nil, err
	}
	size, err := dssSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Build(
		graphop.Spec{Name: name, Out: tensor.Shape{size.CH, size.H, cfg.L}},
		func() (graphop.Core[float32], error) { return newDSSCore[float32](cfg, size) },
		func() (graphop.Core[float64], error) { return newDSSCore[float64](cfg, size) },
		in...)
}

// dssSize reads the size off the shapes of the parameters.
func dssSize(p *DSSParams[*G.Node]) (DSSSize, error) {
	n, err := graphop.FirstAxis("Lambda", p.Lambda, "(N, 2)")
	if err != nil {
		return DSSSize{}, err
	}
	ch, h, err := ssmop.Outputs("W", p.W, n, 2)
	if err != nil {
		return DSSSize{}, err
	}
	return dssModelSize(ch, h, p)
}

// dssModelSize reads the size of ch channels and h features off the shapes of the
// parameters but W.
func dssModelSize(ch, h int, p *DSSParams[*G.Node]) (DSSSize, error) {
	s := DSSSize{CH: ch, H: h}
	var err error
	if s.N, err = graphop.FirstAxis("Lambda", p.Lambda, "(N, 2)"); err != nil {
		return s, err
	}
	if err := s.Validate(); err != nil {
		return s, err
	}
	if err := graphop.WantShape("Lambda", p.Lambda, []int{s.N, 2}); err != nil {
		return s, err
	}
	s.SeparateDt, err = ssmop.Steps("LogDt", p.LogDt, h, 2)
	return s, err
}

// kernelCore is a plan behind graphop: inputs Dt, AReal, AImag, C and, if there
// are five, B.
type kernelCore[T num.Float] struct{ plan *plan[T] }

func newKernelCore[T num.Float](cfg Config, size Size) (graphop.Core[T], error) {
	plan, err := newPlan[T](cfg, size)
	return kernelCore[T]{plan}, err
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

// dssCore is a dssPlan behind graphop: inputs LogDt, Lambda, W.
type dssCore[T num.Float] struct{ plan *dssPlan[T] }

func newDSSCore[T num.Float](cfg DSSConfig, size DSSSize) (graphop.Core[T], error) {
	plan, err := newDSSPlan[T](cfg, size)
	return dssCore[T]{plan}, err
}

func (d dssCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	return d.plan.Forward(out, DSSParams[[]T]{LogDt: in[0].F, Lambda: in[1].F, W: in[2].F})
}

func (d dssCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	g := DSSParams[[]T]{LogDt: grad[0], Lambda: grad[1], W: grad[2]}
	return d.plan.Backward(g, DSSParams[[]T]{LogDt: in[0].F, Lambda: in[1].F, W: in[2].F}, gout)
}
