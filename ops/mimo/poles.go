package mimo

import (
	"math"
	"math/cmplx"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// ClipRe is the largest real part that S5Poles leaves a pole of the continuous model
// unless it is told otherwise: the bound of the public S5.
const ClipRe = -1e-4

// setInside writes number p of planes, a pole of modulus at most 1 but for rounding. The
// numbers written have a modulus below 1: no type rounds a state that decays to one
// that does not.
func setInside[T num.Float](planes []T, p int, a complex128) {
	n := len(planes) / 2
	re, im := T(real(a)), T(imag(a))
	for range 4 { // rounding takes one or two
		if float64(re)*float64(re)+float64(im)*float64(im) < 1 {
			break
		}
		re, im = re*below[T](), im*below[T]()
	}
	planes[p], planes[n+p] = re, im
}

// below is the largest number below 1.
func below[T num.Float]() T {
	if unsafe.Sizeof(T(0)) == 4 {
		return 1 - T(0x1p-24)
	}
	return T(math.Nextafter(1, 0))
}

// setPlane writes number p of planes.
func setPlane[T num.Float](planes []T, p int, z complex128) {
	planes[p], planes[len(planes)/2+p] = T(real(z)), T(imag(z))
}

// plane returns number p of planes.
func plane[T num.Float](planes []T, p int) complex128 {
	return complex(float64(planes[p]), float64(planes[len(planes)/2+p]))
}

// s5Pole is a pole of S5 with what its gradients need.
type s5Pole struct {
	lambda  complex128
	clipped bool
	dt      float64
	ssm.Pole
}

// beta is the factor of the inputs.
func (s *s5Pole) beta() complex128 { return complex(s.dt, 0) * s.Phi }

// discretize returns the pole of lambda = re + i im at the step dt.
func (c PolesConfig) discretize(re, im, dt float64) s5Pole {
	s := s5Pole{dt: dt}
	if re > ClipRe && !c.Unclipped {
		re, s.clipped = ClipRe, true
	}
	s.lambda = complex(re, im)
	z := s.lambda * complex(dt, 0)
	if c.Disc == ssm.Bilinear {
		s.Pole = ssm.GBTPole(z, 0.5)
	} else {
		s.Pole = ssm.ZOHPole(z)
	}
	return s
}

// back returns the gradients by the real and the imaginary part of lambda, and by dt,
// of those by the pole and by the factor. A gradient by a complex number has the
// derivatives by both parts.
func (s *s5Pole) back(a, beta complex128) (lambda complex128, dt float64) {
	z := a*cmplx.Conj(s.DAb) + beta*complex(s.dt, 0)*cmplx.Conj(s.DPhi)
	lambda = z * complex(s.dt, 0)
	if s.clipped {
		lambda = complex(0, imag(lambda))
	}
	return lambda, real(beta*cmplx.Conj(s.Phi)) + real(z*cmplx.Conj(s.lambda))
}

// lruPole is a pole of the LRU, a = exp(-decay + i angle), and the factor of its inputs,
// with the derivatives of what they are made of by the raw parameters.
type lruPole struct {
	a                   complex128
	beta                float64
	decay, angle, gamma float64 // derivatives
}

// polarPole returns the pole of raw parameters.
func polarPole(nuLog, thetaLog, gammaLog float64) lruPole {
	var p lruPole
	decay, d := ssm.Exp.Eval(nuLog)
	angle, da := ssm.Exp.Eval(thetaLog)
	gamma, dg := ssm.Exp.Eval(gammaLog)
	p.decay, p.angle, p.gamma = d, da, dg
	sin, cos := math.Sincos(angle)
	r := math.Exp(-decay)
	p.a, p.beta = complex(r*cos, r*sin), gamma
	return p
}

// back returns the gradients by the raw parameters.
func (p *lruPole) back(a, beta complex128) (nuLog, thetaLog, gammaLog float64) {
	along := a * cmplx.Conj(p.a)
	return -p.decay * real(along), p.angle * imag(along), p.gamma * real(beta)
}
