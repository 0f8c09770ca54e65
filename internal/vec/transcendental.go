package vec

import "github.com/gorgonia-s4/s4/internal/num"

// Exp sets dst[i] = e^x[i].
func Exp[T num.Float](dst, x []T) {
	want("Exp", "x", len(dst), len(x))
	active[T]().exp(dst, x)
}

// Sigmoid sets dst[i] = 1 / (1 + e^-x[i]).
func Sigmoid[T num.Float](dst, x []T) {
	want("Sigmoid", "x", len(dst), len(x))
	active[T]().sigmoid(dst, x)
}

// Tanh sets dst[i] to the hyperbolic tangent of x[i].
func Tanh[T num.Float](dst, x []T) {
	want("Tanh", "x", len(dst), len(x))
	active[T]().tanh(dst, x)
}

// Erf sets dst[i] to the error function of x[i].
func Erf[T num.Float](dst, x []T) {
	want("Erf", "x", len(dst), len(x))
	active[T]().erf(dst, x)
}
