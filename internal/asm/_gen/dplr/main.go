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

// states are the pointers of the rows of a batch that are advanced at a time, and what
// is between one and the next, in bytes: ld is that of y where there is one channel.
type states struct {
	x, y, u   reg.GPVirtual // of the first row
	state, ld reg.GPVirtual // from row to row of x and of u
	rows      int           // 1 or 2
}

// at returns the place of a vector of a row.
func (g *gen) at(base, apart reg.GPVirtual, r, row, i int) operand.Mem {
	m := g.row(base, row, i)
	if r > 0 {
		m.Index, m.Scale = apart, 1
	}
	return m
}

// step writes the kernel.
func (g *gen) step() {
	g.Func("step", "func(x, y, u, p, phi []T, n, rank, channels, batch, ld int)", "is a kernel.")
	s := states{x: g.BaseParam("x"), y: g.BaseParam("y"), u: g.BaseParam("u"), ld: g.IntParam("ld"), rows: 1}
	g.ScaleByElem(s.ld)
	s.state = g.IntParam("n")
	g.IMUL3Q(operand.U32(2*line), s.state, s.state)
	rest := g.IntParam("batch")
	if g.Bits == 512 { // which has the registers
		g.Comment("rows of one channel, two at a time")
		single := g.NewLabel("single")
		g.CMPQ(g.IntParam("channels"), operand.Imm(1))
		g.JNE(operand.LabelRef(single))
		pairs := g.move(rest)
		g.SHRQ(operand.Imm(1), pairs)
		g.ANDQ(operand.Imm(1), rest)
		two := s
		two.rows = 2
		g.Loop(pairs, func() { g.pass(two) })
		g.Label(single)
	}
	g.Loop(rest, func() { g.pass(s) })
	g.End()
}

// pass advances rows, and moves the pointers behind them.
func (g *gen) pass(s states) {
	p := g.BaseParam("p")
	g.Comment("phi = Re(q x)")
	phi := g.BaseParam("phi")
	g.Loop(g.IntParam("rank"), func() {
		for r, v := range g.dot(p, s) {
			for i := range v {
				g.Move(v[i], g.row(phi, r, i))
			}
		}
		g.ADDQ(operand.Imm(uint64(s.rows*line)), phi)
	})
	g.Comment("x = a x + b u - e phi, y = Re(c x)")
	g.put(g.update(p, s), s)
	if s.rows == 1 {
		g.Comment("the other channels")
		channels := g.IntParam("channels")
		g.DECQ(channels)
		g.Loop(channels, func() { g.put(g.dot(p, s), s) })
	}
	for r := range s.rows {
		g.ADDQ(s.state, s.x)
		g.ADDQ(s.ld, s.u)
		if r > 0 {
			g.ADDQ(s.ld, s.y)
		}
	}
}

// put stores the outputs of a channel, and moves y to the next one.
func (g *gen) put(v []lanes, s states) {
	for r := range v {
		for i := range v[r] {
			g.Move(v[r][i], g.at(s.y, s.ld, r, 0, i))
		}
	}
	g.ADDQ(s.ld, s.y)
}

// update advances the states for the input and returns Re(c x). p is moved behind what
// is read. The states of the next rows are fetched meanwhile.
func (g *gen) update(p reg.GPVirtual, s states) []lanes {
	x, next := g.move(s.x), g.GP64()
	g.LEAQ(operand.Mem{Base: x, Index: s.state, Scale: uint8(s.rows)}, next)
	in, sumRe, sumIm := make([]lanes, s.rows), make([]lanes, s.rows), make([]lanes, s.rows)
	for r := range in {
		in[r] = make(lanes, g.width())
		for i := range in[r] {
			in[r][i] = g.Copy(g.at(s.u, s.ld, r, 0, i))
		}
		sumRe[r], sumIm[r] = g.zeros(), g.zeros()
	}
	re, im := make([]lanes, s.rows), make([]lanes, s.rows)
	for r := range re {
		re[r], im[r] = make(lanes, g.width()), make(lanes, g.width())
	}
	g.Loop(g.IntParam("n"), func() {
		for r := range s.rows {
			g.PREFETCHT0(g.at(next, s.state, r, 0, 0))
			g.PREFETCHT0(g.at(next, s.state, r, 1, 0))
		}
		g.ADDQ(operand.U32(2*line), next)
		for i := range g.width() {
			aRe, aIm := g.Copy(g.row(p, 0, i)), g.Copy(g.row(p, 1, i))
			for r := range s.rows {
				re[r][i], im[r][i] = g.rotate(aRe, aIm, g.at(x, s.state, r, 0, i), g.at(x, s.state, r, 1, i))
			}
			bRe, bIm := g.Copy(g.row(p, 2, i)), g.Copy(g.row(p, 3, i))
			for r := range s.rows {
				g.AddMul(re[r][i], in[r][i], bRe)
				g.AddMul(im[r][i], in[r][i], bIm)
			}
		}
		g.ADDQ(operand.U32(4*line), p)
		phi := g.BaseParam("phi")
		g.Loop(g.IntParam("rank"), func() {
			for i := range g.width() {
				eRe, eIm := g.Copy(g.row(p, 0, i)), g.Copy(g.row(p, 1, i))
				for r := range s.rows {
					v := g.Copy(g.row(phi, r, i))
					g.SubMul(re[r][i], v, eRe)
					g.SubMul(im[r][i], v, eIm)
				}
			}
			g.ADDQ(operand.Imm(uint64(s.rows*line)), phi)
			g.ADDQ(operand.U32(2*line), p)
		})
		for i := range g.width() {
			cRe, cIm := g.Copy(g.row(p, 0, i)), g.Copy(g.row(p, 1, i))
			for r := range s.rows {
				g.Move(re[r][i], g.at(x, s.state, r, 0, i))
				g.Move(im[r][i], g.at(x, s.state, r, 1, i))
				g.AddMul(sumRe[r][i], re[r][i], cRe)
				g.AddMul(sumIm[r][i], im[r][i], cIm)
			}
		}
		g.ADDQ(operand.U32(2*line), x)
		g.ADDQ(operand.U32(2*line), p)
	})
	sums := make([]lanes, s.rows)
	for r := range sums {
		sums[r] = g.sum(sumRe[r], sumIm[r])
	}
	return sums
}

// rotate returns the product of a complex number and that in memory.
func (g *gen) rotate(aRe, aIm simd.Vec, atRe, atIm operand.Mem) (re, im simd.Vec) {
	xRe, xIm := g.Copy(atRe), g.Copy(atIm)
	re, im = g.Mul(aRe, xRe), g.Mul(aRe, xIm)
	g.SubMul(re, aIm, xIm)
	g.AddMul(im, aIm, xRe)
	return re, im
}

// dot returns, for each state, the sum of the products of the rows at p and its own. p
// is moved behind them.
func (g *gen) dot(p reg.GPVirtual, s states) []lanes {
	const unroll = 4
	x := g.move(s.x)
	sums := make([][unroll]lanes, s.rows)
	for r := range sums {
		for k := range sums[r] {
			sums[r][k] = g.zeros()
		}
	}
	rows := func(n int) {
		for k := range n {
			for i := range g.width() {
				q := g.Copy(g.row(p, k, i))
				for r := range s.rows {
					g.AddMul(sums[r][k][i], q, g.at(x, s.state, r, k, i))
				}
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
	all := make([]lanes, s.rows)
	for r, v := range sums {
		all[r] = g.sum(g.sum(v[0], v[2]), g.sum(v[1], v[3]))
	}
	return all
}

func (g *gen) sum(a, b lanes) lanes {
	s := make(lanes, len(a))
	for i := range s {
		s[i] = g.Add(a[i], b[i])
	}
	return s
}
