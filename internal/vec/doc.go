// Package vec holds the elementwise functions and reductions of the numeric
// cores, on slices of float32 or float64.
//
// Every function runs on the calling goroutine; callers split long slices with
// par.Blocks. There is one implementation in portable Go and, on x86-64, one
// for AVX2 with FMA and one for AVX-512, on arm64 one for NEON, chosen at run time by
// package cpu.
// They agree to rounding; the two in assembly agree bit for bit, but for Sum,
// SumSq, RoughSumSq and Dot. An element does not depend on its place: splitting a slice in
// other blocks changes no element of an elementwise result, but may change the
// rounding of a reduction.
//
// Slices of one call have one length; a function panics if they do not. A
// destination may be the same slice as an operand. It must not overlap one in
// any other way.
//
// # Accuracy
//
// Errors are in units in the last place (ulp) of the exact result. They hold
// over the whole range of the type, subnormal results included: none of these
// functions overflows early or loses digits in its tails, as x/2 (1 + erf(x/√2))
// does on the left.
//
//	                   float32   float64
//	Exp                  1         1.5
//	Erf                  1.5       1.5
//	Sigmoid              2         2.5
//	Tanh, SiLU           2.5       2.5
//	Softplus             2.5       2.5
//	GELUTanh             3         3
//	GELU                 5         8       least accurate far on the left
//	GELUGrad/g           3         4       in ulp of 1/2 near its zero
//	SiLUGrad/g           5         5       in ulp of 1/2 near its zero
//	GELUTanhGrad/g       5         5       in ulp of 1/2 near its zero
//
// GELUBoth is as accurate as GELU and GELUGrad, and so are the others of its kind. The functions of normalisations
// round every operation, but for the sum that follows a product. Sum, SumSq and
// Dot add up in float64 and round once, Sum64, SumSq64, SumSqDiff and DotDiff not
// at all. RoughSumSq is good to a few digits.
//
// # Special values
//
// A NaN operand gives a NaN result. At an infinite argument a function has its
// limit: Exp(-Inf) = 0, Tanh(±Inf) = ±1, GELU(-Inf) = GELUTanh(-Inf) = SiLU(-Inf) =
// Softplus(-Inf) = 0, and the gradients there are 0 on the left and g on the right,
// where x sigmoid(x) would give NaN. Products follow IEEE 754: GLU of a = Inf and b = -Inf is NaN.
// Subnormal numbers are neither flushed nor taken as zero.
package vec
