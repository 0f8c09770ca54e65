// Command dplr generates the kernel of internal/dplr, whose portable twin is in
// kernel_generic.go there.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// line is the size of a row of lanes in bytes.
const line = 64

func main() {
	simd.Main(func(a *simd.Asm) { (&gen{a}).step() })
}

// gen writes the kernel for one instruction set and element type.
type gen struct{ *simd.Asm }

// lanes is a row of lanes: one vector, or two half as wide.
type lanes []simd.Vec

// width is the number of vectors in a row.
func (g *gen) width() int { return line / g.Bytes() }

// row returns the place of vector i of the given row from base on.
func (g *gen) row(base reg.GPVirtual, row, i int) operand.Mem {
	return operand.Mem{Base: base, Disp: row*line + i*g.Bytes()}
}

func (g *gen) load(base reg.GPVirtual, row int) lanes {
	v := make(lanes, g.width())
	for i := range v {
		v[i] = g.Copy(g.row(base, row, i))
	}
	return v
}

func (g *gen) store(v lanes, base reg.GPVirtual) {
	for i := range v {
		g.Move(v[i], g.row(base, 0, i))
	}
}

func (g *gen) zeros() lanes {
	v := make(lanes, g.width())
	for i := range v {
		v[i] = g.Zero()
	}
	return v
}

func (g *gen) move(from reg.GPVirtual) reg.GPVirtual {
	to := g.GP64()
	g.MOVQ(from, to)
	return to
}

// step writes the kernel.
func (g *gen) step() {
	g.Func("step", "func(x, y, u, p, phi []T, n, rank, channels, batch, ld int)", "is a kernel.")
	x, y, u := g.BaseParam("x"), g.BaseParam("y"), g.BaseParam("u")
	ld := g.IntParam("ld")
	g.ScaleByElem(ld)
	state := g.IntParam("n") // bytes of a row's
	g.IMUL3Q(operand.U32(2*line), state, state)
	g.Loop(g.IntParam("batch"), func() {
		p := g.BaseParam("p")
		g.Comment("phi = Re(q x)")
		phi := g.BaseParam("phi")
		g.Loop(g.IntParam("rank"), func() {
			g.store(g.dot(p, x), phi)
			g.ADDQ(operand.Imm(line), phi)
		})
		g.Comment("x = a x + b u - e phi, y = Re(c x)")
		next := g.move(x)
		g.store(g.update(p, next, u, state), y)
		g.ADDQ(ld, u)
		g.ADDQ(ld, y)
		g.Comment("the other channels")
		channels := g.IntParam("channels")
		g.DECQ(channels)
		g.Loop(channels, func() {
			g.store(g.dot(p, x), y)
			g.ADDQ(ld, y)
		})
		g.MOVQ(next, x)
	})
	g.End()
}

// update advances the state at x for the input at u and returns Re(c x). p and x
// are moved behind what is read. The state of the next row, as many bytes further, is
// fetched meanwhile.
func (g *gen) update(p, x, u, state reg.GPVirtual) lanes {
	in := g.load(u, 0)
	sumRe, sumIm := g.zeros(), g.zeros()
	g.Loop(g.IntParam("n"), func() {
		re, im := make(lanes, g.width()), make(lanes, g.width())
		for k := range 2 {
			g.PREFETCHT0(operand.Mem{Base: x, Index: state, Scale: 1, Disp: k * line})
		}
		for i := range in {
			re[i], im[i] = g.rotate(p, x, i)
			g.AddMul(re[i], in[i], g.row(p, 2, i))
			g.AddMul(im[i], in[i], g.row(p, 3, i))
		}
		g.ADDQ(operand.U32(4*line), p)
		phi := g.BaseParam("phi")
		g.Loop(g.IntParam("rank"), func() {
			for i := range in {
				v := g.Copy(g.row(phi, 0, i))
				g.SubMul(re[i], v, g.row(p, 0, i))
				g.SubMul(im[i], v, g.row(p, 1, i))
			}
			g.ADDQ(operand.Imm(line), phi)
			g.ADDQ(operand.U32(2*line), p)
		})
		for i := range in {
			g.Move(re[i], g.row(x, 0, i))
			g.Move(im[i], g.row(x, 1, i))
			g.AddMul(sumRe[i], re[i], g.row(p, 0, i))
			g.AddMul(sumIm[i], im[i], g.row(p, 1, i))
		}
		g.ADDQ(operand.U32(2*line), x)
		g.ADDQ(operand.U32(2*line), p)
	})
	return g.sum(sumRe, sumIm)
}

// rotate returns the product of the complex numbers at p and x.
func (g *gen) rotate(p, x reg.GPVirtual, i int) (re, im simd.Vec) {
	xRe, xIm := g.Copy(g.row(x, 0, i)), g.Copy(g.row(x, 1, i))
	aRe, aIm := g.Copy(g.row(p, 0, i)), g.Copy(g.row(p, 1, i))
	re, im = g.Mul(aRe, xRe), g.Mul(aRe, xIm)
	g.SubMul(re, aIm, xIm)
	g.AddMul(im, aIm, xRe)
	return re, im
}

// dot returns the sum of the products of the rows at p and x, which are as many
// as a state has. p is moved behind them.
func (g *gen) dot(p, x reg.GPVirtual) lanes {
	const unroll = 4
	x = g.move(x)
	sums := make([]lanes, unroll)
	for k := range sums {
		sums[k] = g.zeros()
	}
	rows := func(n int) {
		for k := range n {
			for i, v := range g.load(x, k) {
				g.AddMul(sums[k][i], v, g.row(p, k, i))
			}
		}
		g.ADDQ(operand.U32(uint32(n*line)), x)
		g.ADDQ(operand.U32(uint32(n*line)), p)
	}
	n := g.IntParam("n")
	pairs := g.move(n)
	g.SHRQ(operand.Imm(1), pairs)
	g.ANDQ(operand.Imm(1), n)
	g.Loop(pairs, func() { rows(4) })
	g.Loop(n, func() { rows(2) })
	return g.sum(g.sum(sums[0], sums[2]), g.sum(sums[1], sums[3]))
}

func (g *gen) sum(a, b lanes) lanes {
	s := make(lanes, len(a))
	for i := range s {
		s[i] = g.Add(a[i], b[i])
	}
	return s
}
