package krylov

import (
	"errors"

	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// form is a parametrisation of the continuous model x' = F x + B u of N
// states: its parameters are a row of numbers, theta. One goroutine at a time.
type form interface {
	// yosida writes Y_s = F (I - s F)^-1, (N, N), the operator with which every
	// discretisation here is made: see discretizer. Y_0 = F.
	yosida(y, theta []float64, s float64) error
	// inverse writes Z_s = (I - s F)^-1 = I + s Y_s, (N, N), and solve writes Z_s b,
	// given y = Y_s b, for the latest Y_s. Both are right where the two terms nearly
	// cancel, as they do at long steps.
	inverse(z []float64)
	solve(x, b, y []float64)
	// yosidaGrad carries gy, the gradient of the latest Y_s, to theta, adding to
	// gTheta, and returns the derivative by s.
	yosidaGrad(gTheta, gy []float64) (gs float64)
	// input writes B (N).
	input(b, theta []float64)
	// inputGrad carries the gradient of B to theta, adding to gTheta.
	inputGrad(gTheta, theta, gb []float64)
	// stabilise moves theta to where the model is dissipative and writes to slope
	// the gradient by theta of how far it went.
	stabilise(theta, slope []float64) error
	// stabiliseGrad turns the gradient of the moved theta into that of the raw
	// one, in place.
	stabiliseGrad(gTheta, raw, slope []float64)
}

// discretizer turns the continuous model into x_l = Ab x_{l-1} + Bb u_l. With
// s = alpha dt the generalised bilinear transform is
//
//	Ab = (I - s F)^-1 (I + (1-alpha) dt F) = I + dt Y_s = Z_s + (1-alpha) dt Y_s
//	Bb = dt (I - s F)^-1 B                 = dt Z_s B
//
// The second form of Ab is that for alpha > 1/2, where it can be much less than I,
// and zero-order hold takes F = Y_0 to the matrix exponential.
type discretizer struct {
	form  form
	alpha float64
	hold  *exponential // zero-order hold; nil: the bilinear transform

	dt            float64 // of the latest step
	y, gy         []float64
	b, gb, yb, zb []float64
}

func newDiscretizer(f form, cfg Config, n int) *discretizer {
	d := &discretizer{
		form: f, alpha: cfg.alpha(),
		y: make([]float64, n*n), gy: make([]float64, n*n),
		b: make([]float64, n), gb: make([]float64, n), yb: make([]float64, n), zb: make([]float64, n),
	}
	if cfg.disc() == ssm.ZOH {
		d.hold = newExponential(n)
	}
	return d
}

// step writes Ab (N, N) and Bb (N) of the model theta at step size dt.
func (d *discretizer) step(ab, bb, theta []float64, dt float64) error {
	d.dt = dt
	s := d.alpha * dt
	if err := d.form.yosida(d.y, theta, s); err != nil {
		return err
	}
	d.form.input(d.b, theta)
	if d.hold != nil {
		d.hold.step(ab, bb, d.y, d.b, dt)
		return nil
	}
	n := len(d.b)
	if d.alpha > 0.5 {
		d.form.inverse(ab)
		vec.Axpy(ab, (1-d.alpha)*dt, d.y)
	} else {
		vec.Scale(ab, dt, d.y)
		for i := range n {
			ab[i*n+i]++
		}
	}
	for i := range n {
		d.yb[i] = vec.Dot(row(d.y, i, n), d.b)
	}
	d.form.solve(d.zb, d.b, d.yb)
	vec.Scale(bb, dt, d.zb)
	return nil
}

// stepGrad carries the gradients of Ab and Bb of the latest step to theta,
// adding to gTheta, and returns the derivative by dt.
func (d *discretizer) stepGrad(gTheta, theta, gab, gbb []float64) (gDt float64) {
	if d.hold != nil {
		gDt = d.hold.stepGrad(d.gy, d.gb, gab, gbb)
	} else {
		gDt = d.bilinearGrad(gab, gbb)
	}
	gDt += d.alpha * d.form.yosidaGrad(gTheta, d.gy)
	d.form.inputGrad(gTheta, theta, d.gb)
	return gDt
}

// bilinearGrad writes the gradients of Y and B to gy and gb, and returns the
// derivative by dt but for the dependence of Y on s.
func (d *discretizer) bilinearGrad(gab, gbb []float64) (gDt float64) {
	n, s := len(d.b), d.alpha*d.dt
	gDt = vec.Dot(gab, d.y)
	vec.Scale(d.gy, d.dt, gab)
	vec.Scale(d.gb, d.dt, gbb)
	for i, g := range gbb {
		gDt += g * (d.zb[i] + s*d.yb[i]) // s contains dt
		vec.Axpy(row(d.gy, i, n), d.dt*s*g, d.b)
		vec.Axpy(d.gb, d.dt*s*g, row(d.y, i, n))
	}
	return gDt
}

// errSingular is what a model gives whose equations have no solution.
var errSingular = errors.New("the matrix to be inverted is singular")
