package pictures

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// lowRank shows the eigenvalues of the normal part of LegS, and a kernel with the
// spectrum it is computed from.
func lowRank() ([]figure.Panel, error) {
	const n, dt, L = 64, 0.01, 256
	d, err := hippo.NPLR(hippo.LegS, n, 1, hippo.NPLROptions{})
	if err != nil {
		return nil, err
	}
	var pairs []complex128
	for _, l := range d.Lambda {
		pairs = append(pairs, l, cmplx.Conj(l))
	}
	plane := figure.NewPlot("eigenvalues of the normal part of LegS, N = 64", "Re", "Im")
	figure.AddGrid(plane)
	plane.Add(figure.Dots(pairs, draw.CircleGlyph{}, figure.Black, 2))
	plane.X.Min, plane.X.Max = -1, 0

	c := make([]complex128, n/2)
	for i := range c {
		c[i] = cmplx.Rect(1/float64(i+1), float64(i))
	}
	k, err := d.Kernel(c, dt, L)
	if err != nil {
		return nil, err
	}
	spectrum := fourier.NewFFT(L).Coefficients(nil, k)
	magnitude := make([]float64, len(spectrum))
	for i, v := range spectrum {
		magnitude[i] = cmplx.Abs(v)
	}
	at := figure.NewPlot("|K^| at the roots of unity: what the Cauchy sums give", "k", "")
	figure.AddGrid(at)
	at.Add(figure.Line(whole(len(magnitude)), magnitude, figure.Black, 1.5))
	at.Y.Min = math.Min(at.Y.Min, 0)
	kernel := figure.NewPlot("the kernel: its inverse transform", "step", "K")
	figure.AddGrid(kernel)
	kernel.Add(figure.Line(whole(L), k, figure.Black, 1))
	return []figure.Panel{plane, at, kernel}, nil
}
