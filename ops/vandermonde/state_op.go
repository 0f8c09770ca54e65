package vandermonde

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// StateKernel adds what an initial state contributes to the output of the
// models whose kernels [Kernel] computes, and returns it, (B, CH*H, cfg.L):
//
//	y[b,c,h,l] = 2 Re sum_n C[c,h,n] Ab[h,n]^(l+1) x0[b,h,n]
//
// x0 is (B, H, N, 2), the state before the first step; the parameters are those
// of Kernel. Added to the convolution of the input with the kernels, it
// is the output of the recurrence that starts from x0. Gradients are exact and
// go to all inputs.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func StateKernel(cfg Config, p Params[*G.Node], x0 *G.Node) (*G.Node, error) {
	const name = "vandermonde.StateKernel"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(parameters(&p), graphop.Named("C", p.C), graphop.Named("x0", x0))...)
	if err != nil {
		return nil, err
	}
	size, err := kernelSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	batch, err := stateBatch(x0, size.H, size.N)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := stateSize{B: batch, CH: size.CH, H: size.H, N: size.N, L: cfg.L}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{s.B, s.CH * s.H, s.L}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return newStateKernel(newS4DBank[float32](cfg, size, p.B != nil), s) },
		func() graphop.Core[float64] { return newStateKernel(newS4DBank[float64](cfg, size, p.B != nil), s) },
		in...)
}

// FinalState adds the state that the models whose kernels [Kernel] computes
// are in after the last step of u (B, H, L), and returns it, (B, H, N, 2):
//
//	x[b,h] = Ab^L x0 + sum_l Ab^(L-1-l) Bb u_l
//
// x0 is (B, H, N, 2), the state before the first step; nil: zero. The
// parameters are those of Kernel; C and cfg.L are not used. Gradients are exact and
// go to all inputs.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func FinalState(cfg Config, p Params[*G.Node], u, x0 *G.Node) (*G.Node, error) {
	const name = "vandermonde.FinalState"
	if err := cfg.validateStep(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(parameters(&p), graphop.Named("u", u), graphop.Optional("x0", x0))...)
	if err != nil {
		return nil, err
	}
	size, err := modelSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s, err := sequenceSize(u, x0, size.H, size.N)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{s.B, s.H, s.N, 2}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return newFinalState(newS4DBank[float32](cfg, size, p.B != nil), s) },
		func() graphop.Core[float64] { return newFinalState(newS4DBank[float64](cfg, size, p.B != nil), s) },
		in...)
}

// DSSStateKernel is [StateKernel] for the models whose kernels [DSSKernel]
// computes, (B, CH*H, l):
//
//	y[b,c,h,i] = Re sum_n W[c,h,n] Ab[h,n]^(i+1) x0[b,h,n],  0 <= i < l
//
// cfg.L is the length that DSSSoftmax normalises over; the others do not use
// it.
func DSSStateKernel(cfg DSSConfig, l int, p DSSParams[*G.Node], x0 *G.Node) (*G.Node, error) {
	const name = "vandermonde.DSSStateKernel"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := validateLength(l); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name,
		graphop.Named("LogDt", p.LogDt), graphop.Named("Lambda", p.Lambda), graphop.Named("W", p.W), graphop.Named("x0", x0))
	if err != nil {
		return nil, err
	}
	size, err := dssSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	batch, err := stateBatch(x0, size.H, size.N)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := stateSize{B: batch, CH: size.CH, H: size.H, N: size.N, L: l}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{s.B, s.CH * s.H, s.L}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return newStateKernel(newDSSBank[float32](cfg, size), s) },
		func() graphop.Core[float64] { return newStateKernel(newDSSBank[float64](cfg, size), s) },
		in...)
}

// DSSFinalState is [FinalState] for the models whose kernels [DSSKernel]
// computes. cfg.L is the length that DSSSoftmax normalises over; the others do
// not use it.
func DSSFinalState(cfg DSSConfig, p DSSParams[*G.Node], u, x0 *G.Node) (*G.Node, error) {
	const name = "vandermonde.DSSFinalState"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name,
		graphop.Named("LogDt", p.LogDt), graphop.Named("Lambda", p.Lambda), graphop.Named("u", u), graphop.Optional("x0", x0))
	if err != nil {
		return nil, err
	}
	size, err := dssModelSize(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s, err := sequenceSize(u, x0, size.H, size.N)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{s.B, s.H, s.N, 2}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return newFinalState(newDSSBank[float32](cfg, size), s) },
		func() graphop.Core[float64] { return newFinalState(newDSSBank[float64](cfg, size), s) },
		in...)
}

// modelSize reads the size, with one channel, off the shapes of the parameters
// but C.
func modelSize(p *Params[*G.Node]) (Size, error) {
	s := Size{CH: 1}
	var err error
	if s.S, s.N, err = matrixSize(p); err != nil {
		return s, err
	}
	if s.H, err = graphop.FirstAxis("Dt", p.Dt, "(H, 1) or (H) or (H, N)"); err != nil {
		return s, err
	}
	s.DtPerState = p.Dt.Shape().TotalSize() != s.H
	if err := s.Validate(); err != nil {
		return s, err
	}
	return s, wantModel(s, p)
}

// dssModelSize is modelSize for DSS: of the parameters but W.
func dssModelSize(p *DSSParams[*G.Node]) (DSSSize, error) {
	s := DSSSize{CH: 1}
	var err error
	if s.N, err = graphop.FirstAxis("Lambda", p.Lambda, "(N, 2)"); err != nil {
		return s, err
	}
	if s.H, err = graphop.FirstAxis("LogDt", p.LogDt, "(H, 1) or (H) or (H, 2)"); err != nil {
		return s, err
	}
	s.SeparateDt = p.LogDt.Shape().TotalSize() != s.H
	if err := s.Validate(); err != nil {
		return s, err
	}
	return s, wantDSSModel(s, p)
}

// parameters lists the parameters of a bank in the order of s4dBank.
func parameters(p *Params[*G.Node]) []graphop.Argument {
	return []graphop.Argument{
		graphop.Named("Dt", p.Dt), graphop.Named("AReal", p.AReal), graphop.Named("AImag", p.AImag), graphop.Optional("B", p.B),
	}
}

// stateBatch returns the batch size of a state x0 (B, H, N, 2).
func stateBatch(x0 *G.Node, h, n int) (int, error) {
	s := x0.Shape()
	if s.Dims() != 4 || s[0] < 1 || s[1] != h || s[2] != n || s[3] != 2 {
		return 0, fmt.Errorf("x0: want (B, %d, %d, 2), got %v", h, n, s)
	}
	return s[0], nil
}

// sequenceSize reads the size off an input u (B, H, L) and a state x0, which
// may be nil.
func sequenceSize(u, x0 *G.Node, h, n int) (stateSize, error) {
	us := u.Shape()
	if us.Dims() != 3 || us[1] != h || us.TotalSize() == 0 {
		return stateSize{}, fmt.Errorf("u: want (B, %d, L), got %v", h, us)
	}
	s := stateSize{B: us[0], H: h, N: n, L: us[2]}
	if x0 == nil {
		return s, nil
	}
	return s, graphop.WantShape("x0", x0, []int{s.B, h, n, 2})
}
