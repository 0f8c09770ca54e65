package layers

import (
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (l *S4D) system(kernel, feature int) (*System, error) {
	if err := checkDecay(l.cfg.ATransform, l.aReal); err != nil {
		return nil, err
	}
	c, n := l.cfg, l.cfg.DState/2
	s := ssm.Row(feature, c.NSSM)
	var r rows
	aReal, aImag := r.of(l.aReal, s, n), r.of(l.aImag, s, n)
	b := complexes(r.of(l.b, s, 2*n))
	out := complexes(r.of(l.c, kernel*c.DModel+feature, 2*n))
	dts := r.of(l.logDt, feature, l.logDt.Shape()[1])
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
		dts[i] = l.rate * dt
	}
	lambda := make([]complex128, n)
	for i := range lambda {
		rate, _ := c.ATransform.Eval(aReal[i])
		lambda[i] = complex(-rate, -aImag[i])
	}
	dt := dts[0]
	if c.UntiedDt {
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
