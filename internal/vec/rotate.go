package vec

import "github.com/gorgonia-s4/s4/internal/num"

// Rotate sets ya[i] = a[i] cos[i] - b[i] sin[i] and yb[i] = b[i] cos[i] + a[i] sin[i].
// With the first two and the next two slices the other way round it turns back.
func Rotate[T num.Float](ya, yb, a, b, cos, sin []T) {
	n := len(ya)
	want("Rotate", "yb", n, len(yb))
	want("Rotate", "a", n, len(a))
	want("Rotate", "b", n, len(b))
	want("Rotate", "cos", n, len(cos))
	want("Rotate", "sin", n, len(sin))
	active[T]().rotate(ya, yb, a, b, cos, sin)
}

// RotateBy is Rotate by one angle, and in place.
func RotateBy[T num.Float](a, b []T, cos, sin T) {
	want("RotateBy", "b", len(a), len(b))
	active[T]().rotateBy(a, b, cos, sin)
}

// Turn is what a step does to a pair of rows of a matrix: see Retain.
type Turn[T num.Float] struct{ Cos, Sin, KA, KB, QA, QB T }

// Retain takes a pair of rows of a state a step further, and adds what a query reads:
//
//	a, b = cos a + sin b + ka v, cos b - sin a + kb v,  y += qa a + qb b
func Retain[T num.Float](y, a, b, v []T, t Turn[T]) {
	n := len(y)
	want("Retain", "a", n, len(a))
	want("Retain", "b", n, len(b))
	want("Retain", "v", n, len(v))
	active[T]().retain(y, a, b, v, t.Cos, t.Sin, t.KA, t.KB, t.QA, t.QB)
}

func rotateGeneric[T num.Float](ya, yb, a, b, cos, sin []T) {
	for i, x := range a {
		y, c, s := b[i], cos[i], sin[i]
		ya[i], yb[i] = x*c-y*s, y*c+x*s
	}
}

func rotateByGeneric[T num.Float](a, b []T, cos, sin T) {
	for i, x := range a {
		y := b[i]
		a[i], b[i] = x*cos-y*sin, y*cos+x*sin
	}
}

func retainGeneric[T num.Float](y, a, b, v []T, cos, sin, ka, kb, qa, qb T) {
	for i, x := range a {
		w := b[i]
		a[i] = ka*v[i] + sin*w + cos*x
		b[i] = kb*v[i] - sin*x + cos*w
		y[i] += qa*a[i] + qb*b[i]
	}
}
