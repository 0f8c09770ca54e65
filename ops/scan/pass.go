package scan

import (
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// passes are the loops of one instruction set. A pass of a recurrence takes rows of x,
// the first at index x0 and each ldx behind the last, with rows of a likewise, whose
// lda may be 0; start is the state before the first of them. There is one row at least.
//
// pass_generic.go has the passes in Go; those for AVX2, AVX-512 and NEON are generated
// (internal/asm/_gen/scan).
type passes[T num.Float] struct {
	real, complex, conj   func(x, a, start []T, p, rows, x0, ldx, a0, lda int)
	gradReal, gradComplex func(da, h, before []T, p, rows int)
}

// active returns the passes in use for T.
func active[T num.Float]() *passes[T] {
	l := cpu.Active()
	if p, ok := any(&passes32[l]).(*passes[T]); ok {
		return p
	}
	return any(&passes64[l]).(*passes[T])
}
