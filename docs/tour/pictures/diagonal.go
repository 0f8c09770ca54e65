package pictures

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// diagonal shows the frequencies of the initialisations, and what dropping the low-rank
// part does to a kernel of LegS.
func diagonal() ([]figure.Panel, error) {
	frequencies, err := frequencies()
	if err != nil {
		return nil, err
	}
	const dt, L, row = 0.01, 300, 2
	p := figure.NewPlot("a kernel of LegS, and of its normal part alone\ngrey: LegS", "step", "")
	figure.AddGrid(p)
	c := func(n int) []float64 {
		c := make([]float64, n)
		c[row] = 1
		return c
	}
	full, err := kernelOf(hippo.LegS, 64, c(64), dt, L)
	if err != nil {
		return nil, err
	}
	p.Add(figure.Line(whole(L), full, figure.Grey, 4))
	sizes := []int{16, 64, 256}
	colours := figure.Series(len(sizes))
	for i, n := range sizes {
		k, err := kernelOf(hippo.LegSD, n, c(n), dt, L)
		if err != nil {
			return nil, err
		}
		line := figure.Line(whole(L), k, colours[i], 1.2)
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("N = %d", n), line)
	}
	p.Legend.Top = true
	return []figure.Panel{frequencies, p}, nil
}

// frequencies draws the imaginary parts of the eigenvalues of four initialisations.
func frequencies() (figure.Panel, error) {
	const n = 64
	p := figure.NewPlot("frequencies that a model of N = 64 starts from", "n", "|Im A|")
	figure.AddGrid(p)
	inits := []hippo.Init{hippo.InitLegS, hippo.InitInv, hippo.InitLin, hippo.InitQuad}
	colours := figure.Series(len(inits))
	for i, init := range inits {
		a, _, err := hippo.DiagInit(init, n, hippo.DiagOptions{})
		if err != nil {
			return nil, err
		}
		var w []float64
		for _, v := range a {
			w = append(w, max(-imag(v), 0.1))
		}
		slices.Sort(w)
		line := figure.Line(whole(len(w)), w, colours[i], 1.5)
		p.Add(line)
		p.Legend.Add(string(init), line)
	}
	figure.Decades(&p.Y)
	p.Legend.Left, p.Legend.Top = true, true
	return p, nil
}

// kernelOf returns the kernel of a measure under the bilinear transform.
func kernelOf(m hippo.Measure, n int, c []float64, dt float64, L int) ([]float64, error) {
	a, b, err := hippo.Transition(m, n, hippo.MeasureOptions{})
	if err != nil {
		return nil, err
	}
	r, err := (&hippo.SSM{A: a, B: b, C: c}).Discretize(dt, ssm.Bilinear, 0)
	if err != nil {
		return nil, err
	}
	return r.Kernel(L)
}
