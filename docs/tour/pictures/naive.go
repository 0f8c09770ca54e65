package pictures

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// naive shows how large the elements of the eigenvectors of LegS become.
func naive() ([]figure.Panel, error) {
	var ns, largest []float64
	for n := 2; n <= 64; n += 2 {
		ns, largest = append(ns, float64(n)), append(largest, math.Log10(largestOf(n)))
	}
	p := figure.NewPlot("the largest element of the eigenvectors of LegS\ngrey: 1/eps of float32 and of float64", "N", "power of ten")
	figure.AddGrid(p)
	p.Add(figure.Line(ns, largest, figure.Black, 1.8))
	for _, bits := range []float64{23, 52} {
		p.Add(figure.Line([]float64{2, 64}, []float64{bits * math.Log10(2), bits * math.Log10(2)}, figure.Grey, 1))
	}
	return []figure.Panel{p}, nil
}

// largestOf returns the largest of sqrt(2i+1) binomial(i+j, i-j), i and j below n.
func largestOf(n int) float64 {
	most := 0.0
	for j := range n {
		binomial := 1.0
		for i := j; i < n; i++ {
			most = max(most, math.Sqrt(float64(2*i+1))*binomial)
			binomial *= float64(i+j+1) / float64(i-j+1)
		}
	}
	return most
}
