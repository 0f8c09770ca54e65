// Command vandermonde generates the passes of ops/vandermonde, whose portable
// twins are in pass_generic.go there.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// group is the number of powers worked out side by side, as in ops/vandermonde.
const group = 4

func main() {
	simd.Main(func(a *simd.Asm) {
		g := generator{Asm: a.Of(8), elem: a.Elem}
		g.Func("powers", "func(dst []T, x, z, c []float64, n, groups int)", a, func() { g.powers(false) })
		g.Func("tangents", "func(dst []T, x, z []float64, n, groups int)", a, func() { g.powers(true) })
		g.Func("horner", "func(s, x []float64, u []T, n, rows int)", a, g.horner)
	})
}

// generator writes passes over columns of float64, and of the element type T
// in the tables: one vector of columns at a time, in the last one columns that
// were done before where there is no whole vector left.
type generator struct {
	*simd.Asm     // of float64
	elem      int // bytes of T

	n, col reg.GPVirtual // number of columns, and the first of a vector
}

// Func writes a function whose body is the given one for every vector of
// columns.
func (g *generator) Func(name, signature string, t *simd.Asm, body func()) {
	t.Func(name, signature, "is passes."+name+".")
	g.n, g.col = g.IntParam("n"), g.GP64()
	g.XORQ(g.col, g.col)
	loop := g.NewLabel("columns")
	g.Label(loop)
	body()
	g.ADDQ(U32(g.Lanes()), g.col)
	done, last := g.NewLabel("done"), g.GP64()
	g.CMPQ(g.col, g.n)
	g.JGE(LabelRef(done))
	g.MOVQ(g.n, last)
	g.SUBQ(U32(g.Lanes()), last)
	g.CMPQ(g.col, last)
	g.CMOVQGT(last, g.col)
	g.JMP(LabelRef(loop))
	g.Label(done)
	g.End()
}

// pair is a vector of complex numbers.
type pair struct{ re, im simd.Vec }

// load returns the columns of a row of float64.
func (g *generator) load(base reg.GPVirtual) pair {
	im := g.imag(base, 8)
	return pair{g.Copy(Mem{Base: base, Index: g.col, Scale: 8}), g.Copy(Mem{Base: im, Index: g.col, Scale: 8})}
}

// store sets the columns of a row of float64.
func (g *generator) store(v pair, base reg.GPVirtual) {
	g.Move(v.re, Mem{Base: base, Index: g.col, Scale: 8})
	g.Move(v.im, Mem{Base: g.imag(base, 8), Index: g.col, Scale: 8})
}

// imag returns the place of the imaginary parts of a row with elements of size
// elem.
func (g *generator) imag(base reg.GPVirtual, elem int) reg.GPVirtual {
	p := g.GP64()
	g.LEAQ(Mem{Base: base, Index: g.n, Scale: uint8(elem)}, p)
	return p
}

// columns returns the place of the columns of a row of T.
func (g *generator) columns(base reg.GPVirtual) reg.GPVirtual {
	p := g.GP64()
	g.LEAQ(Mem{Base: base, Index: g.col, Scale: uint8(g.elem)}, p)
	return p
}

// bytes returns the size of k n elements of T.
func (g *generator) bytes(k int) reg.GPVirtual {
	p := g.GP64()
	g.IMUL3Q(U32(k*g.elem), g.n, p)
	return p
}

// round writes v to elements of T.
func (g *generator) round(v simd.Vec, m Mem) {
	switch {
	case g.elem == 8:
		g.Move(v, m)
	case g.Bits == 512:
		y := g.YMM()
		g.VCVTPD2PS(v, y)
		g.VMOVUPS(y, m)
	case g.NEON:
		x := g.XMM()
		g.VCVTPD2PSX(v, x)
		g.VMOVSD(x, m)
	default:
		x := g.XMM()
		g.VCVTPD2PSY(v, x)
		g.VMOVUPS(x, m)
	}
}

// widen returns elements of T.
func (g *generator) widen(m Mem) simd.Vec {
	if g.elem == 8 {
		return g.Copy(m)
	}
	v := g.New()
	g.VCVTPS2PD(m, v)
	return v
}

// mul returns a b.
func (g *generator) mul(a, b pair) pair {
	p := pair{g.Mul(a.re, b.re), g.Mul(a.re, b.im)}
	g.SubMul(p.re, a.im, b.im)
	g.AddMul(p.im, a.im, b.re)
	return p
}

// addMul adds a b to acc.
func (g *generator) addMul(acc, a, b pair) {
	g.AddMul(acc.re, a.re, b.re)
	g.SubMul(acc.re, a.im, b.im)
	g.AddMul(acc.im, a.re, b.im)
	g.AddMul(acc.im, a.im, b.re)
}

// flush makes numbers of v zero whose modulus is less than tiny of T.
func (g *generator) flush(v pair) {
	tiny := map[int]float64{4: 0x1p-60, 8: 0x1p-500}[g.elem]
	const notLess = 0x15 // or unordered; quiet
	size := g.Mul(v.re, v.re)
	g.AddMul(size, v.im, v.im)
	if g.Bits == 512 {
		k := g.K()
		g.VCMPPD_BCST(Imm(notLess), g.Const(tiny*tiny).Mem, size, k)
		g.VMOVAPD_Z(v.re, k, v.re)
		g.VMOVAPD_Z(v.im, k, v.im)
		return
	}
	g.VCMPPD(Imm(notLess), g.Const(tiny*tiny).Mem, size, size)
	g.VANDPD(size, v.re, v.re)
	g.VANDPD(size, v.im, v.im)
}

// powers writes the pass powers, or tangents: for a vector of columns z, in
// groups of rows, z^i.
func (g *generator) powers(tangents bool) {
	one := g.Broadcast(g.Const(1))
	z := g.load(g.BaseParam("z"))
	p := [group]pair{{one, g.Zero()}, z, g.mul(z, z)}
	p[3] = g.mul(p[2], z)
	step := g.mul(p[2], p[2])
	p[0].re = g.Copy(one)

	row := g.columns(g.BaseParam("dst"))
	imag := g.bytes(1)
	w := powerWriter{generator: g, row: row, imag: imag}
	if tangents {
		w.ld = g.bytes(4)
		w.slope = g.GP64()
		g.LEAQ(Mem{Base: row, Index: imag, Scale: 2}, w.slope)
		g.round(p[0].im, Mem{Base: w.slope})
		g.round(p[0].im, Mem{Base: w.slope, Index: imag, Scale: 1})
		g.ADDQ(w.ld, w.slope)
		w.i = one
	} else {
		w.ld = g.bytes(2)
		w.c = g.load(g.BaseParam("c"))
	}
	g.Loop(g.IntParam("groups"), func() {
		for k := range p {
			if tangents {
				w.tangent(p[k])
			} else {
				w.power(p[k])
			}
			next := g.mul(p[k], step)
			g.flush(next)
			g.Move(next.re, p[k].re)
			g.Move(next.im, p[k].im)
		}
	})
	g.store(p[0], g.BaseParam("x"))
}

// powerWriter writes rows of a table of powers.
type powerWriter struct {
	*generator
	row, ld, imag reg.GPVirtual // the next row, and bytes: from row to row, of n elements
	c             pair          // powers: coefficients
	slope         reg.GPVirtual // tangents: the derivatives of the row after the next
	i             simd.Vec      // tangents: its number
}

func (w *powerWriter) write(v pair, at reg.GPVirtual) {
	w.round(v.re, Mem{Base: at})
	w.round(v.im, Mem{Base: at, Index: w.imag, Scale: 1})
	w.ADDQ(w.ld, at)
}

func (w *powerWriter) power(p pair) { w.write(w.mul(w.c, p), w.row) }

func (w *powerWriter) tangent(p pair) {
	w.write(p, w.row)
	w.write(pair{w.Mul(w.i, p.re), w.Mul(w.i, p.im)}, w.slope)
	w.Op("VADD", w.Broadcast(w.Const(1)), w.i, w.i)
}

// horner writes the pass of that name.
func (g *generator) horner() {
	x := g.load(g.BaseParam("x"))
	var s [3]pair // the two sums and the derivative of the first by x
	for i := range s {
		s[i] = pair{g.Zero(), g.Zero()}
	}
	ld, rows := g.bytes(4), g.IntParam("rows")
	u := g.columns(g.BaseParam("u"))
	imag := g.bytes(1)
	end := g.GP64()
	g.MOVQ(rows, end)
	g.IMULQ(ld, end)
	g.ADDQ(end, u)
	g.Loop(rows, func() {
		g.SUBQ(ld, u)
		v := g.GP64()
		g.LEAQ(Mem{Base: u, Index: imag, Scale: 2}, v)
		next := [3]pair{
			{g.widen(Mem{Base: u}), g.widen(Mem{Base: u, Index: imag, Scale: 1})},
			{g.widen(Mem{Base: v}), g.widen(Mem{Base: v, Index: imag, Scale: 1})},
			{g.Copy(s[0].re), g.Copy(s[0].im)},
		}
		for i := range s {
			g.addMul(next[i], s[i], x)
			g.Move(next[i].re, s[i].re)
			g.Move(next[i].im, s[i].im)
		}
	})
	dst := g.BaseParam("s")
	for i := range s {
		g.store(s[i], dst)
		size := g.GP64()
		g.MOVQ(g.n, size)
		g.SHLQ(Imm(4), size)
		g.ADDQ(size, dst)
	}
}
