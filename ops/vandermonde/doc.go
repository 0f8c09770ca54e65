// Package vandermonde computes the convolution kernels of diagonal state space
// models: S4D and DSS.
//
//	k, err := vandermonde.Kernel(vandermonde.Config{L: l}, params)    // (CH, H, L)
//	y, err := fftconv.Conv(u, k, d)                                   // (B, CH*H, L)
//	step, err := vandermonde.NewStep(cfg, size, values)               // the same step by step, without a graph
//
// Whoever wants a layer takes layers.S4D or layers.DSS.
//
// A diagonal model with poles Ab_n and weights W_n has the kernel
//
//	K[l] = Re sum_n W_n Ab_n^l,  l = 0..L-1
//
// a product with the Vandermonde matrix Ab_n^l. That N x L matrix is never
// formed. With l = j T + t, T about sqrt(L), Ab^l = Ab^(jT) Ab^t, and the
// kernel is the real matrix product
//
//	K [J x T] = (W Ab^(jT)) [J x 2N] (Ab^t) [2N x T]
//
// and its gradient, which consists of sum_l g_l Ab_n^l and
// sum_l l g_l Ab_n^(l-1), is the transposed product [J x T] [T x 4N] followed
// by a Horner sum over j. Time is O(N L) in matrix products, memory O(N
// sqrt(L) + L) for each thread.
//
// Precision: parameters are transformed and discretised in float64 and all
// powers are formed in float64, side by side in vector registers, and rounded
// once. A float32 kernel is then within about 1.5e-7 of the exact one (relative Euclidean norm) at
// every length; a float32 recurrence or a float32 phase times l is not.
//
// [Kernel] and [DSSKernel] are the Gorgonia ops; [Step] is the recurrence whose
// impulse response the kernel is, [Discretize] and [DiscretizeDSS] what it is made
// of. For sequences that go on from a state, [StateOutput] and [FinalState],
// [DSSStateOutput] and [DSSFinalState] are what the state adds to the output, and
// the state after the sequence, by the same products.
//
// Shapes: CH channels (kernels of one feature), H features, N stored states,
// S state matrices shared by the features (n_ssm), L length. Complex arrays
// have a trailing axis of 2: real and imaginary part.
//
// Sources: Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization of
// Diagonal State Space Models" (S4D, arXiv 2206.11893), sections 3 and 4;
// Gupta, Gu, Berant, "Diagonal State Spaces are as Effective as Structured
// State Spaces" (DSS, arXiv 2203.14343), section 3.
package vandermonde
