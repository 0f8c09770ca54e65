package layers

import (
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (m *lsslModel) system(kernel, feature int) (*System, error) {
	c, n := m.cfg, m.cfg.DState
	s := ssm.Row(feature, c.NSSM)
	var r rows
	p := krylov.Params[[]float64]{ // of this feature and kernel alone
		Dt: r.of(m.logDt, feature, 1), C: r.of(m.c, kernel*c.common().inner()+feature, n),
		A: ssm.Tridiagonal[[]float64]{
			Pl: r.of(m.a.Pl, s, n), Dl: r.of(m.a.Dl, s, n-1), D: r.of(m.a.D, s, n), Du: r.of(m.a.Du, s, n-1),
			Pr: r.of(m.a.Pr, s, n), C: r.of(m.a.C, s, n), B: r.of(m.a.B, s, n),
		},
	}
	if r.err != nil {
		return nil, r.err
	}
	one := krylov.Size{CH: 1, H: 1, S: 1, N: n}
	ab, bb, err := krylov.Discretize(m.disc(1), one, p)
	if err != nil {
		return nil, err
	}
	a, b, err := krylov.Continuous(m.disc(1), one, p)
	if err != nil {
		return nil, err
	}
	dt, _ := c.DtTransform.Eval(p.Dt[0])
	return &System{
		Dt: dt * m.rate, Disc: ssm.GBT, Alpha: c.Alpha,
		Continuous: &hippo.SSM{A: mat.NewDense(n, n, a), B: b, C: p.C},
		Discrete:   &hippo.Recurrence{A: mat.NewDense(n, n, ab), B: bb, C: slices.Clone(p.C)},
	}, nil
}
