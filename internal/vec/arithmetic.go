package vec

import "github.com/gorgonia-s4/s4/internal/num"

// Add sets dst[i] = a[i] + b[i].
func Add[T num.Float](dst, a, b []T) {
	want("Add", "a", len(dst), len(a))
	want("Add", "b", len(dst), len(b))
	active[T]().add(dst, a, b)
}

// Sub sets dst[i] = a[i] - b[i].
func Sub[T num.Float](dst, a, b []T) {
	want("Sub", "a", len(dst), len(a))
	want("Sub", "b", len(dst), len(b))
	active[T]().sub(dst, a, b)
}

// Max sets dst[i] to a[i] if that is greater than b[i], else to b[i]: so it is
// b[i] where a[i] is NaN, and NaN where b[i] is.
func Max[T num.Float](dst, a, b []T) {
	want("Max", "a", len(dst), len(a))
	want("Max", "b", len(dst), len(b))
	active[T]().max(dst, a, b)
}

// Mul sets dst[i] = a[i] b[i].
func Mul[T num.Float](dst, a, b []T) {
	want("Mul", "a", len(dst), len(a))
	want("Mul", "b", len(dst), len(b))
	active[T]().mul(dst, a, b)
}

// AddMul sets dst[i] += a[i] b[i].
func AddMul[T num.Float](dst, a, b []T) {
	want("AddMul", "a", len(dst), len(a))
	want("AddMul", "b", len(dst), len(b))
	active[T]().addMul(dst, a, b)
}

// Axpy sets dst[i] += alpha x[i].
func Axpy[T num.Float](dst []T, alpha T, x []T) {
	want("Axpy", "x", len(dst), len(x))
	active[T]().axpy(dst, alpha, x)
}

// Scale sets dst[i] = alpha x[i].
func Scale[T num.Float](dst []T, alpha T, x []T) {
	want("Scale", "x", len(dst), len(x))
	active[T]().scale(dst, alpha, x)
}
