package main

import (
	"cmp"
	"fmt"
	"math"
	"math/cmplx"
	"slices"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// spectrum is the eigenvalues of a state matrix A, in 1/time. Of S4D, whose A is
// diagonal, they are the stored ones, one of each conjugate pair; of S4 all.
type spectrum []complex128

// readSpectra returns the spectrum of each state matrix of the model, and the
// largest real part in each.
func (o *options) readSpectra(m *models.Classifier) (spectra []spectrum, largest []float64, err error) {
	matrices, err := o.readA(m)
	if err != nil {
		return nil, nil, err
	}
	for s, a := range matrices {
		z, re, err := eigenvalues(a)
		if err != nil {
			return nil, nil, fmt.Errorf("eigenvalues of A %d: %w", s, err)
		}
		spectra, largest = append(spectra, z), append(largest, re)
	}
	return spectra, largest, nil
}

// readA returns the state matrices Lambda - P P^H of the model's one block. It
// reads the parameters, as layers.S4 and layers.S4D describe them: the System of
// a layer would discretise A too, which an A that a learning rate has thrown far
// out does not bear.
func (o *options) readA(m *models.Classifier) ([]*hippo.DPLR, error) {
	re, err := values(m, "A_real") // (S, N/2)
	if err != nil {
		return nil, err
	}
	im, err := values(m, "A_imag") // (S, N/2)
	if err != nil {
		return nil, err
	}
	n := o.dState / 2
	as := make([]*hippo.DPLR, o.nSSM)
	for s := range as {
		as[s] = &hippo.DPLR{B: make([]complex128, n)}
		for i := s * n; i < (s+1)*n; i++ {
			rate, _ := ssm.Exp.Eval(re[i])
			as[s].Lambda = append(as[s].Lambda, complex(-rate, -im[i]))
		}
	}
	if o.kind == "s4d" {
		return as, nil
	}
	p, err := values(m, "P") // (1, S, N/2, 2)
	if err != nil {
		return nil, err
	}
	for s, a := range as {
		row := make([]complex128, n)
		for i := range row {
			row[i] = complex(p[2*(s*n+i)], p[2*(s*n+i)+1])
		}
		a.P = [][]complex128{row}
	}
	return as, nil
}

// values returns a parameter of the kernel of the model's one block. It is an
// error if a value is not finite.
func values(m *models.Classifier, name string) ([]float64, error) {
	name = m.Blocks()[0].Mixer().Name() + ".kernel." + name
	for _, p := range m.Params() {
		if p.Name != name {
			continue
		}
		t, err := p.Value()
		if err != nil {
			return nil, err
		}
		data, ok := t.Data().([]float32)
		if !ok {
			return nil, fmt.Errorf("parameter %s: want float32, got %v", name, t.Dtype())
		}
		v := make([]float64, len(data))
		for i, x := range data {
			if v[i] = float64(x); math.IsNaN(v[i]) || math.IsInf(v[i], 0) {
				return nil, fmt.Errorf("parameter %s is %g at element %d", name, x, i)
			}
		}
		return v, nil
	}
	return nil, fmt.Errorf("want a parameter %s, got a model that has none", name)
}

// eigenvalues returns the spectrum of Lambda - P P^H and its largest real part.
//
// No real part is larger than the largest of Lambda, for -P P^H is negative
// semidefinite (Bendixson 1902). One that is computed as larger, which happens
// when the rounding of a large P P^H drowns Lambda, is set to that bound.
func eigenvalues(a *hippo.DPLR) (spectrum, float64, error) {
	bound := largestReal(a.Lambda)
	if a.P == nil {
		return a.Lambda, bound, nil
	}
	s, err := a.Real(make([]complex128, len(a.Lambda)))
	if err != nil {
		return nil, 0, err
	}
	z, _, err := hippo.Eigenvalues(s.A)
	if err != nil {
		return nil, 0, err
	}
	for i, v := range z {
		z[i] = complex(min(real(v), bound), imag(v))
	}
	return z, largestReal(z), nil
}

// largestReal returns the largest real part, NaN if one is.
func largestReal(z []complex128) float64 {
	re := math.Inf(-1)
	for _, v := range z {
		re = max(re, real(v))
	}
	return re
}

// follow returns the spectrum next in the order of last: each eigenvalue in the
// place of the one that it was, the nearest pairs first.
func follow(last, next spectrum) spectrum {
	type pair struct {
		from, to int
		distance float64
	}
	var pairs []pair
	for i, a := range last {
		for k, b := range next {
			pairs = append(pairs, pair{i, k, cmplx.Abs(a - b)})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.distance, b.distance) })
	ordered := make(spectrum, len(next))
	found, taken := make([]bool, len(last)), make([]bool, len(next))
	for _, p := range pairs {
		if !found[p.from] && !taken[p.to] {
			ordered[p.from], found[p.from], taken[p.to] = next[p.to], true, true
		}
	}
	return ordered
}

// steps are the smallest and the largest step size of the features that use a
// state matrix.
type steps struct{ least, most float64 }

// readSteps returns those of each state matrix of the model.
func (o *options) readSteps(m *models.Classifier) ([]steps, error) {
	logDt, err := values(m, "log_dt") // (H, 1)
	if err != nil {
		return nil, err
	}
	dts := make([]steps, o.nSSM)
	for s := range dts {
		dts[s].least = math.Inf(1)
	}
	for h, raw := range logDt {
		dt, _ := ssm.Exp.Eval(raw)
		of := &dts[ssm.Row(h, o.nSSM)]
		of.least, of.most = min(of.least, dt), max(of.most, dt)
	}
	return dts, nil
}
