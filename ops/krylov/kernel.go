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

// Discretize returns the recurrence whose impulse response the kernel is, in
// float64 whatever T: for every feature h
//
//	x_l = ab_h x_{l-1} + bb_h u_l,  y_l = C[c,h] x_l
//
// ab is (H, N, N), bb (H, N). Config.L, Size.CH and Params.C are not used. It
// returns an error if the configuration or a length is wrong, and where a
// model has a pole at 1/(alpha dt) or, without an alpha, a singular T.
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
