package gemm

import (
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// kernel is a microkernel and what goes with it. It trusts its arguments.
type kernel[T num.Float] struct {
	mr, nr int // its tile of C: rows and columns
	// run[i] sets the first (i+1) step rows of the tile C, or adds to them:
	// C[r][j] = a[0][r] + sum over p < k of a[1+p][r] b[p][j], where a is
	// [1+k][mr], b is [k][nr] and C has leading dimension ldc.
	run  []func(k int, a, b, c []T, ldc int, add bool)
	step int
	// copyPanel sets dst[p][r] = src[p][r], and transposePanel
	// dst[p][r] = src[r][p], for p < k, r < w, where dst is [k][w] and src has
	// leading dimension ld.
	copyPanel, transposePanel func(dst, src []T, ld, k, w int)
}

var (
	kernels32 [cpu.Levels]kernel[float32]
	kernels64 [cpu.Levels]kernel[float64]
)

// active returns the microkernel in use for T.
func active[T num.Float]() *kernel[T] {
	l := cpu.Active()
	if k, ok := any(&kernels32[l]).(*kernel[T]); ok {
		return k
	}
	return any(&kernels64[l]).(*kernel[T])
}

func init() {
	for l := range kernels32 {
		kernels32[l], kernels64[l] = generic[float32](), generic[float64]()
	}
}
