package vec

import "github.com/gorgonia-s4/s4/internal/num"

// The functions here are the passes of normalisations. In those of many columns
// at once a slice is a row, with one element for each column.

// AddDiff sets dst[i] += a[i] - b[i].
func AddDiff[T num.Float](dst, a, b []T) {
	want("AddDiff", "a", len(dst), len(a))
	want("AddDiff", "b", len(dst), len(b))
	active[T]().addDiff(dst, a, b)
}

// AddSquareDiff sets dst[i] += (a[i] - b[i])².
func AddSquareDiff[T num.Float](dst, a, b []T) {
	want("AddSquareDiff", "a", len(dst), len(a))
	want("AddSquareDiff", "b", len(dst), len(b))
	active[T]().addSquareDiff(dst, a, b)
}

// Normalise sets dst[i] = (x[i] - mean[i]) rstd[i] w + b.
func Normalise[T num.Float](dst, x, mean, rstd []T, w, b T) {
	want("Normalise", "x", len(dst), len(x))
	want("Normalise", "mean", len(dst), len(mean))
	want("Normalise", "rstd", len(dst), len(rstd))
	active[T]().normalise(dst, x, mean, rstd, w, b)
}

// NormProducts is the first pass of the gradient of Normalise, g that of its
// result: it sets
//
//	xh[i] = (x[i] - mean[i]) rstd[i]     sg[i]  += g[i] w
//	gx[i] = g[i] xh[i]                   sgx[i] += gx[i] w
//
// No two destinations are the same slice.
func NormProducts[T num.Float](xh, gx, sg, sgx, x, g, mean, rstd []T, w T) {
	want("NormProducts", "gx", len(xh), len(gx))
	want("NormProducts", "sg", len(xh), len(sg))
	want("NormProducts", "sgx", len(xh), len(sgx))
	want("NormProducts", "x", len(xh), len(x))
	want("NormProducts", "g", len(xh), len(g))
	want("NormProducts", "mean", len(xh), len(mean))
	want("NormProducts", "rstd", len(xh), len(rstd))
	active[T]().normProducts(xh, gx, sg, sgx, x, g, mean, rstd, w)
}

// NormGrad is the second pass: dst[i] = rstd[i] (g[i] w - mg[i] - xh[i] mgx[i]),
// where mg and mgx are the means over the rows of sg and sgx.
func NormGrad[T num.Float](dst, xh, g, rstd, mg, mgx []T, w T) {
	want("NormGrad", "xh", len(dst), len(xh))
	want("NormGrad", "g", len(dst), len(g))
	want("NormGrad", "rstd", len(dst), len(rstd))
	want("NormGrad", "mg", len(dst), len(mg))
	want("NormGrad", "mgx", len(dst), len(mgx))
	active[T]().normGrad(dst, xh, g, rstd, mg, mgx, w)
}

// Affine sets dst[i] = (x[i] - c) k + b.
func Affine[T num.Float](dst, x []T, c, k, b T) {
	want("Affine", "x", len(dst), len(x))
	active[T]().affine(dst, x, c, k, b)
}

// AffineGrad sets dst[i] = (g[i] - mg - (x[i] - c) q) k: the gradient of Affine,
// g that of its result, where c and k are the mean and the inverse deviation
// of x.
func AffineGrad[T num.Float](dst, x, g []T, c, k, mg, q T) {
	want("AffineGrad", "x", len(dst), len(x))
	want("AffineGrad", "g", len(dst), len(g))
	active[T]().affineGrad(dst, x, g, c, k, mg, q)
}
