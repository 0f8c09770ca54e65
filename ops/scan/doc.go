// Package scan computes diagonal linear recurrences that change from step to step,
//
//	x_l = a_l x_{l-1} + b_l
//
// for many channels side by side, real or complex, with an a for each step or one
// for all: what S5, the LRU and their relatives are between two matrix products.
//
//	x, err := scan.Diagonal(a, b, scan.Start(x0))      // (B, P, L)
//	z, err := scan.Complex(poles, inputs)              // (B, 2P, L): real parts, then imaginary ones
//
// [Diagonal] and [Complex] are the Gorgonia ops, on sequences (B, P, L). A complex
// sequence is (B, 2P, L), the P real parts in front of the P imaginary ones, so that
// ops.Linear makes one and reads one. [Along] is the arithmetic on slices, for ops
// that do more than a scan: it takes any number of steps at a time, step-major, where a
// row is all channels of a step, and a complex row P real and then P imaginary parts.
//
// Time is O(P L) whatever a is: the channels lie side by side in vector registers and
// the workers have channels and rows of their own, so that nothing is computed twice
// as in a scan by a tree. The gradient is the exact adjoint, a scan from the other end,
//
//	h_l = g_l + conj(a_{l+1}) h_{l+1}
//	dL/db_l = h_l,  dL/da_l = h_l conj(x_{l-1}),  dL/dx_{-1} = conj(a_0) h_0
//
// g being the gradient of x, with the derivatives by the real and the imaginary part
// as the parts of a complex gradient. It needs the states x, which are the output: an
// op keeps no others. Results do not depend on the number of workers.
//
// Sources: Blelloch, "Prefix Sums and Their Applications" (1990); Smith, Warrington,
// Linderman, "Simplified State Space Layers for Sequence Modeling" (arXiv:2208.04933),
// section 2.3; Martin, Cundy, "Parallelizing Linear Recurrent Neural Nets Over Sequence
// Length" (arXiv:1709.04057).
package scan
