package gemm

import (
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// tile computes rows of a tile of C. See kernel.run.
type tile[T num.Float] func(k int, a, b, c []T, ldc int, add bool)

// rowsTile multiplies rows of A where they are. See kernel.rows.
type rowsTile[T num.Float] func(k int, a []T, lda int, b, c []T, ldc int, next []T)

// rowPanels is the number of panels that kernel.row takes.
const rowPanels = 4

// minRows is the least number of rows transposePanel takes.
const minRows = 4

// kernel is a microkernel and what goes with it. It trusts its arguments.
type kernel[T num.Float] struct {
	mr, nr int // its tile of C: rows and columns
	// run[i] sets the first (i+1) step rows of the tile C, or adds to them:
	// C[r][j] = a[0][r] + sum over p < k of a[1+p][r] b[p][j], where a is
	// [1+k][mr], b is [k][nr] and C has leading dimension ldc.
	run  []tile[T]
	step int
	// rows[i] adds the product of (i+1) step rows of A, of k terms and leading
	// dimension lda, by a panel of B to the tile C, an element of it rounded as by
	// run. Meanwhile k cache lines from next on, which need not exist, are fetched to
	// the second-level cache.
	rows []rowsTile[T]
	// row adds the product of one row a of k terms by rowPanels panels of B, one
	// after the other in b, to c, an element of it rounded as by run.
	row func(k int, a, b, c []T)
	// copyA and copyB set dst[p][r] = src[p][r] for p < k and r < w, where dst
	// is [k][w] and src has leading dimension ld; w is mr or nr.
	copyA, copyB func(dst, src []T, ld, k int)
	// transposePanel sets dst[p][r] = src[r][p] for p < k and r < rows, where
	// rows >= minRows, in the same terms.
	transposePanel func(dst, src []T, ld, k, rows, w int)
	// block sets dst[c][r] = src[r][c] for r, c < side, with leading dimensions ldd
	// and lds. nil: there is none.
	block func(dst, src []T, ldd, lds int)
	side  int
}

// active returns the microkernel in use for T.
func active[T num.Float]() *kernel[T] {
	l := cpu.Active()
	if k, ok := any(&kernels32[l]).(*kernel[T]); ok {
		return k
	}
	return any(&kernels64[l]).(*kernel[T])
}
