// Package dplr steps diagonal plus low-rank recurrences, those of S4D, DSS and
// S4, for many features and sequences at once:
//
//	x = A x + B u - sum_r E_r phi_r,  phi_r = gain Re(Q_r x)
//	y = gain Re(C x)
//
// A is diagonal; x, A, B, E, Q and C are complex and have N elements for each
// feature. gain is 2 where x holds one state of each conjugate pair, else 1.
//
// The features are side by side in the lanes of vector registers: a block of 64
// bytes of them, the same for every instruction set, goes through the states
// together, and no sum runs across a register. Parameters and states are laid
// out for that: [Weights.Load] and [Weights.Store] turn states from and to
// the layout of the layers, (B, H, N, 2).
//
// There is one kernel in portable Go and, on x86-64, one for AVX2 with FMA and
// one for AVX-512, on arm64 one for NEON, chosen at run time by package cpu. They
// agree to rounding.
// Sums are those of the element type, of N terms each.
package dplr
