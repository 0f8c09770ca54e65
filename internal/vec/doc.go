// Package vec holds the elementwise functions and reductions of the numeric
// cores, on slices of float32 or float64.
//
// Every function runs on the calling goroutine; callers split long slices with
// par.Blocks. There is one implementation in portable Go and, on x86-64, one
// for AVX2 with FMA and one for AVX-512, chosen at run time by package cpu.
// They agree to rounding, not bit for bit. Elements do not depend on their
// place: splitting a slice in other blocks changes no element of an
// elementwise result, but may change the rounding of Sum, Dot and SumSq.
//
// Slices of one call have one length; a function panics if they do not. A
// destination may be the same slice as an operand. It must not overlap one in
// any other way.
//
// # Accuracy
//
// Errors are in units in the last place of the exact result (ulp), for
// arguments over the whole range of the type, subnormal results included.
// Float32: at most 2 for Exp, Sigmoid, Tanh, Erf, GELU and SiLU. Float64: at
// most 4, with one exception: none of these loses relative accuracy in its
// tails, so GELU(-10) is right to the same number of digits as GELU(1). The
// gradients GELUGrad and SiLUGrad cross zero, and there the error is relative
// to g alone.
//
// # Special values
//
// A NaN operand gives a NaN result. At an infinite argument a function has its
// limit: Exp(-Inf) = 0, Tanh(±Inf) = ±1, GELU(-Inf) = SiLU(-Inf) = 0, and the
// gradients there are 0 on the left and g on the right. (The formula x*sigmoid(x)
// would give NaN at -Inf.) Products follow IEEE 754: GLU of a = Inf and
// b = -Inf is NaN. Subnormal numbers are neither flushed nor taken as zero.
package vec
