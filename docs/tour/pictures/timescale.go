package pictures

import (
	"fmt"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// timescale shows one kernel at three step widths.
func timescale() ([]figure.Panel, error) {
	const n, L = 16, 800
	a, b, err := hippo.DiagInit(hippo.InitLin, n, hippo.DiagOptions{})
	if err != nil {
		return nil, err
	}
	c := make([]complex128, n/2)
	for i := range c {
		c[i] = cmplx.Rect(1/float64(i+1), float64(i))
	}
	dts := []float64{0.02, 0.01, 0.005}
	colours := figure.Series(len(dts))
	p := figure.NewPlot("one model at three step widths: K divided by dt", "step", "K / dt")
	figure.AddGrid(p)
	for i, dt := range dts {
		k, err := hippo.DiagonalKernel(a, b, c, dt, ssm.ZOH, 0, L)
		if err != nil {
			return nil, err
		}
		for l := range k {
			k[l] /= dt
		}
		line := figure.Line(whole(L), k, colours[i], 1.3)
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("dt = %g", dt), line)
	}
	p.Legend.Top = true
	return []figure.Panel{p}, nil
}
