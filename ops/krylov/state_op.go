package krylov

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
)

// StateOutput adds what an initial state contributes to the output of the
// models whose kernels [Kernel] computes, and returns it, (B, CH*H, cfg.L):
//
//	y[b,c,h,l] = C[c,h] Ab_h^(l+1) x0[b,h]
//
// x0 is (B, H, N), the state before the first step; the parameters are
// those of Kernel, with C (CH, H, N). Added to the convolution of the input with the
// kernels, it is the output of the recurrence that starts from x0. Gradients
// are exact and go to all inputs; cfg.Frozen is not used. A feature costs O(N^3
// log T + N^2 (B L/T + T) + N B L) in matrix products, for blocks of T steps, T
// such that the terms balance.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func StateOutput(cfg Config, p Params[*G.Node], x0 *G.Node) (*G.Node, error) {
	const name = "krylov.StateOutput"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(parameters(&p), graphop.Named("C", p.C), graphop.Named("x0", x0))...)
	if err != nil {
		return nil, err
	}
	size, err := stateModel(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cs, xs := p.C.Shape(), x0.Shape()
	if cs.Dims() != 3 || cs[0] < 1 || cs[1] != size.H || cs[2] != size.N {
		return nil, fmt.Errorf("%s: C: want (CH, %d, %d), got %v", name, size.H, size.N, cs)
	}
	if xs.Dims() != 3 || xs[0] < 1 || xs[1] != size.H || xs[2] != size.N {
		return nil, fmt.Errorf("%s: x0: want (B, %d, %d), got %v", name, size.H, size.N, xs)
	}
	s := linrec.Size{B: xs[0], CH: cs[0], H: size.H, N: size.N, L: cfg.L}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{s.B, s.CH * s.H, s.L}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return linrec.NewOutput(newStateBank[float32](cfg, size), s) },
		func() graphop.Core[float64] { return linrec.NewOutput(newStateBank[float64](cfg, size), s) },
		in...)
}

// FinalState adds the state that the models whose kernels [Kernel] computes are
// in after the last step of u (B, H, L), and returns it, (B, H, N). x0, of that
// shape, is the state before the first step; nil: zero. The parameters are
// those of Kernel; C, cfg.L and cfg.Frozen are not used. Gradients are exact and
// go to all inputs. The cost is that of [StateOutput].
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func FinalState(cfg Config, p Params[*G.Node], u, x0 *G.Node) (*G.Node, error) {
	const name = "krylov.FinalState"
	cfg.L = 1 // of no kernel
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(parameters(&p), graphop.Named("u", u), graphop.Optional("x0", x0))...)
	if err != nil {
		return nil, err
	}
	size, err := stateModel(&p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	us := u.Shape()
	if us.Dims() != 3 || us[1] != size.H || us.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: u: want (B, %d, L), got %v", name, size.H, us)
	}
	out := tensor.Shape{us[0], size.H, size.N}
	if x0 != nil {
		if err := graphop.WantShape("x0", x0, out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	s := linrec.Size{B: us[0], H: size.H, N: size.N, L: us[2]}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: out, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return linrec.NewFinal(newStateBank[float32](cfg, size), s) },
		func() graphop.Core[float64] { return linrec.NewFinal(newStateBank[float64](cfg, size), s) },
		in...)
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
	return size, graphop.WantShape("Dt", p.Dt, []int{h, 1}, []int{h})
}
