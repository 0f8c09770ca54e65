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

// pack fills the panel dst, [k][w], from w columns, if wide, or w rows of src;
// only the first valid of them exist, the rest is set to 0.
func pack[T num.Float](kern *kernel[T], dst, src []T, ld int, columns bool, k, w, valid int) {
	switch {
	case k == 0:
	case valid < w:
		packEdge(dst, src, ld, columns, k, w, valid)
	case columns && w == kern.mr:
		kern.copyA(dst, src, ld, k)
	case columns:
		kern.copyB(dst, src, ld, k)
	default:
		kern.transposePanel(dst, src, ld, k, w)
	}
}

// packEdge is pack for a panel that is not full.
func packEdge[T num.Float](dst, src []T, ld int, columns bool, k, w, valid int) {
	step := 1 // from one of the w to the next
	if !columns {
		step, ld = ld, 1
	}
	for p := range k {
		d, s := dst[p*w:][:w], src[p*ld:]
		for r := range valid {
			d[r] = s[r*step]
		}
		clear(d[valid:])
	}
}
