// Command selective generates the passes of ops/selective, whose portable twins are in
// pass_generic.go there.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The sizes of ops/selective, in bytes: of a row of a tile, and of a tile.
const (
	rowBytes  = 64
	tileBytes = (64 + 2) * rowBytes
)

// The tiles, in the order of ops/selective.
const (
	delta = iota
	input
	out
	gOut
	gDelta
	gInput
	state
	decay
)

func main() {
	tables := simd.ReadCoefficients("../../../vec/coefficients.go")
	simd.Main(func(a *simd.Asm) {
		a.Tables = tables
		g := generator{Asm: a}
		a.Func("forward", "func(tiles, x, a, b, c []T, ldb, ldc, n, steps int)", "is passes.forward.")
		g.eachVector(g.forward)
		a.Func("backward", "func(tiles, sums, x, h, a, da, b, c []T, ldb, ldc, n, steps int)", "is passes.backward.")
		g.eachVector(g.backward)
	})
}

// generator writes the passes for one vector of the channels of a block.
type generator struct {
	*simd.Asm
	disp int // of the vector in a row

	lo, hi simd.Vec // bounds of exponents

	tiles, off    reg.GPVirtual // bytes of the rows before
	b, c, column  reg.GPVirtual // of one state, and bytes of the steps before
	a, x          simd.Vec
	states, count reg.GPVirtual // bytes of the states before, and the number of those left
}

// eachVector writes a function that has the body for every vector of a row.
func (g *generator) eachVector(body func()) {
	for g.disp = 0; g.disp < rowBytes; g.disp += g.Bytes() {
		body()
	}
	g.End()
}

// begin loads what both passes have in common.
func (g *generator) begin() {
	g.lo, g.hi = g.ExpBounds()
	g.tiles, g.off, g.column, g.states = g.BaseParam("tiles"), g.GP64(), g.GP64(), g.GP64()
	g.b, g.c, g.count = g.BaseParam("b"), g.BaseParam("c"), g.IntParam("n")
	g.XORQ(g.states, g.states)
}

// tile returns the vector of a tile at the step under way, or so many after it.
func (g *generator) tile(number, after int) Mem {
	return Mem{Base: g.tiles, Index: g.off, Scale: 1, Disp: number*tileBytes + after*rowBytes + g.disp}
}

// of returns the vector of the state under way in an array (N, lanes).
func (g *generator) of(base reg.GPVirtual) Mem {
	return Mem{Base: base, Index: g.states, Scale: 1, Disp: g.disp}
}

// number returns that of b or c at the step under way in every lane.
func (g *generator) number(base reg.GPVirtual) simd.Vec {
	return g.Broadcast(Mem{Base: base, Index: g.column, Scale: 1})
}

// eachState runs body for every state.
func (g *generator) eachState(body func()) {
	g.Loop(g.count, func() {
		body()
		g.ADDQ(U32(rowBytes), g.states)
		g.next(g.b, "ldb")
		g.next(g.c, "ldc")
	})
}

// next adds a distance in elements to an address.
func (g *generator) next(base reg.GPVirtual, distance string) {
	d := g.IntParam(distance)
	g.ScaleByElem(d)
	g.ADDQ(d, base)
}

// step takes the states of one number through a step, and returns the decay.
func (g *generator) step() simd.Vec {
	e := g.Exp(g.Mul(g.a, g.tile(delta, 0)), g.lo, g.hi)
	next := g.Mul(g.x, e)
	g.AddMul(next, g.number(g.b), g.tile(input, 0))
	g.Move(next, g.x)
	y := g.Copy(g.tile(out, 0))
	g.AddMul(y, g.x, g.number(g.c))
	g.Move(y, g.tile(out, 0))
	return e
}

// steps runs body for the steps of a chunk.
func (g *generator) steps(body func()) {
	g.XORQ(g.off, g.off)
	g.XORQ(g.column, g.column)
	g.Loop(g.IntParam("steps"), func() {
		body()
		g.ADDQ(U32(rowBytes), g.off)
		g.ADDQ(U32(g.Elem), g.column)
	})
}

func (g *generator) forward() {
	g.begin()
	x, a := g.BaseParam("x"), g.BaseParam("a")
	g.eachState(func() {
		g.a, g.x = g.Copy(g.of(a)), g.Copy(g.of(x))
		g.steps(func() { g.step() })
		g.Move(g.x, g.of(x))
	})
}

func (g *generator) backward() {
	g.begin()
	sums := g.BaseParam("sums")
	g.eachState(func() {
		x := g.BaseParam("x")
		g.a, g.x = g.Copy(g.of(g.BaseParam("a"))), g.Copy(g.of(x))
		g.XORQ(g.off, g.off)
		g.Move(g.x, g.tile(state, 0))
		g.steps(func() {
			g.Move(g.step(), g.tile(decay, 0))
			g.Move(g.x, g.tile(state, 1))
		})
		g.Move(g.x, g.of(x))
		h, da := g.BaseParam("h"), g.BaseParam("da")
		g.adjoint(sums, h, da)
		g.ADDQ(U32(2*tileBytes), sums)
	})
}

// adjoint goes back through the steps of the states in the tile.
func (g *generator) adjoint(sums, hs, das reg.GPVirtual) {
	h, da := g.Copy(g.of(hs)), g.Copy(g.of(das))
	sum := func(number int) Mem {
		return Mem{Base: sums, Index: g.off, Scale: 1, Disp: number*tileBytes + g.disp}
	}
	add := func(to Mem, x simd.Vec, y Op) {
		v := g.Copy(to)
		g.AddMul(v, x, y)
		g.Move(v, to)
	}
	g.Loop(g.IntParam("steps"), func() {
		g.SUBQ(U32(rowBytes), g.off)
		g.SUBQ(U32(g.Elem), g.column)
		gy := g.Copy(g.tile(gOut, 0))
		g.AddMul(h, gy, g.number(g.c))
		add(sum(1), gy, g.tile(state, 1))
		add(sum(0), h, g.tile(input, 0))
		add(g.tile(gInput, 0), h, g.number(g.b))
		g.Move(g.Mul(h, g.tile(decay, 0)), h)
		d := g.Mul(h, g.tile(state, 0))
		add(g.tile(gDelta, 0), d, g.a)
		g.AddMul(da, d, g.tile(delta, 0))
	})
	g.Move(h, g.of(hs))
	g.Move(da, g.of(das))
}
