package layers

import (
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (m *s4dModel) system(kernel, feature int) (*System, error) {
	if err := checkDecay(m.cfg.ATransform, m.aReal); err != nil {
		return nil, err
	}
	c, n := m.cfg, m.cfg.DState/2
	s := ssm.Row(feature, c.NSSM)
	var r rows
	aReal, aImag := r.of(m.aReal, s, n), r.of(m.aImag, s, n)
	b := complexes(r.of(m.b, s, 2*n))
	out := complexes(r.of(m.c, kernel*c.common().inner()+feature, 2*n))
	dts := r.of(m.logDt, feature, m.logDt.Shape()[1])
	if r.err != nil {
		return nil, r.err
	}
	if c.FixedB {
		b = make([]complex128, n)
		for i := range b {
			b[i] = 1
		}
	}
	for i, raw := range dts {
		dt, _ := c.DtTransform.Eval(raw)
		dts[i] = m.rate * dt
	}
	lambda := make([]complex128, n)
	for i := range lambda {
		rate, _ := c.ATransform.Eval(aReal[i])
		lambda[i] = complex(-rate, -aImag[i])
	}
	dt := dts[0]
	if c.Dt == DtPerState {
		for i, step := range dts {
			lambda[i] *= complex(step, 0)
			b[i] *= complex(step, 0)
		}
		dt = 1
	}
	ab, bb, err := hippo.DiscretizeDiagonal(lambda, b, dt, c.Disc, 0)
	if err != nil {
		return nil, err
	}
	sys, err := diagonalSystem(lambda, b, ab, bb, out)
	if err != nil {
		return nil, err
	}
	sys.Dt, sys.Disc = dt, c.Disc
	return sys, nil
}
