// Command gemm generates the microkernels of internal/gemm.
package main

import (
	"fmt"
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columns is the width of a tile, in vectors.
const columns = 2

// cacheLine is the size in bytes of what is fetched from memory at a time.
const cacheLine = 64

// unroll is the number of terms in an iteration of the microkernel.
const unroll = 4

func main() {
	simd.Main(func(a *simd.Asm) {
		rows, step := 6, 2 // 12 accumulators of 16 registers
		if a.Roomy() {
			rows, step = 12, 4 // 24 of 32
		}
		for r := step; r <= rows; r += step {
			tile(a, r, rows)
		}
		for r := step; r <= rows; r += step {
			rowsTile(a, r)
		}
		rowOfPanels(a)
		copyPanel(a, "copyA", rows)
		copyPanel(a, "copyB", columns*a.Lanes())
		if a.Bits == 512 {
			transposeBlock(a)
		} else {
			transposePanel(a)
		}
	})
}

// tile writes the microkernel that computes the first rows of a tile of mr.
func tile(a *simd.Asm, rows, mr int) {
	a.Func(fmt.Sprintf("tile%d", rows), "func(k int, a, b, c []T, ldc int, add bool)",
		fmt.Sprintf("computes the first %d rows of a tile of %d x %d. See kernel.run.", rows, mr, columns*a.Lanes()))
	k := a.IntParam("k")
	ap, bp, cp := a.BaseParam("a"), a.BaseParam("b"), a.BaseParam("c")
	ldc := a.IntParam("ldc")
	a.ScaleByElem(ldc)

	acc := make([][columns]simd.Vec, rows)
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = a.Broadcast(Mem{Base: ap, Disp: i * a.Elem}) // the bias
		}
	}
	a.ADDQ(U32(mr*a.Elem), ap)
	terms := func(n int) {
		for p := range n {
			term(a, acc, ap, bp, p, mr)
		}
		a.ADDQ(U32(n*mr*a.Elem), ap)
		a.ADDQ(U32(n*columns*a.Bytes()), bp)
	}
	eachTerm(a, k, terms)

	a.Comment("C = the sums, or C += the sums")
	add := a.Load(a.Param("add"), a.GP8())
	store := a.NewLabel("store")
	a.TESTB(add, add)
	a.JZ(LabelRef(store))
	eachRow(a, cp, ldc, acc, func(v simd.Vec, m Mem) { a.Op("VADD", m, v, v) })
	a.Label(store)
	eachRow(a, cp, ldc, acc, func(v simd.Vec, m Mem) { a.Move(v, m) })
	a.End()
}

// eachTerm calls terms for k terms in all, unroll at a time.
func eachTerm(a *simd.Asm, k reg.GPVirtual, terms func(n int)) {
	blocks := a.GP64()
	a.MOVQ(k, blocks)
	a.SHRQ(Imm(log2(unroll)), blocks)
	a.ANDQ(Imm(unroll-1), k)
	a.Loop(blocks, func() { terms(unroll) })
	a.Loop(k, func() { terms(1) })
}

// rowsTile writes the microkernel that takes rows of A where they are.
func rowsTile(a *simd.Asm, rows int) {
	a.Func(fmt.Sprintf("rows%d", rows), "func(k int, a []T, lda int, b, c []T, ldc int, next []T)",
		fmt.Sprintf("multiplies %d rows by a panel of %d columns. See kernel.rows.", rows, columns*a.Lanes()))
	k := a.IntParam("k")
	lda, ldc := a.IntParam("lda"), a.IntParam("ldc")
	a.ScaleByElem(lda)
	a.ScaleByElem(ldc)
	lda3 := triple(a, lda)
	ap := []reg.GPVirtual{a.BaseParam("a")} // of every fourth row
	for r := 4; r < rows; r += 4 {
		next := a.GP64()
		a.LEAQ(Mem{Base: ap[len(ap)-1], Index: lda, Scale: 4}, next)
		ap = append(ap, next)
	}
	bp, cp, next := a.BaseParam("b"), a.BaseParam("c"), a.BaseParam("next")
	acc := make([][columns]simd.Vec, rows)
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = a.Zero()
		}
	}
	eachTerm(a, k, func(n int) {
		for p := range n {
			a.PREFETCHT1(Mem{Base: next, Disp: p * cacheLine})
			outer(a, acc, bp, p, func(i int) Mem {
				m := row(ap[i/4], lda, lda3, i%4)
				m.Disp = p * a.Elem
				return m
			})
		}
		a.ADDQ(U32(n*cacheLine), next)
		for _, r := range ap {
			a.ADDQ(U32(n*a.Elem), r)
		}
		a.ADDQ(U32(n*columns*a.Bytes()), bp)
	})
	eachRow(a, cp, ldc, acc, func(v simd.Vec, m Mem) {
		a.Op("VADD", m, v, v)
		a.Move(v, m)
	})
	a.End()
}

// term adds the outer product of column p of A, packed, and row p of B.
func term(a *simd.Asm, acc [][columns]simd.Vec, ap, bp reg.Register, p, mr int) {
	at := func(i int) Mem { return Mem{Base: ap, Disp: (p*mr + i) * a.Elem} }
	if !a.NEON {
		outer(a, acc, bp, p, at)
		return
	}
	b := rowOfB(a, bp, p)
	for i := 0; i < len(acc); i += a.Lanes() {
		x := a.Copy(at(i))
		for lane := range a.Lanes() {
			for j := range b {
				a.AddMulLane(acc[i+lane][j], b[j], x, lane)
			}
		}
	}
}

// outer adds the outer product of a column of A, whose elements are where at says,
// and row p of B.
func outer(a *simd.Asm, acc [][columns]simd.Vec, bp reg.Register, p int, at func(i int) Mem) {
	b := rowOfB(a, bp, p)
	for i := range acc {
		x := a.Element(at(i))
		for j := range b {
			a.AddMulElement(acc[i][j], b[j], x)
		}
	}
}

// rowOfB loads row p of a panel of B.
func rowOfB(a *simd.Asm, bp reg.Register, p int) (b [columns]simd.Vec) {
	for j := range b {
		b[j] = a.New()
		a.Move(Mem{Base: bp, Disp: (p*columns + j) * a.Bytes()}, b[j])
	}
	return b
}

// rowPanels is the number of panels of B that a row of A is multiplied by at a
// time: as many accumulators as hide the latency of an addition.
const rowPanels = 4

// rowOfPanels writes the product of one row of A.
func rowOfPanels(a *simd.Asm) {
	a.Func("row", "func(k int, a, b, c []T)", fmt.Sprintf("multiplies a row by %d panels of %d columns. See kernel.row.", rowPanels, columns*a.Lanes()))
	k := a.IntParam("k")
	ap, bp, cp := a.BaseParam("a"), a.BaseParam("b"), a.BaseParam("c")
	panel := a.GP64() // bytes from one to the next
	a.MOVQ(k, panel)
	a.IMUL3Q(U32(columns*a.Bytes()), panel, panel)
	panel3 := triple(a, panel)
	var acc [rowPanels][columns]simd.Vec
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = a.Zero()
		}
	}
	terms := func(n int) {
		for p := range n {
			x := a.Element(Mem{Base: ap, Disp: p * a.Elem})
			for i := range acc {
				for j, v := range acc[i] {
					m := row(bp, panel, panel3, i)
					m.Disp = (p*columns + j) * a.Bytes()
					if a.NEON {
						a.AddMulElement(v, a.Copy(m), x)
					} else {
						a.AddMul(v, x, m)
					}
				}
			}
		}
		a.ADDQ(U32(n*a.Elem), ap)
		a.ADDQ(U32(n*columns*a.Bytes()), bp)
	}
	eachTerm(a, k, terms)
	for i := range acc {
		for j, v := range acc[i] {
			m := Mem{Base: cp, Disp: (i*columns + j) * a.Bytes()}
			a.Op("VADD", m, v, v)
			a.Move(v, m)
		}
	}
	a.End()
}

// eachRow calls f for every vector of the tile and its place in C.
func eachRow(a *simd.Asm, cp, ldc reg.Register, acc [][columns]simd.Vec, f func(v simd.Vec, m Mem)) {
	row := a.GP64()
	a.MOVQ(cp, row)
	for i := range acc {
		if i > 0 {
			a.ADDQ(ldc, row)
		}
		for j, v := range acc[i] {
			f(v, Mem{Base: row, Disp: j * a.Bytes()})
		}
	}
}

// copyPanel writes the function that packs a panel of w columns.
func copyPanel(a *simd.Asm, name string, w int) {
	a.Func(name, "func(dst, src []T, ld, k int)", fmt.Sprintf("copies panels of %d columns. See kernel.", w))
	dst, src := a.BaseParam("dst"), a.BaseParam("src")
	ld, k := a.IntParam("ld"), a.IntParam("k")
	a.ScaleByElem(ld)
	bytes := w * a.Elem
	a.Loop(k, func() {
		for off := 0; off < bytes; {
			off += copyBytes(a, Mem{Base: src, Disp: off}, Mem{Base: dst, Disp: off}, bytes-off)
		}
		a.ADDQ(ld, src)
		a.ADDQ(U32(bytes), dst)
	})
	a.End()
}

// copyBytes copies as much of n bytes as one register holds and returns that.
func copyBytes(a *simd.Asm, src, dst Mem, n int) int {
	switch {
	case n >= 64 && a.Bits == 512:
		v := a.ZMM()
		a.VMOVUPS(src, v)
		a.VMOVUPS(v, dst)
		return 64
	case n >= 32 && !a.NEON:
		v := a.YMM()
		a.VMOVUPS(src, v)
		a.VMOVUPS(v, dst)
		return 32
	case n >= 16:
		v := a.XMM()
		a.VMOVUPS(src, v)
		a.VMOVUPS(v, dst)
		return 16
	}
	v := a.GP64()
	a.MOVQ(src, v)
	a.MOVQ(v, dst)
	return 8
}

// group is the number of rows transposePanel takes at a time.
const group = 4

// transposePanel writes the function that packs a panel of at least group rows.
// It takes them in groups; the last group overlaps the one before, where their
// number is not a multiple.
func transposePanel(a *simd.Asm) {
	a.Func("transposePanel", "func(dst, src []T, ld, k, rows, w int)", "packs panels of at least 4 rows. See kernel.")
	dst, src := a.BaseParam("dst"), a.BaseParam("src")
	ld, k, w := a.IntParam("ld"), a.IntParam("k"), a.IntParam("w")
	a.ScaleByElem(ld)

	left := a.IntParam("rows") // from this group on
	a.ScaleByElem(w)
	w3 := triple(a, w)
	ld3 := triple(a, ld)
	next, done := a.NewLabel("group"), a.NewLabel("done")
	a.Label(next)
	d, s, n := a.GP64(), a.GP64(), a.GP64()
	a.MOVQ(dst, d)
	a.MOVQ(src, s)

	a.MOVQ(k, n)
	a.SHRQ(Imm(log2(a.Lanes())), n)
	a.Loop(n, func() {
		var rows [group]simd.Vec
		for r := range rows {
			rows[r] = a.New()
			a.Move(row(s, ld, ld3, r), rows[r])
		}
		storeTransposed(a, rows, d, w, w3)
		a.ADDQ(U32(a.Bytes()), s)
	})
	a.MOVQ(k, n)
	a.ANDQ(Imm(uint64(a.Lanes()-1)), n)
	a.Loop(n, func() {
		for r := range group {
			x := a.XMM()
			a.Scalar("VMOV", row(s, ld, ld3, r), x)
			a.Scalar("VMOV", x, Mem{Base: d, Disp: r * a.Elem})
		}
		a.ADDQ(U32(a.Elem), s)
		a.ADDQ(w, d)
	})

	a.Comment("the next group, no further than the last full one")
	a.SUBQ(Imm(group), left)
	a.JZ(LabelRef(done))
	step, full := a.GP64(), a.GP64()
	a.MOVQ(U32(group), full)
	a.MOVQ(full, step)
	a.CMPQ(left, full)
	a.CMOVQLT(left, step)
	a.CMOVQLT(full, left)
	by := a.GP64()
	a.MOVQ(step, by)
	a.IMULQ(ld, by)
	a.ADDQ(by, src)
	a.ScaleByElem(step)
	a.ADDQ(step, dst)
	a.JMP(LabelRef(next))
	a.Label(done)
	a.End()
}

// storeTransposed stores the columns of a group of rows, spaced w bytes from d
// on, and moves d behind them.
func storeTransposed(a *simd.Asm, rows [group]simd.Vec, d, w, w3 reg.GPVirtual) {
	// Pairs of rows interleaved: lo has the elements of even (float64), or of
	// the first two (float32), columns of each 128-bit half; hi the others.
	var lo, hi [2]simd.Vec
	for i := range lo {
		lo[i], hi[i] = a.New(), a.New()
		a.Op("VUNPCKL", rows[2*i+1], rows[2*i], lo[i])
		a.Op("VUNPCKH", rows[2*i+1], rows[2*i], hi[i])
	}
	if a.Elem == 8 && a.NEON {
		for _, col := range [2][2]simd.Vec{lo, hi} {
			for i, v := range col {
				a.Move(v, Mem{Base: d, Disp: i * a.Bytes()})
			}
			a.ADDQ(w, d)
		}
		return
	}
	if a.Elem == 8 {
		cols := [4]simd.Vec{a.New(), a.New(), a.New(), a.New()}
		for i, half := range [2]uint64{0x20, 0x31} {
			a.VPERM2F128(Imm(half), lo[1], lo[0], cols[2*i])
			a.VPERM2F128(Imm(half), hi[1], hi[0], cols[2*i+1])
		}
		for r, v := range cols {
			a.Move(v, row(d, w, w3, r))
		}
		a.LEAQ(Mem{Base: d, Index: w, Scale: 4}, d)
		return
	}
	// Column j in the low half, column j+4 in the high half.
	cols := [4]simd.Vec{a.New(), a.New(), a.New(), a.New()}
	for i, pair := range [2][2]simd.Vec{lo, hi} {
		a.VUNPCKLPD(pair[1], pair[0], cols[2*i])
		a.VUNPCKHPD(pair[1], pair[0], cols[2*i+1])
	}
	for r, v := range cols {
		a.VMOVUPS(v.AsX(), row(d, w, w3, r))
	}
	a.LEAQ(Mem{Base: d, Index: w, Scale: 4}, d)
	if a.NEON {
		return
	}
	for r, v := range cols {
		a.VEXTRACTF128(Imm(1), v, row(d, w, w3, r))
	}
	a.LEAQ(Mem{Base: d, Index: w, Scale: 4}, d)
}

// transposeBlock writes the transpose of a square of as many rows as a vector has
// elements.
func transposeBlock(a *simd.Asm) {
	n := a.Lanes()
	a.Func("transposeBlock", "func(dst, src []T, ldd, lds int)", fmt.Sprintf("transposes a square of %d rows. See kernel.block.", n))
	dst, src := a.BaseParam("dst"), a.BaseParam("src")
	ldd, lds := a.IntParam("ldd"), a.IntParam("lds")
	a.ScaleByElem(ldd)
	a.ScaleByElem(lds)
	rows := make([]simd.Vec, n)
	for r := range rows {
		rows[r] = a.New()
		a.Move(Mem{Base: src}, rows[r])
		if r+1 < n {
			a.ADDQ(lds, src)
		}
	}
	cols := turned(a, rows)
	for c, v := range cols {
		a.Move(v, Mem{Base: dst})
		if c+1 < n {
			a.ADDQ(ldd, dst)
		}
	}
	a.End()
}

// turned returns the columns of a square of rows of 512 bits.
func turned(a *simd.Asm, rows []simd.Vec) []simd.Vec {
	n, wide := len(rows), 16/a.Elem // elements in 128 bits
	two := func(op string, x, y simd.Vec) simd.Vec {
		v := a.New()
		a.Call(op, y, x, v)
		return v
	}
	lanes := func(imm uint64, x, y simd.Vec) simd.Vec {
		v := a.New()
		if a.Elem == 4 {
			a.VSHUFF32X4(Imm(imm), y, x, v)
		} else {
			a.VSHUFF64X2(Imm(imm), y, x, v)
		}
		return v
	}
	// Lane l of number wide*g+j has column wide*l+j of the rows from wide*g on.
	groups := make([]simd.Vec, n)
	for g := 0; g < n; g += wide {
		r := rows[g:]
		if a.Elem == 8 {
			groups[g], groups[g+1] = two("VUNPCKLPD", r[0], r[1]), two("VUNPCKHPD", r[0], r[1])
			continue
		}
		lo0, hi0, lo1, hi1 := two("VUNPCKLPS", r[0], r[1]), two("VUNPCKHPS", r[0], r[1]), two("VUNPCKLPS", r[2], r[3]), two("VUNPCKHPS", r[2], r[3])
		groups[g], groups[g+1] = two("VUNPCKLPD", lo0, lo1), two("VUNPCKHPD", lo0, lo1)
		groups[g+2], groups[g+3] = two("VUNPCKLPD", hi0, hi1), two("VUNPCKHPD", hi0, hi1)
	}
	// Lanes 0 and 2 of two groups, and of the other two, then 1 and 3.
	const even, odd = 0x88, 0xdd
	cols := make([]simd.Vec, n)
	for j := range wide {
		for l, imm := range []uint64{even, odd} {
			x := lanes(imm, groups[j], groups[wide+j])
			y := lanes(imm, groups[2*wide+j], groups[3*wide+j])
			cols[l*wide+j], cols[(l+2)*wide+j] = lanes(even, x, y), lanes(odd, x, y)
		}
	}
	return cols
}

// row returns the place r < 4 spacings behind base; by3 is 3 by.
func row(base, by, by3 reg.GPVirtual, r int) Mem {
	switch r {
	case 0:
		return Mem{Base: base}
	case 3:
		return Mem{Base: base, Index: by3, Scale: 1}
	}
	return Mem{Base: base, Index: by, Scale: uint8(r)}
}

// triple returns 3 r.
func triple(a *simd.Asm, r reg.GPVirtual) reg.GPVirtual {
	t := a.GP64()
	a.LEAQ(Mem{Base: r, Index: r, Scale: 2}, t)
	return t
}

func log2(n int) uint64 { return uint64(bits.TrailingZeros(uint(n))) }
