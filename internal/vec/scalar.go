package vec

import (
	"math"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// The functions here are the methods of this package in portable Go, and the
// explanation of the assembly, which evaluates the same formulas. They compute
// in float64 for both element types; approx holds the approximations that are
// just good enough for one of them. The assembly computes in the element type
// and multiplies and adds in one rounding; single.go has what portable code runs
// for float32.
//
// Two functions of t = |x| carry everything, because neither overflows nor
// cancels: e^-t, and the tail Φ(-t) = exp(-t²/2) p(t)/q(t) of the standard
// normal, Φ its distribution function. From them
//
//	sigmoid(-t) = e^-t / (1 + e^-t)                sigmoid(t) = 1 / (1 + e^-t)
//	silu(x)     = max(x, 0) - t sigmoid(-t)
//	softplus(x) = max(x, 0) + log(1 + e^-t)        which is 2 atanh(e^-t / (2 + e^-t))
//	gelu(x)     = max(x, 0) - t Φ(-t)
//	geluTanh(x) = max(x, 0) - t sigmoid(-v)        v = t (c + d t²)
//	erf(x)      = ±(1 - 2 Φ(-√2 t))                where it does not cancel
//
// and the gradients of silu and the gelus are h on the left and 1 - h on the right.
//
// Both exponentials come lifted by a power of two, which the last product drops
// again: what is subnormal is rounded once, at the end. The rounding errors of
// t² and v are made good in exp(-t²/2) and e^-v.

// density0 is the density of the standard normal at 0.
const density0 = 1 / (math.Sqrt2 * math.SqrtPi)

// lift keeps e^-t normal up to the greatest t in use; drop undoes it.
const (
	lift = 128
	drop = 1.0 / (1 << lift)
)

// approx holds the approximations for one element type.
type approx struct {
	exp              []float64 // q in e^r = 1 + r + r² q(r)
	atanh            []float64 // q in atanh(s) = s + s³ q(s²)
	erf              []float64 // q in erf(x) = x + x q(x²)
	tailNum, tailDen []float64 // p and q in exp(t²/2) Φ(-t) = p(t) / q(t)
	tailEnd          float64   // t at which t Φ(-t) and t exp(-t²/2) round to 0
	expEnd           float64   // t at which t e^-t rounds to 0
	cubicEnd         float64   // t at which t e^-v, v as in cubic, rounds to 0
}

var (
	approx32 = approx{expPoly32[:], atanhPoly32[:], erfPoly32[:], tailNum32[:], tailDen32[:], 15, 110, 11}
	approx64 = approx{expPoly64[:], atanhPoly64[:], erfPoly64[:], tailNum64[:], tailDen64[:], 39, 760, 21.75}
)

// approxOf returns the approximations for T.
func approxOf[T num.Float]() *approx {
	if unsafe.Sizeof(T(0)) == 4 {
		return &approx32
	}
	return &approx64
}

// polynomial returns the polynomial with coefficients c, in ascending order.
func polynomial(c []float64, x float64) float64 {
	p := 0.0
	for i := len(c) - 1; i >= 0; i-- {
		p = p*x + c[i]
	}
	return p
}

// ln 2 in two parts; the first times any exponent is exact.
const (
	ln2Hi = 0x1.62e42feep-1
	ln2Lo = 0x1.a39ef35793c76p-33
)

// reduce returns n and r, y = n ln 2 + r, |r| <= ln(2)/2, for |y| < 2^20.
func reduce(y float64) (n int, r float64) {
	const magic = 3 << 51 // the sum has no bits below the units
	z := float64(y*math.Log2E) + magic
	f := z - magic
	return int(f), y - f*ln2Hi - f*ln2Lo
}

// scale returns p 2^n, p near 1, for every n.
func scale(p float64, n int) float64 {
	if n < -1021 || n > 1022 {
		return math.Ldexp(p, n)
	}
	return p * math.Float64frombits(uint64(n+1023)<<52)
}

// expm1 returns n and e^r - 1, y = n ln 2 + r as in reduce.
func (a *approx) expm1(y float64) (n int, p float64) {
	n, r := reduce(y)
	return n, r + r*r*polynomial(a.exp, r)
}

func (a *approx) expOf(x float64) float64 {
	if x != x {
		return x
	}
	n, p := a.expm1(min(max(x, -a.expEnd), a.expEnd))
	return scale(1+p, n)
}

// logistic returns t = |x|, no more than expEnd, and e^-t 2^lift.
func (a *approx) logistic(x float64) (t, e float64) {
	t = min(math.Abs(x), a.expEnd)
	if x != x {
		return t, x
	}
	n, p := a.expm1(-t)
	return t, scale(1+p, n+lift)
}

func (a *approx) sigmoid(x float64) float64 {
	_, e := a.logistic(x)
	if x < 0 {
		return e / (1 + e*drop) * drop
	}
	return 1 / (1 + e*drop)
}

func (a *approx) silu(x float64) float64 {
	t, e := a.logistic(x)
	return max(x, 0) - t*e/(1+e*drop)*drop
}

func (a *approx) softplus(x float64) float64 {
	_, e := a.logistic(x)
	s := e / (2 + e*drop)
	z := s * drop * (s * drop)
	return max(x, 0) + 2*s*(1+z*polynomial(a.atanh, z))*drop
}

func (a *approx) siluPrime(x float64) float64 {
	_, dy := a.siluBoth(x)
	return dy
}

// siluBoth returns silu(x) and silu'(x).
func (a *approx) siluBoth(x float64) (y, dy float64) {
	t, e := a.logistic(x)
	p := 1 / (1 + e*drop)
	return max(x, 0) - t*e*p*drop, step(x, e*p*(1-t*p))
}

// The coefficients c and d of v = t (c + d t²), 2 sqrt(2/π) and 0.044715 times that,
// and what float64 leaves of them.
const (
	cubicC, cubicCLow = 0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54
	cubicD, cubicDLow = 0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c7p-61
)

// cubic returns t = |x|, no more than cubicEnd, e^-v 2^lift and w = t v'(t).
func (a *approx) cubic(x float64) (t, e, w float64) {
	t = min(math.Abs(x), a.cubicEnd)
	if x != x {
		return x, x, x
	}
	s := t * t
	p := float64(cubicD * s)
	q := cubicC + p
	back := q - cubicC
	rest := math.FMA(cubicD, s, -p) + cubicD*math.FMA(t, t, -s) + cubicDLow*s + cubicCLow + (p - back) + (cubicC - (q - back))
	v := t * q
	low := math.FMA(t, q, -v) + t*rest
	n, r := reduce(-v)
	r -= low
	return t, scale(1+(r+r*r*polynomial(a.exp, r)), n+lift), t * (q + 2*p)
}

func (a *approx) geluTanh(x float64) float64 {
	t, e, _ := a.cubic(x)
	return max(x, 0) - t*e/(1+e*drop)*drop
}

func (a *approx) geluTanhPrime(x float64) float64 {
	_, dy := a.geluTanhBoth(x)
	return dy
}

// geluTanhBoth returns geluTanh(x) and its derivative.
func (a *approx) geluTanhBoth(x float64) (y, dy float64) {
	t, e, w := a.cubic(x)
	p := 1 / (1 + e*drop)
	return max(x, 0) - t*e*p*drop, step(x, e*p*(1-w*p))
}

// step returns h 2^-lift on the left of 0 and 1 - h 2^-lift on the right.
func step(x, h float64) float64 {
	if x < 0 {
		return h * drop
	}
	return 1 - h*drop
}

// tanh is m / (2 - m), m = 1 - e^-2t.
func (a *approx) tanh(x float64) float64 {
	if x != x {
		return x
	}
	n, p := a.expm1(-2 * min(math.Abs(x), 20))
	s := scale(1, n)
	m := (1 - s) - s*p
	return math.Copysign(m/(2-m), x)
}

// tail returns exp(c t²) 2^lift, c = -1 or -1/2, and exp(s²/2) Φ(-s).
func (a *approx) tail(t, c, s float64) (e, r float64) {
	if t != t {
		return t, t
	}
	sq := t * t
	n, p := a.expm1(c * sq)
	e = scale(1+p, n+lift)
	low := c * math.FMA(t, t, -sq)
	return e + e*low, polynomial(a.tailNum, s) / polynomial(a.tailDen, s)
}

func (a *approx) erfOf(x float64) float64 {
	t := math.Abs(x)
	if t < 0.75 {
		return x + x*polynomial(a.erf, x*x)
	}
	t = min(t, 6)
	e, r := a.tail(t, -1, t*math.Sqrt2)
	return math.Copysign(1-2*e*r*drop, x)
}

func (a *approx) gelu(x float64) float64 {
	t := min(math.Abs(x), a.tailEnd)
	e, r := a.tail(t, -0.5, t)
	return max(x, 0) - t*r*e*drop
}

func (a *approx) geluPrime(x float64) float64 {
	_, dy := a.geluBoth(x)
	return dy
}

// geluBoth returns gelu(x) and gelu'(x).
func (a *approx) geluBoth(x float64) (y, dy float64) {
	t := min(math.Abs(x), a.tailEnd)
	e, r := a.tail(t, -0.5, t)
	return max(x, 0) - t*r*e*drop, step(x, (r-t*density0)*e)
}
