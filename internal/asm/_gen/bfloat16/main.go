// Command bfloat16 generates the assembly of internal/bfloat16: its passes over
// float32. The portable ones, in pass_generic.go there, explain what they do.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// block is the number of elements in an iteration: one vector of AVX-512, two of
// AVX2, four of NEON.
const block = 16

// Predicates of a comparison of a number with itself.
const (
	unordered = 3 // it is NaN
	ordered   = 7 // it is not
)

func main() {
	simd.Main(func(a *simd.Asm) {
		if a.Elem == 4 {
			g := gen{a}
			g.split()
			g.read("read", func(v, dst simd.Vec) simd.Vec { return v })
			g.read("add", func(v, dst simd.Vec) simd.Vec { return g.Add(v, dst) })
		}
	})
}

// gen writes functions for one instruction set.
type gen struct{ *simd.Asm }

func (g gen) split() {
	g.Func("split", "func(dst []byte, rest, x []T, keep T, blocks int)", "is passes.split.")
	dst, rest, x, n := g.BaseParam("dst"), g.BaseParam("rest"), g.BaseParam("x"), g.IntParam("blocks")
	mem, err := g.Param("keep").Resolve()
	if err != nil {
		panic(err)
	}
	keep := g.Broadcast(mem.Addr)
	one, half := g.Broadcast(g.ConstBits(1)), g.Broadcast(g.ConstBits(0x7fff))
	upper, quiet := g.Broadcast(g.ConstBits(0xffff0000)), g.Broadcast(g.ConstBits(1<<22))
	g.Loop(n, func() {
		var words []simd.Vec
		for i := range block / g.Lanes() {
			v := g.Add(g.Mul(g.Copy(g.vector(rest, i)), keep), g.vector(x, i))
			b := g.shift("VPSRL", v)
			b = g.And(b, one)
			g.IntOp("VPADD", half, b, b)
			g.IntOp("VPADD", v, b, b)
			b = g.where(unordered, v, g.Or(v, quiet), b)
			r := g.Sub(v, g.And(b, upper))
			r = g.where(ordered, g.Sub(r, r), r, g.Zero())
			g.Move(r, g.vector(rest, i))
			words = append(words, g.shift("VPSRL", b))
		}
		switch {
		case g.Bits == 512:
			g.VPMOVDW(words[0], Mem{Base: dst})
		case g.NEON:
			for i := range 2 {
				g.VPACKUSDW(words[2*i+1], words[2*i], words[2*i])
				g.Move(words[2*i], Mem{Base: dst, Disp: i * g.Bytes()})
			}
		default:
			g.VPACKUSDW(words[1], words[0], words[0])
			g.VPERMQ(Imm(0b11_01_10_00), words[0], words[0])
			g.VMOVDQU(words[0], Mem{Base: dst})
		}
		g.ADDQ(U32(2*block), dst)
		g.ADDQ(U32(4*block), rest)
		g.ADDQ(U32(4*block), x)
	})
	g.End()
}

// read writes a function that stores what f makes of the numbers in src and dst.
func (g gen) read(name string, f func(v, dst simd.Vec) simd.Vec) {
	g.Func(name, "func(dst []T, src []byte, blocks int)", "is passes."+name+".")
	dst, src, n := g.BaseParam("dst"), g.BaseParam("src"), g.IntParam("blocks")
	g.Loop(n, func() {
		for i := range block / g.Lanes() {
			v := g.New()
			g.VPMOVZXWD(Mem{Base: src, Disp: 2 * i * g.Lanes()}, v)
			v = f(g.shift("VPSLL", v), g.Copy(g.vector(dst, i)))
			g.Move(v, g.vector(dst, i))
		}
		g.ADDQ(U32(2*block), src)
		g.ADDQ(U32(4*block), dst)
	})
	g.End()
}

// shift returns x shifted by half of a lane.
func (g gen) shift(name string, x simd.Vec) simd.Vec {
	y := g.New()
	g.IntOp(name, Imm(16), x, y)
	return y
}

// where returns yes where a comparison of x with itself holds, and no elsewhere.
func (g gen) where(predicate uint64, x, yes, no simd.Vec) simd.Vec {
	y := g.New()
	if g.Bits == 512 {
		k := g.K()
		g.VCMPPS(Imm(predicate), x, x, k)
		g.VBLENDMPS(yes, no, k, y)
		return y
	}
	m := g.New()
	g.VCMPPS(Imm(predicate), x, x, m)
	g.VBLENDVPS(m, yes, no, y)
	return y
}

// vector returns the i-th vector at an address.
func (g gen) vector(base reg.GPVirtual, i int) Mem { return Mem{Base: base, Disp: i * g.Bytes()} }
