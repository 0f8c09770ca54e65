package vec

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// generic returns the implementation in portable Go.
func generic[T num.Float]() kernels[T] {
	a := approxOf[T]()
	return kernels[T]{
		exp:           apply[T](a.expOf),
		sigmoid:       apply[T](a.sigmoid),
		tanh:          apply[T](a.tanh),
		erf:           apply[T](a.erfOf),
		gelu:          apply[T](a.gelu),
		geluTanh:      apply[T](a.geluTanh),
		silu:          apply[T](a.silu),
		softplus:      apply[T](a.softplus),
		geluGrad:      applyGrad[T](a.geluPrime),
		geluTanhGrad:  applyGrad[T](a.geluTanhPrime),
		siluGrad:      applyGrad[T](a.siluPrime),
		geluBoth:      both[T](a.geluBoth),
		geluTanhBoth:  both[T](a.geluTanhBoth),
		siluBoth:      both[T](a.siluBoth),
		glu:           gluGeneric[T],
		gluGrad:       gluGradGeneric[T],
		add:           addGeneric[T],
		mul:           mulGeneric[T],
		sub:           subGeneric[T],
		max:           maxGeneric[T],
		axpy:          axpyGeneric[T],
		scale:         scaleGeneric[T],
		addDiff:       addDiffGeneric[T],
		addSquareDiff: addSquareDiffGeneric[T],
		addMul:        addMulGeneric[T],
		normalise:     normaliseGeneric[T],
		normProducts:  normProductsGeneric[T],
		normGrad:      normGradGeneric[T],
		affine:        affineGeneric[T],
		affineGrad:    affineGradGeneric[T],
		sumSqDiff:     sumSqDiffGeneric[T],
		dotDiff:       dotDiffGeneric[T],
		sum:           sumGeneric[T],
		dot:           dotGeneric[T],
		roughSumSq:    roughSumSqGeneric[T],
		lstm:          lstmGeneric[T],
		lstmGrad:      lstmGradGeneric[T],
		gru:           gruGeneric[T],
		gruGrad:       gruGradGeneric[T],
		rotate:        rotateGeneric[T],
		rotateBy:      rotateByGeneric[T],
		fetch:         func([]T, int, int, int) {}, // there is no way to ask
		retain:        retainGeneric[T],
		adamW:         adamWGeneric[T],
	}
}

// apply returns the function that applies f to every element.
func apply[T num.Float](f func(float64) float64) func(dst, x []T) {
	return func(dst, x []T) {
		for i, v := range x {
			dst[i] = T(f(float64(v)))
		}
	}
}

// applyGrad returns the function that multiplies g by f of every element.
func applyGrad[T num.Float](f func(float64) float64) func(dst, x, g []T) {
	return func(dst, x, g []T) {
		for i, v := range x {
			dst[i] = T(f(float64(v))) * g[i]
		}
	}
}

// both returns the function that computes both results of f of every element.
func both[T num.Float](f func(float64) (y, dy float64)) func(y, dy, x []T) {
	return func(y, dy, x []T) {
		for i, v := range x {
			u, du := f(float64(v))
			y[i], dy[i] = T(u), T(du)
		}
	}
}

func gluGeneric[T num.Float](dst, a, b []T) {
	ap := approxOf[T]()
	for i, v := range b {
		dst[i] = a[i] * T(ap.sigmoid(float64(v)))
	}
}

func gluGradGeneric[T num.Float](da, db, a, b, g []T) {
	ap := approxOf[T]()
	for i, v := range b {
		_, e := ap.logistic(float64(v))
		p := 1 / (1 + e*drop)
		s, c := T(p), T(e*p*drop) // sigmoid of b and of -b
		if v < 0 {
			s, c = c, s
		}
		gs, ai := g[i]*s, a[i] // read before da and db are written
		da[i], db[i] = gs, gs*c*ai
	}
}

func addGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

func subGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		dst[i] = v - b[i]
	}
}

func maxGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		if w := b[i]; !(v > w) {
			v = w
		}
		dst[i] = v
	}
}

func mulGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		dst[i] = v * b[i]
	}
}

func axpyGeneric[T num.Float](dst []T, alpha T, x []T) {
	for i, v := range x {
		dst[i] += alpha * v
	}
}

func scaleGeneric[T num.Float](dst []T, alpha T, x []T) {
	for i, v := range x {
		dst[i] = alpha * v
	}
}

func addMulGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		dst[i] += v * b[i]
	}
}

func addDiffGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		dst[i] += v - b[i]
	}
}

func addSquareDiffGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		d := v - b[i]
		dst[i] += d * d
	}
}

func normaliseGeneric[T num.Float](dst, x, mean, rstd []T, w, b T) {
	for i, v := range x {
		dst[i] = (v-mean[i])*rstd[i]*w + b
	}
}

func normProductsGeneric[T num.Float](xh, gx, sg, sgx, x, g, mean, rstd []T, w T) {
	for i, v := range x {
		gi := g[i] // read before xh and gx are written
		h := (v - mean[i]) * rstd[i]
		p := gi * h
		xh[i], gx[i] = h, p
		sg[i] += gi * w
		sgx[i] += p * w
	}
}

func normGradGeneric[T num.Float](dst, xh, g, rstd, mg, mgx []T, w T) {
	for i, h := range xh {
		dst[i] = rstd[i] * (g[i]*w - mg[i] - h*mgx[i])
	}
}

func affineGeneric[T num.Float](dst, x []T, c, k, b T) {
	for i, v := range x {
		dst[i] = (v-c)*k + b
	}
}

func affineGradGeneric[T num.Float](dst, x, g []T, c, k, mg, q T) {
	for i, v := range x {
		dst[i] = (g[i] - mg - (v-c)*q) * k
	}
}

func sumSqDiffGeneric[T num.Float](x []T, c float64) float64 {
	var s [4]float64
	for i, v := range x {
		d := float64(v) - c
		s[i&3] += d * d
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func dotDiffGeneric[T num.Float](g, x []T, c float64) float64 {
	var s [4]float64
	for i, v := range x {
		s[i&3] += float64(g[i]) * (float64(v) - c)
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func roughSumSqGeneric[T num.Float](x []T) float64 {
	var s [4]T
	for ; len(x) >= 4; x = x[4:] {
		s[0] += x[0] * x[0]
		s[1] += x[1] * x[1]
		s[2] += x[2] * x[2]
		s[3] += x[3] * x[3]
	}
	for i, v := range x {
		s[i] += v * v
	}
	return (float64(s[0]) + float64(s[1])) + (float64(s[2]) + float64(s[3]))
}

func sumGeneric[T num.Float](x []T) float64 {
	var s [4]float64
	for ; len(x) >= 4; x = x[4:] {
		s[0] += float64(x[0])
		s[1] += float64(x[1])
		s[2] += float64(x[2])
		s[3] += float64(x[3])
	}
	for i, v := range x {
		s[i] += float64(v)
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func dotGeneric[T num.Float](a, b []T) float64 {
	var s [4]float64
	for ; len(a) >= 4; a, b = a[4:], b[4:] {
		s[0] += float64(a[0]) * float64(b[0])
		s[1] += float64(a[1]) * float64(b[1])
		s[2] += float64(a[2]) * float64(b[2])
		s[3] += float64(a[3]) * float64(b[3])
	}
	for i, v := range a {
		s[i] += float64(v) * float64(b[i])
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func adamWGeneric[T num.Float](p, g, m, v []T, decay, beta1, gain1, beta2, gain2, rate, root, eps T) {
	for i, gi := range g {
		mi := beta1*m[i] + gain1*gi
		vi := beta2*v[i] + gain2*gi*gi
		m[i], v[i] = mi, vi
		den := T(math.Sqrt(float64(vi)))*root + eps
		p[i] = decay*p[i] - rate*mi/den
	}
}
