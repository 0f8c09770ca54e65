package gemm

import "github.com/gorgonia-s4/s4/internal/num"

// packA packs op(A), which is (m, k), into panels of [1+k][mr], the first row of
// each the bias or 0. Rows beyond m are 0.
func packA[T num.Float](kern *kernel[T], dst, a []T, lda int, trans bool, m, k int, bias []T) {
	mr := kern.mr
	for i := 0; i < m; i += mr {
		mi := min(mr, m-i)
		panel := dst[i*(1+k):][:mr*(1+k)]
		clear(panel[:mr])
		if bias != nil {
			copy(panel[:mr], bias[i:i+mi])
		}
		pack(kern, panel[mr:], at(a, lda, trans, i, 0), lda, trans, k, mr, mi)
	}
}

// pack fills the panel dst, [k][w], from w columns of src, or w rows; only the
// first valid of them exist, the rest is set to 0.
func pack[T num.Float](kern *kernel[T], dst, src []T, ld int, columns bool, k, w, valid int) {
	if valid < w {
		clear(dst[:k*w])
	}
	switch {
	case k == 0:
	case columns && valid < w:
		for p := range k {
			copy(dst[p*w:][:valid], src[p*ld:])
		}
	case columns && w == kern.mr:
		kern.copyA(dst, src, ld, k)
	case columns:
		kern.copyB(dst, src, ld, k)
	case valid >= minRows:
		kern.transposePanel(dst, src, ld, k, valid, w)
	default:
		transposePanelGeneric(dst, src, ld, k, valid, w)
	}
}

// Where there is no kernel.block, a transpose is taken in panels of so many rows and columns, so that few lines of the
// first-level cache are under way at a time, each until it is complete: leading
// dimensions are often a multiple of its size.
const transposeRows, transposeCols = 64, 8

// Transpose sets dst[c][r] = src[r][c] for the matrix src of (rows, cols). Both
// are row-major, with leading dimensions ldd >= rows and lds >= cols; they do not
// overlap. Transpose panics if a slice is too short for its matrix or a leading
// dimension less than the row it spaces.
func Transpose[T num.Float](dst []T, ldd int, src []T, lds, rows, cols int) {
	check("dst", cols, rows, len(dst), ldd)
	check("src", rows, cols, len(src), lds)
	kern := active[T]()
	wholeRows, wholeCols := kern.blocks(dst, ldd, src, lds, rows, cols)
	kern.panels(from(dst, wholeRows), ldd, from(src, wholeRows*lds), lds, rows-wholeRows, wholeCols)
	kern.panels(from(dst, wholeCols*ldd), ldd, from(src, wholeCols), lds, rows, cols-wholeCols)
}

// blocks transposes the first rows and columns of a matrix, as many as blocks cover,
// and returns their number.
func (kern *kernel[T]) blocks(dst []T, ldd int, src []T, lds, rows, cols int) (wholeRows, wholeCols int) {
	if kern.block == nil {
		return 0, 0
	}
	wholeRows, wholeCols = rows/kern.side*kern.side, cols/kern.side*kern.side
	for r := 0; r < wholeRows; r += kern.side {
		for c := 0; c < wholeCols; c += kern.side {
			kern.block(dst[c*ldd+r:], src[r*lds+c:], ldd, lds)
		}
	}
	return wholeRows, wholeCols
}

// panels transposes a matrix panel by panel.
func (kern *kernel[T]) panels(dst []T, ldd int, src []T, lds, rows, cols int) {
	for r := 0; r < rows; {
		n := rows - r
		if n >= transposeRows+minRows { // leaves enough for the last block
			n = transposeRows
		}
		for c := 0; c < cols; c += transposeCols {
			m := min(transposeCols, cols-c)
			if n >= minRows {
				kern.transposePanel(dst[c*ldd+r:], src[r*lds+c:], lds, m, n, ldd)
			} else {
				transposePanelGeneric(dst[c*ldd+r:], src[r*lds+c:], lds, m, n, ldd)
			}
		}
		r += n
	}
}
