package krylov

import "github.com/gorgonia-s4/s4/internal/num"

// Plan computes a bank of LSSL kernels and its gradients:
//
//	K[c,h,l] = C[c,h] Ab_h^l Bb_h
//
// (LSSL, section 3) where Ab (N, N) and Bb (N) are A and B discretised with dt_h.
// It owns its scratch memory, one set for every worker, and allocates nothing
// once it has run. Its methods may not run at the same time.
//
// All arithmetic is in float64 and a result is rounded once. Results do not
// depend on the number of workers.
type Plan[T num.Float] struct{ bank *bank[T] }

// NewPlan returns a plan for kernels of the given size, N at least 2.
func NewPlan[T num.Float](cfg Config, size Size) (*Plan[T], error) {
	b, err := newBank[T](cfg, size, structuredKind)
	if err != nil {
		return nil, err
	}
	return &Plan[T]{b}, nil
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong or a model cannot be discretised because it has a pole at 1/(alpha
// dt) or, without an alpha, a singular T.
func (p *Plan[T]) Forward(k []T, prm Params[[]T]) error {
	p.bank.prm.setParams(&prm)
	if err := p.bank.forward(k); err != nil {
		return err
	}
	return nil
}

// Backward writes to grad the gradients of sum(gk*K) with respect to the raw
// parameters, gk (CH, H, L) being the gradient of the kernels, overwriting
// them. Those of shared parameters are summed over the features. A nil slice of
// grad is left out; with Config.Frozen all but C must be. It returns an error
// if a length is wrong, and where Forward does.
func (p *Plan[T]) Backward(grad Params[[]T], prm Params[[]T], gk []T) error {
	p.bank.prm.setParams(&prm)
	p.bank.grad.setParams(&grad)
	if err := p.bank.backward(gk); err != nil {
		return err
	}
	return nil
}
