package cauchy

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/num"
)

// StateOutput adds what an initial state contributes to the output of the
// models whose kernels [Kernel] computes, and returns it, (B, CH*H, cfg.L):
//
//	y[b,c,h,l] = 2 Re(C Ab^(l+1) x0)
//
// x0 is (B, H, N, 2), the state before the first step; the parameters are those
// of Kernel, but that B is not used. Added to the convolution of the input with the kernels, it
// is the output of the recurrence that starts from x0. Gradients are exact and
// go to all inputs. It takes dense matrix products, as [FinalState] does: a
// feature costs O(N^3 log LKernel + N^2 (B L/T + T) + N B L) for blocks of T
// steps, T such that the terms balance.
//
// C is recovered from C~ as by [RecoverC], with the length that C~ is tuned to
// as in Kernel. A run returns an error where RecoverC does.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func StateOutput(cfg Config, p Params[*G.Node], x0 *G.Node, opts ...Option) (*G.Node, error) {
	const name = "cauchy.StateOutput"
	o, err := newOptions(opts)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(matrix(&p), graphop.Named("C", p.C), graphop.Named("x0", x0))...)
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
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{batch, size.CH * size.H, cfg.L}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return newTunedCore(cfg, o, outputPlanner[float32](size, batch)) },
		func() graphop.Core[float64] { return newTunedCore(cfg, o, outputPlanner[float64](size, batch)) },
		in...)
}

// outputPlanner makes cores of what StateOutput has checked.
func outputPlanner[T num.Float](size Size, batch int) func(Config) graphop.Core[T] {
	return func(cfg Config) graphop.Core[T] {
		return linrec.NewOutput(newStateBank[T](cfg, size, false), linrec.Size{
			B: batch, CH: size.CH, H: size.H, N: 2 * size.N, L: cfg.L, Complex: true, Tuned: cfg.nodes(),
		})
	}
}

// FinalState adds the state that the models whose kernels [Kernel] computes
// are in after the last step of u (B, H, L), and returns it, (B, H, N, 2):
//
//	x[b,h] = Ab^L x0 + sum_l Ab^(L-1-l) Bb u_l
//
// x0 is (B, H, N, 2), the state before the first step; nil: zero. The
// parameters are those of Kernel; C and the lengths of cfg are not used.
// Gradients are exact and go to all inputs. It takes dense matrix products, in blocks of
// steps: see [StateOutput].
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func FinalState(cfg Config, p Params[*G.Node], u, x0 *G.Node) (*G.Node, error) {
	const name = "cauchy.FinalState"
	if err := cfg.validateModel(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, append(matrix(&p),
		graphop.Named("B", p.B), graphop.Named("u", u), graphop.Optional("x0", x0))...)
	if err != nil {
		return nil, err
	}
	size, batch, l, err := sequenceSize(&p, u, x0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := linrec.Size{B: batch, H: size.H, N: 2 * size.N, L: l, Complex: true}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{batch, size.H, size.N, 2}, Carried: []*G.Node{x0}},
		func() graphop.Core[float32] { return linrec.NewFinal(newStateBank[float32](cfg, size, true), s) },
		func() graphop.Core[float64] { return linrec.NewFinal(newStateBank[float64](cfg, size, true), s) },
		in...)
}

// sequenceSize reads the sizes off the inputs of FinalState; x0 may be nil.
func sequenceSize(p *Params[*G.Node], u, x0 *G.Node) (s Size, batch, l int, err error) {
	h, err := graphop.FirstAxis("Dt", p.Dt, "(H, 1) or (H) or (H, N)")
	if err != nil {
		return s, 0, 0, err
	}
	if s, err = modelSize(h, p); err != nil {
		return s, 0, 0, err
	}
	if err = wantB(&s, p); err != nil {
		return s, 0, 0, err
	}
	us := u.Shape()
	if us.Dims() != 3 || us[1] != h || us.TotalSize() == 0 {
		return s, 0, 0, fmt.Errorf("u: want (B, %d, L), got %v", h, us)
	}
	if x0 != nil {
		err = graphop.WantShape("x0", x0, []int{us[0], h, s.N, 2})
	}
	return s, us[0], us[2], err
}

// stateBatch returns the batch size of a state x0 (B, H, N, 2).
func stateBatch(x0 *G.Node, h, n int) (int, error) {
	s := x0.Shape()
	if s.Dims() != 4 || s[0] < 1 || s[1] != h || s[2] != n || s[3] != 2 {
		return 0, fmt.Errorf("x0: want (B, %d, %d, 2), got %v", h, n, s)
	}
	return s[0], nil
}
