package simd

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
)

// Const is a constant in memory, the same in every lane: the first operand of
// an instruction, or an argument of Broadcast.
type Const struct{ operand.Mem }

// Const returns v, rounded to the element type.
func (a *Asm) Const(v float64) Const {
	if a.Elem == 4 {
		return a.ConstBits(uint64(math.Float32bits(float32(v))))
	}
	return a.ConstBits(math.Float64bits(v))
}

// ConstBits returns the constant whose lanes have the bits b.
func (a *Asm) ConstBits(b uint64) Const {
	name := fmt.Sprintf("lanes%d_%0*x", 8*a.Elem, 2*a.Elem, b)
	if m, ok := a.consts[name]; ok {
		return Const{m}
	}
	copies := 1 // AVX-512 instructions broadcast their operand
	if a.Bits < 512 {
		copies = a.Lanes()
	}
	m := a.StaticGlobal(name)
	a.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range copies {
		if a.Elem == 4 {
			a.AddDatum(4*i, operand.U32(uint32(b)))
		} else {
			a.AddDatum(8*i, operand.U64(b))
		}
	}
	a.consts[name] = m
	return Const{m}
}

// SignBit returns the constant with the sign bit of each lane alone.
func (a *Asm) SignBit() Const { return a.ConstBits(1 << (8*a.Elem - 1)) }

// Magnitude returns the constant with all bits but the sign bit.
func (a *Asm) Magnitude() Const { return a.ConstBits(1<<(8*a.Elem-1) - 1) }

// Mantissa returns the number of bits of a significand in memory.
func (a *Asm) Mantissa() int { return map[int]int{4: 23, 8: 52}[a.Elem] }

// Bias returns the number added to an exponent in memory.
func (a *Asm) Bias() int { return map[int]int{4: 127, 8: 1023}[a.Elem] }

// Add returns x + y.
func (a *Asm) Add(x Vec, y operand.Op) Vec { return a.binary("VADD", x, y) }

// Sub returns x - y.
func (a *Asm) Sub(x Vec, y operand.Op) Vec { return a.binary("VSUB", x, y) }

// Mul returns x y.
func (a *Asm) Mul(x Vec, y operand.Op) Vec { return a.binary("VMUL", x, y) }

// Div returns x / y.
func (a *Asm) Div(x Vec, y operand.Op) Vec { return a.binary("VDIV", x, y) }

// Min returns the lesser of x and y, and y where either is NaN.
func (a *Asm) Min(x Vec, y operand.Op) Vec { return a.binary("VMIN", x, y) }

// Max returns the greater of x and y, and y where either is NaN.
func (a *Asm) Max(x Vec, y operand.Op) Vec { return a.binary("VMAX", x, y) }

// And returns the bits in both x and y.
func (a *Asm) And(x Vec, y operand.Op) Vec { return a.binary("VAND", x, y) }

// Or returns the bits in x or y.
func (a *Asm) Or(x Vec, y operand.Op) Vec { return a.binary("VOR", x, y) }

// Xor returns the bits in one of x and y.
func (a *Asm) Xor(x Vec, y operand.Op) Vec { return a.binary("VXOR", x, y) }

func (a *Asm) binary(name string, x Vec, y operand.Op) Vec {
	d := a.New()
	a.Op(name, y, x, d)
	return d
}

// Sqrt returns the square root of x.
func (a *Asm) Sqrt(x Vec) Vec {
	d := a.New()
	a.Op("VSQRT", x, d)
	return d
}

// Copy returns a copy of x.
func (a *Asm) Copy(x operand.Op) Vec {
	d := a.New()
	a.Move(x, d)
	return d
}

// AddMul adds x y to acc.
func (a *Asm) AddMul(acc, x Vec, y operand.Op) { a.Op("VFMADD231", y, x, acc) }

// SubMul subtracts x y from acc.
func (a *Asm) SubMul(acc, x Vec, y operand.Op) { a.Op("VFNMADD231", y, x, acc) }

// MulThenAdd replaces p by p x + y.
func (a *Asm) MulThenAdd(p, x Vec, y operand.Op) { a.Op("VFMADD213", y, x, p) }

// Polynomial returns the polynomial of x with coefficients c, in ascending
// order, by Horner's rule.
func (a *Asm) Polynomial(c []float64, x Vec) Vec {
	n := len(c) - 1
	p := a.Broadcast(a.Const(c[n]))
	for i := n - 1; i >= 0; i-- {
		a.MulThenAdd(p, x, a.Const(c[i]))
	}
	return p
}

// Select returns neg where the sign bit of x is set, else pos.
func (a *Asm) Select(x, neg, pos Vec) Vec {
	d := a.New()
	if a.Bits < 512 {
		a.Op("VBLENDV", x, neg, pos, d)
		return d
	}
	k := a.K()
	a.Call(map[int]string{4: "VPMOVD2M", 8: "VPMOVQ2M"}[a.Elem], x, k)
	a.Op("VBLENDM", neg, pos, k, d)
	return d
}
