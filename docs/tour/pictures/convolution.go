package pictures

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// convolution shows how many multiplications a convolution takes, directly and by
// transforms.
func convolution() ([]figure.Panel, error) {
	p := figure.NewPlot("multiplications of one convolution", "length L", "")
	figure.AddGrid(p)
	var ls, direct, fft []float64
	for e := 4; e <= 16; e++ {
		l := math.Exp2(float64(e))
		ls, direct, fft = append(ls, l), append(direct, l*(l+1)/2), append(fft, 6*l*float64(e+1))
	}
	colours := figure.Series(2)
	for i, counts := range [][]float64{direct, fft} {
		line := figure.Line(ls, counts, colours[i], 1.5)
		p.Add(line)
		p.Legend.Add([]string{"direct", "by transforms"}[i], line)
	}
	figure.Decades(&p.X)
	figure.Decades(&p.Y)
	p.Legend.Top, p.Legend.Left = true, true
	return []figure.Panel{p}, nil
}
