package bfloat16

import (
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// block is the number of elements that the passes in assembly take at a time
// (internal/asm/_gen/bfloat16).
const block = 16

// passes are the passes of one instruction set over blocks of elements.
type passes[T num.Float] struct {
	split     func(dst []byte, rest, x []T, keep T, blocks int)
	read, add func(dst []T, src []byte, blocks int)
}

// active returns the passes in use for T: for float64 there are only those in Go.
func active[T num.Float]() passes[T] {
	if p, ok := any(&passes32[cpu.Active()]).(*passes[T]); ok {
		return *p
	}
	return generic[T]()
}

// whole returns the number of whole blocks in n elements, and of elements in them.
func whole(n int) (blocks, elements int) { return n / block, n / block * block }
