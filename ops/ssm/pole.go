package ssm

import (
	"math"
	"math/cmplx"
)

// Pole is the discretisation of the scalar model x' = a x + b u with step dt,
// as functions of z = dt a alone:
//
//	x_l = Ab x_{l-1} + dt Phi b u_l
//
// DAb and DPhi are the derivatives of Ab and Phi with respect to z. They and
// the values are analytic at z = 0 and accurate near it: nothing is divided by
// a, so that a pole at the origin (an integrator) is an ordinary one.
type Pole struct {
	Ab, Phi   complex128
	DAb, DPhi complex128
}

// ZOHPole discretises by zero-order hold: Ab = e^z, Phi = (e^z - 1)/z.
func ZOHPole(z complex128) Pole {
	ab := cmplx.Exp(z)
	phi, dphi := phi1(z, ab)
	return Pole{Ab: ab, Phi: phi, DAb: ab, DPhi: dphi}
}

// GBTPole discretises by the generalised bilinear transform:
// Ab = (1 + (1-alpha) z)/(1 - alpha z), Phi = 1/(1 - alpha z). alpha is 0 for
// forward Euler, 1/2 for the bilinear transform, 1 for backward Euler.
func GBTPole(z complex128, alpha float64) Pole {
	phi := 1 / (1 - complex(alpha, 0)*z)
	return Pole{
		Ab:   (1 + complex(1-alpha, 0)*z) * phi,
		Phi:  phi,
		DAb:  phi * phi,
		DPhi: complex(alpha, 0) * phi * phi,
	}
}

// phi1Radius is where phi1 turns from its power series to closed form. There
// the cancellation in (e^z - phi)/z costs one digit and the series needs
// phi1Terms terms.
const (
	phi1Radius = 0.5
	phi1Terms  = 15 // 0.5^15/16! < 2^-52 / 100
)

// inverseFactorials[k] is 1/k!.
var inverseFactorials = func() (c [phi1Terms + 2]float64) {
	c[0] = 1
	for k := 1; k < len(c); k++ {
		c[k] = c[k-1] / float64(k)
	}
	return c
}()

// phi1 returns (e^z - 1)/z and its derivative, given ez = e^z.
func phi1(z, ez complex128) (phi, dphi complex128) {
	if math.Abs(real(z))+math.Abs(imag(z)) > phi1Radius {
		phi = (ez - 1) / z
		return phi, (ez - phi) / z
	}
	// Horner on phi = sum_k z^k/(k+1)! and its derivative.
	phi = complex(inverseFactorials[phi1Terms+1], 0)
	for k := phi1Terms; k >= 1; k-- {
		dphi = dphi*z + phi
		phi = phi*z + complex(inverseFactorials[k], 0)
	}
	return phi, dphi
}
