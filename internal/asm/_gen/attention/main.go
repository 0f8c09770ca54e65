// Command attention generates the passes of a step in ops/attention, whose
// portable twins are in pass_generic.go there.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The bytes of a feature of a block of keys or values, and of a partial sum.
const (
	blockBytes = 256
	sumBytes   = 64
)

func main() {
	simd.Main(func(a *simd.Asm) {
		g := generator{a}
		g.Func("scores", "func(dst, q, k []T, blocks int)", "is passes.scores.")
		g.scores()
		g.Func("mix", "func(sums, p, v []T, features, blocks int)", "is passes.mix.")
		g.mix()
	})
}

type generator struct{ *simd.Asm }

// vectors returns the number of vectors in a feature of a block.
func (g generator) vectors() int { return blockBytes / g.Bytes() }

func (g generator) scores() {
	dst, q, features := g.BaseParam("dst"), g.BaseParam("q"), g.LenParam("q")
	k, blocks := g.BaseParam("k"), g.IntParam("blocks")
	g.Loop(blocks, func() {
		acc := make([]simd.Vec, g.vectors())
		for i := range acc {
			acc[i] = g.Zero()
		}
		at, n := g.copied(q), g.copied(features)
		g.Loop(n, func() {
			x := g.Broadcast(Mem{Base: at})
			for i := range acc {
				g.AddMul(acc[i], x, g.vector(k, i))
			}
			g.ADDQ(U32(g.Elem), at)
			g.ADDQ(U32(blockBytes), k)
		})
		for i := range acc {
			g.Move(acc[i], g.vector(dst, i))
		}
		g.ADDQ(U32(blockBytes), dst)
	})
	g.End()
}

func (g generator) mix() {
	sums, p, v := g.BaseParam("sums"), g.BaseParam("p"), g.BaseParam("v")
	features, blocks := g.IntParam("features"), g.IntParam("blocks")
	g.Loop(blocks, func() {
		weights := make([]simd.Vec, g.vectors())
		for i := range weights {
			weights[i] = g.Copy(g.vector(p, i))
		}
		at, n := g.copied(sums), g.copied(features)
		g.Loop(n, func() {
			acc := make([]simd.Vec, sumBytes/g.Bytes())
			for i := range acc {
				acc[i] = g.Copy(g.vector(at, i))
			}
			for i, w := range weights {
				g.AddMul(acc[i%len(acc)], w, g.vector(v, i))
			}
			for i := range acc {
				g.Move(acc[i], g.vector(at, i))
			}
			g.ADDQ(U32(sumBytes), at)
			g.ADDQ(U32(blockBytes), v)
		})
		g.ADDQ(U32(blockBytes), p)
	})
	g.End()
}

// vector returns the i-th vector at an address.
func (g generator) vector(base reg.GPVirtual, i int) Mem {
	return Mem{Base: base, Disp: i * g.Bytes()}
}

// copied returns a copy of a register.
func (g generator) copied(x reg.GPVirtual) reg.GPVirtual {
	y := g.GP64()
	g.MOVQ(x, y)
	return y
}
