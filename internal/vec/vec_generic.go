package vec

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// generic returns the implementation in portable Go.
func generic[T num.Float]() kernels[T] {
	return kernels[T]{
		exp:      func(dst, x []T) { apply(dst, x, math.Exp) },
		sigmoid:  func(dst, x []T) { apply(dst, x, sigmoid) },
		tanh:     func(dst, x []T) { apply(dst, x, math.Tanh) },
		erf:      func(dst, x []T) { apply(dst, x, math.Erf) },
		gelu:     func(dst, x []T) { apply(dst, x, gelu) },
		silu:     func(dst, x []T) { apply(dst, x, silu) },
		geluGrad: func(dst, x, g []T) { applyGrad(dst, x, g, geluPrime) },
		siluGrad: func(dst, x, g []T) { applyGrad(dst, x, g, siluPrime) },
		glu:      gluGeneric[T],
		gluGrad:  gluGradGeneric[T],
		add:      addGeneric[T],
		mul:      mulGeneric[T],
		axpy:     axpyGeneric[T],
		scale:    scaleGeneric[T],
		sum:      sumGeneric[T],
		sumSq:    sumSqGeneric[T],
		dot:      dotGeneric[T],
		adamW:    adamWGeneric[T],
	}
}

func init() {
	for l := range kernels32 {
		kernels32[l], kernels64[l] = generic[float32](), generic[float64]()
	}
}

func apply[T num.Float](dst, x []T, f func(float64) float64) {
	for i, v := range x {
		dst[i] = T(f(float64(v)))
	}
}

func applyGrad[T num.Float](dst, x, g []T, f func(float64) float64) {
	for i, v := range x {
		dst[i] = g[i] * T(f(float64(v)))
	}
}

// sigmoid returns 1 / (1 + e^-x) without overflow and with a relatively
// accurate left tail.
func sigmoid(x float64) float64 {
	e := math.Exp(-math.Abs(x))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

// silu returns x sigmoid(x) as max(x, 0) - |x| sigmoid(-|x|).
func silu(x float64) float64 {
	if math.IsInf(x, 0) {
		return max(x, 0)
	}
	return x * sigmoid(x)
}

func siluPrime(x float64) float64 {
	if math.IsInf(x, 0) {
		return sigmoid(x)
	}
	s := sigmoid(x)
	return s + x*s*sigmoid(-x)
}

// normCDF returns Φ(x), the distribution function of the standard normal.
func normCDF(x float64) float64 { return 0.5 * math.Erfc(-x*(1/math.Sqrt2)) }

func gelu(x float64) float64 {
	if math.IsInf(x, 0) {
		return max(x, 0)
	}
	return x * normCDF(x)
}

func geluPrime(x float64) float64 {
	if math.IsInf(x, 0) {
		return normCDF(x)
	}
	return normCDF(x) + x*math.Exp(-x*x/2)*(1/math.Sqrt(2*math.Pi))
}

func gluGeneric[T num.Float](dst, a, b []T) {
	for i, v := range b {
		dst[i] = a[i] * T(sigmoid(float64(v)))
	}
}

func gluGradGeneric[T num.Float](da, db, a, b, g []T) {
	for i, v := range b {
		s, c := T(sigmoid(float64(v))), T(sigmoid(-float64(v)))
		gi := g[i]
		gs := gi * s
		da[i], db[i] = gs, gs*c*a[i]
	}
}

func addGeneric[T num.Float](dst, a, b []T) {
	for i, v := range a {
		dst[i] = v + b[i]
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

func sumSqGeneric[T num.Float](x []T) float64 { return dotGeneric(x, x) }

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

func adamWGeneric[T num.Float](p, g, m, v []T, s *AdamWStep[T]) {
	for i, gi := range g {
		mi := s.Beta1*m[i] + s.Gain1*gi
		vi := s.Beta2*v[i] + s.Gain2*gi*gi
		m[i], v[i] = mi, vi
		d := T(math.Sqrt(float64(vi)))*s.Root + s.Eps
		p[i] = s.Decay*p[i] - s.Rate*mi/d
	}
}
