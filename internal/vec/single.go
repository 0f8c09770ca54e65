package vec

import "math"

// What portable code runs for float32: the formulas of scalar.go, written out in float64
// for arguments of usual size. Nothing of them overflows or cancels there, and no factor
// has to be kept back; other arguments, NaN among them, go to scalar.go. There is no
// branch on a sign, which no processor foresees:
//
//	gelu(x)  = (x + t)/2 - t Φ(-t)               t = |x|
//	gelu'(x) = (1 - s)/2 + s (Φ(-t) - t φ(t))    s the sign of -x
//
// The numbers are in float64 for a block at a time: x86-64 keeps half of the register
// that a conversion writes, which then waits for whatever had it before, the element
// before this one.

// portable32 returns the implementation in portable Go for float32.
func portable32() kernels[float32] {
	k := generic[float32]()
	k.exp, k.sigmoid, k.tanh = inDouble(exp32), inDouble(sigmoid32), inDouble(tanh32)
	k.gelu, k.geluGrad, k.geluBoth = inDouble(gelu32), gradInDouble(geluBoth32), bothInDouble(geluBoth32)
	k.geluTanh, k.geluTanhGrad, k.geluTanhBoth = inDouble(geluTanh32), gradInDouble(geluTanhBoth32), bothInDouble(geluTanhBoth32)
	k.silu, k.siluGrad, k.siluBoth = inDouble(silu32), gradInDouble(siluBoth32), bothInDouble(siluBoth32)
	k.glu, k.gluGrad = glu32, gluGrad32
	return k
}

// double is the number of elements that are in float64 at a time.
const double = 64

// widen returns the first elements of x in float64, as many as z takes.
func widen(z *[double]float64, x []float32) []float64 {
	x = x[:min(len(x), double)]
	y := z[:len(x)]
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// inDouble returns the function that replaces every element by what f replaces it by.
func inDouble(f func(x []float64)) func(dst, x []float32) {
	return func(dst, x []float32) {
		var z [double]float64
		for len(x) > 0 {
			y := widen(&z, x)
			f(y)
			for i, v := range y {
				dst[i] = float32(v)
			}
			dst, x = dst[len(y):], x[len(y):]
		}
	}
}

// bothInDouble returns the function that sets y and dy to what f has of every element x,
// which it finds in y.
func bothInDouble(f func(y, dy []float64)) func(y, dy, x []float32) {
	return func(y, dy, x []float32) {
		var z, dz [double]float64
		for len(x) > 0 {
			w := widen(&z, x)
			dw := dz[:len(w)]
			f(w, dw)
			for i, v := range w {
				y[i], dy[i] = float32(v), float32(dw[i])
			}
			y, dy, x = y[len(w):], dy[len(w):], x[len(w):]
		}
	}
}

// gradInDouble returns the function that multiplies g by the second result of f.
func gradInDouble(f func(y, dy []float64)) func(dst, x, g []float32) {
	return func(dst, x, g []float32) {
		var z, dz [double]float64
		for len(x) > 0 {
			w := widen(&z, x)
			dw := dz[:len(w)]
			f(w, dw)
			for i, v := range dw {
				dst[i] = float32(v) * g[i]
			}
			dst, x, g = dst[len(w):], x[len(w):], g[len(w):]
		}
	}
}

// Arguments of usual size: e^x, sigmoid(x) and silu(x) are no more than 0 or 1 beyond
// expUsual, tanh(x) beyond tanhUsual, gelu(x) beyond tailUsual, and geluTanh(x) beyond
// cubicUsual.
const expUsual, tanhUsual, tailUsual, cubicUsual = 110, 20, 15, 11

// The polynomials are sums of pairs of terms, for a shorter chain of operations.

// The coefficients of expPoly32, each with a name: an index is too much for the compiler
// to put exponential in line.
var expQ0, expQ1, expQ2, expQ3, expQ4 = expPoly32[0], expPoly32[1], expPoly32[2], expPoly32[3], expPoly32[4]

// exponential returns e^y for |y| < 700.
func exponential(y float64) float64 {
	const magic = 3 << 51 // the sum has no bits below the units
	z := y*math.Log2E + magic
	r := y - (z-magic)*math.Ln2
	r2 := r * r
	p := 1 + r + r2*(expQ0+expQ1*r+r2*(expQ2+expQ3*r+r2*expQ4))
	return math.Float64frombits(math.Float64bits(p) + math.Float64bits(z)<<52)
}

// powerTimes returns s, a power of two, and p, e^y = s (1+p), for |y| < 700.
func powerTimes(y float64) (s, p float64) {
	const magic = 3 << 51
	z := y*math.Log2E + magic
	r := y - (z-magic)*math.Ln2
	r2 := r * r
	p = r + r2*(expQ0+expQ1*r+r2*(expQ2+expQ3*r+r2*expQ4))
	return math.Float64frombits((math.Float64bits(z) + 1023) << 52), p
}

// tailRatio returns exp(t²/2) Φ(-t) for 0 <= t <= tailUsual.
func tailRatio(t float64) float64 {
	t2 := t * t
	num := tailNum32[0] + tailNum32[1]*t + t2*(tailNum32[2]+tailNum32[3]*t+t2*tailNum32[4])
	den := tailDen32[0] + tailDen32[1]*t + t2*(tailDen32[2]+tailDen32[3]*t+t2*(tailDen32[4]+tailDen32[5]*t))
	return num / den
}

// cubicOf returns v = 2 sqrt(2/π) (x + 0.044715 x³) and x v'(x).
func cubicOf(x float64) (v, w float64) {
	d := cubicD * (x * x)
	return x * (cubicC + d), x * (cubicC + 3*d)
}

func exp32(x []float64) {
	for i, v := range x {
		if math.Abs(v) <= expUsual {
			x[i] = exponential(v)
		} else {
			x[i] = approx32.expOf(v)
		}
	}
}

func sigmoid32(x []float64) {
	for i, v := range x {
		if math.Abs(v) <= expUsual {
			x[i] = 1 / (1 + exponential(-v))
		} else {
			x[i] = approx32.sigmoid(v)
		}
	}
}

func tanh32(x []float64) {
	for i, v := range x {
		if t := math.Abs(v); t <= tanhUsual {
			s, p := powerTimes(-2 * t)
			m := (1 - s) - s*p
			x[i] = math.Copysign(m/(2-m), v)
		} else {
			x[i] = approx32.tanh(v)
		}
	}
}

func gelu32(x []float64) {
	for i, v := range x {
		if t := math.Abs(v); t <= tailUsual {
			x[i] = 0.5*(v+t) - t*tailRatio(t)*exponential(-0.5*(t*t))
		} else {
			x[i] = approx32.gelu(v)
		}
	}
}

func geluBoth32(y, dy []float64) {
	dy = dy[:len(y)]
	for i, x := range y {
		if t := math.Abs(x); t <= tailUsual {
			s := math.Copysign(1, -x)
			r, e := tailRatio(t), exponential(-0.5*(t*t))
			y[i], dy[i] = 0.5*(x+t)-t*r*e, 0.5*(1-s)+s*((r-t*density0)*e)
		} else {
			y[i], dy[i] = approx32.geluBoth(x)
		}
	}
}

func geluTanh32(x []float64) {
	for i, v := range x {
		if math.Abs(v) <= cubicUsual {
			u, _ := cubicOf(v)
			x[i] = v / (1 + exponential(-u))
		} else {
			x[i] = approx32.geluTanh(v)
		}
	}
}

func geluTanhBoth32(y, dy []float64) {
	dy = dy[:len(y)]
	for i, x := range y {
		if math.Abs(x) <= cubicUsual {
			u, w := cubicOf(x)
			e := exponential(-u)
			s := 1 / (1 + e)
			y[i], dy[i] = x*s, s*(1+w*(e*s))
		} else {
			y[i], dy[i] = approx32.geluTanhBoth(x)
		}
	}
}

func silu32(x []float64) {
	for i, v := range x {
		if math.Abs(v) <= expUsual {
			x[i] = v / (1 + exponential(-v))
		} else {
			x[i] = approx32.silu(v)
		}
	}
}

func siluBoth32(y, dy []float64) {
	dy = dy[:len(y)]
	for i, x := range y {
		if math.Abs(x) <= expUsual {
			e := exponential(-x)
			s := 1 / (1 + e)
			y[i], dy[i] = x*s, s*(1+x*(e*s))
		} else {
			y[i], dy[i] = approx32.siluBoth(x)
		}
	}
}

func glu32(dst, a, b []float32) {
	var z [double]float64
	for len(b) > 0 {
		s := widen(&z, b)
		sigmoid32(s)
		for i, v := range s {
			dst[i] = a[i] * float32(v)
		}
		dst, a, b = dst[len(s):], a[len(s):], b[len(s):]
	}
}

// sigmoids32 replaces the elements x of s by sigmoid(x), and sets c to sigmoid(-x).
func sigmoids32(s, c []float64) {
	c = c[:len(s)]
	for i, x := range s {
		if math.Abs(x) <= expUsual {
			e := exponential(-x)
			p := 1 / (1 + e)
			s[i], c[i] = p, e*p
		} else {
			s[i], c[i] = approx32.sigmoid(x), approx32.sigmoid(-x)
		}
	}
}

func gluGrad32(da, db, a, b, g []float32) {
	var z, y [double]float64
	for len(b) > 0 {
		s := widen(&z, b)
		c := y[:len(s)]
		sigmoids32(s, c)
		for i, v := range s {
			gs, ai := g[i]*float32(v), a[i] // read before da and db are written
			da[i], db[i] = gs, gs*float32(c[i])*ai
		}
		n := len(s)
		da, db, a, b, g = da[n:], db[n:], a[n:], b[n:], g[n:]
	}
}
