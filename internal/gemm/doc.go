// Package gemm multiplies dense row-major matrices of float32 or float64:
// C = op(A) op(B) or C += op(A) op(B), op the identity or the transpose.
//
// It is a packed, blocked product after Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication" (2008): both operands are copied, a
// block at a time, into panels that a microkernel streams through while it
// keeps a small tile of C in registers. Transposes cost nothing beyond the
// copy. There is a portable microkernel and, on x86-64, one for AVX2 with FMA
// and one for AVX-512, on arm64 one for NEON, chosen at run time by package cpu.
//
// A product runs on the calling goroutine. Callers split the columns of C, or
// the batch, over package par; an element of C is summed in the same order
// however C is split, so the result does not depend on the split.
//
// Gemm multiplies once. A position-wise linear layer, Y = W X + bias for every
// element of a batch, packs W and its bias once with Packed.Pack and multiplies
// many times with GemmPacked, which also says when a block of columns of Y is
// complete, for what has to be done while it is in cache. A recurrent network,
// which sees a row at a time, packs its weights with PackedB.Pack and multiplies
// with GemmPackedB.
package gemm
