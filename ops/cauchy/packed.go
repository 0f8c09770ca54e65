package cauchy

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/fft"
)

// packed is the transform of a length n = 2m of which internal/fft has the half:
// samples 2j and 2j+1 are the real and imaginary part of element j of a complex
// signal. With Z its transform, X the one wanted, theta_k = 2 pi k/n and
// t_k = i e^(i theta_k),
//
//	2 X_k = P + conj(t_k) Q,  2 X_(m-k) = conj(P - conj(t_k) Q),  P, Q = Z_k +- conj(Z_(m-k))
//	2 Z_k = P + t_k Q,        2 Z_(m-k) = conj(P - t_k Q),        P, Q = X_k +- conj(X_(m-k))
//
// where Z_m stands for Z_0.
type packed struct {
	plan      *fft.Plan[float64]
	order     []int        // (m+1) the place of Z_k
	t         []complex128 // (m/2+1)
	z         fft.Planes[float64]
	even, odd []float64 // (m) the signal
}

// newPacked returns nil if internal/fft has no transform of length n/2.
func newPacked(n int) *packed {
	m := n / 2
	plan := fft.New[float64](2 * m)
	if n < 2 || n%2 != 0 || plan.Len() != m {
		return nil
	}
	p := &packed{
		plan: plan, order: make([]int, m+1), t: make([]complex128, m/2+1),
		z: plan.NewPlanes(1)[0], even: make([]float64, m), odd: make([]float64, m),
	}
	for k := range p.t {
		s, c := math.Sincos(2 * math.Pi * float64(k) / float64(n))
		p.t[k] = complex(-s, c)
	}
	p.findOrder()
	return p
}

// findOrder reads the order of the bins off the transform of an impulse at 1,
// which is e^(-2 pi i k/m).
func (p *packed) findOrder() {
	m := p.plan.Len()
	p.even[1] = 1
	p.plan.Forward(fft.Cyclic, p.z, p.even, p.odd)
	p.even[1] = 0
	for i, re := range p.z.Re {
		k := int(math.Round(-math.Atan2(p.z.Im[i], re) * float64(m) / (2 * math.Pi)))
		p.order[(k+m)%m] = i
	}
	p.order[m] = p.order[0]
}

func (p *packed) forward(bins row, seq []float64) {
	for j := range p.even {
		p.even[j], p.odd[j] = seq[2*j], seq[2*j+1]
	}
	p.plan.Forward(fft.Cyclic, p.z, p.even, p.odd)
	m := len(p.even)
	for k, t := range p.t {
		i, j := p.order[k], p.order[m-k]
		ar, ai, br, bi := p.z.Re[i]/2, p.z.Im[i]/2, p.z.Re[j]/2, -p.z.Im[j]/2
		pr, pi, qr, qi := ar+br, ai+bi, ar-br, ai-bi
		tr, ti := real(t), imag(t)
		qr, qi = qr*tr+qi*ti, qi*tr-qr*ti
		bins.re[k], bins.im[k] = pr+qr, pi+qi
		bins.re[m-k], bins.im[m-k] = pr-qr, qi-pi
	}
}

func (p *packed) inverse(seq []float64, bins row) {
	m := len(p.even)
	for k, t := range p.t {
		ar, ai, br, bi := bins.re[k], bins.im[k], bins.re[m-k], -bins.im[m-k]
		if k == 0 {
			ai, bi = 0, 0
		}
		pr, pi, qr, qi := ar+br, ai+bi, ar-br, ai-bi
		tr, ti := real(t), imag(t)
		qr, qi = qr*tr-qi*ti, qi*tr+qr*ti
		i, j := p.order[k], p.order[m-k]
		p.z.Re[j], p.z.Im[j] = pr-qr, qi-pi
		p.z.Re[i], p.z.Im[i] = pr+qr, pi+qi
	}
	p.plan.Inverse(fft.Cyclic, p.z)
	for j, re := range p.z.Re {
		seq[2*j], seq[2*j+1] = re, p.z.Im[j]
	}
}
