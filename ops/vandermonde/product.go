package vandermonde

import "github.com/gorgonia-s4/s4/internal/num"

// product is the matrix product of a series.
type product[T num.Float] struct{}

// gemm writes c = a b, or a b^T where transB, all row-major: c is m x n with
// row length ldc, the inner dimension is k.
func (product[T]) gemm(transB bool, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int) {
	for i := range m {
		ci := c[i*ldc:][:n]
		clear(ci)
		ai := a[i*lda:][:k]
		for p, v := range ai {
			if transB {
				for j := range ci {
					ci[j] += v * b[j*ldb+p]
				}
				continue
			}
			for j, w := range b[p*ldb:][:n] {
				ci[j] += v * w
			}
		}
	}
}
