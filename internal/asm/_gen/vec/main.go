// Command vec generates the assembly of internal/vec. The methods are those of
// the portable functions there, in scalar.go, where they are explained.
package main

import (
	"math"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type vec = simd.Vec

// gen writes functions for one instruction set and element type.
type gen struct {
	*simd.Asm
}

func main() {
	tables := simd.ReadCoefficients("../../../vec/coefficients.go")
	simd.Main(func(a *simd.Asm) {
		a.Tables = tables
		g := &gen{a}
		g.transcendental()
		g.activations()
		g.arithmetic()
		g.norms()
		g.reductions()
		g.adamW()
		g.cells()
		g.rotations()
		g.fetch()
	})
}

// function writes a function from slices to dst, an element at a time. setup
// makes the constants that stay in registers and returns what is done to one
// vector of each operand.
func (g *gen) function(name string, operands []string, setup func() func(x []vec) []vec) {
	g.functionTo(name, []string{"dst"}, operands, 1, setup)
}

// functionTo is function with any number of results, and unroll vectors in an
// iteration of the loop.
func (g *gen) functionTo(name string, results, operands []string, unroll int, setup func() func(x []vec) []vec) {
	g.functionWith(name, results, operands, nil, unroll, func([]vec) func(x []vec) []vec { return setup() })
}

// functionWith is functionTo with scalar parameters after the slices. A result
// may be an operand too, which is updated.
func (g *gen) functionWith(name string, results, operands, scalars []string, unroll int, setup func(s []vec) func(x []vec) []vec) {
	all := slices.Clone(results)
	for _, p := range operands {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	signature := "func(" + strings.Join(all, ", ") + " []T"
	if len(scalars) > 0 {
		signature += ", " + strings.Join(scalars, ", ") + " T"
	}
	g.begin(name, signature+")")
	base := map[string]reg.GPVirtual{}
	for _, p := range all {
		base[p] = g.BaseParam(p)
	}
	n := g.LenParam(all[0])
	held := make([]vec, len(scalars))
	for i, p := range scalars {
		held[i] = g.scalarParam(p)
	}
	f := setup(held)
	g.Elementwise(n, unroll, func(_ int, s simd.Span) {
		x := make([]vec, len(operands))
		for i, p := range operands {
			x[i] = s.Load(base[p])
		}
		for i, y := range f(x) {
			s.Store(y, base[results[i]])
		}
	})
	g.End()
}

// begin starts the function that is called name in the table of kernels.
func (g *gen) begin(name, signature string) { g.Func(name, signature, "is kernels."+name+".") }

// hold returns a constant in a register.
func (g *gen) hold(v float64) vec { return g.Broadcast(g.Const(v)) }

// negate returns -x.
func (g *gen) negate(x vec) vec { return g.Xor(x, g.SignBit()) }

// magnitude returns min(|x|, limit), or NaN for NaN.
func (g *gen) magnitude(x, limit vec) vec { return g.Min(limit, g.And(x, g.Magnitude())) }

// withSign returns y >= 0 with the sign of x.
func (g *gen) withSign(y, x vec) vec { return g.Or(y, g.And(x, g.SignBit())) }

// expm1Reduced returns e^r - 1, |r| <= ln(2)/2.
func (g *gen) expm1Reduced(r vec) vec {
	q := g.Polynomial(g.Table("expPoly"), r)
	p := g.Copy(r)
	g.AddMul(p, g.Mul(r, r), q)
	return p
}

// lift is the binary exponent that keeps exponentials of negative numbers normal
// until a last product with drop.
func (g *gen) lift() int { return int(g.By(64, 128)) }

// lifted and drop are 2^lift and its inverse.
func (g *gen) lifted() float64  { return math.Ldexp(1, g.lift()) }
func (g *gen) drop() simd.Const { return g.Const(math.Ldexp(1, -g.lift())) }

func (g *gen) transcendental() {
	g.function("exp", []string{"x"}, func() func(x []vec) []vec {
		lo, hi := g.ExpBounds()
		return func(x []vec) []vec { return []vec{g.Exp(x[0], lo, hi)} }
	})
	g.function("sigmoid", []string{"x"}, func() func(x []vec) []vec {
		l := g.newLogistic()
		return func(x []vec) []vec { return []vec{l.sigmoid(x[0])} }
	})
	g.function("tanh", []string{"x"}, g.tanh)
	g.function("erf", []string{"x"}, g.erf)
}

// logistic computes with t = |x| and e^-t.
type logistic struct {
	*gen
	limit, one, lifted vec
}

func (g *gen) newLogistic() *logistic {
	// t e^-t is 0 at the limit.
	return &logistic{g, g.hold(g.By(110, 760)), g.hold(1), g.hold(g.lifted())}
}

// parts returns t, e^-t 2^lift and 1 + e^-t.
func (l *logistic) parts(x vec) (t, e, den vec) {
	t = l.magnitude(x, l.limit)
	r, _, z := l.Reduce(l.negate(t))
	e = l.Mul(l.ExpReduced(r), l.Power(z, l.lift()))
	den = l.Copy(l.one)
	l.AddMul(den, e, l.drop())
	return t, e, den
}

func (l *logistic) sigmoid(x vec) vec {
	_, e, den := l.parts(x)
	return l.Mul(l.Div(l.Select(x, e, l.lifted), den), l.drop())
}

// both returns sigmoid(x) and sigmoid(-x).
func (l *logistic) both(x vec) (s, c vec) {
	_, e, den := l.parts(x)
	p := l.Div(l.one, den)
	q := l.Mul(l.Mul(e, p), l.drop())
	return l.Select(x, q, p), l.Select(x, p, q)
}

// cubicParts returns t = |x|, no more than limit, e^-v 2^lift, 1 + e^-v and
// w = t v'(t), v = t (c + d t²). What rounding takes from v is made good in e^-v.
func (l *logistic) cubicParts(x, limit vec) (t, e, den, w vec) {
	t = l.magnitude(x, limit)
	s := l.Mul(t, t)
	low := l.Copy(s)
	l.Op("VFMSUB231", t, t, low) // t² - s

	c, cLow := l.split(cubicC, cubicCLow)
	d, dLow := l.split(cubicD, cubicDLow)
	p := l.Mul(s, d)
	rest := l.Copy(p)
	l.Op("VFMSUB231", d, s, rest) // d s - p
	l.AddMul(rest, low, d)
	l.AddMul(rest, s, dLow)
	rest = l.Add(rest, cLow)
	q := l.Add(p, c)
	back := l.Sub(q, c) // c + p = q + (c - (q - back)) + (p - back)
	rest = l.Add(rest, l.Sub(p, back))
	rest = l.Add(rest, l.Sub(l.Broadcast(c), l.Sub(q, back)))

	v := l.Mul(t, q)
	low = l.Copy(v)
	l.Op("VFMSUB231", t, q, low)
	l.AddMul(low, t, rest)
	r, _, z := l.Reduce(l.negate(v))
	e = l.Mul(l.ExpReduced(l.Sub(r, low)), l.Power(z, l.lift()))
	den = l.Copy(l.one)
	l.AddMul(den, e, l.drop())
	l.AddMul(q, p, l.Const(2))
	return t, e, den, l.Mul(t, q)
}

// The coefficients of v in cubicParts, 2 sqrt(2/π) and 0.044715 times that, and
// what float64 leaves of them.
const (
	cubicC, cubicCLow = 0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54
	cubicD, cubicDLow = 0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c7p-61
)

// split returns a constant and what the element type leaves of it.
func (g *gen) split(v, low float64) (hi, lo simd.Const) {
	if g.Elem == 8 {
		return g.Const(v), g.Const(low)
	}
	return g.Const(v), g.Const(v - float64(float32(v)))
}

// slope returns e/(1+e) (1 - w/(1+e)) of the lifted e, p being 1/(1+e).
func (l *logistic) slope(e, p, w vec) vec {
	u := l.Copy(l.one)
	l.SubMul(u, w, p)
	return l.Mul(l.Mul(e, p), u)
}

// valueAndStep returns the function and its derivative whose parts these are.
func (l *logistic) valueAndStep(x, zero, t, e, den, w vec) []vec {
	p := l.Div(l.one, den)
	y := l.reluLess(x, zero, l.Mul(l.Mul(t, e), p))
	return []vec{y, l.step(x, zero, l.one, l.slope(e, p, w))}
}

func (g *gen) tanh() func(x []vec) []vec {
	limit, one, two := g.hold(g.By(10, 20)), g.hold(1), g.hold(2)
	return func(x []vec) []vec {
		t := g.magnitude(x[0], limit)
		r, _, z := g.Reduce(g.Mul(t, g.Const(-2)))
		s := g.Power(z, 0)
		m := g.Sub(one, s)
		g.SubMul(m, s, g.expm1Reduced(r)) // 1 - e^-2t
		return []vec{g.withSign(g.Div(m, g.Sub(two, m)), x[0])}
	}
}

func (g *gen) erf() func(x []vec) []vec {
	limit, one := g.hold(g.By(4, 6)), g.hold(1)
	return func(xs []vec) []vec {
		x := xs[0]
		near := g.Copy(x)
		g.AddMul(near, x, g.Polynomial(g.Table("erfPoly"), g.Mul(x, x)))

		t := g.magnitude(x, limit)
		e := g.expSquare(t, -1, 0)
		num, den := g.tail(g.Mul(t, g.Const(math.Sqrt2)))
		far := g.Copy(one)
		g.SubMul(far, g.Div(g.Mul(num, e), den), g.Const(2))

		isNear := g.Sub(g.And(x, g.Magnitude()), g.Const(0.75)) // if negative
		return []vec{g.Select(isNear, near, g.withSign(far, x))}
	}
}

// expSquare returns exp(c t²) 2^lift, c = -1 or -1/2, with the rounding error of
// t² made good.
func (g *gen) expSquare(t vec, c float64, lift int) vec {
	s := g.Mul(t, t)
	low := g.Copy(s)
	g.Op("VFMSUB231", t, t, low) // t² - s
	r, _, z := g.Reduce(g.Mul(s, g.Const(c)))
	g.AddMul(r, low, g.Const(c))
	return g.Mul(g.ExpReduced(r), g.Power(z, lift))
}

// tail returns the numerator and denominator of exp(t²/2) Φ(-t).
func (g *gen) tail(t vec) (num, den vec) {
	return g.Polynomial(g.Table("tailNum"), t), g.Polynomial(g.Table("tailDen"), t)
}

func (g *gen) activations() {
	g.function("gelu", []string{"x"}, func() func(x []vec) []vec {
		limit, zero := g.hold(g.By(15, 39)), g.Zero()
		return func(x []vec) []vec {
			t := g.magnitude(x[0], limit)
			num, den := g.tail(t)
			e := g.expSquare(t, -0.5, g.lift())
			return []vec{g.reluLess(x[0], zero, g.Div(g.Mul(g.Mul(num, t), e), den))}
		}
	})
	g.function("geluGrad", []string{"x", "g"}, func() func(x []vec) []vec {
		limit, zero, one := g.hold(g.By(15, 39)), g.Zero(), g.hold(1)
		return func(x []vec) []vec {
			t := g.magnitude(x[0], limit)
			num, den := g.tail(t)
			h := g.Div(num, den)
			g.SubMul(h, t, g.Const(1/math.Sqrt(2*math.Pi)))
			h = g.Mul(h, g.expSquare(t, -0.5, g.lift()))
			return []vec{g.Mul(g.step(x[0], zero, one, h), x[1])}
		}
	})
	g.functionTo("geluBoth", []string{"y", "dy"}, []string{"x"}, 1, func() func(x []vec) []vec {
		limit, zero, one := g.hold(g.By(15, 39)), g.Zero(), g.hold(1)
		return func(x []vec) []vec {
			t := g.magnitude(x[0], limit)
			num, den := g.tail(t)
			r := g.Div(num, den)
			e := g.expSquare(t, -0.5, g.lift())
			y := g.reluLess(x[0], zero, g.Mul(g.Mul(r, t), e))
			g.SubMul(r, t, g.Const(1/math.Sqrt(2*math.Pi)))
			return []vec{y, g.step(x[0], zero, one, g.Mul(r, e))}
		}
	})
	g.geluTanh()
	g.function("silu", []string{"x"}, func() func(x []vec) []vec {
		l, zero := g.newLogistic(), g.Zero()
		return func(x []vec) []vec {
			t, e, den := l.parts(x[0])
			return []vec{g.reluLess(x[0], zero, g.Div(g.Mul(t, e), den))}
		}
	})
	g.function("softplus", []string{"x"}, func() func(x []vec) []vec {
		l, zero := g.newLogistic(), g.Zero()
		return func(x []vec) []vec {
			_, e, den := l.parts(x[0])
			s := g.Div(e, g.Add(den, l.one))
			z := g.Mul(s, g.drop())
			z = g.Mul(z, z)
			p := g.Polynomial(g.Table("atanhPoly"), z)
			g.MulThenAdd(p, z, l.one)
			return []vec{g.reluLess(x[0], zero, g.Mul(g.Mul(s, g.Const(-2)), p))}
		}
	})
	g.function("siluGrad", []string{"x", "g"}, func() func(x []vec) []vec {
		l, zero := g.newLogistic(), g.Zero()
		return func(x []vec) []vec {
			t, e, den := l.parts(x[0])
			return []vec{g.Mul(g.step(x[0], zero, l.one, l.slope(e, g.Div(l.one, den), t)), x[1])}
		}
	})
	g.functionTo("siluBoth", []string{"y", "dy"}, []string{"x"}, 1, func() func(x []vec) []vec {
		l, zero := g.newLogistic(), g.Zero()
		return func(x []vec) []vec {
			t, e, den := l.parts(x[0])
			return l.valueAndStep(x[0], zero, t, e, den, t)
		}
	})
	g.function("glu", []string{"a", "b"}, func() func(x []vec) []vec {
		l := g.newLogistic()
		return func(x []vec) []vec { return []vec{g.Mul(x[0], l.sigmoid(x[1]))} }
	})
	g.functionTo("gluGrad", []string{"da", "db"}, []string{"a", "b", "g"}, 1, func() func(x []vec) []vec {
		l := g.newLogistic()
		return func(x []vec) []vec {
			s, c := l.both(x[1])
			da := g.Mul(x[2], s)
			return []vec{da, g.Mul(g.Mul(da, c), x[0])}
		}
	})
}

// geluTanh writes the approximation of the GELU by tanh, x sigmoid(v(x)), and its
// gradient.
func (g *gen) geluTanh() {
	limit := func() vec { return g.hold(g.By(11, 21.75)) } // t e^-v is 0 there
	g.function("geluTanh", []string{"x"}, func() func(x []vec) []vec {
		l, limit, zero := g.newLogistic(), limit(), g.Zero()
		return func(x []vec) []vec {
			t, e, den, _ := l.cubicParts(x[0], limit)
			return []vec{g.reluLess(x[0], zero, g.Div(g.Mul(t, e), den))}
		}
	})
	g.function("geluTanhGrad", []string{"x", "g"}, func() func(x []vec) []vec {
		l, limit, zero := g.newLogistic(), limit(), g.Zero()
		return func(x []vec) []vec {
			_, e, den, w := l.cubicParts(x[0], limit)
			return []vec{g.Mul(g.step(x[0], zero, l.one, l.slope(e, g.Div(l.one, den), w)), x[1])}
		}
	})
	g.functionTo("geluTanhBoth", []string{"y", "dy"}, []string{"x"}, 1, func() func(x []vec) []vec {
		l, limit, zero := g.newLogistic(), limit(), g.Zero()
		return func(x []vec) []vec {
			t, e, den, w := l.cubicParts(x[0], limit)
			return l.valueAndStep(x[0], zero, t, e, den, w)
		}
	})
}

// reluLess returns max(x, 0) - h 2^-lift.
func (g *gen) reluLess(x, zero, h vec) vec {
	y := g.Max(zero, x)
	g.SubMul(y, h, g.drop())
	return y
}

// step returns h 2^-lift where x is negative, else 1 - h 2^-lift.
func (g *gen) step(x, zero, one, h vec) vec {
	y := g.Copy(g.Select(x, zero, one))
	g.SubMul(y, g.Xor(h, g.And(x, g.SignBit())), g.drop())
	return y
}

func (g *gen) arithmetic() {
	g.pairwise("add", g.Add)
	g.pairwise("sub", g.Sub)
	g.pairwise("mul", g.Mul)
	g.pairwise("max", g.Max)
	g.functionTo("addMul", []string{"dst"}, []string{"dst", "a", "b"}, 4, func() func(x []vec) []vec {
		return func(x []vec) []vec {
			g.AddMul(x[0], x[1], x[2])
			return x[:1]
		}
	})
	g.scaled("axpy", func(s simd.Span, dst, x reg.GPVirtual, alpha vec) {
		y := s.Load(dst)
		g.AddMul(y, s.Load(x), alpha)
		s.Store(y, dst)
	})
	g.scaled("scale", func(s simd.Span, dst, x reg.GPVirtual, alpha vec) {
		s.Store(g.Mul(s.Load(x), alpha), dst)
	})
}

// pairwise writes a function of one instruction on two slices.
func (g *gen) pairwise(name string, f func(x vec, y operand.Op) vec) {
	g.functionTo(name, []string{"dst"}, []string{"a", "b"}, 4, func() func(x []vec) []vec {
		return func(x []vec) []vec { return []vec{f(x[0], x[1])} }
	})
}

// scaled writes a function of a scalar and a slice.
func (g *gen) scaled(name string, body func(s simd.Span, dst, x reg.GPVirtual, alpha vec)) {
	g.begin(name, "func(dst []T, alpha T, x []T)")
	dst, x, n := g.BaseParam("dst"), g.BaseParam("x"), g.LenParam("x")
	alpha := g.scalarParam("alpha")
	g.Elementwise(n, 4, func(_ int, s simd.Span) { body(s, dst, x, alpha) })
	g.End()
}

// scalarParam returns a vector of copies of a parameter.
func (g *gen) scalarParam(name string) vec {
	p, err := g.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return g.Broadcast(p.Addr)
}

// norms writes the parts of a normalisation over rows, an element of a row for
// each of the columns that are normalised.
func (g *gen) norms() {
	update := func(name string, add func(acc, d vec) vec) {
		g.functionTo(name, []string{"dst"}, []string{"dst", "a", "b"}, 4, func() func(x []vec) []vec {
			return func(x []vec) []vec { return []vec{add(x[0], g.Sub(x[1], x[2]))} }
		})
	}
	update("addDiff", func(acc, d vec) vec { return g.Add(acc, d) })
	update("addSquareDiff", func(acc, d vec) vec {
		g.AddMul(acc, d, d)
		return acc
	})
	g.functionWith("normalise", []string{"dst"}, []string{"x", "mean", "rstd"}, []string{"w", "b"}, 2, func(s []vec) func(x []vec) []vec {
		return func(x []vec) []vec {
			xh := g.Mul(g.Sub(x[0], x[1]), x[2])
			g.MulThenAdd(xh, s[0], s[1])
			return []vec{xh}
		}
	})
	g.functionWith("affine", []string{"dst"}, []string{"x"}, []string{"c", "k", "b"}, 4, func(s []vec) func(x []vec) []vec {
		return func(x []vec) []vec {
			y := g.Sub(x[0], s[0])
			g.MulThenAdd(y, s[1], s[2])
			return []vec{y}
		}
	})
	g.functionWith("affineGrad", []string{"dst"}, []string{"x", "g"}, []string{"c", "k", "mg", "q"}, 4, func(s []vec) func(x []vec) []vec {
		return func(x []vec) []vec {
			y := g.Sub(x[1], s[2])
			g.SubMul(y, g.Sub(x[0], s[0]), s[3])
			return []vec{g.Mul(y, s[1])}
		}
	})
	g.functionWith("normProducts", []string{"xh", "gx", "sg", "sgx"}, []string{"x", "g", "mean", "rstd", "sg", "sgx"}, []string{"w"}, 1, func(s []vec) func(x []vec) []vec {
		return func(x []vec) []vec {
			xh := g.Mul(g.Sub(x[0], x[2]), x[3])
			gx := g.Mul(x[1], xh)
			g.AddMul(x[4], x[1], s[0])
			g.AddMul(x[5], gx, s[0])
			return []vec{xh, gx, x[4], x[5]}
		}
	})
	g.functionWith("normGrad", []string{"dst"}, []string{"xh", "g", "rstd", "mg", "mgx"}, []string{"w"}, 2, func(s []vec) func(x []vec) []vec {
		return func(x []vec) []vec {
			d := g.Sub(g.Mul(x[1], s[0]), x[3]) // is 0 for one row: both are rounded
			g.SubMul(d, x[0], x[4])
			return []vec{g.Mul(d, x[2])}
		}
	})
}

// accumulators is the number of sums a reduction keeps, to hide the latency of
// the addition.
const accumulators = 4

func (g *gen) reductions() {
	g.reduction("sum", []string{"x"}, "", func(acc vec, x []vec, _ vec) { g.op64("VADD", x[0], acc, acc) })
	g.reduction("dot", []string{"a", "b"}, "", func(acc vec, x []vec, _ vec) { g.op64("VFMADD231", x[0], x[1], acc) })
	g.reduction("sumSqDiff", []string{"x"}, "c", func(acc vec, x []vec, c vec) {
		g.op64("VSUB", c, x[0], x[0])
		g.op64("VFMADD231", x[0], x[0], acc)
	})
	g.reduction("dotDiff", []string{"g", "x"}, "c", func(acc vec, x []vec, c vec) {
		g.op64("VSUB", c, x[1], x[1])
		g.op64("VFMADD231", x[0], x[1], acc)
	})
	g.roughSumSq()
}

// roughSumSq writes the sum of squares that keeps its sums in the type of the
// elements and only adds their lanes up in float64.
func (g *gen) roughSumSq() {
	g.begin("roughSumSq", "func(x []T) float64")
	x, n := g.BaseParam("x"), g.LenParam("x")
	var acc [accumulators]vec
	for i := range acc {
		acc[i] = g.Zero()
	}
	g.Elementwise(n, accumulators, func(i int, s simd.Span) {
		v := s.Load(x)
		g.AddMul(acc[i], v, v)
	})
	if g.Elem == 4 {
		g.Op("VADD", acc[2], acc[0], acc[0])
		g.Op("VADD", acc[3], acc[1], acc[1])
		for i := range 2 {
			low, high := g.halves(acc[i])
			acc[2+i] = g.New()
			g.VCVTPS2PD(high, acc[2+i])
			g.VCVTPS2PD(low, acc[i])
		}
	}
	g.total(acc)
}

// halves returns the halves of x, the upper one in a new register.
func (g *gen) halves(x vec) (low, high operand.Op) {
	if g.Bits == 512 {
		h := g.YMM()
		g.VEXTRACTF64X4(operand.Imm(1), x, h)
		return x.AsY(), h
	}
	h := g.XMM()
	if g.NEON {
		g.VUNPCKHPD(x, x, h)
	} else {
		g.VEXTRACTF128(operand.Imm(1), x, h)
	}
	return x.AsX(), h
}

// op64 appends an instruction on float64.
func (g *gen) op64(name string, ops ...operand.Op) { g.Call(name+"PD", ops...) }

// reduction writes a function that adds up in float64. scalar, if not empty, is
// a parameter of type float64, which add gets in c. What add makes of elements
// that do not exist, zeros, must be 0, or the caller must leave no such elements.
func (g *gen) reduction(name string, operands []string, scalar string, add func(acc vec, x []vec, c vec)) {
	signature := "func(" + strings.Join(operands, ", ") + " []T"
	if scalar != "" {
		signature += ", " + scalar + " float64"
	}
	g.begin(name, signature+") float64")
	var base []reg.GPVirtual
	for _, p := range operands {
		base = append(base, g.BaseParam(p))
	}
	n := g.LenParam(operands[0])
	var acc [accumulators]vec
	for i := range acc {
		acc[i] = g.Zero()
	}
	var c vec
	if scalar != "" {
		p, err := g.Param(scalar).Resolve()
		if err != nil {
			panic(err)
		}
		c = g.Of(8).Broadcast(p.Addr)
	}
	from := g.Asm
	if g.Elem == 4 {
		from = g.Half()
	}
	from.Elementwise(n, accumulators, func(i int, s simd.Span) {
		var x []vec
		for _, b := range base {
			x = append(x, g.widen(s.Load(b)))
		}
		add(acc[i], x, c)
	})
	g.total(acc)
}

// widen returns a vector of float32 as float64.
func (g *gen) widen(x vec) vec {
	if g.Elem == 8 {
		return x
	}
	w := g.New()
	g.VCVTPS2PD(x, w)
	return w
}

// total returns the sum of all lanes from the function.
func (g *gen) total(acc [accumulators]vec) {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for i := range n {
			g.op64("VADD", acc[i+n], acc[i], acc[i])
		}
	}
	s := acc[0]
	if g.Bits == 512 {
		high := g.YMM()
		g.VEXTRACTF64X4(operand.Imm(1), s, high)
		g.VADDPD(high, s.AsY(), s.AsY())
	}
	high := g.XMM()
	if !g.NEON {
		g.VEXTRACTF128(operand.Imm(1), s.AsY(), high)
		g.VADDPD(high, s.AsX(), s.AsX())
	}
	g.VUNPCKHPD(s.AsX(), s.AsX(), high)
	g.VADDSD(high, s.AsX(), s.AsX())
	g.Store(s.AsX(), g.ReturnIndex(0))
	g.End()
}

func (g *gen) adamW() {
	g.begin("adamW", "func(p, g, m, v []T, decay, beta1, gain1, beta2, gain2, rate, root, eps T)")
	p, gr, m, v, n := g.BaseParam("p"), g.BaseParam("g"), g.BaseParam("m"), g.BaseParam("v"), g.LenParam("p")
	c := map[string]vec{}
	for _, name := range []string{"decay", "beta1", "gain1", "beta2", "gain2", "rate", "root", "eps"} {
		c[name] = g.scalarParam(name)
	}
	g.Elementwise(n, 1, func(_ int, s simd.Span) {
		grad := s.Load(gr)
		mean := g.Mul(s.Load(m), c["beta1"])
		g.AddMul(mean, grad, c["gain1"])
		s.Store(mean, m)
		square := g.Mul(s.Load(v), c["beta2"])
		g.AddMul(square, g.Mul(grad, c["gain2"]), grad)
		s.Store(square, v)
		den := g.Sqrt(square)
		g.MulThenAdd(den, c["root"], c["eps"])
		param := s.Load(p)
		g.Op("VFMSUB213", g.Div(g.Mul(mean, c["rate"]), den), c["decay"], param)
		s.Store(param, p)
	})
	g.End()
}

// here returns a logistic that is held in registers, or where there are too few of
// them, and held is nil, one that is in registers from here on.
func (g *gen) here(held *logistic) *logistic {
	if held != nil {
		return held
	}
	return g.newLogistic()
}

// cells writes the gates of recurrent networks, an element at a time of rows whose
// gates lie one behind the other in z.
func (g *gen) cells() {
	g.lstm()
	g.lstmGrad()
	g.gru()
	g.gruGrad()
}

// gates are the places of the gates of a row: z, and every n elements on.
type gates struct {
	*gen
	z, row reg.GPVirtual // row is n elements in bytes
}

func (g *gen) gatesOf(z, n reg.GPVirtual) gates {
	row := g.GP64()
	g.MOVQ(n, row)
	g.ScaleByElem(row)
	return gates{g, z, row}
}

// each calls f with the base of every gate, in order.
func (z gates) each(n int, f func(gate int, base reg.GPVirtual)) {
	at := z.GP64()
	z.MOVQ(z.z, at)
	for i := range n {
		if i > 0 {
			z.ADDQ(z.row, at)
		}
		f(i, at)
	}
}

// heldLogistic is newLogistic where there are registers for it, else nil.
func (g *gen) heldLogistic() *logistic {
	if g.Bits == 512 {
		return g.newLogistic()
	}
	return nil
}

func (g *gen) lstm() {
	g.begin("lstm", "func(z, c0, c1, h1 []T)")
	z, c0, c1, h1, n := g.BaseParam("z"), g.BaseParam("c0"), g.BaseParam("c1"), g.BaseParam("h1"), g.LenParam("c0")
	gs, held := g.gatesOf(z, n), g.heldLogistic()
	g.Elementwise(n, 1, func(_ int, s simd.Span) {
		var in, c, tc vec
		gs.each(4, func(gate int, at reg.GPVirtual) {
			x := s.Load(at)
			if gate == 2 {
				x = g.tanh()([]vec{x})[0]
			} else {
				x = g.here(held).sigmoid(x)
			}
			s.Store(x, at)
			switch gate {
			case 0:
				in = x
			case 1:
				c = g.Mul(x, s.Load(c0))
			case 2:
				g.AddMul(c, in, x)
				s.Store(c, c1)
				tc = g.tanh()([]vec{c})[0]
			case 3:
				s.Store(g.Mul(x, tc), h1)
			}
		})
	})
	g.End()
}

// slope returns y s (1 - s), the gradient through a sigmoid of value s.
func (g *gen) slope(y, s, one vec) vec { return g.Mul(g.Mul(y, s), g.Sub(one, s)) }

// tanhSlope returns y (1 - t t), the gradient through a hyperbolic tangent of value t.
func (g *gen) tanhSlope(y, t, one vec) vec {
	d := g.Copy(one)
	g.SubMul(d, t, t)
	return g.Mul(y, d)
}

func (g *gen) lstmGrad() {
	g.begin("lstmGrad", "func(dz, z, c0, c1, dh, dc, g []T)")
	dz, z, c0, c1, dh, dc := g.BaseParam("dz"), g.BaseParam("z"), g.BaseParam("c0"), g.BaseParam("c1"), g.BaseParam("dh"), g.BaseParam("dc")
	gp, n := g.BaseParam("g"), g.LenParam("c0")
	gs := g.gatesOf(z, n)
	to := gates{g, dz, gs.row}
	g.Elementwise(n, 1, func(_ int, s simd.Span) {
		t := g.tanh()([]vec{s.Load(c1)})[0]
		one := g.hold(1)
		d := g.Add(s.Load(dh), s.Load(gp))
		s.Store(g.Zero(), dh)
		var gate [4]vec
		gs.each(4, func(i int, at reg.GPVirtual) { gate[i] = s.Load(at) })
		in, f, c, o := gate[0], gate[1], gate[2], gate[3]
		e := s.Load(dc)
		g.Op("VADD", e, g.tanhSlope(g.Mul(d, o), t, one), e)
		s.Store(g.Mul(e, f), dc)
		to.each(4, func(i int, at reg.GPVirtual) {
			switch i {
			case 0:
				s.Store(g.slope(g.Mul(e, c), in, one), at)
			case 1:
				s.Store(g.slope(g.Mul(e, s.Load(c0)), f, one), at)
			case 2:
				s.Store(g.tanhSlope(g.Mul(e, in), c, one), at)
			case 3:
				s.Store(g.slope(g.Mul(d, t), o, one), at)
			}
		})
	})
	g.End()
}

func (g *gen) gru() {
	g.begin("gru", "func(z, h0, h1 []T)")
	z, h0, h1, n := g.BaseParam("z"), g.BaseParam("h0"), g.BaseParam("h1"), g.LenParam("h0")
	gs, held := g.gatesOf(z, n), g.heldLogistic()
	g.Elementwise(n, 1, func(_ int, s simd.Span) {
		var r, u vec
		gs.each(4, func(gate int, at reg.GPVirtual) {
			switch gate {
			case 1:
				r = g.here(held).sigmoid(s.Load(at))
				s.Store(r, at)
			case 2:
				u = g.here(held).sigmoid(s.Load(at))
				s.Store(u, at)
			case 3:
				x := s.Load(z)
				g.AddMul(x, r, s.Load(at))
				x = g.tanh()([]vec{x})[0]
				s.Store(x, z)
				g.AddMul(x, u, g.Sub(s.Load(h0), x))
				s.Store(x, h1)
			}
		})
	})
	g.End()
}

func (g *gen) gruGrad() {
	g.begin("gruGrad", "func(dz, z, h0, dh, g []T)")
	dz, z, h0, dh := g.BaseParam("dz"), g.BaseParam("z"), g.BaseParam("h0"), g.BaseParam("dh")
	gp, n := g.BaseParam("g"), g.LenParam("h0")
	gs := g.gatesOf(z, n)
	to := gates{g, dz, gs.row}
	g.Elementwise(n, 1, func(_ int, s simd.Span) {
		one := g.hold(1)
		d := g.Add(s.Load(dh), s.Load(gp))
		var gate [4]vec
		gs.each(4, func(i int, at reg.GPVirtual) { gate[i] = s.Load(at) })
		x, r, u, q := gate[0], gate[1], gate[2], gate[3]
		s.Store(g.Mul(d, u), dh)
		e := g.tanhSlope(g.Mul(d, g.Sub(one, u)), x, one)
		to.each(4, func(i int, at reg.GPVirtual) {
			switch i {
			case 0:
				s.Store(e, at)
			case 1:
				s.Store(g.slope(g.Mul(e, q), r, one), at)
			case 2:
				s.Store(g.slope(g.Mul(d, g.Sub(s.Load(h0), x)), u, one), at)
			case 3:
				s.Store(g.Mul(e, r), at)
			}
		})
	})
	g.End()
}

// rotations writes the turns of pairs of rows.
func (g *gen) rotations() {
	g.functionTo("rotate", []string{"ya", "yb"}, []string{"a", "b", "cos", "sin"}, 2, func() func(x []vec) []vec {
		return func(x []vec) []vec {
			ya, yb := g.Mul(x[0], x[2]), g.Mul(x[1], x[2])
			g.SubMul(ya, x[1], x[3])
			g.AddMul(yb, x[0], x[3])
			return []vec{ya, yb}
		}
	})
	g.functionWith("rotateBy", []string{"a", "b"}, []string{"a", "b"}, []string{"cos", "sin"}, 2, func(s []vec) func(x []vec) []vec {
		return func(x []vec) []vec {
			a, b := g.Mul(x[0], s[0]), g.Mul(x[1], s[0])
			g.SubMul(a, x[1], s[1])
			g.AddMul(b, x[0], s[1])
			return []vec{a, b}
		}
	})
	g.functionWith("retain", []string{"y", "a", "b"}, []string{"y", "a", "b", "v"}, []string{"cos", "sin", "ka", "kb", "qa", "qb"}, 1, func(s []vec) func(x []vec) []vec {
		cos, sin, ka, kb, qa, qb := s[0], s[1], s[2], s[3], s[4], s[5]
		return func(x []vec) []vec {
			y, a, b, v := x[0], x[1], x[2], x[3]
			a1, b1 := g.Mul(v, ka), g.Mul(v, kb)
			g.AddMul(a1, b, sin)
			g.SubMul(b1, a, sin)
			g.AddMul(a1, a, cos)
			g.AddMul(b1, b, cos)
			g.AddMul(y, a1, qa)
			g.AddMul(y, b1, qb)
			return []vec{y, a1, b1}
		}
	})
}

// cacheLine is the size in bytes of what is fetched from memory at a time.
const cacheLine = 64

// fetch writes the loop over the cache lines of rows.
func (g *gen) fetch() {
	g.begin("fetch", "func(x []T, ld, rows, lines int)")
	x, ld, rows, lines := g.BaseParam("x"), g.IntParam("ld"), g.IntParam("rows"), g.IntParam("lines")
	g.ScaleByElem(ld)
	g.Loop(rows, func() {
		at, n := g.GP64(), g.GP64()
		g.MOVQ(x, at)
		g.MOVQ(lines, n)
		g.Loop(n, func() {
			g.PREFETCHT1(operand.Mem{Base: at})
			g.ADDQ(operand.U32(cacheLine), at)
		})
		g.ADDQ(ld, x)
	})
	g.End()
}
