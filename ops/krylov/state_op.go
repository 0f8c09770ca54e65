package krylov

import (
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/ssmop"
)

// StateOutput adds what an initial state contributes to the output of the
// models whose kernels [Kernel] computes, and returns it, (B, CH*H, cfg.L):
//
//	y[b,c,h,l] = C[c,h] Ab_h^(l+1) x0[b,h]
//
// x0 is (B, H, N), the state before the first step; the parameters are
// those of Kernel. Added to the convolution of the input with the
// kernels, it is the output of the recurrence that starts from x0. Gradients
// are exact and go to all inputs; cfg.Frozen is not used. A feature costs O(N^3
// log T + N^2 (B L/T + T) + N B L) in matrix products, for blocks of T steps, T
// such that the terms balance.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func StateOutput(cfg Config, p Params[*G.Node], x0 *G.Node) (*G.Node, error) {
	var size Size
	return ssmop.StateOp{
		Name:   "krylov.StateOutput",
		Params: append(parameters(&p), graphop.Named("C", p.C)),
		Shape: func() (s ssmop.Shape, err error) {
			if err := cfg.Validate(); err != nil {
				return s, err
			}
			if size.S, size.N, err = tridiagonalSize(p.A.Parts()); err == nil {
				err = size.outer(structuredKind, p.Dt, p.C)
			}
			return ssmop.Shape{CH: size.CH, H: size.H, L: cfg.L, State: []int{size.N}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) { return newOutput[float32](cfg, size, s) },
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) { return newOutput[float64](cfg, size, s) },
	}.Output(x0)
}

// newOutput returns the core of StateOutput.
func newOutput[T num.Float](cfg Config, size Size, s ssmop.Shape) (graphop.Core[T], error) {
	bank, err := newStateBank[T](cfg, size)
	if err != nil {
		return nil, err
	}
	return linrec.NewOutput(bank, linrec.Size{B: s.B, CH: s.CH, H: s.H, N: size.N, L: s.L}), nil
}

// FinalState adds the state that the models whose kernels [Kernel] computes are
// in after the last step of u (B, H, L), and returns it, (B, H, N). x0, of that
// shape, is the state before the first step; nil: zero. The parameters are
// those of Kernel; C, cfg.L and cfg.Frozen are not used. Gradients are exact and
// go to all inputs. The cost is that of [StateOutput].
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func FinalState(cfg Config, p Params[*G.Node], u, x0 *G.Node) (*G.Node, error) {
	var size Size
	return ssmop.StateOp{
		Name:   "krylov.FinalState",
		Params: parameters(&p),
		Shape: func() (s ssmop.Shape, err error) {
			cfg.L = 1 // of no kernel
			if err := cfg.Validate(); err != nil {
				return s, err
			}
			size, err = stateModel(&p)
			return ssmop.Shape{H: size.H, State: []int{size.N}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) { return newFinal[float32](cfg, size, s) },
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) { return newFinal[float64](cfg, size, s) },
	}.Final(u, x0)
}

// newFinal returns the core of FinalState.
func newFinal[T num.Float](cfg Config, size Size, s ssmop.Shape) (graphop.Core[T], error) {
	bank, err := newStateBank[T](cfg, size)
	if err != nil {
		return nil, err
	}
	return linrec.NewFinal(bank, linrec.Size{B: s.B, H: s.H, N: size.N, L: s.L}), nil
}

// stateModel reads the size off the shapes of the parameters but C.
func stateModel(p *Params[*G.Node]) (Size, error) {
	s, n, err := tridiagonalSize(p.A.Parts())
	if err != nil {
		return Size{}, err
	}
	h, err := graphop.FirstAxis("Dt", p.Dt, "(H, 1) or (H)")
	if err != nil {
		return Size{}, err
	}
	size := Size{CH: 1, H: h, S: s, N: n}
	if err := size.validate(structuredKind.minN); err != nil {
		return Size{}, err
	}
	_, err = ssmop.Steps("Dt", p.Dt, h, 1)
	return size, err
}
