package layers

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func (m *s4Model) system(kernel, feature int) (*System, error) {
	if err := errors.Join(checkDecay(m.cfg.ATransform, m.aReal), m.checkTuned()); err != nil {
		return nil, err
	}
	c, size := m.cfg, m.size()
	n, s := size.N, ssm.Row(feature, size.S)
	var r rows
	p := cauchy.Params[[]float64]{ // of this feature and kernel alone
		Dt: r.of(m.logDt, feature, m.dtCols()), AReal: r.of(m.aReal, s, n), AImag: r.of(m.aImag, s, n),
		B: r.of(m.b, s, 2*n), C: r.of(m.c, kernel*size.H+feature, 2*n),
	}
	d := &hippo.DPLR{Lambda: make([]complex128, n), B: complexes(p.B)}
	for k := range size.R {
		row := r.of(m.p, k*size.S+s, 2*n)
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
		dts[i] = dt * m.rate
	}
	one := cauchy.Size{CH: 1, H: 1, S: 1, N: n, R: size.R, DtPerState: c.Dt == DtPerState}
	if err := cauchy.UntuneC(p.C, m.disc(), one, p, int(math.RoundToEven(float64(m.tuned())/m.rate))); err != nil {
		return nil, err
	}
	out, dt := complexes(p.C), dts[0]
	if c.Dt == DtPerState {
		countInSteps(d, out, dts)
		dt = 1
	}
	continuous, err := d.Real(out)
	if err != nil {
		return nil, err
	}
	discrete, err := discretizeDPLR(d, dt)
	if err != nil {
		return nil, err
	}
	discrete.C = slices.Clone(continuous.C)
	return &System{Dt: dt, Disc: ssm.Bilinear, Lambda: d.Lambda, Continuous: continuous, Discrete: discrete}, nil
}

// discretizeDPLR returns the bilinear recurrence of d in real form, without C, by
// the Woodbury identity: that is exact to rounding however large dt A is, where a
// dense solve would not be.
func discretizeDPLR(d *hippo.DPLR, dt float64) (*hippo.Recurrence, error) {
	n := len(d.Lambda)
	p := cauchy.Params[[]float64]{Dt: []float64{dt}, B: parts(d.B)}
	for _, l := range d.Lambda {
		p.AReal, p.AImag = append(p.AReal, -real(l)), append(p.AImag, -imag(l))
	}
	for _, row := range d.P {
		p.P = append(p.P, parts(row)...)
	}
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None}}
	a, b, err := cauchy.Discretize(cfg, cauchy.Size{H: 1, S: 1, N: n, R: len(d.P)}, p)
	if err != nil {
		return nil, err
	}
	return &hippo.Recurrence{A: mat.NewDense(2*n, 2*n, a), B: b}, nil
}

// parts returns z as real and imaginary parts by turns.
func parts(z []complex128) []float64 {
	v := make([]float64, 0, 2*len(z))
	for _, x := range z {
		v = append(v, real(x), imag(x))
	}
	return v
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
