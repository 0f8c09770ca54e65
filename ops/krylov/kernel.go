package krylov

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Params are the raw parameters of a bank of LSSL kernels, or the gradients
// with respect to them. E is what holds one of them: a slice, row-major, or a
// node of a graph. With S state matrices,
//
//	dt_h = Rate * DtTransform(Dt)
//	x'   = -A x + B u,  A = diag(Pl) (T^-1 + diag(A.C)) diag(Pr),  B = diag(Pl) A.B
type Params[E any] struct {
	Dt E                  // (H, 1): raw step sizes
	A  ssm.Tridiagonal[E] // (S, N) each, but Dl and Du (S, N-1): state matrix and input
	C  E                  // (CH, H, N): output
}

// setParams makes v refer to p.
func (v *values[T]) setParams(p *Params[[]T]) {
	v.set(p.Dt, p.C, p.A.Pl, p.A.Dl, p.A.D, p.A.Du, p.A.Pr, p.A.C, p.A.B)
}

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
		return nil, fmt.Errorf("krylov: %w", err)
	}
	return &Plan[T]{b}, nil
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong or a model cannot be discretised because it has a pole at 1/(alpha
// dt) or, without an alpha, a singular T.
func (p *Plan[T]) Forward(k []T, prm Params[[]T]) error {
	p.bank.prm.setParams(&prm)
	if err := p.bank.forward(k); err != nil {
		return fmt.Errorf("krylov: Plan.Forward: %w", err)
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
		return fmt.Errorf("krylov: Plan.Backward: %w", err)
	}
	return nil
}

// Discretize returns the recurrence whose impulse response the kernel is, in
// float64 whatever T: for every feature h
//
//	x_l = ab_h x_{l-1} + bb_h u_l,  y_l = C[c,h] x_l
//
// ab is (H, N, N), bb (H, N). Config.L, Size.CH and Params.C are not used. It
// returns an error if the configuration or a length is wrong, and where
// Plan.Forward does.
func Discretize[T num.Float](cfg Config, size Size, prm Params[[]T]) (ab, bb []float64, err error) {
	b, err := newStepBank[T](cfg, size, structuredKind)
	if err == nil {
		b.prm.setParams(&prm)
		ab, bb, err = b.discretize()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("krylov: Discretize: %w", err)
	}
	return ab, bb, nil
}

// Continuous returns the models that [Discretize] discretises, x' = a_s x + b_s u,
// in float64 whatever T: a is (S, N, N), b (S, N), with Config.Stable after it has
// moved them. It returns an error if the configuration or a length is wrong, and
// where T is singular.
func Continuous[T num.Float](cfg Config, size Size, prm Params[[]T]) (a, b []float64, err error) {
	bank, err := newStepBank[T](cfg, size, structuredKind)
	if err == nil {
		bank.prm.setParams(&prm)
		a, b, err = bank.continuous()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("krylov: Continuous: %w", err)
	}
	return a, b, nil
}

// newStepBank returns a bank for one step: the fields of cfg and size that only
// matter for kernels are not looked at.
func newStepBank[T num.Float](cfg Config, size Size, kind kind) (*bank[T], error) {
	cfg.L, cfg.Frozen, size.CH = 1, false, 1
	return newBank[T](cfg, size, kind)
}

// DenseParams are the raw parameters of a bank of kernels with dense state
// matrices, or the gradients with respect to them, held by E as in [Params].
// With S state matrices,
//
//	dt_h = Rate * DtTransform(Dt)
//	x'   = A x + B u
type DenseParams[E any] struct {
	Dt E // (H, 1): raw step sizes
	A  E // (S, N, N): state matrix
	B  E // (S, N): input
	C  E // (CH, H, N): output
}

// setDense makes v refer to p.
func (v *values[T]) setDense(p *DenseParams[[]T]) { v.set(p.Dt, p.C, p.A, p.B) }

// DensePlan is [Plan] for dense state matrices: those of any measure of package
// hippo, fixed or trainable.
type DensePlan[T num.Float] struct{ bank *bank[T] }

// NewDensePlan returns a plan for kernels of the given size.
func NewDensePlan[T num.Float](cfg Config, size Size) (*DensePlan[T], error) {
	b, err := newBank[T](cfg, size, denseKind)
	if err != nil {
		return nil, fmt.Errorf("krylov: %w", err)
	}
	return &DensePlan[T]{b}, nil
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong or a model cannot be discretised because A has the eigenvalue
// 1/(alpha dt).
func (p *DensePlan[T]) Forward(k []T, prm DenseParams[[]T]) error {
	p.bank.prm.setDense(&prm)
	if err := p.bank.forward(k); err != nil {
		return fmt.Errorf("krylov: DensePlan.Forward: %w", err)
	}
	return nil
}

// Backward is [Plan.Backward] for dense state matrices.
func (p *DensePlan[T]) Backward(grad DenseParams[[]T], prm DenseParams[[]T], gk []T) error {
	p.bank.prm.setDense(&prm)
	p.bank.grad.setDense(&grad)
	if err := p.bank.backward(gk); err != nil {
		return fmt.Errorf("krylov: DensePlan.Backward: %w", err)
	}
	return nil
}

// DiscretizeDense is [Discretize] for dense state matrices.
func DiscretizeDense[T num.Float](cfg Config, size Size, prm DenseParams[[]T]) (ab, bb []float64, err error) {
	b, err := newStepBank[T](cfg, size, denseKind)
	if err == nil {
		b.prm.setDense(&prm)
		ab, bb, err = b.discretize()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("krylov: DiscretizeDense: %w", err)
	}
	return ab, bb, nil
}
