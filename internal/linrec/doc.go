// Package linrec runs dense linear recurrences from a state, for many features
// and sequences at once, and carries gradients back through them:
//
//	x_l = A x_{l-1} + b u_l,  y_l = C x_l
//
// A is (N, N), real, another one for each feature. [Output] is what the state
// before the first step adds to the outputs, [Final] the state after the last
// step. Convolutions do the rest of such a model; these two make it one that can
// be fed in parts.
//
// Steps are taken T = 2^m at a time, with l = j T + t: one product with A^T takes
// the states of the whole batch over a block,
//
//	z_{j+1} = A^T z_j + sum_t A^(T-1-t) b u_{jT+t},  y_{jT+t} = (C A^(t+1)) z_j
//
// The rows C A^(t+1) and the columns A^t b grow by doubling, with the powers
// A^2, A^4, .., A^T by repeated squaring, as in package krylov. Everything is a
// matrix product, and the gradient is the exact adjoint of these products. Time
// for a feature is O(N^3 log T + N^2 (B L/T + T) + N B L) for a batch of B, with T
// such that the terms balance; memory, for each thread, O(N^2 log T + N (T +
// B L/T) + B L).
//
// Powers of A are kept as their differences from I. With short steps A is close
// to I, and what a slow mode loses in a step would be lost in rounding.
//
// All of it is in float64, whatever the type of what goes in and out. Results do
// not depend on the number of workers.
package linrec
