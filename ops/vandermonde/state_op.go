package vandermonde

import (
	"errors"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/ssmop"
)

// StateOutput adds what an initial state contributes to the output of the
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
func StateOutput(cfg Config, p Params[*G.Node], x0 *G.Node) (*G.Node, error) {
	var size Size
	return ssmop.StateOp{
		Name:   "vandermonde.StateOutput",
		Params: append(parameters(&p), graphop.Named("C", p.C)),
		Shape: func() (s ssmop.Shape, err error) {
			if err := cfg.Validate(); err != nil {
				return s, err
			}
			size, err = sizeOfModel(&p, p.C)
			return ssmop.Shape{CH: size.CH, H: size.H, L: cfg.L, State: []int{size.N, 2}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) {
			return newStateOutput(s, s4dBanks[float32](cfg, size, p.B != nil))
		},
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) {
			return newStateOutput(s, s4dBanks[float64](cfg, size, p.B != nil))
		},
	}.Output(x0)
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
	var size Size
	return ssmop.StateOp{
		Name:   "vandermonde.FinalState",
		Params: parameters(&p),
		Shape: func() (s ssmop.Shape, err error) {
			if err := cfg.validateStep(); err != nil {
				return s, err
			}
			size, err = sizeOfModel(&p, nil)
			return ssmop.Shape{H: size.H, State: []int{size.N, 2}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) {
			return newFinalState(s, s4dBanks[float32](cfg, size, p.B != nil))
		},
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) {
			return newFinalState(s, s4dBanks[float64](cfg, size, p.B != nil))
		},
	}.Final(u, x0)
}

// DSSStateOutput is [StateOutput] for the models whose kernels [DSSKernel]
// computes, (B, CH*H, l):
//
//	y[b,c,h,i] = Re sum_n W[c,h,n] Ab[h,n]^(i+1) x0[b,h,n],  0 <= i < l
//
// cfg.L is the length that DSSSoftmax normalises over; the others do not use
// it.
func DSSStateOutput(cfg DSSConfig, l int, p DSSParams[*G.Node], x0 *G.Node) (*G.Node, error) {
	var size DSSSize
	return ssmop.StateOp{
		Name:   "vandermonde.DSSStateOutput",
		Params: append(dssParameters(&p), graphop.Named("W", p.W)),
		Shape: func() (s ssmop.Shape, err error) {
			if err := errors.Join(cfg.Validate(), validateLength(l)); err != nil {
				return s, err
			}
			size, err = dssSize(&p)
			return ssmop.Shape{CH: size.CH, H: size.H, L: l, State: []int{size.N, 2}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) {
			return newStateOutput(s, dssBanks[float32](cfg, size))
		},
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) {
			return newStateOutput(s, dssBanks[float64](cfg, size))
		},
	}.Output(x0)
}

// DSSFinalState is [FinalState] for the models whose kernels [DSSKernel]
// computes. cfg.L is the length that DSSSoftmax normalises over; the others do
// not use it.
func DSSFinalState(cfg DSSConfig, p DSSParams[*G.Node], u, x0 *G.Node) (*G.Node, error) {
	var size DSSSize
	return ssmop.StateOp{
		Name:   "vandermonde.DSSFinalState",
		Params: dssParameters(&p),
		Shape: func() (s ssmop.Shape, err error) {
			if err := cfg.Validate(); err != nil {
				return s, err
			}
			h, err := graphop.FirstAxis("LogDt", p.LogDt, "(H, 1) or (H) or (H, 2)")
			if err != nil {
				return s, err
			}
			size, err = dssModelSize(1, h, &p)
			return ssmop.Shape{H: h, State: []int{size.N, 2}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) {
			return newFinalState(s, dssBanks[float32](cfg, size))
		},
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) {
			return newFinalState(s, dssBanks[float64](cfg, size))
		},
	}.Final(u, x0)
}

// parameters lists the parameters of a bank in the order of s4dBank.
func parameters(p *Params[*G.Node]) []graphop.Argument {
	return []graphop.Argument{
		graphop.Named("Dt", p.Dt), graphop.Named("AReal", p.AReal), graphop.Named("AImag", p.AImag), graphop.Optional("B", p.B),
	}
}

// dssParameters lists the parameters of a bank in the order of dssBank.
func dssParameters(p *DSSParams[*G.Node]) []graphop.Argument {
	return []graphop.Argument{graphop.Named("LogDt", p.LogDt), graphop.Named("Lambda", p.Lambda)}
}
