package layers

import (
	"errors"
	"math"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (l *S4) system(kernel, feature int) (*System, error) {
	if err := errors.Join(checkDecay(l.cfg.ATransform, l.aReal), checkTuned(l.tuned())); err != nil {
		return nil, err
	}
	c, size := l.cfg, l.size()
	n, s := size.N, ssm.Row(feature, size.S)
	var r rows
	p := cauchy.Params[float64]{ // of this feature and kernel alone
		Dt: r.of(l.logDt, feature, l.dtCols()), AReal: r.of(l.aReal, s, n), AImag: r.of(l.aImag, s, n),
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
	dts := make([]float64, len(p.Dt))
	for i, raw := range p.Dt {
		dt, _ := c.DtTransform.Eval(raw)
		dts[i] = dt * l.rate
	}
	if tuned := l.tuned(); tuned > 0 {
		one := cauchy.Size{CH: 1, H: 1, S: 1, N: n, R: size.R, DtPerState: c.UntiedDt}
		if err := cauchy.RecoverC(p.C, l.disc(), one, p, int(math.RoundToEven(float64(tuned)/l.rate))); err != nil {
			return nil, err
		}
	}
	out, dt := complexes(p.C), dts[0]
	if c.UntiedDt {
		countInSteps(d, out, dts)
		dt = 1
	}
	continuous, err := d.Real(out)
	if err != nil {
		return nil, err
	}
	discrete, err := continuous.Discretize(dt, ssm.Bilinear, 0)
	if err != nil {
		return nil, err
	}
	return &System{Dt: dt, Disc: ssm.Bilinear, Lambda: d.Lambda, Continuous: continuous, Discrete: discrete}, nil
}

// countInSteps turns the model x' = dt (A x + B u), y = C x with a step size for
// every state into one of step size 1, for the states x/sqrt(dt): in these it
// still is diagonal plus low rank,
//
//	sqrt(dt) (Lambda - P P^H) sqrt(dt) = dt Lambda - (sqrt(dt) P) (sqrt(dt) P)^H
func countInSteps(d *hippo.DPLR, c []complex128, dts []float64) {
	for i, dt := range dts {
		root := complex(math.Sqrt(dt), 0)
		d.Lambda[i] *= complex(dt, 0)
		d.B[i] *= root
		c[i] *= root
		for _, p := range d.P {
			p[i] *= root
		}
	}
}
