//go:build (amd64 || arm64) && !purego

package cauchy

import "unsafe"

// kernels are the generated functions of one instruction set.
type kernels struct {
	sums      func(dst, y, c *float64, nodes int, terms *float64, pairs int)
	resolve   resolveKernel
	resolve12 resolveKernel // for 1 row of right, 2 of left: rank 1, one channel
	resolve13 resolveKernel // for 1 row of right, 3 of left: rank 1, two channels
}

// resolveKernel takes the pairs of poles, the nodes and the rows of right and of
// left beside where they are, at least one of each.
type resolveKernel = func(acc, coef *float64, pairs int, y, c *float64, nodes int, right, left *float64, rights, lefts int)

func (k kernels) passes() passes {
	return passes{
		sums: func(dst rows, y, c []float64, terms []term) {
			if len(y) == 0 || len(terms) == 0 {
				sumsGeneric(dst, y, c, terms)
				return
			}
			k.sums(&dst[0], &y[0], &c[0], len(y), &terms[0].decay, len(terms))
		},
		resolve: func(acc, coef, y, c []float64, right, left rows) {
			if len(y) == 0 || len(coef) == 0 {
				return
			}
			rights, lefts := right.count(), left.count()
			pairs := len(coef) / (2 * (2 + rights + lefts))
			k.of(rights, lefts)(&acc[0], &coef[0], pairs, &y[0], &c[0], len(y), unsafe.SliceData(right), unsafe.SliceData(left), rights, lefts)
		},
	}
}

// of returns the fastest resolve for the given numbers of rows.
func (k *kernels) of(rights, lefts int) resolveKernel {
	switch {
	case rights == 1 && lefts == 2:
		return k.resolve12
	case rights == 1 && lefts == 3:
		return k.resolve13
	}
	return k.resolve
}
