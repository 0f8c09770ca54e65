package vec

import "github.com/gorgonia-s4/s4/internal/num"

// Sum returns the sum of x, accumulated in float64 and rounded once.
func Sum[T num.Float](x []T) T {
	return T(active[T]().sum(x))
}

// SumSq returns the sum of the squares of x, accumulated in float64 and rounded
// once.
func SumSq[T num.Float](x []T) T {
	return T(active[T]().dot(x, x))
}

// Dot returns the sum of a[i] b[i], accumulated in float64 and rounded once.
func Dot[T num.Float](a, b []T) T {
	want("Dot", "b", len(a), len(b))
	return T(active[T]().dot(a, b))
}
