package simd

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// Table returns the coefficients called name for the element type.
func (a *Asm) Table(name string) []float64 {
	return a.Tables[fmt.Sprintf("%s%d", name, 8*a.Elem)]
}

// By returns the value for the element type.
func (a *Asm) By(f32, f64 float64) float64 {
	if a.Elem == 4 {
		return f32
	}
	return f64
}

// Magic is the number whose sum with a small number has that number, rounded to
// an integer, in its low bits.
func (a *Asm) Magic() Const { return a.Const(1.5 * math.Ldexp(1, a.Mantissa())) }

// Round returns the integer nearest x y, and z with that integer in its low bits.
func (a *Asm) Round(x Vec, y operand.Op) (n, z Vec) {
	z = a.Broadcast(a.Magic())
	a.AddMul(z, x, y)
	return a.Sub(z, a.Magic()), z
}

// Reduce returns r = y - n ln 2 with the n that makes it least, and z with n in
// its low bits.
func (a *Asm) Reduce(y Vec) (r, n, z Vec) {
	n, z = a.Round(y, a.Const(math.Log2E))
	r = a.Copy(y)
	hi := a.By(0x1.62e4p-1, 0x1.62e42feep-1) // n hi is exact
	a.SubMul(r, n, a.Const(hi))
	a.SubMul(r, n, a.Const(a.By(math.Ln2-0x1.62e4p-1, 0x1.a39ef35793c76p-33)))
	return r, n, z
}

// Power returns 2^(n+lift), a normal number, n in the low bits of z.
func (a *Asm) Power(z Vec, lift int) Vec {
	p := a.New()
	a.IntOp("VPSLL", operand.Imm(uint64(a.Mantissa())), z, p)
	a.IntOp("VPADD", a.ConstBits(uint64(a.Bias()+lift)<<a.Mantissa()), p, p)
	return p
}

// ExpReduced returns e^r, |r| <= ln(2)/2.
func (a *Asm) ExpReduced(r Vec) Vec {
	p := a.Polynomial(a.Table("expPoly"), r)
	a.MulThenAdd(p, r, a.Const(1))
	a.MulThenAdd(p, r, a.Const(1))
	return p
}

// Scale returns p 2^n for every n, n in the low bits of z too.
func (a *Asm) Scale(p, n, z Vec) Vec {
	if a.Bits == 512 {
		return a.scalef(p, n)
	}
	// In two steps, because 2^n may be too large or too small.
	half, zh := a.Round(n, a.Const(0.5))
	rest := a.Add(a.Sub(n, half), a.Magic())
	return a.Mul(a.Mul(p, a.Power(zh, 0)), a.Power(rest, 0))
}

func (a *Asm) scalef(p, n Vec) Vec {
	d := a.New()
	a.Op("VSCALEF", n, p, d)
	return d
}

// Exp returns e^x, where lo and hi hold what [Asm.ExpBounds] returns.
func (a *Asm) Exp(x, lo, hi Vec) Vec {
	r, n, z := a.Reduce(a.Max(lo, a.Min(hi, x)))
	return a.Scale(a.ExpReduced(r), n, z)
}

// ExpBounds returns the arguments from which on e^x is 0 and infinite.
func (a *Asm) ExpBounds() (lo, hi Vec) {
	return a.Broadcast(a.Const(a.By(-104, -746))), a.Broadcast(a.Const(a.By(89, 710)))
}
