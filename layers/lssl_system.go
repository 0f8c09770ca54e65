package layers

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (l *LSSL) system(kernel, feature int) (*System, error) {
	c, n := l.cfg, l.cfg.DState
	s := ssm.Row(feature, c.NSSM)
	var r rows
	p := krylov.Params[float64]{ // of this feature and kernel alone
		Dt: r.of(l.logDt, feature, 1), C: r.of(l.c, kernel*c.DModel+feature, n),
		A: ssm.Tridiagonal[[]float64]{
			Pl: r.of(l.a.Pl, s, n), Dl: r.of(l.a.Dl, s, n-1), D: r.of(l.a.D, s, n), Du: r.of(l.a.Du, s, n-1),
			Pr: r.of(l.a.Pr, s, n), C: r.of(l.a.C, s, n), B: r.of(l.a.B, s, n),
		},
	}
	if r.err != nil {
		return nil, r.err
	}
	ab, bb, err := krylov.Discretize(l.disc(1), krylov.Size{CH: 1, H: 1, S: 1, N: n}, p)
	if err != nil {
		return nil, err
	}
	discrete := &hippo.Recurrence{A: mat.NewDense(n, n, ab), B: bb, C: p.C}
	dt, _ := c.DtTransform.Eval(p.Dt[0])
	dt *= l.rate
	continuous, err := undiscretize(discrete, dt, c.Alpha)
	if err != nil {
		return nil, err
	}
	return &System{Dt: dt, Disc: ssm.GBT, Alpha: c.Alpha, Continuous: continuous, Discrete: discrete}, nil
}

// undiscretize is the inverse of the generalised bilinear transform (LSSL, eq.
// 3): with M = alpha Ab + (1-alpha) I, which is (I - alpha dt A)^-1,
//
//	A = M^-1 (Ab - I)/dt,   B = M^-1 Bb/dt
//
// It finds the A that the layer computes with, which is that of its parameters
// made stable.
func undiscretize(r *hippo.Recurrence, dt, alpha float64) (*hippo.SSM, error) {
	n := len(r.B)
	m, rhs := mat.NewDense(n, n, nil), mat.NewDense(n, n+1, nil)
	for i := range n {
		for k := range n {
			m.Set(i, k, alpha*r.A.At(i, k))
			rhs.Set(i, k, r.A.At(i, k)/dt)
		}
		m.Set(i, i, m.At(i, i)+1-alpha)
		rhs.Set(i, i, (r.A.At(i, i)-1)/dt)
		rhs.Set(i, n, r.B[i]/dt)
	}
	var x mat.Dense
	if err := x.Solve(m, rhs); err != nil {
		return nil, fmt.Errorf("the continuous system: %w", err)
	}
	return &hippo.SSM{A: mat.DenseCopyOf(x.Slice(0, n, 0, n)), B: mat.Col(nil, n, &x), C: r.C}, nil
}
