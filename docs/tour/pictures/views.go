package pictures

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// views shows a kernel, and what it makes of an input.
func views() ([]figure.Panel, error) {
	const n, window, L = 8, 40, 200
	a, b, err := hippo.Transition(hippo.LegT, n, hippo.MeasureOptions{})
	if err != nil {
		return nil, err
	}
	c, err := hippo.Basis(hippo.LegT, n, 1, hippo.MeasureOptions{})
	if err != nil {
		return nil, err
	}
	r, err := (&hippo.SSM{A: a, B: b, C: c}).Discretize(2./window, ssm.ZOH, 0)
	if err != nil {
		return nil, err
	}
	k, err := r.Kernel(L)
	if err != nil {
		return nil, err
	}
	u := make([]float64, L)
	for l := range u {
		u[l] = math.Sin(float64(l) / 9)
	}
	y := hippo.Convolve(k, u)

	kernel := figure.NewPlot("the kernel K: the answer to a single 1", "step", "K")
	figure.AddGrid(kernel)
	kernel.Add(figure.Line(whole(80), k[:80], figure.Black, 1.5))
	both := figure.NewPlot("the input u, and the output y = K * u, twenty steps later", "step", "")
	figure.AddGrid(both)
	colours := figure.Series(2)
	for i, v := range [][]float64{u, y} {
		line := figure.Line(whole(L), v, colours[i], 1.5)
		both.Add(line)
		both.Legend.Add([]string{"u", "y"}[i], line)
	}
	both.Y.Max += 0.4
	both.Legend.Top = true
	return []figure.Panel{kernel, both}, nil
}
