package layers

import (
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// system of DSS has a continuous B that its zero-order hold turns into the
// scaled one of the recurrence: B = 1 but for the scale of the version.
func (m *dssModel) system(kernel, feature int) (*System, error) {
	if err := m.checkRecurrent(); err != nil {
		return nil, err
	}
	c, n := m.cfg, m.cfg.DState
	cols := m.logDt.Shape()[1]
	var r rows
	p := vandermonde.DSSParams[[]float64]{LogDt: r.of(m.logDt, feature, cols), Lambda: r.of(m.lambda, 0, 2*n)}
	w := complexes(r.of(m.w, kernel*c.common().inner()+feature, 2*n))
	if r.err != nil {
		return nil, r.err
	}
	cfg := m.disc(m.window(1))
	ab, bb, err := vandermonde.DiscretizeDSS(cfg, vandermonde.DSSSize{CH: 1, H: 1, N: n, SeparateDt: c.Dt == DtPerPart}, p)
	if err != nil {
		return nil, err
	}
	dt := cfg.Dt(p.LogDt[0])
	lambda, b := complexes(p.Lambda), make([]complex128, n)
	for i, raw := range lambda {
		lambda[i] = cfg.Lambda(raw)
		if c.Dt == DtPerPart {
			lambda[i] = complex(dt*real(lambda[i]), cfg.Dt(p.LogDt[1])*imag(lambda[i]))
		}
	}
	if c.Dt == DtPerPart {
		dt = 1
	}
	for i, v := range lambda {
		step := complex(dt, 0)
		b[i] = bb[i] / (step * ssm.ZOHPole(step*v).Phi)
		w[i] /= 2 // y = Re(W x), without conjugates
	}
	sys, err := diagonalSystem(lambda, b, ab, bb, w)
	if err != nil {
		return nil, err
	}
	sys.Dt = dt
	return sys, nil
}
