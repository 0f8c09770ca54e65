package gemm

import "github.com/gorgonia-s4/s4/internal/num"

// generic returns the microkernel in portable Go.
func generic[T num.Float]() kernel[T] {
	return kernel[T]{
		mr: 4, nr: 4, step: 4,
		run:            []tile[T]{tileGeneric[T]},
		rows:           []rowsTile[T]{rowsGeneric[T]},
		row:            rowGeneric[T],
		copyA:          copyPanelGeneric[T],
		copyB:          copyPanelGeneric[T],
		transposePanel: transposePanelGeneric[T],
	}
}

// tileGeneric is a microkernel of 4 x 4.
func tileGeneric[T num.Float](k int, a, b, c []T, ldc int, add bool) {
	for r := 0; r < 4; r += 2 {
		twoRows(k, a[r:], b, c[r*ldc:], ldc, add)
	}
}

// twoRows is half of the tile: what fits the registers of a compiler that does
// not vectorise.
func twoRows[T num.Float](k int, a, b, c []T, ldc int, add bool) {
	x, y := a[0], a[1]
	c00, c01, c02, c03 := x, x, x, x
	c10, c11, c12, c13 := y, y, y, y
	for p := range k {
		x, y = a[4*p+4], a[4*p+5]
		bp := b[4*p:][:4]
		b0, b1, b2, b3 := bp[0], bp[1], bp[2], bp[3]
		c00 += x * b0
		c01 += x * b1
		c02 += x * b2
		c03 += x * b3
		c10 += y * b0
		c11 += y * b1
		c12 += y * b2
		c13 += y * b3
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

// rowsGeneric is kernel.rows for 4 rows.
func rowsGeneric[T num.Float](k int, a []T, lda int, b, c []T, ldc int, _ []T) {
	for r := range 4 {
		rowOfPanel(k, a[r*lda:], b, c[r*ldc:])
	}
}

// rowOfPanel adds the product of a row by a panel of 4 columns to c.
func rowOfPanel[T num.Float](k int, a, b, c []T) {
	var c0, c1, c2, c3 T
	for p, x := range a[:k] {
		bp := b[4*p:][:4]
		c0 += x * bp[0]
		c1 += x * bp[1]
		c2 += x * bp[2]
		c3 += x * bp[3]
	}
	put(c, c0, c1, c2, c3, true)
}

// rowGeneric is kernel.row for panels of 4 columns.
func rowGeneric[T num.Float](k int, a, b, c []T) {
	for i := range rowPanels {
		rowOfPanel(k, a, b[4*i*k:][:4*k], c[4*i:])
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
