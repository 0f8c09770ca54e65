package vec

import "github.com/gorgonia-s4/s4/internal/num"

// Sum returns the sum of x, accumulated in float64 and rounded once.
func Sum[T num.Float](x []T) T {
	return T(active[T]().sum(x))
}

// Sum64 is Sum without the rounding.
func Sum64[T num.Float](x []T) float64 { return active[T]().sum(x) }

// SumSq returns the sum of the squares of x, accumulated in float64 and rounded
// once.
func SumSq[T num.Float](x []T) T {
	return T(active[T]().dot(x, x))
}

// SumSq64 is SumSq without the rounding.
func SumSq64[T num.Float](x []T) float64 { return active[T]().dot(x, x) }

// RoughSumSq is SumSq for those who ask for the size of x alone, in less time: it
// is accumulated in T, where squares overflow and underflow.
func RoughSumSq[T num.Float](x []T) float64 { return active[T]().roughSumSq(x) }

// Dot returns the sum of a[i] b[i], accumulated in float64 and rounded once.
func Dot[T num.Float](a, b []T) T {
	want("Dot", "b", len(a), len(b))
	return T(active[T]().dot(a, b))
}

// tail is a multiple of the elements of a vector, for reductions that take whole
// vectors.
const tail = 16

// SumSqDiff returns the sum of (x[i] - c)², in float64.
func SumSqDiff[T num.Float](x []T, c float64) float64 {
	n := len(x) &^ (tail - 1)
	return active[T]().sumSqDiff(x[:n], c) + sumSqDiffGeneric(x[n:], c)
}

// DotDiff returns the sum of g[i] (x[i] - c), in float64.
func DotDiff[T num.Float](g, x []T, c float64) float64 {
	want("DotDiff", "x", len(g), len(x))
	return active[T]().dotDiff(g, x, c)
}
