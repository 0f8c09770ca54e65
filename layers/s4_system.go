package layers

import (
	"math"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (l *S4) system(kernel, feature int) (*System, error) {
	c, size := l.cfg, l.size()
	n, s := size.N, ssm.Row(feature, size.S)
	var r rows
	p := cauchy.Params[float64]{ // of this feature and kernel alone
		Dt: r.of(l.logDt, feature, 1), AReal: r.of(l.aReal, s, n), AImag: r.of(l.aImag, s, n),
		B: r.of(l.b, s, 2*n), C: r.of(l.c, kernel*size.H+feature, 2*n),
	}
	d := &hippo.DPLR{Lambda: make([]complex128, n), B: complexes(p.B)}
	for k := range size.R {
		row := r.of(l.p, k*size.S+s, 2*n)
		p.P = append(p.P, row...)
		d.P = append(d.P, complexes(row))
	}
	if r.err != nil {
		return nil, r.err
	}
	for i := range d.Lambda {
		rate, _ := c.ATransform.Eval(p.AReal[i])
		d.Lambda[i] = complex(-rate, -p.AImag[i])
	}
	dt, _ := c.DtTransform.Eval(p.Dt[0])
	dt *= l.rate
	if tuned := l.tuned(); tuned > 0 {
		one := cauchy.Size{CH: 1, H: 1, S: 1, N: n, R: size.R}
		if err := cauchy.RecoverC(p.C, l.disc(), one, p, int(math.RoundToEven(float64(tuned)/l.rate))); err != nil {
			return nil, err
		}
	}
	continuous, err := d.Real(complexes(p.C))
	if err != nil {
		return nil, err
	}
	discrete, err := continuous.Discretize(dt, ssm.Bilinear, 0)
	if err != nil {
		return nil, err
	}
	return &System{Dt: dt, Disc: ssm.Bilinear, Lambda: d.Lambda, Continuous: continuous, Discrete: discrete}, nil
}
