package ops

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// weightNorm is the core of WeightNorm.
type weightNorm[T num.Float] struct{}

func (*weightNorm[T]) Forward(out []T, in []graphop.Arg[T]) error {
	WeightsOfNorm(out, in[0].F, in[1].F)
	return nil
}

// WeightsOfNorm is WeightNorm without a graph: it writes to w those of v (N, ...) at
// the norms g (N).
func WeightsOfNorm[T num.Float](w, v, g []T) {
	m := len(v) / len(g)
	for n, g := range g {
		row := v[n*m : (n+1)*m]
		vec.Scale(w[n*m:(n+1)*m], T(float64(g)*inverseNorm(row)), row)
	}
}

// inverseNorm returns 1/|v|, or 0 for |v| = 0.
func inverseNorm[T num.Float](v []T) float64 {
	s := vec.SumSq64(v)
	if s == 0 {
		return 0
	}
	return 1 / math.Sqrt(s)
}

func (*weightNorm[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	v, g := in[0].F, in[1].F
	m := len(v) / len(g)
	for n, g := range g {
		row, dw, dv := v[n*m:(n+1)*m], gout[n*m:(n+1)*m], grad[0][n*m:(n+1)*m]
		inv := inverseNorm(row)
		along := vec.DotDiff(dw, row, 0) * inv // the part of dw in the direction of v
		grad[1][n] = T(along)
		vec.Scale(dv, T(float64(g)*inv), dw)
		vec.Axpy(dv, T(-float64(g)*inv*inv*along), row)
	}
	return nil
}
