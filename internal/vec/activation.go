package vec

import "github.com/gorgonia-s4/s4/internal/num"

// GELU sets dst[i] = x[i] Φ(x[i]), Φ the distribution function of the standard
// normal: the exact Gaussian error linear unit of Hendrycks and Gimpel (2016),
// not its approximation by tanh.
func GELU[T num.Float](dst, x []T) {
	want("GELU", "x", len(dst), len(x))
	active[T]().gelu(dst, x)
}

// GELUGrad sets dst[i] = g[i] gelu'(x[i]), where
// gelu'(x) = Φ(x) + x φ(x) and φ is the density of the standard normal.
func GELUGrad[T num.Float](dst, x, g []T) {
	want("GELUGrad", "x", len(dst), len(x))
	want("GELUGrad", "g", len(dst), len(g))
	active[T]().geluGrad(dst, x, g)
}

// GELUBoth sets y[i] = gelu(x[i]) and dy[i] = gelu'(x[i]), for little more than
// one of them costs. y and dy are not the same slice.
func GELUBoth[T num.Float](y, dy, x []T) {
	want("GELUBoth", "dy", len(y), len(dy))
	want("GELUBoth", "x", len(y), len(x))
	active[T]().geluBoth(y, dy, x)
}

// GELUTanh sets dst[i] to the approximation of gelu(x[i]) by tanh,
//
//	x/2 (1 + tanh(u)) = x sigmoid(2 u)    u = sqrt(2/π) (x + 0.044715 x³)
//
// of Hendrycks and Gimpel (2016), which JAX and Flax have as gelu.
func GELUTanh[T num.Float](dst, x []T) {
	want("GELUTanh", "x", len(dst), len(x))
	active[T]().geluTanh(dst, x)
}

// GELUTanhGrad sets dst[i] = g[i] f'(x[i]), f being GELUTanh: with s = sigmoid(2 u),
// f'(x) = s + x s (1 - s) 2 sqrt(2/π) (1 + 3 0.044715 x²).
func GELUTanhGrad[T num.Float](dst, x, g []T) {
	want("GELUTanhGrad", "x", len(dst), len(x))
	want("GELUTanhGrad", "g", len(dst), len(g))
	active[T]().geluTanhGrad(dst, x, g)
}

// GELUTanhBoth sets y[i] to GELUTanh of x[i] and dy[i] to its derivative there. y
// and dy are not the same slice.
func GELUTanhBoth[T num.Float](y, dy, x []T) {
	want("GELUTanhBoth", "dy", len(y), len(dy))
	want("GELUTanhBoth", "x", len(y), len(x))
	active[T]().geluTanhBoth(y, dy, x)
}

// SiLU sets dst[i] = x[i] sigmoid(x[i]).
func SiLU[T num.Float](dst, x []T) {
	want("SiLU", "x", len(dst), len(x))
	active[T]().silu(dst, x)
}

// SiLUGrad sets dst[i] = g[i] silu'(x[i]), where
// silu'(x) = s + x s (1 - s) and s = sigmoid(x).
func SiLUGrad[T num.Float](dst, x, g []T) {
	want("SiLUGrad", "x", len(dst), len(x))
	want("SiLUGrad", "g", len(dst), len(g))
	active[T]().siluGrad(dst, x, g)
}

// SiLUBoth sets y[i] = silu(x[i]) and dy[i] = silu'(x[i]). y and dy are not the same
// slice.
func SiLUBoth[T num.Float](y, dy, x []T) {
	want("SiLUBoth", "dy", len(y), len(dy))
	want("SiLUBoth", "x", len(y), len(x))
	active[T]().siluBoth(y, dy, x)
}

// Softplus sets dst[i] = log(1 + e^x[i]).
func Softplus[T num.Float](dst, x []T) {
	want("Softplus", "x", len(dst), len(x))
	active[T]().softplus(dst, x)
}

// GLU sets dst[i] = a[i] sigmoid(b[i]): the gated linear unit of Dauphin et
// al. (2017), a and b the two halves of its input.
func GLU[T num.Float](dst, a, b []T) {
	want("GLU", "a", len(dst), len(a))
	want("GLU", "b", len(dst), len(b))
	active[T]().glu(dst, a, b)
}

// GLUGrad sets da[i] and db[i] to the gradients of GLU(a, b) where g is that of
// its result: da = g s and db = g a s (1 - s), s = sigmoid(b). Each destination
// may be the same slice as an operand, but not as the other.
func GLUGrad[T num.Float](da, db, a, b, g []T) {
	want("GLUGrad", "db", len(da), len(db))
	want("GLUGrad", "a", len(da), len(a))
	want("GLUGrad", "b", len(da), len(b))
	want("GLUGrad", "g", len(da), len(g))
	active[T]().gluGrad(da, db, a, b, g)
}
