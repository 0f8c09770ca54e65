// Package fftconv computes long convolutions by FFT, and their gradients: the
// convolutional mode of a state space model.
//
//	y, err := fftconv.Conv(u, k, d)    // u (B, H, L), kernels k (C, H, Lk), skip d or nil
//
// The output is
//
//	y[b,c,h,l] = sum_{j<=l} k[c,h,l-j] u[b,h,j] + d[c,h] u[b,h,l]
//
// One kernel for every feature h and channel c, the same for the whole batch.
// With [Bidirectional] a second kernel looks the other way. The output has the
// channels before the features, (B, C*H, L), as the layers above want it.
//
// Rows are apart: a row of the output, or of a gradient, is what it would be
// alone, to rounding of its own size, whatever the other rows hold. With
// [WithLengths] nothing behind the length of a row is read.
//
// # How
//
// Convolutions are exact, not periodic: the transform is long enough for
// nothing to wrap around into the L samples that are kept. Any length will do.
// Two rows of the batch go through one complex transform, a zero-padded
// transform costs no arithmetic on the zeros, and bins are never put in order
// (internal/fft says how). Kernels of a few samples are summed directly.
//
// The gradient with respect to u is the correlation of the output's gradient
// with k. That with respect to k is a sum over the batch, which is taken in
// the spectrum: one inverse transform for each kernel, however large B.
// Spectra of u are computed again rather than stored: memory does not grow with
// B. d is a sample of k at lag zero, and so is its gradient.
//
// Features are spread over the worker pool; where they are few, pieces of their
// batch are. Every result is written by the one worker that has its task, and
// sums over pieces are taken in order, so results are the same to the last bit
// on any number of workers.
//
// Shapes: B batch, H features, C channels, L length of u and y, Lk length of the
// kernels. All arrays are row-major.
//
// Source: Gu, Goel, Ré, "Efficiently Modeling Long Sequences with Structured
// State Spaces" (S4, arXiv 2111.00396), section 2.4 (the convolution) and 2.1
// (d as a skip connection).
package fftconv
