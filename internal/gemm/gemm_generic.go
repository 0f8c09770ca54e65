package gemm

import "github.com/gorgonia-s4/s4/internal/num"

// generic returns the microkernel in portable Go.
func generic[T num.Float]() kernel[T] {
	return kernel[T]{
		mr: 2, nr: 4, step: 2,
		run:            []tile[T]{tileGeneric[T]},
		rows:           []rowsTile[T]{rowsGeneric[T]},
		row:            rowGeneric[T],
		copyA:          copyRowsGeneric[T],
		copyB:          copyPanelGeneric[T],
		transposePanel: transposePanelGeneric[T],
	}
}

// tileGeneric is a microkernel of 2 x 4: with sums, terms and a product they fit the
// 15 registers of x86-64, which has the fewest. Eight terms of the sum are taken at
// a time, as the compiler leaves the additions of the last of them to the end, where
// registers are short.
func tileGeneric[T num.Float](k int, a, b, c []T, ldc int, add bool) {
	x, y := a[0], a[1]
	c00, c01, c02, c03 := x, x, x, x
	c10, c11, c12, c13 := y, y, y, y
	a, b = a[2:2+2*k], b[:4*k]
	for len(a) >= 16 && len(b) >= 32 {
		c00, c01, c02, c03 = c00+a[0]*b[0], c01+a[0]*b[1], c02+a[0]*b[2], c03+a[0]*b[3]
		c10, c11, c12, c13 = c10+a[1]*b[0], c11+a[1]*b[1], c12+a[1]*b[2], c13+a[1]*b[3]
		c00, c01, c02, c03 = c00+a[2]*b[4], c01+a[2]*b[5], c02+a[2]*b[6], c03+a[2]*b[7]
		c10, c11, c12, c13 = c10+a[3]*b[4], c11+a[3]*b[5], c12+a[3]*b[6], c13+a[3]*b[7]
		c00, c01, c02, c03 = c00+a[4]*b[8], c01+a[4]*b[9], c02+a[4]*b[10], c03+a[4]*b[11]
		c10, c11, c12, c13 = c10+a[5]*b[8], c11+a[5]*b[9], c12+a[5]*b[10], c13+a[5]*b[11]
		c00, c01, c02, c03 = c00+a[6]*b[12], c01+a[6]*b[13], c02+a[6]*b[14], c03+a[6]*b[15]
		c10, c11, c12, c13 = c10+a[7]*b[12], c11+a[7]*b[13], c12+a[7]*b[14], c13+a[7]*b[15]
		c00, c01, c02, c03 = c00+a[8]*b[16], c01+a[8]*b[17], c02+a[8]*b[18], c03+a[8]*b[19]
		c10, c11, c12, c13 = c10+a[9]*b[16], c11+a[9]*b[17], c12+a[9]*b[18], c13+a[9]*b[19]
		c00, c01, c02, c03 = c00+a[10]*b[20], c01+a[10]*b[21], c02+a[10]*b[22], c03+a[10]*b[23]
		c10, c11, c12, c13 = c10+a[11]*b[20], c11+a[11]*b[21], c12+a[11]*b[22], c13+a[11]*b[23]
		c00, c01, c02, c03 = c00+a[12]*b[24], c01+a[12]*b[25], c02+a[12]*b[26], c03+a[12]*b[27]
		c10, c11, c12, c13 = c10+a[13]*b[24], c11+a[13]*b[25], c12+a[13]*b[26], c13+a[13]*b[27]
		c00, c01, c02, c03 = c00+a[14]*b[28], c01+a[14]*b[29], c02+a[14]*b[30], c03+a[14]*b[31]
		c10, c11, c12, c13 = c10+a[15]*b[28], c11+a[15]*b[29], c12+a[15]*b[30], c13+a[15]*b[31]
		a, b = a[16:], b[32:]
	}
	for len(a) >= 2 && len(b) >= 4 {
		c00, c01, c02, c03 = c00+a[0]*b[0], c01+a[0]*b[1], c02+a[0]*b[2], c03+a[0]*b[3]
		c10, c11, c12, c13 = c10+a[1]*b[0], c11+a[1]*b[1], c12+a[1]*b[2], c13+a[1]*b[3]
		a, b = a[2:], b[4:]
	}
	put(c, c00, c01, c02, c03, add)
	put(c[ldc:], c10, c11, c12, c13, add)
}

// put sets or adds to one row of a tile.
func put[T num.Float](c []T, v0, v1, v2, v3 T, add bool) {
	c = c[:4]
	if add {
		v0, v1, v2, v3 = v0+c[0], v1+c[1], v2+c[2], v3+c[3]
	}
	c[0], c[1], c[2], c[3] = v0, v1, v2, v3
}

// rowsGeneric is kernel.rows for 2 rows.
func rowsGeneric[T num.Float](k int, a []T, lda int, b, c []T, ldc int, _ []T) {
	x, y, b := a[:k], a[lda:][:k], b[:4*k]
	var c00, c01, c02, c03, c10, c11, c12, c13 T
	for len(x) >= 4 && len(y) >= 4 && len(b) >= 16 {
		c00, c01, c02, c03 = c00+x[0]*b[0], c01+x[0]*b[1], c02+x[0]*b[2], c03+x[0]*b[3]
		c10, c11, c12, c13 = c10+y[0]*b[0], c11+y[0]*b[1], c12+y[0]*b[2], c13+y[0]*b[3]
		c00, c01, c02, c03 = c00+x[1]*b[4], c01+x[1]*b[5], c02+x[1]*b[6], c03+x[1]*b[7]
		c10, c11, c12, c13 = c10+y[1]*b[4], c11+y[1]*b[5], c12+y[1]*b[6], c13+y[1]*b[7]
		c00, c01, c02, c03 = c00+x[2]*b[8], c01+x[2]*b[9], c02+x[2]*b[10], c03+x[2]*b[11]
		c10, c11, c12, c13 = c10+y[2]*b[8], c11+y[2]*b[9], c12+y[2]*b[10], c13+y[2]*b[11]
		c00, c01, c02, c03 = c00+x[3]*b[12], c01+x[3]*b[13], c02+x[3]*b[14], c03+x[3]*b[15]
		c10, c11, c12, c13 = c10+y[3]*b[12], c11+y[3]*b[13], c12+y[3]*b[14], c13+y[3]*b[15]
		x, y, b = x[4:], y[4:], b[16:]
	}
	for len(x) >= 1 && len(y) >= 1 && len(b) >= 4 {
		c00, c01, c02, c03 = c00+x[0]*b[0], c01+x[0]*b[1], c02+x[0]*b[2], c03+x[0]*b[3]
		c10, c11, c12, c13 = c10+y[0]*b[0], c11+y[0]*b[1], c12+y[0]*b[2], c13+y[0]*b[3]
		x, y, b = x[1:], y[1:], b[4:]
	}
	put(c, c00, c01, c02, c03, true)
	put(c[ldc:], c10, c11, c12, c13, true)
}

// rowOfPanel adds the product of a row by a panel of 4 columns to c.
func rowOfPanel[T num.Float](k int, a, b, c []T) {
	var c0, c1, c2, c3 T
	a, b = a[:k], b[:4*k]
	for len(a) >= 4 && len(b) >= 16 {
		c0, c1, c2, c3 = c0+a[0]*b[0], c1+a[0]*b[1], c2+a[0]*b[2], c3+a[0]*b[3]
		c0, c1, c2, c3 = c0+a[1]*b[4], c1+a[1]*b[5], c2+a[1]*b[6], c3+a[1]*b[7]
		c0, c1, c2, c3 = c0+a[2]*b[8], c1+a[2]*b[9], c2+a[2]*b[10], c3+a[2]*b[11]
		c0, c1, c2, c3 = c0+a[3]*b[12], c1+a[3]*b[13], c2+a[3]*b[14], c3+a[3]*b[15]
		a, b = a[4:], b[16:]
	}
	for len(a) >= 1 && len(b) >= 4 {
		c0, c1, c2, c3 = c0+a[0]*b[0], c1+a[0]*b[1], c2+a[0]*b[2], c3+a[0]*b[3]
		a, b = a[1:], b[4:]
	}
	put(c, c0, c1, c2, c3, true)
}

// rowGeneric is kernel.row for panels of 4 columns.
func rowGeneric[T num.Float](k int, a, b, c []T) {
	for i := range rowPanels {
		rowOfPanel(k, a, b[4*i*k:][:4*k], c[4*i:])
	}
}

// copyRowsGeneric packs a panel of 2 columns.
func copyRowsGeneric[T num.Float](dst, src []T, ld, k int) {
	for p := range k {
		*(*[2]T)(dst[2*p:]) = [2]T(src[p*ld:])
	}
}

// copyPanelGeneric packs a panel of 4 columns.
func copyPanelGeneric[T num.Float](dst, src []T, ld, k int) {
	for p := range k {
		*(*[4]T)(dst[4*p:]) = [4]T(src[p*ld:])
	}
}

// transposePanelGeneric packs a panel of any number of rows.
func transposePanelGeneric[T num.Float](dst, src []T, ld, k, rows, w int) {
	for r := range rows {
		for p, v := range src[r*ld:][:k] {
			dst[p*w+r] = v
		}
	}
}
