package attention

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// The passes of a step read a cache in the order in which it lies in memory. The
// keys of a head, and likewise its values, are in blocks: the first feature of all
// steps of a block, then the second, and so on.
//
// pass_generic.go has the passes in Go; those for AVX2, AVX-512 and NEON are generated
// (internal/asm/_gen/attention) and know the constants below.
const (
	blockBytes = 256 // of one feature of a block
	sumBytes   = 64  // of the partial sums of one feature of the output
)

// stepsIn returns the number of steps in a block.
func stepsIn[T num.Float]() int { return blockBytes / elementBytes[T]() }

// sumsIn returns the number of partial sums of a feature of the output.
func sumsIn[T num.Float]() int { return sumBytes / elementBytes[T]() }

func elementBytes[T num.Float]() int {
	if _, ok := any(T(0)).(float32); ok {
		return 4
	}
	return 8
}

// passes are the passes of one instruction set.
type passes[T num.Float] struct {
	scores func(dst, q, k []T, blocks int)
	mix    func(sums, p, v []T, features, blocks int)
}

// active returns the passes in use for T.
func active[T num.Float]() *passes[T] {
	l := cpu.Active()
	if p, ok := any(&passes32[l]).(*passes[T]); ok {
		return p
	}
	return any(&passes64[l]).(*passes[T])
}

// scores sets dst to the products of q (hd) with the keys of whole blocks.
func scores[T num.Float](dst, q, k []T) {
	blocks := len(dst) / stepsIn[T]()
	want("scores", "k", len(dst)*len(q), len(k))
	active[T]().scores(dst, q, k, blocks)
}

// mix adds the values of whole blocks, weighted by p, to the partial sums of the
// features of the output, sumsIn of each.
func mix[T num.Float](sums, p, v []T) {
	features, blocks := len(sums)/sumsIn[T](), len(p)/stepsIn[T]()
	want("mix", "v", len(p)*features, len(v))
	active[T]().mix(sums, p, v, features, blocks)
}

// want panics unless an operand of a pass has n elements or more.
func want(fn, operand string, n, got int) {
	if got < n {
		panic(fmt.Sprintf("attention: %s: want %s of length %d, got %d", fn, operand, n, got))
	}
}
