// Command scan generates the passes of ops/scan, whose portable twins are in
// pass_generic.go there.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	simd.Main(func(a *simd.Asm) {
		g := generator{a}
		g.along("real", g.real)
		g.along("complex", func(r rows) { g.complex(r, false) })
		g.along("conj", func(r rows) { g.complex(r, true) })
		g.gradReal()
		g.gradComplex()
	})
}

type generator struct{ *simd.Asm }

// rows are where the rows of a recurrence are for a vector of channels: those of x and
// a are at bases that move from row to row.
type rows struct {
	span     simd.Span
	x, a     reg.GPVirtual
	imag     reg.GPVirtual // bytes from real to imaginary parts
	start    reg.GPVirtual
	ldx, lda reg.GPVirtual // bytes
}

// bytes loads a parameter that counts elements, as bytes.
func (g generator) bytes(name string) reg.GPVirtual {
	v := g.IntParam(name)
	g.ScaleByElem(v)
	return v
}

// at returns the address of an element of a slice.
func (g generator) at(slice, index string) reg.GPVirtual {
	v := g.BaseParam(slice)
	g.ADDQ(g.bytes(index), v)
	return v
}

// along writes a pass of a recurrence, whose body takes a vector of channels through
// all rows.
func (g generator) along(name string, body func(r rows)) {
	g.Func(name, "func(x, a, start []T, p, rows, x0, ldx, a0, lda int)", "is passes."+name+".")
	p, imag := g.IntParam("p"), g.bytes("p")
	ldx, lda := g.bytes("ldx"), g.bytes("lda")
	g.Elementwise(p, 1, func(_ int, s simd.Span) {
		body(rows{span: s, x: g.at("x", "x0"), a: g.at("a", "a0"), imag: imag, start: g.BaseParam("start"), ldx: ldx, lda: lda})
	})
	g.End()
}

// each runs body for every row.
func (g generator) each(r rows, body func()) {
	g.Loop(g.IntParam("rows"), func() {
		body()
		g.ADDQ(r.ldx, r.x)
		g.ADDQ(r.lda, r.a)
	})
}

func (g generator) real(r rows) {
	state := r.span.Load(r.start)
	g.each(r, func() {
		x := r.span.Load(r.x)
		g.AddMul(x, r.span.Load(r.a), state)
		g.Move(x, state)
		r.span.Store(x, r.x)
	})
}

// imaginary returns the address of the imaginary parts of a row.
func (g generator) imaginary(base, imag reg.GPVirtual) reg.GPVirtual {
	v := g.GP64()
	g.LEAQ(Mem{Base: base, Index: imag, Scale: 1}, v)
	return v
}

func (g generator) complex(r rows, conj bool) {
	re := r.span.Load(r.start)
	im := r.span.Load(g.imaginary(r.start, r.imag))
	plus, minus := g.AddMul, g.SubMul // of products with the imaginary part of a
	if conj {
		plus, minus = minus, plus
	}
	g.each(r, func() {
		ximag := g.imaginary(r.x, r.imag)
		xr, xi := r.span.Load(r.x), r.span.Load(ximag)
		ar, ai := r.span.Load(r.a), r.span.Load(g.imaginary(r.a, r.imag))
		g.AddMul(xr, ar, re)
		g.AddMul(xi, ar, im)
		minus(xr, ai, im)
		plus(xi, ai, re)
		g.Move(xr, re)
		g.Move(xi, im)
		r.span.Store(xr, r.x)
		r.span.Store(xi, ximag)
	})
}

func (g generator) gradReal() {
	g.Func("gradReal", "func(da, h, before []T, p, rows int)", "is passes.gradReal.")
	p, row, da := g.IntParam("p"), g.bytes("p"), g.BaseParam("da")
	g.Elementwise(p, 1, func(_ int, s simd.Span) {
		h, before := g.BaseParam("h"), g.BaseParam("before")
		sum := s.Load(da)
		g.Loop(g.IntParam("rows"), func() {
			g.AddMul(sum, s.Load(h), s.Load(before))
			g.ADDQ(row, h)
			g.ADDQ(row, before)
		})
		s.Store(sum, da)
	})
	g.End()
}

func (g generator) gradComplex() {
	g.Func("gradComplex", "func(da, h, before []T, p, rows int)", "is passes.gradComplex.")
	p, imag, da := g.IntParam("p"), g.bytes("p"), g.BaseParam("da")
	daImag := g.imaginary(da, imag)
	g.Elementwise(p, 1, func(_ int, s simd.Span) {
		h, before := g.BaseParam("h"), g.BaseParam("before")
		re, im := s.Load(da), s.Load(daImag)
		g.Loop(g.IntParam("rows"), func() {
			hr, br := s.Load(h), s.Load(before)
			g.ADDQ(imag, h)
			g.ADDQ(imag, before)
			hi, bi := s.Load(h), s.Load(before)
			g.ADDQ(imag, h)
			g.ADDQ(imag, before)
			g.AddMul(re, hr, br)
			g.AddMul(im, hi, br)
			g.AddMul(re, hi, bi)
			g.SubMul(im, hr, bi)
		})
		s.Store(re, da)
		s.Store(im, daImag)
	})
	g.End()
}
