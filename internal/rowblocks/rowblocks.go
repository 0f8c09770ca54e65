// Package rowblocks cuts a batch of sequences into blocks of rows, and their steps into
// chunks: a recurrence takes a block through all steps by itself, on one worker, and
// maps the inputs of a chunk in one product.
//
// In memory a block has its steps first, (steps, rows, features), where a batch is (B,
// features, L).
package rowblocks

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Block is a block of rows of a batch.
type Block struct {
	At, N   int   // the first row, and their number
	Lengths []int // of the rows; nil: all are whole
	Longest int   // of the lengths
}

// Of returns block i of a batch of sequences of l steps, in blocks of rows each.
func Of(i, rows, batch, l int, lengths []int) Block {
	b := Block{At: i * rows, Longest: l}
	b.N = min(rows, batch-b.At)
	if lengths != nil {
		b.Lengths = lengths[b.At:][:b.N]
		b.Longest = 0
		for _, n := range b.Lengths {
			b.Longest = max(b.Longest, n)
		}
	}
	return b
}

// Length is the number of steps of row r of the block, none of l or more.
func (b *Block) Length(r, l int) int { return graphop.Length(b.Lengths, r, l) }

// Counting is the number of steps of row r in [t0, t1).
func (b *Block) Counting(r, t0, t1 int) int {
	return max(0, min(b.Length(r, t1), t1)-t0)
}

// EachChunk calls f for the chunks of the first n steps, from the first or from the
// last.
func EachChunk(n, steps int, backwards bool, f func(t0, t1 int)) {
	chunks := (n + steps - 1) / steps
	for i := range chunks {
		if backwards {
			i = chunks - 1 - i
		}
		f(i*steps, min((i+1)*steps, n))
	}
}

// EachStep calls f for the steps [t0, t1), from the first or from the last.
func EachStep(t0, t1 int, backwards bool, f func(t int)) {
	for i := range t1 - t0 {
		if backwards {
			f(t1 - 1 - i)
		} else {
			f(t0 + i)
		}
	}
}

// Gather copies the features of the steps [t0, t1) of x, which is (B, of, features, l),
// to dst, (steps, rows, features). What does not count is 0.
func Gather[T num.Float](dst, x []T, features, of, l int, b *Block, t0, t1 int) {
	row := b.N * features
	for r := range b.N {
		n := b.Counting(r, t0, t1)
		gemm.Transpose(dst[r*features:], row, x[(b.At+r)*of*features*l+t0:], l, features, n)
		for t := n; t < t1-t0; t++ {
			clear(dst[t*row+r*features:][:features])
		}
	}
}

// ScatterRow writes features of the steps [t0, t1) of row r of a block, (steps, rows,
// features) from its own on, to the row of x, (features, l): 0 where no step counts.
func ScatterRow[T num.Float](x, from []T, features, l int, b *Block, r, t0, t1 int) {
	n := b.Counting(r, t0, t1)
	gemm.Transpose(x[t0:], l, from, b.N*features, n, features)
	ClearSteps(x, features, l, t0+n, t1)
}

// ClearSteps sets steps [t0, t1) of n features of x to zero.
func ClearSteps[T num.Float](x []T, n, l, t0, t1 int) {
	if t0 == t1 {
		return
	}
	for i := range n {
		clear(x[i*l+t0 : i*l+t1])
	}
}
