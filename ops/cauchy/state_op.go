package cauchy

import (
	"errors"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/ssmop"
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
// C follows from C~ as by [UntuneC], with the length that C~ is tuned to
// as in Kernel. A run returns an error where UntuneC does.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func StateOutput(cfg Config, p Params[*G.Node], x0 *G.Node, opts ...Option) (*G.Node, error) {
	o, err := newOptions(opts)
	var size Size
	return ssmop.StateOp{
		Name:   "cauchy.StateOutput",
		Params: append(matrix(&p), graphop.Named("C", p.C)),
		Shape: func() (s ssmop.Shape, _ error) {
			if err := errors.Join(err, cfg.Validate()); err != nil {
				return s, err
			}
			size, err = sizeOf(&p, p.C)
			return ssmop.Shape{CH: size.CH, H: size.H, L: cfg.L, State: []int{size.N, 2}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) {
			return newTunedCore(cfg, o, outputPlanner[float32](size, s.B))
		},
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) {
			return newTunedCore(cfg, o, outputPlanner[float64](size, s.B))
		},
	}.Output(x0)
}

// outputPlanner makes the cores of StateOutput for banks of a size.
func outputPlanner[T num.Float](size Size, batch int) planner[T] {
	return func(cfg Config) (graphop.Core[T], error) {
		return linrec.NewOutput(newStateBank[T](cfg, size, false), linrec.Size{
			B: batch, CH: size.CH, H: size.H, N: 2 * size.N, L: cfg.L, Complex: true, Tuned: cfg.nodes(),
		}), nil
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
	var size Size
	return ssmop.StateOp{
		Name:   "cauchy.FinalState",
		Params: append(matrix(&p), graphop.Named("B", p.B)),
		Shape: func() (s ssmop.Shape, err error) {
			if err := cfg.validateModel(); err != nil {
				return s, err
			}
			if size, err = sizeOf(&p, nil); err == nil {
				err = wantB(&size, &p)
			}
			return ssmop.Shape{H: size.H, State: []int{size.N, 2}}, err
		},
		Core32: func(s ssmop.Shape) (graphop.Core[float32], error) { return newFinal[float32](cfg, size, s), nil },
		Core64: func(s ssmop.Shape) (graphop.Core[float64], error) { return newFinal[float64](cfg, size, s), nil },
	}.Final(u, x0)
}

// newFinal returns the core of FinalState.
func newFinal[T num.Float](cfg Config, size Size, s ssmop.Shape) graphop.Core[T] {
	return linrec.NewFinal(newStateBank[T](cfg, size, true), linrec.Size{B: s.B, H: s.H, N: 2 * size.N, L: s.L, Complex: true})
}
