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
