package dplr

import (
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// rowsAtOnce is the largest number of rows of a batch that a kernel advances together.
const rowsAtOnce = 2

// kernel advances one block of features. x is (batch, n, 2, w), p the
// parameters of the block and phi (rank, rowsAtOnce, w) scratch memory; u has batch rows
// and y batch x channels rows of w elements, spaced ld. It trusts its arguments.
type kernel[T num.Float] func(x, y, u, p, phi []T, n, rank, channels, batch, ld int)

// active returns the kernel in use for T.
func active[T num.Float]() kernel[T] {
	l := cpu.Active()
	if k, ok := any(kernels32[l]).(kernel[T]); ok {
		return k
	}
	return any(kernels64[l]).(kernel[T])
}
