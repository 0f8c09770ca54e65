package pictures

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// learning shows the way of the eigenvalues while a kernel of one wave is learned, and the
// error with A frozen and with A learned.
func learning() ([]figure.Panel, error) {
	const steps = 500
	plane := figure.NewPlot("the way of the eigenvalues while A is learned\ndots: where they start; grey: the wave that is wanted", "Re", "Im")
	figure.AddGrid(plane)
	errs := figure.NewPlot("error of the kernel", "step", "relative error")
	figure.AddGrid(errs)
	colours := figure.Series(2)
	for i, rate := range []float64{0, 0.001} {
		ways, off := descent(rate, steps)
		line := figure.Line(whole(steps), off, colours[i], 1.5)
		errs.Add(line)
		errs.Legend.Add([]string{"A frozen", "A learned"}[i], line)
		if rate == 0 {
			continue
		}
		plane.Add(figure.Dots([]complex128{complex(-0.2, 4.6)}, draw.CircleGlyph{}, figure.Grey, 6))
		for _, way := range ways {
			xs, ys := make([]float64, steps), make([]float64, steps)
			for l, a := range way {
				xs[l], ys[l] = real(a), imag(a)
			}
			plane.Add(figure.Line(xs, ys, figure.Black, 1.2), figure.Dots(way[:1], draw.CircleGlyph{}, figure.Black, 3))
		}
	}
	plane.X.Max = -0.13 // beside a tick: whether one at the very end is drawn is up to rounding
	errs.Legend.Top = true
	errs.Y.Min = 0
	return []figure.Panel{plane, errs}, nil
}

// descent learns the wave as the Example of the chapter does, and returns the eigenvalues
// and the error before every step.
func descent(rateA float64, steps int) (ways [][]complex128, off []float64) {
	const dt, L, n, rate, momentum = 0.05, 200, 4, 0.002, 0.9
	want, norm := make([]float64, L), 0.0
	for l := range want {
		t := dt * float64(l)
		want[l] = math.Exp(-0.2*t) * math.Cos(4.6*t)
		norm += want[l] * want[l]
	}
	decay, turn, w := make([]float64, n), make([]float64, n), make([]complex128, n)
	for i := range n {
		decay[i], turn[i], w[i] = math.Log(0.5), math.Pi*float64(i), 0.1
	}
	vd, vt, vw := make([]float64, n), make([]float64, n), make([]complex128, n)
	ways = make([][]complex128, n)
	for range steps {
		g, sum := make([]float64, L), 0.0
		for l := range g {
			for i := range n {
				g[l] += 2 * real(w[i]*cmplx.Exp(complex(-math.Exp(decay[i]), turn[i])*complex(dt*float64(l), 0)))
			}
			g[l] -= want[l]
			sum += g[l] * g[l]
		}
		off = append(off, math.Sqrt(sum/norm))
		for i := range n {
			a := complex(-math.Exp(decay[i]), turn[i])
			ways[i] = append(ways[i], a)
			var s0, s1 complex128
			for l := range g {
				v := complex(g[l], 0) * cmplx.Exp(a*complex(dt*float64(l), 0))
				s0, s1 = s0+v, s1+complex(float64(l), 0)*v
			}
			da := 2 * dt * w[i] * s1
			vd[i] = momentum*vd[i] + rateA*real(da)*math.Exp(decay[i])
			vt[i] = momentum*vt[i] + rateA*imag(da)
			vw[i] = momentum*vw[i] - rate*cmplx.Conj(2*s0)
		}
		for i := range n {
			decay[i], turn[i], w[i] = decay[i]+vd[i], turn[i]+vt[i], w[i]+vw[i]
		}
	}
	return ways, off
}
