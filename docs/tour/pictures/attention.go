package pictures

import (
	"math"
	"math/cmplx"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// attention shows the weights that an attention gives to the past, and those of a state
// space layer.
func attention() ([]figure.Panel, error) {
	const L, D = 40, 8
	rng := rand.New(rand.NewPCG(1, 0))
	rows := func() [][]float64 {
		r := make([][]float64, L)
		for i := range r {
			r[i] = make([]float64, D)
			for d := range r[i] {
				r[i][d] = 1.5 * rng.NormFloat64()
			}
		}
		return r
	}
	q, k := rows(), rows()
	soft := make([][]float64, L)
	for i := range soft {
		soft[i] = make([]float64, L)
		var total float64
		for j := 0; j <= i; j++ {
			var s float64
			for d := range D {
				s += q[i][d] * k[j][d]
			}
			soft[i][j] = math.Exp(s / math.Sqrt(D))
			total += soft[i][j]
		}
		for j := range soft[i] {
			soft[i][j] /= total
		}
	}

	a, b, err := hippo.DiagInit(hippo.InitLin, 8, hippo.DiagOptions{})
	if err != nil {
		return nil, err
	}
	c := make([]complex128, len(a))
	for i := range c {
		c[i] = cmplx.Rect(1, float64(i))
	}
	kernel, err := hippo.DiagonalKernel(a, b, c, 0.1, ssm.ZOH, 0, L)
	if err != nil {
		return nil, err
	}
	lags := make([][]float64, L)
	for i := range lags {
		lags[i] = make([]float64, L)
		for j := 0; j <= i; j++ {
			lags[i][j] = kernel[i-j]
		}
	}
	return []figure.Panel{
		figure.NewHeatMap(figure.NewPlot("an attention: the weight of step j for step i\nanother input, another matrix", "j", "i"), figure.Grid{Rows: soft, DX: 1}, "weight"),
		figure.NewHeatMap(figure.NewPlot("a state space layer: the same for any input\nalong a diagonal all are equal", "j", "i"), figure.Grid{Rows: lags, DX: 1}, "weight"),
	}, nil
}
