// Package fft has the transforms under ops/fftconv: cyclic convolutions of
// real rows, two rows at a time, or one.
//
// # The transform
//
// A convolution whose result must not wrap around within N samples needs a
// DFT of length N. Here N = 2P, and three facts make it cheap.
//
// Two real rows a and b of one feature meet the same real kernel k, so they
// travel as one complex signal x = a + ib: k*x = k*a + i(k*b). There is no
// post-processing of real transforms.
//
// The DFT of length 2P is two of length P. Its even bins are those of the
// cyclic half, x mod (z^P - 1); its odd bins are those of the negacyclic half,
// x mod (z^P + 1), which is a DFT of length P of x[n] exp(-i pi n/P). Rows no
// longer than P are their own remainder in both halves: zero padding costs no
// arithmetic at all. The twist exp(-i pi n/P) is a factor of the twiddles
// of the first pass. The two halves are worked on one after the other, in the
// same planes of memory.
//
// The forward transform decimates in frequency, the inverse in time, and what
// stands between them is pointwise: the order of the bins does not matter, and
// none is ever reversed. The last levels of the forward transform, the product
// with the spectrum, and the first levels of the inverse work on the same few
// neighbours: they are one middle pass. The two halves meet in the last pass
// of all, which adds them and writes each row once.
//
// A row by itself would leave half of a pair empty: Single folds it into the imaginary
// part and needs half the bins, for rows that must have no part in how others are rounded.
//
// # The passes
//
// A plan is a list of passes over split planes, the real and the imaginary
// parts apart:
//
//	load      rows -> planes, first level (radix 4), twist
//	down      one level, radix 2, 3, 4, 5 or 8, in place; none or more
//	mid       last forward levels, product, first inverse levels, in place
//	up        the levels of down, inverse, in reverse order
//	store     last level (radix 4), twist, sum of the halves, planes -> rows
//
// The passes are functions in a table, passSet, that a plan is bound to when it is
// made; pass_generic.go has them in Go for every machine, one column at a time.
// Those for AVX2, AVX-512 and NEON are generated (internal/asm/_gen/fft). A set made
// for vectors of W elements wants its twiddles in groups of W columns, and does
// in registers what is left of a transform at 4W points; P is a multiple of
// 16W. New knows what the passes of each set cost, and takes the set and the P
// that are cheapest: padding may cost more than narrower vectors.
//
// Twiddle factors come from float64 sines and cosines of angles in [0, pi/4],
// rounded once.
package fft
