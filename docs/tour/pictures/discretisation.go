package pictures

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// rules are the discretisations that the chapter compares.
var rules = []ssm.Disc{ssm.Euler, ssm.BackwardEuler, ssm.Bilinear, ssm.ZOH}

// discretisation shows how far the rules are from the truth after one unit of time, and
// where each puts the poles of oscillations that neither grow nor fade.
func discretisation() ([]figure.Panel, error) {
	const pole = -0.5 + 2*math.Pi*1i
	errs := figure.NewPlot("error of the state after one unit of time", "step dt", "error")
	figure.AddGrid(errs)
	disc := figure.NewPlot("e^(i w dt) as each rule has it, w dt from 0 to 3\ngrey: the unit circle", "Re", "Im")
	figure.AddGrid(disc)
	var circle []complex128
	for _, angle := range positions(0, 2*math.Pi, 200) {
		circle = append(circle, cmplx.Rect(1, angle))
	}
	disc.Add(figure.Dots(circle, draw.CircleGlyph{}, figure.Grey, 1))
	colours := figure.Series(len(rules) + 1)
	for i, rule := range rules {
		var dts, es []float64
		for m := 4; m <= 1024; m *= 2 {
			ab, err := factor(pole, 1/float64(m), rule)
			if err != nil {
				return nil, err
			}
			if e := cmplx.Abs(cmplx.Pow(ab, complex(float64(m), 0)) - cmplx.Exp(pole)); rule != ssm.ZOH {
				dts, es = append(dts, 1/float64(m)), append(es, e)
			}
		}
		if rule != ssm.ZOH { // its error is rounding
			line := figure.Line(dts, es, colours[i], 1.5)
			errs.Add(line)
			errs.Legend.Add(string(rule), line)
		}
		var path []complex128
		for _, w := range positions(0, 3, 31) {
			ab, err := factor(complex(0, w), 1, rule)
			if err != nil {
				return nil, err
			}
			path = append(path, ab)
		}
		size := vg.Length(2)
		if rule == ssm.Bilinear { // it is behind those of zoh
			size = 3.5
		}
		dots := figure.Dots(path, draw.CircleGlyph{}, colours[i], size)
		disc.Add(dots)
		disc.Legend.Add(string(rule), dots)
	}
	figure.Decades(&errs.X)
	figure.Decades(&errs.Y)
	errs.Legend.Top, errs.Legend.Left = true, true
	disc.X.Min, disc.X.Max, disc.Y.Min, disc.Y.Max = -1.5, 2.5, -1, 3
	disc.Legend.Top = true
	return []figure.Panel{errs, figure.Square{Plot: disc}}, nil
}

// factor is what a pole becomes in one step.
func factor(pole complex128, dt float64, rule ssm.Disc) (complex128, error) {
	ab, _, err := hippo.DiscretizeDiagonal([]complex128{pole}, []complex128{1}, dt, rule, 0)
	if err != nil {
		return 0, err
	}
	return ab[0], nil
}
