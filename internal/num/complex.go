package num

// Complex returns element i of an array of complex numbers, which are stored as
// real and imaginary parts by turns: a last axis of 2.
func Complex[T Float](v []T, i int) complex128 {
	return complex(float64(v[2*i]), float64(v[2*i+1]))
}

// SetComplex sets element i of such an array.
func SetComplex[T Float](v []T, i int, z complex128) { v[2*i], v[2*i+1] = T(real(z)), T(imag(z)) }

// Derivative returns the holomorphic derivative by a complex number of which
// element i of v is the gradient. Of a loss that changes by Re(g dz), g is the
// derivative, and the derivatives by the real and imaginary part of z, which are
// what a gradient holds, are Re g and -Im g.
func Derivative[T Float](v []T, i int) complex128 {
	return complex(float64(v[2*i]), -float64(v[2*i+1]))
}

// SetGrad sets element i of the gradient v to the derivative g, see [Derivative].
func SetGrad[T Float](v []T, i int, g complex128) { v[2*i], v[2*i+1] = T(real(g)), T(-imag(g)) }

// AddGrad adds the derivative g to element i of the gradient v.
func AddGrad[T Float](v []T, i int, g complex128) {
	v[2*i] += T(real(g))
	v[2*i+1] -= T(imag(g))
}
